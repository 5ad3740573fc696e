// SPDX-License-Identifier: GPL-2.0

//! The plan of an RDMA transfer (3.1.4.5, 3.1.4.6). Input: length and largest slice (u32 each),
//! how often the array is repeated (u8), the array.

use crate::input::Input;
use crate::oracle::field;
use smbdirect_core::slices::{Slice, SliceError, Slices};

/// More slices than this are not looked at: a transfer of 4 GiB in slices of a byte is legal.
const LOOKED_AT: usize = 3000;

/// Runs it.
pub fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let (len, max_slice) = (input.u32(), input.u32());
    let times = input.u8();
    let mut array = input.rest().to_vec();
    // With a bit set, many copies: 4095 descriptors are the most.
    if times & 0x80 != 0 && !array.is_empty() && array.len() <= 1024 {
        array = array.repeat(usize::from(times & 0x7F) * 64 / (array.len() / 16).max(1));
    }
    match (
        Slices::new(&array, len, max_slice),
        refusal(&array, len, max_slice),
    ) {
        (Ok(slices), None) => walk(slices, &array, len, max_slice),
        (Err(e), Some(expected)) => {
            assert_eq!(e, expected);
            assert!(!e.to_string().is_empty());
        }
        (core, oracle) => panic!("the core says {core:?}, the rules say {oracle:?}"),
    }
}

/// Address, key and length of each descriptor (2.2.3.1).
fn descriptors(array: &[u8]) -> impl Iterator<Item = (u128, u64, u128)> + '_ {
    array.chunks_exact(16).map(|d| {
        (
            field(d, 0, 8).into(),
            field(d, 8, 4),
            field(d, 12, 4).into(),
        )
    })
}

/// Why no transfer of `len` bytes is possible.
fn refusal(array: &[u8], len: u32, max_slice: u32) -> Option<SliceError> {
    if len == 0 {
        return Some(SliceError::EmptyTransfer);
    }
    if max_slice == 0 {
        return Some(SliceError::EmptySlice);
    }
    if array.len() % 16 != 0 {
        return Some(SliceError::PartialDescriptor { bytes: array.len() });
    }
    let count = array.len() / 16;
    if count > 65535 / 16 {
        return Some(SliceError::TooMany { count });
    }
    let mut described: u128 = 0;
    for (offset, _, length) in descriptors(array) {
        if described >= len.into() {
            break;
        }
        if offset + length > 1 << 64 {
            return Some(SliceError::Wraps {
                offset: offset as u64,
                length: length as u32,
            });
        }
        described += length;
    }
    (described < len.into()).then_some(SliceError::TooShort {
        described: described as u64,
        needed: len,
    })
}

/// The slices are exactly the bytes asked for, in order, and no other byte of the peer's.
fn walk(mut slices: Slices<'_>, array: &[u8], len: u32, max_slice: u32) {
    let mut done: u128 = 0;
    let mut seen = 0;
    'all: for (offset, key, length) in descriptors(array) {
        let used = length.min(u128::from(len) - done);
        let mut at: u128 = 0;
        while at < used {
            if seen == LOOKED_AT {
                break 'all;
            }
            let n = (used - at).min(max_slice.into());
            let expected = Slice {
                local: done as u32,
                remote: (offset + at) as u64,
                rkey: key as u32,
                len: n as u32,
            };
            assert_eq!(slices.left(), (u128::from(len) - done) as u32);
            let got = slices.next();
            assert_eq!(got, Some(expected));
            assert!(
                got.is_some_and(|s| u128::from(s.remote) + u128::from(s.len) <= offset + length)
            );
            at += n;
            done += n;
            seen += 1;
        }
    }
    if seen < LOOKED_AT {
        assert_eq!(done, len.into());
        assert_eq!(slices.left(), 0);
        assert_eq!(slices.next(), None);
        assert_eq!(slices.next(), None, "the end is the end");
    }
}
