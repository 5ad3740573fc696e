// SPDX-License-Identifier: GPL-2.0

//! The four structures (2.2). Input: kind (u8), two limits (u32 each), the message.
//!
//! What is read has to be what the bytes say; written again it has to be the same bytes, but for
//! reserved fields and whatever follows; and a data message is refused for the first rule of 3.1.5.8
//! that it breaks, with its numbers, or for none.

use crate::input::Input;
use crate::oracle::{data, field, without_reserved};
use smbdirect_core::wire::data::Header;
use smbdirect_core::wire::descriptor::Descriptor;
use smbdirect_core::wire::negotiate::{Request, Response};
use smbdirect_core::ProtocolError;

/// Runs it.
pub fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let kind = input.u8();
    let (max_recv, max_fragmented) = (input.u32(), input.u32());
    let pdu = input.rest();
    match kind % 4 {
        0 => request(pdu),
        1 => response(pdu),
        2 => message(pdu, max_recv, max_fragmented),
        _ => descriptors(pdu),
    }
}

fn request(pdu: &[u8]) {
    let Some(r) = Request::parse(pdu) else {
        return assert!(pdu.len() < 20);
    };
    let read = [
        u64::from(r.min_version),
        r.max_version.into(),
        r.credits_requested.into(),
        r.preferred_send_size.into(),
        r.max_receive_size.into(),
        r.max_fragmented_size.into(),
    ];
    let places = [(0, 2), (2, 2), (6, 2), (8, 4), (12, 4), (16, 4)];
    assert_eq!(read, places.map(|(at, n)| field(pdu, at, n)));
    assert_eq!(r.emit()[..], without_reserved(pdu, 20, 4));
    assert_eq!(Request::parse(&r.emit()), Some(r));
}

fn response(pdu: &[u8]) {
    let Some(r) = Response::parse(pdu) else {
        return assert!(pdu.len() < 32);
    };
    let read = [
        u64::from(r.min_version),
        r.max_version.into(),
        r.negotiated_version.into(),
        r.credits_requested.into(),
        r.credits_granted.into(),
        r.status.into(),
        r.max_read_write_size.into(),
        r.preferred_send_size.into(),
        r.max_receive_size.into(),
        r.max_fragmented_size.into(),
    ];
    let places = [
        (0, 2),
        (2, 2),
        (4, 2),
        (8, 2),
        (10, 2),
        (12, 4),
        (16, 4),
        (20, 4),
        (24, 4),
        (28, 4),
    ];
    assert_eq!(read, places.map(|(at, n)| field(pdu, at, n)));
    assert_eq!(r.emit()[..], without_reserved(pdu, 32, 6));
    assert_eq!(Response::parse(&r.emit()), Some(r));
}

/// The same numbers, wide.
fn wide(h: &Header) -> data::Data {
    data::Data {
        credits_requested: h.credits_requested.into(),
        credits_granted: h.credits_granted.into(),
        flags: h.flags.into(),
        remaining: h.remaining_data_length.into(),
        offset: h.data_offset.into(),
        length: h.data_length.into(),
    }
}

fn message(pdu: &[u8], max_recv: u32, max_fragmented: u32) {
    let parsed = Header::parse(pdu);
    assert_eq!(parsed.as_ref().map(wide), data::fields(pdu));
    if let Some(h) = parsed {
        assert_eq!(h.emit()[..], without_reserved(pdu, 20, 6));
        assert_eq!(h.emit_padded()[..20], h.emit());
        assert_eq!(h.emit_padded()[20..], [0; 4]);
        assert_eq!(Header::parse(&h.emit()), parsed);
    }
    match (
        Header::check(pdu, max_recv, max_fragmented),
        data::judge(pdu, max_recv, max_fragmented),
    ) {
        (Ok(h), Ok(d)) => assert_eq!(wide(&h), d),
        (Err(e), Err(broken)) => {
            assert_eq!(e, data::error(broken, pdu, max_recv, max_fragmented));
            line(&e);
        }
        (core, oracle) => panic!("the core says {core:?}, the rules say {oracle:?}"),
    }
}

/// An error can be printed as one line that ends with its clause.
pub fn line(e: &ProtocolError) {
    let text = e.to_string();
    assert!(!text.contains('\n'), "{text}");
    assert!(text.ends_with(&format!("{})", e.clause())), "{text}");
}

fn descriptors(array: &[u8]) {
    let mut rest = array;
    for at in (0..array.len()).step_by(16) {
        let Some((d, tail)) = Descriptor::split_first(rest) else {
            return assert!(array.len() - at < 16);
        };
        let read = [d.offset, d.token.into(), d.length.into()];
        let places = [(0, 8), (8, 4), (12, 4)];
        assert_eq!(read, places.map(|(i, n)| field(array, at + i, n)));
        assert_eq!(d.emit(), array[at..at + 16]);
        assert_eq!(tail, &array[at + 16..]);
        rest = tail;
    }
    assert_eq!(Descriptor::split_first(rest), None);
}
