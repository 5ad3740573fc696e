// SPDX-License-Identifier: GPL-2.0

//! What has to come out: the rules of MS-SMBD written down a second time. Nothing of the core is
//! used here but the types of its results. Numbers are `u64` or wider, where none of the sums can
//! overflow, and no order of fields or bounds is shared with the core.

pub mod credits;
pub mod data;
pub mod negotiate;
pub mod reassembly;

/// The little-endian number in `n` bytes at `at`. The caller checked the length.
#[must_use]
pub fn field(bytes: &[u8], at: usize, n: usize) -> u64 {
    (0..n).map(|i| u64::from(bytes[at + i]) << (8 * i)).sum()
}

/// The first `n` bytes with zeros at `at..at + 2`, where a reserved field is.
#[must_use]
pub fn without_reserved(bytes: &[u8], n: usize, at: usize) -> Vec<u8> {
    let mut out = bytes[..n].to_vec();
    out[at..at + 2].fill(0);
    out
}
