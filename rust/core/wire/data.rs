// SPDX-License-Identifier: GPL-2.0

//! The data transfer message (2.2.3).

use super::{message_len, Reader, Writer};
use crate::error::ProtocolError;

/// Bytes of the fields; the whole of an empty message (3.1.5.4).
pub const EMPTY_LEN: usize = 20;
/// Bytes before the payload of a message that we send: the fields and four of padding.
pub const HEADER_LEN: usize = 24;
/// [`HEADER_LEN`] as a DataOffset.
pub const PAYLOAD_OFFSET: u32 = 24;
/// Flag SMB_DIRECT_RESPONSE_REQUESTED.
pub const RESPONSE_REQUESTED: u16 = 0x0001;

/// The fields of a data transfer message (2.2.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// All the credits that the sender would like to hold, with those that it has. Never zero.
    pub credits_requested: u16,
    /// Credits that the receiver of the message gets in addition.
    pub credits_granted: u16,
    /// [`RESPONSE_REQUESTED`]; other bits are ignored.
    pub flags: u16,
    /// Upper-layer bytes that follow in later messages.
    pub remaining_data_length: u32,
    /// Where the payload begins, from the start of the message.
    pub data_offset: u32,
    /// Bytes of payload in this message.
    pub data_length: u32,
}

impl Header {
    /// Reads the fields without judging them.
    #[inline]
    #[must_use]
    pub fn parse(pdu: &[u8]) -> Option<Self> {
        let mut r = Reader::new(pdu);
        let credits_requested = r.u16()?;
        let credits_granted = r.u16()?;
        let flags = r.u16()?;
        let _reserved = r.u16()?;
        Some(Self {
            credits_requested,
            credits_granted,
            flags,
            remaining_data_length: r.u32()?,
            data_offset: r.u32()?,
            data_length: r.u32()?,
        })
    }

    /// Reads and checks a received message: every rule of 3.1.5.8 that needs no memory of earlier
    /// messages, in the order of the text. Sums are made in 64 bits.
    #[inline]
    pub fn check(
        pdu: &[u8],
        max_recv_size: u32,
        max_fragmented_recv_size: u32,
    ) -> Result<Self, ProtocolError> {
        let received = message_len(pdu);
        let h = Self::parse(pdu).ok_or(ProtocolError::DataTooShort { len: received })?;
        if h.credits_requested == 0 {
            return Err(ProtocolError::DataCreditsZero);
        }
        if h.data_offset % 8 != 0 {
            return Err(ProtocolError::DataOffsetUnaligned {
                offset: h.data_offset,
            });
        }
        let end = u64::from(h.data_offset).saturating_add(u64::from(h.data_length));
        if end > u64::from(received) {
            return Err(ProtocolError::DataBeyondMessage {
                offset: h.data_offset,
                data_length: h.data_length,
                received,
            });
        }
        let total = u64::from(h.data_length).saturating_add(u64::from(h.remaining_data_length));
        if total > u64::from(max_fragmented_recv_size) {
            return Err(ProtocolError::FragmentedSize {
                data_length: h.data_length,
                remaining: h.remaining_data_length,
                max: max_fragmented_recv_size,
            });
        }
        if received > max_recv_size {
            return Err(ProtocolError::MessageTooLong {
                received,
                max: max_recv_size,
            });
        }
        if h.data_length != 0 && h.data_offset < PAYLOAD_OFFSET {
            return Err(ProtocolError::DataInsideHeader {
                offset: h.data_offset,
            });
        }
        Ok(h)
    }

    /// The bytes of a message without payload.
    #[inline]
    #[must_use]
    pub fn emit(&self) -> [u8; EMPTY_LEN] {
        let mut out = [0; EMPTY_LEN];
        self.write(&mut out);
        out
    }

    /// The bytes in front of a payload, with the padding.
    #[inline]
    #[must_use]
    pub fn emit_padded(&self) -> [u8; HEADER_LEN] {
        let mut out = [0; HEADER_LEN];
        self.write(&mut out);
        out
    }

    #[inline]
    fn write(&self, out: &mut [u8]) {
        Writer::new(out)
            .u16(self.credits_requested)
            .u16(self.credits_granted)
            .u16(self.flags)
            .u16(0)
            .u32(self.remaining_data_length)
            .u32(self.data_offset)
            .u32(self.data_length);
    }
}
