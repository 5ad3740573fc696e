// SPDX-License-Identifier: GPL-2.0

//! The plan of an RDMA read or write over the buffer descriptors of a peer (3.1.4.5, 3.1.4.6).
//!
//! The array is input from the peer and is only read. Everything is checked before the first
//! slice comes out, so a transfer that cannot be complete is never begun.

use crate::wire::descriptor::{Descriptor, DESCRIPTOR_LEN};
use core::fmt;

/// Most descriptors in one array: MS-SMB2 gives its length in bytes as a 16-bit number.
pub const MAX_DESCRIPTORS: usize = 4095;

/// Why there is no plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SliceError {
    /// Nothing to transfer.
    EmptyTransfer,
    /// The largest slice is to have no byte.
    EmptySlice,
    /// The array is not a whole number of descriptors.
    PartialDescriptor {
        /// Its length in bytes.
        bytes: usize,
    },
    /// The array has too many descriptors.
    TooMany {
        /// Their number.
        count: usize,
    },
    /// The descriptors name less memory than the transfer needs.
    TooShort {
        /// Bytes that they name.
        described: u64,
        /// Bytes to transfer.
        needed: u32,
    },
    /// A descriptor goes beyond the end of the address space.
    Wraps {
        /// Its address.
        offset: u64,
        /// Its length.
        length: u32,
    },
}

impl fmt::Display for SliceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::EmptyTransfer => f.write_str("RDMA transfer of 0 bytes"),
            Self::EmptySlice => f.write_str("RDMA transfer in slices of 0 bytes"),
            Self::PartialDescriptor { bytes } => {
                write!(
                    f,
                    "buffer descriptors of {bytes} bytes, not a multiple of 16"
                )
            }
            Self::TooMany { count } => {
                write!(
                    f,
                    "{count} buffer descriptors, at most {MAX_DESCRIPTORS} allowed"
                )
            }
            Self::TooShort { described, needed } => {
                write!(
                    f,
                    "buffer descriptors of {described} bytes for a transfer of {needed}"
                )
            }
            Self::Wraps { offset, length } => {
                write!(
                    f,
                    "buffer descriptor at {offset:#x} of {length} bytes wraps around"
                )
            }
        }
    }
}

/// One RDMA operation: `len` bytes between `local` in the buffer and `remote` at the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    /// Offset in the local buffer.
    pub local: u32,
    /// Address at the peer.
    pub remote: u64,
    /// Key for that address.
    pub rkey: u32,
    /// Bytes, at least 1.
    pub len: u32,
}

/// The slices of a transfer in order, without gaps in the local buffer.
#[derive(Clone, Debug)]
pub struct Slices<'a> {
    rest: &'a [u8],
    /// What is left of the descriptor in use.
    current: Descriptor,
    local: u32,
    left: u32,
    max_slice: u32,
}

impl<'a> Slices<'a> {
    /// Checks the array for a transfer of `len` bytes in slices of at most `max_slice`.
    ///
    /// Descriptors without bytes are passed over. Those behind the one that completes the transfer
    /// are not looked at: they may total more than is transferred.
    pub fn new(desc: &'a [u8], len: u32, max_slice: u32) -> Result<Self, SliceError> {
        if len == 0 {
            return Err(SliceError::EmptyTransfer);
        }
        if max_slice == 0 {
            return Err(SliceError::EmptySlice);
        }
        if desc.len() % DESCRIPTOR_LEN != 0 {
            return Err(SliceError::PartialDescriptor { bytes: desc.len() });
        }
        let count = desc.len() / DESCRIPTOR_LEN;
        if count > MAX_DESCRIPTORS {
            return Err(SliceError::TooMany { count });
        }
        let mut described: u64 = 0;
        let mut rest = desc;
        while described < u64::from(len) {
            let Some((d, tail)) = Descriptor::split_first(rest) else {
                return Err(SliceError::TooShort {
                    described,
                    needed: len,
                });
            };
            rest = tail;
            if let Some(last) = d.length.checked_sub(1) {
                if d.offset.checked_add(u64::from(last)).is_none() {
                    return Err(SliceError::Wraps {
                        offset: d.offset,
                        length: d.length,
                    });
                }
            }
            described = described.saturating_add(u64::from(d.length));
        }
        Ok(Self {
            rest: desc,
            current: Descriptor::default(),
            local: 0,
            left: len,
            max_slice,
        })
    }

    /// Bytes for which no slice came out yet.
    #[must_use]
    pub const fn left(&self) -> u32 {
        self.left
    }
}

impl Iterator for Slices<'_> {
    type Item = Slice;

    fn next(&mut self) -> Option<Slice> {
        if self.left == 0 {
            return None;
        }
        while self.current.length == 0 {
            (self.current, self.rest) = Descriptor::split_first(self.rest)?;
        }
        let len = self.current.length.min(self.left).min(self.max_slice);
        let slice = Slice {
            local: self.local,
            remote: self.current.offset,
            rkey: self.current.token,
            len,
        };
        // The end of the last byte of the address space wraps to 0 here, with no byte left.
        self.current.offset = self.current.offset.wrapping_add(u64::from(len));
        self.current.length = self.current.length.saturating_sub(len);
        self.local = self.local.saturating_add(len);
        self.left = self.left.saturating_sub(len);
        Some(slice)
    }
}
