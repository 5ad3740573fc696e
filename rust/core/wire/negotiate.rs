// SPDX-License-Identifier: GPL-2.0

//! Negotiate request and response (2.2.1, 2.2.2).

use super::{Reader, Writer};

/// The only version of the protocol (1.7).
pub const VERSION: u16 = 0x0100;
/// Bytes of a negotiate request (2.2.1).
pub const REQUEST_LEN: usize = 20;
/// Bytes of a negotiate response (2.2.2).
pub const RESPONSE_LEN: usize = 32;

/// All is well.
pub const STATUS_SUCCESS: u32 = 0;
/// No common version (3.1.5.6).
pub const STATUS_NOT_SUPPORTED: u32 = 0xC000_00BB;
/// No receive could be posted (3.1.5.6 leaves the choice of the status free).
pub const STATUS_INSUFFICIENT_RESOURCES: u32 = 0xC000_009A;

/// The fields of a negotiate request (2.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Lowest version that the client speaks.
    pub min_version: u16,
    /// Highest version that the client speaks.
    pub max_version: u16,
    /// Credits that the client would like to hold.
    pub credits_requested: u16,
    /// Size of the messages that the client would like to send.
    pub preferred_send_size: u32,
    /// Size of the largest message that the client can receive.
    pub max_receive_size: u32,
    /// Size of the largest upper-layer message that the client can receive.
    pub max_fragmented_size: u32,
}

impl Request {
    /// Reads the first 20 bytes; more may follow and are ignored (3.1.5.6).
    #[must_use]
    pub fn parse(pdu: &[u8]) -> Option<Self> {
        let mut r = Reader::new(pdu);
        let min_version = r.u16()?;
        let max_version = r.u16()?;
        let _reserved = r.u16()?;
        Some(Self {
            min_version,
            max_version,
            credits_requested: r.u16()?,
            preferred_send_size: r.u32()?,
            max_receive_size: r.u32()?,
            max_fragmented_size: r.u32()?,
        })
    }

    /// The bytes to send.
    #[must_use]
    pub fn emit(&self) -> [u8; REQUEST_LEN] {
        let mut out = [0; REQUEST_LEN];
        Writer::new(&mut out)
            .u16(self.min_version)
            .u16(self.max_version)
            .u16(0)
            .u16(self.credits_requested)
            .u32(self.preferred_send_size)
            .u32(self.max_receive_size)
            .u32(self.max_fragmented_size);
        out
    }
}

/// The fields of a negotiate response (2.2.2). CreditsRequested is at another offset than in the
/// request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Response {
    /// Lowest version that the server speaks.
    pub min_version: u16,
    /// Highest version that the server speaks.
    pub max_version: u16,
    /// The version selected; zero in an error response.
    pub negotiated_version: u16,
    /// Credits that the server would like to hold.
    pub credits_requested: u16,
    /// Credits that the client gets now.
    pub credits_granted: u16,
    /// NTSTATUS; zero for success.
    pub status: u32,
    /// Largest RDMA transfer that the server does for one request.
    pub max_read_write_size: u32,
    /// Size of the messages that the server would like to send.
    pub preferred_send_size: u32,
    /// Size of the largest message that the server can receive.
    pub max_receive_size: u32,
    /// Size of the largest upper-layer message that the server can receive.
    pub max_fragmented_size: u32,
}

impl Response {
    /// An error response: everything but our versions and the status is zero (3.1.5.3).
    #[must_use]
    pub const fn error(status: u32) -> Self {
        Self {
            min_version: VERSION,
            max_version: VERSION,
            negotiated_version: 0,
            credits_requested: 0,
            credits_granted: 0,
            status,
            max_read_write_size: 0,
            preferred_send_size: 0,
            max_receive_size: 0,
            max_fragmented_size: 0,
        }
    }

    /// Reads the first 32 bytes; more may follow and are ignored (3.1.5.7).
    #[must_use]
    pub fn parse(pdu: &[u8]) -> Option<Self> {
        let mut r = Reader::new(pdu);
        let min_version = r.u16()?;
        let max_version = r.u16()?;
        let negotiated_version = r.u16()?;
        let _reserved = r.u16()?;
        Some(Self {
            min_version,
            max_version,
            negotiated_version,
            credits_requested: r.u16()?,
            credits_granted: r.u16()?,
            status: r.u32()?,
            max_read_write_size: r.u32()?,
            preferred_send_size: r.u32()?,
            max_receive_size: r.u32()?,
            max_fragmented_size: r.u32()?,
        })
    }

    /// The bytes to send.
    #[must_use]
    pub fn emit(&self) -> [u8; RESPONSE_LEN] {
        let mut out = [0; RESPONSE_LEN];
        Writer::new(&mut out)
            .u16(self.min_version)
            .u16(self.max_version)
            .u16(self.negotiated_version)
            .u16(0)
            .u16(self.credits_requested)
            .u16(self.credits_granted)
            .u32(self.status)
            .u32(self.max_read_write_size)
            .u32(self.preferred_send_size)
            .u32(self.max_receive_size)
            .u32(self.max_fragmented_size);
        out
    }
}
