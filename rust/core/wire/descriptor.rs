// SPDX-License-Identifier: GPL-2.0

//! The buffer descriptor by which a peer names a piece of its memory (2.2.3.1).

use super::{Reader, Writer};

/// Bytes of one descriptor.
pub const DESCRIPTOR_LEN: usize = 16;

/// SMB_DIRECT_BUFFER_DESCRIPTOR_V1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Descriptor {
    /// Remote address of the first byte.
    pub offset: u64,
    /// Remote key. Little-endian on the wire like everything else.
    pub token: u32,
    /// Bytes.
    pub length: u32,
}

impl Descriptor {
    /// Takes a descriptor from the front of an array of them.
    #[inline]
    #[must_use]
    pub fn split_first(array: &[u8]) -> Option<(Self, &[u8])> {
        let (head, rest) = array.split_first_chunk::<DESCRIPTOR_LEN>()?;
        let mut r = Reader::new(head);
        Some((
            Self {
                offset: r.u64()?,
                token: r.u32()?,
                length: r.u32()?,
            },
            rest,
        ))
    }

    /// The bytes to put into a request.
    #[inline]
    #[must_use]
    pub fn emit(&self) -> [u8; DESCRIPTOR_LEN] {
        let mut out = [0; DESCRIPTOR_LEN];
        Writer::new(&mut out)
            .u64(self.offset)
            .u32(self.token)
            .u32(self.length);
        out
    }
}
