// SPDX-License-Identifier: GPL-2.0
//! Bytes that are different everywhere, and a comparison that says where.

use crate::fail;
use crate::stop::Try;

/// `len` bytes from a seed.
pub fn bytes(seed: u64, len: usize) -> Vec<u8> {
    let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut out = Vec::with_capacity(len + 8);
    while out.len() < len {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        out.extend_from_slice(&x.to_le_bytes());
    }
    out.truncate(len);
    out
}

/// Both must be equal.
pub fn same(what: &str, got: &[u8], want: &[u8]) -> Try<()> {
    if got.len() != want.len() {
        fail!("{what}: {} bytes, should be {}", got.len(), want.len());
    }
    if let Some(at) = (0..got.len()).find(|&i| got[i] != want[i]) {
        let n = got.iter().zip(want).filter(|(a, b)| a != b).count();
        fail!(
            "{what}: {n} of {} bytes differ, the first at {at}",
            got.len()
        );
    }
    Ok(())
}
