// SPDX-License-Identifier: GPL-2.0

//! The opening exchange (2.2.1, 2.2.2, and the checks and formulas of 3.1.5.6 and 3.1.5.7).

use super::field;
use smbdirect_core::{LocalParams, Negotiated, ParamError, ProtocolError};

/// What was agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// MaxSendSize.
    pub send: u64,
    /// MaxReceiveSize.
    pub recv: u64,
    /// MaxFragmentedSendSize.
    pub fragmented_send: u64,
    /// MaxFragmentedRecvSize.
    pub fragmented_recv: u64,
    /// MaxReadWriteSize.
    pub read_write: u64,
    /// ReceiveCreditTarget.
    pub recv_target: u64,
    /// ReceiveCreditMax.
    pub recv_max: u64,
    /// SendCreditTarget.
    pub send_target: u64,
    /// SendCredits.
    pub send_credits: u64,
}

impl Agreed {
    /// The same numbers, as the core has them.
    #[must_use]
    pub fn of(neg: &Negotiated) -> Self {
        Self {
            send: neg.max_send_size().into(),
            recv: neg.max_recv_size().into(),
            fragmented_send: neg.max_fragmented_send_size().into(),
            fragmented_recv: neg.max_fragmented_recv_size().into(),
            read_write: neg.max_read_write_size().into(),
            recv_target: neg.recv_credit_target().into(),
            recv_max: neg.recv_credit_max().into(),
            send_target: neg.send_credit_target().into(),
            send_credits: neg.initial_send_credits().into(),
        }
    }
}

/// What a server does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// Nothing is wrong.
    Accept(Agreed),
    /// No common version: an error response (3.1.5.6).
    Unsupported,
    /// End the connection.
    Terminate(ProtocolError),
}

/// The first parameter with which no connection can work. The bounds are those of the protocol
/// (128, 131072), of buffers (16 bits), and of what the users of the transport can express (24 bits).
#[must_use]
pub fn bad_params(p: &LocalParams) -> Option<ParamError> {
    let credits = u64::from(p.recv_credit_max);
    let fragmented = u64::from(p.max_fragmented_recv_size);
    let rules = [
        (
            (1..=65534).contains(&credits),
            ParamError::RecvCreditMax(p.recv_credit_max),
        ),
        (p.send_credit_target >= 1, ParamError::SendCreditTarget),
        (
            (128..1 << 16).contains(&p.max_send_size),
            ParamError::MaxSendSize(p.max_send_size),
        ),
        (
            (128..1 << 16).contains(&p.max_recv_size),
            ParamError::MaxRecvSize(p.max_recv_size),
        ),
        (
            (131_072..1 << 24).contains(&fragmented),
            ParamError::MaxFragmentedRecvSize(p.max_fragmented_recv_size),
        ),
        (p.keepalive_interval.0 >= 1, ParamError::KeepaliveInterval),
        (p.keepalive_timeout.0 >= 1, ParamError::KeepaliveTimeout),
    ];
    rules.iter().find(|rule| !rule.0).map(|rule| rule.1)
}

/// 3.1.5.6, in the order of the text.
#[must_use]
pub fn server(p: &LocalParams, pdu: &[u8]) -> Judgement {
    if pdu.len() < 20 {
        let len = pdu.len() as u32;
        return Judgement::Terminate(ProtocolError::RequestTooShort { len });
    }
    let (min, max) = (field(pdu, 0, 2), field(pdu, 2, 2));
    let (credits, preferred) = (field(pdu, 6, 2), field(pdu, 8, 4));
    let (receive, fragmented) = (field(pdu, 12, 4), field(pdu, 16, 4));
    if min > 0x0100 || max < 0x0100 {
        return Judgement::Unsupported;
    }
    if credits < 1 {
        return Judgement::Terminate(ProtocolError::RequestCreditsZero);
    }
    if receive < 128 {
        let size = receive as u32;
        return Judgement::Terminate(ProtocolError::RequestReceiveSize { size });
    }
    if fragmented < 131_072 {
        let size = fragmented as u32;
        return Judgement::Terminate(ProtocolError::RequestFragmentedSize { size });
    }
    let recv = u64::from(p.max_recv_size).min(preferred).max(128);
    let recv_max = u64::from(p.recv_credit_max);
    // Ours, not of the text: half of what all receives hold, within the legal and the sayable.
    let fragmented_recv = (recv_max * recv / 2).clamp(131_072, (1 << 24) - 1);
    Judgement::Accept(Agreed {
        send: u64::from(p.max_send_size).min(receive),
        recv,
        fragmented_send: fragmented,
        fragmented_recv,
        read_write: p.max_read_write_size.into(),
        recv_target: credits.min(recv_max),
        recv_max,
        send_target: p.send_credit_target.into(),
        send_credits: 0,
    })
}

