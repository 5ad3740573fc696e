// SPDX-License-Identifier: GPL-2.0

//! The core against the SMB Direct layer of `tests/peer`, which shares no code with it: what one
//! writes the other reads, and both take and refuse the same bytes. Input: kind (u8), then by kind.
//!
//! Where they differ on purpose:
//!
//! * Reserved fields: the core ignores them and sends zeros, the peer shows them to its cases.
//! * [`request`]: the peer's model counts the room of the receive, 512 bytes. The core is never given
//!   more than a receive has.
//! * [`response`]: the peer judges servers as the test suites do, [`stricter`] has the list. It takes
//!   nothing that the core refuses.

use crate::input::Input;
use smbd_peer_layer::model::{self, Fate, Stream};
use smbd_peer_layer::smbd::wire as peer;
use smbd_peer_layer::smbd::{Link, Offer};
use smbd_peer_layer::transcript::Transcript;
use smbd_peer_layer::verbs::{connect_to, Other, Port};
use smbdirect_core::reassembly::Reassembly;
use smbdirect_core::wire::data::Header;
use smbdirect_core::wire::descriptor::Descriptor;
use smbdirect_core::wire::negotiate::{Request, Response};
use smbdirect_core::{client_negotiate, server_negotiate, server_response, ServerOutcome};
use smbdirect_host_tests::DEFAULTS;

/// Runs it.
pub fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    match input.u8() % 5 {
        0 => request(input.rest()),
        1 => response(input.rest()),
        2 => {
            let (max_recv, max_fragmented) = (input.u32(), input.u32());
            message(input.rest(), max_recv, max_fragmented);
        }
        3 => descriptors(input.rest()),
        _ => stream(&mut input),
    }
}

fn peer_request(r: &Request) -> peer::NegotiateRequest {
    peer::NegotiateRequest {
        min_version: r.min_version,
        max_version: r.max_version,
        reserved: 0,
        credits_requested: r.credits_requested,
        preferred_send_size: r.preferred_send_size,
        max_receive_size: r.max_receive_size,
        max_fragmented_size: r.max_fragmented_size,
    }
}

fn request(pdu: &[u8]) {
    let core = Request::parse(pdu).map(|r| peer_request(&r));
    let read =
        peer::NegotiateRequest::read(pdu).map(|r| peer::NegotiateRequest { reserved: 0, ..r });
    assert_eq!(core, read);
    if let (Some(theirs), Some(ours)) = (read, Request::parse(pdu)) {
        assert_eq!(theirs.bytes(), ours.emit());
    }
    let judged = server_negotiate(&DEFAULTS, pdu);
    let same = match model::negotiate(pdu) {
        _ if pdu.len() > model::FIRST_RECEIVE => true,
        Fate::Lives => matches!(judged, Ok(ServerOutcome::Accept(_))),
        Fate::Refused => matches!(judged, Ok(ServerOutcome::Reject { .. })),
        Fate::Ends(_) => judged.is_err(),
        Fate::Open => false,
    };
    assert!(
        same,
        "the peer says {:?}, the core {judged:?}",
        model::negotiate(pdu)
    );
    // the answer, read by the other
    let bytes = match judged {
        Ok(ServerOutcome::Accept(neg)) => server_response(&neg, neg.recv_credit_target()),
        Ok(ServerOutcome::Reject { response, .. }) => response,
        Err(_) => return,
    };
    let read = peer::NegotiateResponse::read(&bytes);
    assert_eq!(read, Response::parse(&bytes).map(|r| peer_response(&r)));
    assert_eq!(read.map(|r| r.bytes()), Some(bytes.to_vec()));
}

fn peer_response(r: &Response) -> peer::NegotiateResponse {
    peer::NegotiateResponse {
        min_version: r.min_version,
        max_version: r.max_version,
        negotiated_version: r.negotiated_version,
        reserved: 0,
        credits_requested: r.credits_requested,
        credits_granted: r.credits_granted,
        status: r.status,
        max_read_write_size: r.max_read_write_size,
        preferred_send_size: r.preferred_send_size,
        max_receive_size: r.max_receive_size,
        max_fragmented_size: r.max_fragmented_size,
    }
}

/// What the test suites ask of a server beyond what a client has to refuse (3.1.5.7): the versions in
/// the response, a reserved field of zero, no more credits than were asked for, RDMA of a megabyte,
/// sizes within those of the request.
fn stricter(r: &peer::NegotiateResponse, asked: &peer::NegotiateRequest) -> bool {
    (r.min_version, r.max_version) != (0x0100, 0x0100)
        || r.reserved != 0
        || r.credits_granted > asked.credits_requested
        || r.max_read_write_size < 1 << 20
        || r.max_receive_size > asked.preferred_send_size
        || r.preferred_send_size < 128
}

/// A server that says nothing.
struct Silent;

impl Other for Silent {
    fn take(&mut self, _message: &[u8]) -> bool {
        true
    }
    fn give(&mut self) -> Option<Vec<u8>> {
        None
    }
}

