// SPDX-License-Identifier: GPL-2.0

//! The opening exchange, seen from both sides (3.1.5.2, 3.1.5.3, 3.1.5.6, 3.1.5.7).

use crate::error::ProtocolError;
use crate::params::{
    LocalParams, Negotiated, MAX_FRAGMENTED_SIZE, MAX_PREFERRED_SEND_SIZE, MIN_FRAGMENTED_SIZE,
    MIN_RECEIVE_SIZE,
};
use crate::wire::message_len;
use crate::wire::negotiate::{
    Request, Response, REQUEST_LEN, RESPONSE_LEN, STATUS_NOT_SUPPORTED, STATUS_SUCCESS, VERSION,
};

/// What a server does with a request that is well-formed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerOutcome {
    /// Post receives, answer with [`server_response`], and the connection is established.
    Accept(Negotiated),
    /// Send `response`, then end the connection.
    Reject {
        /// The NTSTATUS inside the response.
        status: u32,
        /// The bytes to send.
        response: [u8; RESPONSE_LEN],
    },
}

/// Judges the first message of a client (3.1.5.6).
///
/// An error means: end the connection without an answer. The checks come in the order of the
/// specification, so a request with a foreign version is answered even if its other fields make
/// no sense. Versions are a range that has to contain ours; the note about servers that want
/// exactly ours does not concern us.
pub fn server_negotiate(local: &LocalParams, pdu: &[u8]) -> Result<ServerOutcome, ProtocolError> {
    let req = Request::parse(pdu).ok_or_else(|| ProtocolError::RequestTooShort {
        len: message_len(pdu),
    })?;
    if !(req.min_version..=req.max_version).contains(&VERSION) {
        return Ok(ServerOutcome::Reject {
            status: STATUS_NOT_SUPPORTED,
            response: server_error_response(STATUS_NOT_SUPPORTED),
        });
    }
    if req.credits_requested == 0 {
        return Err(ProtocolError::RequestCreditsZero);
    }
    if req.max_receive_size < MIN_RECEIVE_SIZE {
        return Err(ProtocolError::RequestReceiveSize {
            size: req.max_receive_size,
        });
    }
    if req.max_fragmented_size < MIN_FRAGMENTED_SIZE {
        return Err(ProtocolError::RequestFragmentedSize {
            size: req.max_fragmented_size,
        });
    }
    let max_recv_size = receive_size(local, req.preferred_send_size);
    Ok(ServerOutcome::Accept(Negotiated {
        max_send_size: local.max_send_size.min(req.max_receive_size),
        max_recv_size,
        max_fragmented_send_size: req.max_fragmented_size,
        max_fragmented_recv_size: server_fragmented_size(local.recv_credit_max, max_recv_size),
        max_read_write_size: local.max_read_write_size,
        recv_credit_target: req.credits_requested.min(local.recv_credit_max),
        recv_credit_max: local.recv_credit_max,
        send_credit_target: local.send_credit_target,
        initial_send_credits: 0,
        keepalive_interval: local.keepalive_interval,
        keepalive_timeout: local.keepalive_timeout,
    }))
}

/// A positive answer (3.1.5.3). `credits_granted` receives are posted already; it is what
/// [`crate::Link::grant_in_response`] returns and never zero.
#[must_use]
pub fn server_response(neg: &Negotiated, credits_granted: u16) -> [u8; RESPONSE_LEN] {
    Response {
        min_version: VERSION,
        max_version: VERSION,
        negotiated_version: VERSION,
        credits_requested: neg.send_credit_target,
        credits_granted,
        status: STATUS_SUCCESS,
        max_read_write_size: neg.max_read_write_size,
        preferred_send_size: neg.max_send_size,
        max_receive_size: neg.max_recv_size,
        max_fragmented_size: neg.max_fragmented_recv_size,
    }
    .emit()
}