/// 3.1.5.7. The text has no order; the core looks at the status first.
pub fn client(p: &LocalParams, pdu: &[u8]) -> Result<Agreed, ProtocolError> {
    if pdu.len() < 32 {
        let len = pdu.len() as u32;
        return Err(ProtocolError::ResponseTooShort { len });
    }
    let (version, status) = (field(pdu, 4, 2), field(pdu, 12, 4));
    let (requested, granted) = (field(pdu, 8, 2), field(pdu, 10, 2));
    let (read_write, preferred) = (field(pdu, 16, 4), field(pdu, 20, 4));
    let (receive, fragmented) = (field(pdu, 24, 4), field(pdu, 28, 4));
    let rules = [
        (
            status == 0,
            ProtocolError::Refused {
                status: status as u32,
            },
        ),
        (
            version == 0x0100,
            ProtocolError::ResponseVersion {
                version: version as u16,
            },
        ),
        (
            receive >= 128,
            ProtocolError::ResponseReceiveSize {
                size: receive as u32,
            },
        ),
        (
            fragmented >= 131_072,
            ProtocolError::ResponseFragmentedSize {
                size: fragmented as u32,
            },
        ),
        (granted > 0, ProtocolError::ResponseGrantZero),
        (requested > 0, ProtocolError::ResponseCreditsZero),
        (
            preferred <= u64::from(p.max_recv_size),
            ProtocolError::ResponseSendSize {
                size: preferred as u32,
                max: p.max_recv_size,
            },
        ),
    ];
    if let Some(rule) = rules.iter().find(|rule| !rule.0) {
        return Err(rule.1);
    }
    Ok(Agreed {
        send: u64::from(p.max_send_size).min(receive),
        recv: u64::from(p.max_recv_size).min(preferred).max(128),
        fragmented_send: fragmented,
        fragmented_recv: p.max_fragmented_recv_size.into(),
        read_write: u64::from(p.max_read_write_size).min(read_write),
        recv_target: requested.min(p.recv_credit_max.into()),
        recv_max: p.recv_credit_max.into(),
        send_target: p.send_credit_target.into(),
        send_credits: granted,
    })
}

/// Little-endian bytes of numbers given with their widths.
fn message(fields: &[(usize, u64)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (width, value) in fields {
        out.extend_from_slice(&value.to_le_bytes()[..*width]);
    }
    out
}

/// The request of a client (3.1.5.2). The size is at most 8136 because of note 6.
#[must_use]
pub fn request_bytes(p: &LocalParams) -> Vec<u8> {
    message(&[
        (2, 0x0100),
        (2, 0x0100),
        (2, 0),
        (2, p.send_credit_target.into()),
        (4, u64::from(p.max_send_size).min(8136)),
        (4, p.max_recv_size.into()),
        (4, p.max_fragmented_recv_size.into()),
    ])
}

/// The positive answer of a server (3.1.5.3).
#[must_use]
pub fn response_bytes(a: &Agreed, granted: u16) -> Vec<u8> {
    message(&[
        (2, 0x0100),
        (2, 0x0100),
        (2, 0x0100),
        (2, 0),
        (2, a.send_target),
        (2, granted.into()),
        (4, 0),
        (4, a.read_write),
        (4, a.send),
        (4, a.recv),
        (4, a.fragmented_recv),
    ])
}

/// An error response: all zero but our versions and the status (3.1.5.3).
#[must_use]
pub fn error_bytes(status: u32) -> Vec<u8> {
    let mut out = message(&[(2, 0x0100), (2, 0x0100), (8, 0), (4, status.into())]);
    out.resize(32, 0);
    out
}
