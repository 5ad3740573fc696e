// SPDX-License-Identifier: GPL-2.0

//! Messages with chosen fields, right or wrong, and connections that are past the negotiation.

use smbdirect_core::wire::data::Header;
use smbdirect_core::wire::negotiate::{Request, Response, VERSION};
use smbdirect_core::{
    client_negotiate, server_negotiate, Link, LocalParams, Millis, Negotiated, ServerOutcome,
};

/// A good request with the four values `c/p/r/f`.
pub fn request(credits: u16, preferred: u32, receive: u32, fragmented: u32) -> Request {
    Request {
        min_version: VERSION,
        max_version: VERSION,
        credits_requested: credits,
        preferred_send_size: preferred,
        max_receive_size: receive,
        max_fragmented_size: fragmented,
    }
}

/// The answer of an ordinary server.
pub fn response() -> Response {
    Response {
        min_version: VERSION,
        max_version: VERSION,
        negotiated_version: VERSION,
        credits_requested: 255,
        credits_granted: 255,
        status: 0,
        max_read_write_size: 1 << 20,
        preferred_send_size: 1364,
        max_receive_size: 1364,
        max_fragmented_size: 173_910,
    }
}

/// What a server makes of a request that it has to accept.
pub fn accepted(local: &LocalParams, req: &Request) -> Negotiated {
    match server_negotiate(local, &req.emit()) {
        Ok(ServerOutcome::Accept(neg)) => neg,
        other => panic!("{req:?} was not accepted: {other:?}"),
    }
}

/// What a client makes of a response that it has to accept.
pub fn connected(local: &LocalParams, resp: &Response) -> Negotiated {
    match client_negotiate(local, &resp.emit()) {
        Ok(neg) => neg,
        Err(e) => panic!("{resp:?} was not accepted: {e}"),
    }
}

/// A server's link at time 0 with everything posted and the response sent.
pub fn server_link(local: &LocalParams, req: &Request) -> (Link, Negotiated) {
    let neg = accepted(local, req);
    let mut link = Link::new(&neg, Millis::ZERO);
    link.recv_posted(link.recv_wanted());
    assert_ne!(link.grant_in_response(), 0);
    (link, neg)
}

/// A client's link at time 0 with everything posted and nothing sent.
pub fn client_link(local: &LocalParams, resp: &Response) -> (Link, Negotiated) {
    let neg = connected(local, resp);
    let mut link = Link::new(&neg, Millis::ZERO);
    link.recv_posted(link.recv_wanted());
    (link, neg)
}

/// A data message with these fields followed by as much of `body` as there is: nothing is checked.
pub fn raw(h: &Header, body: &[u8]) -> Vec<u8> {
    let mut pdu = h.emit().to_vec();
    pdu.extend_from_slice(body);
    pdu
}

/// A data message as it should be: asks for 255 credits, grants `granted`.
pub fn data(granted: u16, payload: &[u8], remaining: u32) -> Vec<u8> {
    let h = Header {
        credits_requested: 255,
        credits_granted: granted,
        remaining_data_length: remaining,
        data_offset: 24,
        data_length: payload.len() as u32,
        ..Header::default()
    };
    let mut pdu = h.emit_padded().to_vec();
    pdu.extend_from_slice(payload);
    pdu
}

/// An empty message: asks for 255 credits.
pub fn empty(granted: u16, flags: u16) -> Vec<u8> {
    Header {
        credits_requested: 255,
        credits_granted: granted,
        flags,
        ..Header::default()
    }
    .emit()
    .to_vec()
}

/// The fields of a message that a link made.
pub fn parse(pdu: &[u8]) -> Header {
    Header::parse(pdu).expect("a message of at least 20 bytes")
}
