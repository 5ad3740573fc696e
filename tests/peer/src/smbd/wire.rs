// SPDX-License-Identifier: GPL-2.0
//! The messages of SMB Direct as bytes (MS-SMBD 2.2).

use binrw::{binrw, BinRead, BinWrite};
use std::io::Cursor;

pub const VERSION: u16 = 0x0100;
/// SMB_DIRECT_RESPONSE_REQUESTED (2.2.3).
pub const RESPONSE_REQUESTED: u16 = 1;
/// Bytes before the payload of a message that has one: the header and padding.
pub const PAYLOAD_AT: u32 = 24;
pub const NOT_SUPPORTED: u32 = 0xC000_00BB;

/// SMBDirect Negotiate Request (2.2.1).
#[binrw]
#[brw(little)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NegotiateRequest {
    pub min_version: u16,
    pub max_version: u16,
    pub reserved: u16,
    pub credits_requested: u16,
    pub preferred_send_size: u32,
    pub max_receive_size: u32,
    pub max_fragmented_size: u32,
}

impl NegotiateRequest {
    /// Version 1.0, with the four numbers in the order of the message.
    pub fn new(credits: u16, send: u32, receive: u32, fragmented: u32) -> Self {
        NegotiateRequest {
            min_version: VERSION,
            max_version: VERSION,
            reserved: 0,
            credits_requested: credits,
            preferred_send_size: send,
            max_receive_size: receive,
            max_fragmented_size: fragmented,
        }
    }

    pub fn versions(mut self, min: u16, max: u16) -> Self {
        (self.min_version, self.max_version) = (min, max);
        self
    }

    /// Read one; None if it is shorter than 20 bytes.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        from_bytes(bytes)
    }

    pub fn bytes(&self) -> Vec<u8> {
        to_bytes(self)
    }
}

/// SMBDirect Negotiate Response (2.2.2).
#[binrw]
#[brw(little)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NegotiateResponse {
    pub min_version: u16,
    pub max_version: u16,
    pub negotiated_version: u16,
    pub reserved: u16,
    pub credits_requested: u16,
    pub credits_granted: u16,
    pub status: u32,
    pub max_read_write_size: u32,
    pub preferred_send_size: u32,
    pub max_receive_size: u32,
    pub max_fragmented_size: u32,
}

impl NegotiateResponse {
    /// Read one; None if it is shorter than 32 bytes.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        from_bytes(bytes)
    }

    pub fn bytes(&self) -> Vec<u8> {
        to_bytes(self)
    }
}

/// The header of an SMBDirect Data Transfer message (2.2.3).
#[binrw]
#[brw(little)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DataHeader {
    pub credits_requested: u16,
    pub credits_granted: u16,
    pub flags: u16,
    pub reserved: u16,
    pub remaining: u32,
    pub offset: u32,
    pub length: u32,
}

impl DataHeader {
    pub const LEN: usize = 20;

    /// An empty message.
    pub fn empty(requested: u16, granted: u16) -> Self {
        DataHeader {
            credits_requested: requested,
            credits_granted: granted,
            ..Self::default()
        }
    }

    /// One with `length` bytes at offset 24.
    pub fn with(requested: u16, granted: u16, length: usize, remaining: usize) -> Self {
        DataHeader {
            offset: PAYLOAD_AT,
            length: length as u32,
            remaining: remaining as u32,
            ..Self::empty(requested, granted)
        }
    }

    pub fn read(bytes: &[u8]) -> Option<Self> {
        from_bytes(bytes)
    }

    /// The header as it is, zeros up to `pad_to`, then the payload.
    pub fn message_padded(&self, pad_to: usize, payload: &[u8]) -> Vec<u8> {
        let mut out = to_bytes(self);
        if out.len() < pad_to {
            out.resize(pad_to, 0);
        }
        out.extend_from_slice(payload);
        out
    }

    /// The message with its payload at `offset`.
    pub fn message(&self, payload: &[u8]) -> Vec<u8> {
        self.message_padded(self.offset as usize, payload)
    }

    pub fn is_empty(&self) -> bool {
        self.length == 0 && self.remaining == 0
    }
}

/// SMB_DIRECT_BUFFER_DESCRIPTOR_V1 (2.2.3.1), little-endian as everything.
#[binrw]
#[brw(little)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptor {
    pub offset: u64,
    pub token: u32,
    pub length: u32,
}

impl Descriptor {
    #[allow(dead_code)] // for tests/fuzz
    pub fn read(bytes: &[u8]) -> Option<Self> {
        from_bytes(bytes)
    }

    /// Those in the channel information of a request; a rest is ignored.
    pub fn list(bytes: &[u8]) -> Vec<Self> {
        bytes.chunks_exact(16).filter_map(from_bytes).collect()
    }
}

/// Descriptors as the channel information of a request.
pub fn descriptors(list: &[Descriptor]) -> Vec<u8> {
    list.iter().flat_map(to_bytes).collect()
}

fn to_bytes<T: for<'a> BinWrite<Args<'a> = ()> + binrw::meta::WriteEndian>(value: &T) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    value
        .write(&mut out)
        .expect("a fixed structure fits a vector");
    out.into_inner()
}

fn from_bytes<T: for<'a> BinRead<Args<'a> = ()> + binrw::meta::ReadEndian>(
    bytes: &[u8],
) -> Option<T> {
    T::read(&mut Cursor::new(bytes)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        text.split_whitespace()
            .map(|x| u8::from_str_radix(x, 16).unwrap())
            .collect()
    }

    #[test]
    fn the_samples_of_the_specification() {
        let request = NegotiateRequest::new(10, 1024, 1024, 131_072);
        let want = "00 01 00 01 00 00 0a 00 00 04 00 00 00 04 00 00 00 00 02 00";
        assert_eq!(request.bytes(), hex(want));
        let response = hex(
            "00 01 00 01 00 01 00 00 0a 00 0a 00 00 00 00 00 00 00 10 00 \
             00 04 00 00 00 04 00 00 00 00 02 00",
        );
        let response = NegotiateResponse::read(&response).unwrap();
        assert_eq!(response.credits_granted, 10);
        assert_eq!(response.max_read_write_size, 1 << 20);
        assert_eq!(response.max_fragmented_size, 131_072);
        let message = DataHeader::with(10, 1, 500, 0).message(&[0; 500]);
        assert_eq!(
            message[..24],
            hex("0a 00 01 00 00 00 00 00 00 00 00 00 18 00 00 00 f4 01 00 00 00 00 00 00")
        );
        assert_eq!(message.len(), 524);
        let token = Descriptor {
            offset: 0xABCD_E012,
            token: 0x1A00_BC56,
            length: 1 << 20,
        };
        assert_eq!(
            descriptors(&[token]),
            hex("12 e0 cd ab 00 00 00 00 56 bc 00 1a 00 00 10 00")
        );
    }

    #[test]
    fn short_messages_are_none() {
        assert_eq!(NegotiateResponse::read(&[0; 31]), None);
        assert_eq!(DataHeader::read(&[0; 19]), None);
        assert!(DataHeader::read(&[0; 20]).is_some());
    }
}
