// SPDX-License-Identifier: GPL-2.0

//! Data messages by themselves (2.2.3, and the checks of 3.1.5.8 in their order).

use super::field;
use smbdirect_core::ProtocolError;

/// The fields, as wide as any sum of them needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Data {
    /// Offset 0.
    pub credits_requested: u64,
    /// Offset 2.
    pub credits_granted: u64,
    /// Offset 4.
    pub flags: u64,
    /// Offset 8.
    pub remaining: u64,
    /// Offset 12.
    pub offset: u64,
    /// Offset 16.
    pub length: u64,
}

/// Which rule a message breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// At least 20 bytes.
    Length,
    /// CreditsRequested is at least 1.
    Credits,
    /// DataOffset is a multiple of 8.
    Alignment,
    /// The payload ends within the message.
    Beyond,
    /// The upper-layer message is not longer than MaxFragmentedRecvSize.
    Fragmented,
    /// The message is not longer than MaxReceiveSize (3.1.1.1).
    TooLong,
    /// The padding has no negative length (2.2.3).
    Inside,
}

/// Reads the fields; `None` below 20 bytes.
#[must_use]
pub fn fields(pdu: &[u8]) -> Option<Data> {
    (pdu.len() >= 20).then(|| Data {
        credits_requested: field(pdu, 0, 2),
        credits_granted: field(pdu, 2, 2),
        flags: field(pdu, 4, 2),
        remaining: field(pdu, 8, 4),
        offset: field(pdu, 12, 4),
        length: field(pdu, 16, 4),
    })
}

/// The first rule in the order of the text that the message breaks.
pub fn judge(pdu: &[u8], max_recv: u32, max_fragmented: u32) -> Result<Data, Broken> {
    let received = pdu.len() as u64;
    let d = fields(pdu).ok_or(Broken::Length)?;
    let rules = [
        (d.credits_requested >= 1, Broken::Credits),
        (d.offset % 8 == 0, Broken::Alignment),
        (d.offset + d.length <= received, Broken::Beyond),
        (
            d.length + d.remaining <= u64::from(max_fragmented),
            Broken::Fragmented,
        ),
        (received <= u64::from(max_recv), Broken::TooLong),
        (d.length == 0 || d.offset >= 24, Broken::Inside),
    ];
    match rules.iter().find(|rule| !rule.0) {
        Some((_, broken)) => Err(*broken),
        None => Ok(d),
    }
}

/// The error of the core has to be that of the rule, with the numbers of this message.
#[must_use]
pub fn error(broken: Broken, pdu: &[u8], max_recv: u32, max_fragmented: u32) -> ProtocolError {
    let received = pdu.len() as u32;
    let at = |n: usize| field(pdu, n, 4) as u32;
    match broken {
        Broken::Length => ProtocolError::DataTooShort { len: received },
        Broken::Credits => ProtocolError::DataCreditsZero,
        Broken::Alignment => ProtocolError::DataOffsetUnaligned { offset: at(12) },
        Broken::Beyond => ProtocolError::DataBeyondMessage {
            offset: at(12),
            data_length: at(16),
            received,
        },
        Broken::Fragmented => ProtocolError::FragmentedSize {
            data_length: at(16),
            remaining: at(8),
            max: max_fragmented,
        },
        Broken::TooLong => ProtocolError::MessageTooLong {
            received,
            max: max_recv,
        },
        Broken::Inside => ProtocolError::DataInsideHeader { offset: at(12) },
    }
}