/// A negative answer (3.1.5.3).
#[must_use]
pub fn server_error_response(status: u32) -> [u8; RESPONSE_LEN] {
    Response::error(status).emit()
}

/// The first message of a client (3.1.5.2). Both versions are exactly ours, which satisfies
/// servers of either reading of the version rule.
#[must_use]
pub fn client_request(local: &LocalParams) -> [u8; REQUEST_LEN] {
    Request {
        min_version: VERSION,
        max_version: VERSION,
        credits_requested: local.send_credit_target,
        preferred_send_size: local.max_send_size.min(MAX_PREFERRED_SEND_SIZE),
        max_receive_size: local.max_recv_size,
        max_fragmented_size: local.max_fragmented_recv_size,
    }
    .emit()
}

/// Judges the answer of a server (3.1.5.7). The status comes first because an error response has
/// zeros elsewhere and would otherwise be reported as a foreign version.
pub fn client_negotiate(local: &LocalParams, pdu: &[u8]) -> Result<Negotiated, ProtocolError> {
    let resp = Response::parse(pdu).ok_or_else(|| ProtocolError::ResponseTooShort {
        len: message_len(pdu),
    })?;
    if resp.status != STATUS_SUCCESS {
        return Err(ProtocolError::Refused {
            status: resp.status,
        });
    }
    if resp.negotiated_version != VERSION {
        return Err(ProtocolError::ResponseVersion {
            version: resp.negotiated_version,
        });
    }
    if resp.max_receive_size < MIN_RECEIVE_SIZE {
        return Err(ProtocolError::ResponseReceiveSize {
            size: resp.max_receive_size,
        });
    }
    if resp.max_fragmented_size < MIN_FRAGMENTED_SIZE {
        return Err(ProtocolError::ResponseFragmentedSize {
            size: resp.max_fragmented_size,
        });
    }
    if resp.credits_granted == 0 {
        return Err(ProtocolError::ResponseGrantZero);
    }
    if resp.credits_requested == 0 {
        return Err(ProtocolError::ResponseCreditsZero);
    }
    if resp.preferred_send_size > local.max_recv_size {
        return Err(ProtocolError::ResponseSendSize {
            size: resp.preferred_send_size,
            max: local.max_recv_size,
        });
    }
    Ok(Negotiated {
        max_send_size: local.max_send_size.min(resp.max_receive_size),
        max_recv_size: receive_size(local, resp.preferred_send_size),
        max_fragmented_send_size: resp.max_fragmented_size,
        max_fragmented_recv_size: local.max_fragmented_recv_size,
        max_read_write_size: local.max_read_write_size.min(resp.max_read_write_size),
        recv_credit_target: resp.credits_requested.min(local.recv_credit_max),
        recv_credit_max: local.recv_credit_max,
        send_credit_target: local.send_credit_target,
        initial_send_credits: resp.credits_granted,
        keepalive_interval: local.keepalive_interval,
        keepalive_timeout: local.keepalive_timeout,
    })
}

/// Our MaxReceiveSize for a peer that would like to send messages of `preferred` bytes: never
/// more than we have, never below 128 even if the peer asks for less, down to zero.
fn receive_size(local: &LocalParams, preferred: u32) -> u32 {
    local.max_recv_size.min(preferred).max(MIN_RECEIVE_SIZE)
}

/// The MaxFragmentedSize of a server: half of what all receive buffers hold, so that a message
/// in flight never needs more credits than there are, but never below the legal minimum however
/// small the messages are, and never above what the users can be told (see
/// [`MAX_FRAGMENTED_SIZE`]).
fn server_fragmented_size(recv_credit_max: u16, max_recv_size: u32) -> u32 {
    u32::from(recv_credit_max)
        .saturating_mul(max_recv_size)
        .checked_div(2)
        .unwrap_or(MIN_FRAGMENTED_SIZE)
        .clamp(MIN_FRAGMENTED_SIZE, MAX_FRAGMENTED_SIZE)
}
