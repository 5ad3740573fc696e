// SPDX-License-Identifier: GPL-2.0

//! The bytes of the protocol (2.2): everything is little-endian, reserved fields are sent as
//! zero and ignored on receipt, and no length but the ones in the fields is trusted.

pub mod data;
pub mod descriptor;
pub mod negotiate;

/// Takes little-endian integers from the front of a slice.
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    #[inline]
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    #[inline]
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    #[inline]
    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_le_bytes)
    }

    #[inline]
    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    #[inline]
    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }
}

/// Puts little-endian integers at the front of a buffer. Bytes that do not fit are dropped; every
/// user writes a whole array of the right size, which the byte-exact tests check.
pub(crate) struct Writer<'a>(&'a mut [u8]);

impl<'a> Writer<'a> {
    #[inline]
    pub(crate) fn new(bytes: &'a mut [u8]) -> Self {
        Self(bytes)
    }

    #[inline]
    fn put<const N: usize>(self, value: [u8; N]) -> Self {
        match self.0.split_first_chunk_mut::<N>() {
            Some((head, rest)) => {
                *head = value;
                Self(rest)
            }
            None => Self(&mut []),
        }
    }

    #[inline]
    pub(crate) fn u16(self, value: u16) -> Self {
        self.put(value.to_le_bytes())
    }

    #[inline]
    pub(crate) fn u32(self, value: u32) -> Self {
        self.put(value.to_le_bytes())
    }

    #[inline]
    pub(crate) fn u64(self, value: u64) -> Self {
        self.put(value.to_le_bytes())
    }
}

/// The length of a received message as the protocol counts it.
#[inline]
pub(crate) fn message_len(pdu: &[u8]) -> u32 {
    u32::try_from(pdu.len()).unwrap_or(u32::MAX)
}