fn response(pdu: &[u8]) {
    let core = Response::parse(pdu);
    let read = peer::NegotiateResponse::read(pdu);
    let without = read.map(|r| peer::NegotiateResponse { reserved: 0, ..r });
    assert_eq!(core.map(|r| peer_response(&r)), without);
    let (Some(ours), Some(theirs)) = (core, read) else {
        return assert!(client_negotiate(&DEFAULTS, pdu).is_err());
    };
    assert_eq!(without.map(|r| r.bytes()), Some(ours.emit().to_vec()));
    connect_to(Box::new(Silent));
    let offer = Offer::new(
        DEFAULTS.send_credit_target,
        DEFAULTS.max_send_size,
        DEFAULTS.max_recv_size,
        DEFAULTS.max_fragmented_recv_size,
    );
    let nowhere = ([0, 0, 0, 0], 0).into();
    let link = Link::connect(&Transcript::new(), nowhere, Port::ByDevice, offer);
    let Ok(link) = link else {
        panic!("no connection");
    };
    let core = client_negotiate(&DEFAULTS, pdu);
    let judged = link.judge_negotiation(&theirs);
    let listed = stricter(&theirs, &offer.request);
    assert_eq!(
        core.is_ok() && !listed,
        judged.is_ok(),
        "the core says {core:?}, the peer {judged:?}, stricter: {listed}"
    );
}

fn peer_header(h: &Header) -> peer::DataHeader {
    peer::DataHeader {
        credits_requested: h.credits_requested,
        credits_granted: h.credits_granted,
        flags: h.flags,
        reserved: 0,
        remaining: h.remaining_data_length,
        offset: h.data_offset,
        length: h.data_length,
    }
}

fn message(pdu: &[u8], max_recv: u32, max_fragmented: u32) {
    let core = Header::parse(pdu);
    let read = peer::DataHeader::read(pdu).map(|h| peer::DataHeader { reserved: 0, ..h });
    assert_eq!(core.map(|h| peer_header(&h)), read);
    if let (Some(ours), Some(theirs)) = (core, read) {
        assert_eq!(theirs.message_padded(0, &[]), ours.emit());
        assert_eq!(theirs.message_padded(24, &[]), ours.emit_padded());
    }
    let core = Header::check(pdu, max_recv, max_fragmented);
    let (fate, _) = Stream::new(max_recv, max_fragmented).take(pdu);
    assert_eq!(
        core.is_ok(),
        fate == Fate::Lives,
        "core {core:?}, peer {fate:?}"
    );
}

fn descriptors(array: &[u8]) {
    let mut rest = array;
    let mut list = Vec::new();
    while let Some((d, tail)) = Descriptor::split_first(rest) {
        let read = peer::Descriptor::read(rest);
        let same = peer::Descriptor {
            offset: d.offset,
            token: d.token,
            length: d.length,
        };
        assert_eq!(read, Some(same));
        assert_eq!(peer::descriptors(&[same]), d.emit());
        list.push(same);
        rest = tail;
    }
    assert_eq!(peer::Descriptor::read(rest), None);
    assert_eq!(peer::descriptors(&list), array[..array.len() - rest.len()]);
}

/// Any messages in a row: both end at the same one, and have put the same together until then.
/// Limits (u16, u16), then messages: 0 = bytes (u8 length), 1 = fields (six, u8 length more or less),
/// others = a fragment that goes on as it should (u8 length, u8 rest).
fn stream(input: &mut Input<'_>) {
    let max_recv = 128 + u32::from(input.u16() % 1300);
    let max_fragmented = u32::from(input.u16());
    let mut theirs = Stream::new(max_recv, max_fragmented);
    let mut ours = Reassembly::new();
    let mut whole = Vec::new();
    while !input.is_empty() {
        let pdu = next(input, ours.outstanding());
        let core = Header::check(&pdu, max_recv, max_fragmented).and_then(|h| {
            let at = ours.accept(h.data_length, h.remaining_data_length)?;
            let from = h.data_offset as usize;
            if at.is_some() {
                whole.extend_from_slice(&pdu[from..from + h.data_length as usize]);
            }
            // a message may end in a fragment without data, after which there is nothing to hand on
            let ended = (h.data_length, h.remaining_data_length) != (0, 0);
            Ok((ended && ours.outstanding().is_none()).then(|| std::mem::take(&mut whole)))
        });
        let (fate, done) = theirs.take(&pdu);
        match (core, fate) {
            (Ok(message), Fate::Lives) => {
                assert_eq!(message, done);
                assert_eq!(theirs.missing, ours.outstanding().map(u64::from));
            }
            (Err(_), Fate::Ends(_)) => return,
            (core, peer) => panic!("the core says {core:?}, the peer {peer:?}: {pdu:?}"),
        }
    }
}

fn next(input: &mut Input<'_>, outstanding: Option<u32>) -> Vec<u8> {
    match input.u8() % 4 {
        0 => {
            let n = input.u8().into();
            input.bytes(n).to_vec()
        }
        1 => {
            let h = peer::DataHeader {
                credits_requested: input.u8().into(),
                credits_granted: input.u8().into(),
                flags: input.u8().into(),
                reserved: 0,
                remaining: input.u16().into(),
                offset: u32::from(input.u8()) * 4,
                length: input.u8().into(),
            };
            let n = i64::from(h.offset) + i64::from(h.length) + i64::from(input.u8() as i8) / 16;
            let mut pdu = h.message_padded(0, &[]);
            pdu.resize(n.clamp(0, 2000) as usize, 0x5a);
            pdu
        }
        _ => {
            let (length, rest) = (u32::from(input.u8()), u32::from(input.u8()));
            let (length, rest) = match outstanding {
                Some(left) => (length.min(left), left - length.min(left)),
                None => (length, rest),
            };
            let payload = vec![length as u8; length as usize];
            peer::DataHeader::with(1, 0, payload.len(), rest as usize).message(&payload)
        }
    }
}
