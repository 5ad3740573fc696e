// SPDX-License-Identifier: GPL-2.0

//! The opening exchange (3.1.5.2, 3.1.5.3, 3.1.5.6, 3.1.5.7). Input: role (u8), local parameters,
//! receives that can be posted (u16), then the bytes of a peer, or the parameters of a peer of this
//! implementation.

use crate::input::Input;
use crate::oracle::negotiate::{self as oracle, Agreed, Judgement};
use crate::targets::wire::line;
use smbdirect_core::{
    client_negotiate, client_request, server_negotiate, server_response, Link, LocalParams, Millis,
    Negotiated, ServerOutcome,
};

/// Runs it.
pub fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let role = input.u8();
    let local = input.params();
    if !valid(&local) {
        return;
    }
    let receives = input.u16();
    match role % 3 {
        0 => {
            server(&local, receives, input.rest());
        }
        1 => {
            client(&local, input.rest());
        }
        _ => {
            let peer = input.params();
            if valid(&peer) {
                handshake(&local, &peer, receives);
            }
        }
    }
}

fn valid(p: &LocalParams) -> bool {
    let bad = oracle::bad_params(p);
    assert_eq!(p.validate().err(), bad);
    bad.is_none()
}

/// What was agreed on is within what both sides can do.
fn within(local: &LocalParams, neg: &Negotiated) {
    assert!((128..=local.max_send_size).contains(&neg.max_send_size()));
    assert!((128..=local.max_recv_size).contains(&neg.max_recv_size()));
    assert!(neg.max_fragmented_send_size() >= 131_072);
    assert!((131_072..1 << 24).contains(&neg.max_fragmented_recv_size()));
    assert!((1..=local.recv_credit_max).contains(&neg.recv_credit_target()));
    assert_eq!(neg.payload_capacity(), neg.max_send_size() - 24);
    assert_eq!(neg.keepalive_interval(), local.keepalive_interval);
    assert_eq!(neg.keepalive_timeout(), local.keepalive_timeout);
}

/// The response of a server that accepts, if it can post a receive.
fn server(local: &LocalParams, receives: u16, pdu: &[u8]) -> Option<(Negotiated, Vec<u8>)> {
    let neg = match (server_negotiate(local, pdu), oracle::server(local, pdu)) {
        (Ok(ServerOutcome::Accept(neg)), Judgement::Accept(agreed)) => {
            assert_eq!(Agreed::of(&neg), agreed);
            neg
        }
        (Ok(ServerOutcome::Reject { status, response }), Judgement::Unsupported) => {
            assert_eq!(status, 0xC000_00BB);
            assert_eq!(response[..], oracle::error_bytes(status));
            return None;
        }
        (Err(e), Judgement::Terminate(expected)) => {
            assert_eq!(e, expected);
            line(&e);
            return None;
        }
        (core, oracle) => panic!("the core says {core:?}, the rules say {oracle:?}"),
    };
    within(local, &neg);
    let mut link = Link::new(&neg, Millis::ZERO);
    let wanted = link.recv_wanted();
    assert_eq!(wanted, neg.recv_credit_target());
    let posted = wanted.min(receives);
    link.recv_posted(posted);
    let granted = link.grant_in_response();
    assert_eq!(granted, posted, "all that is posted is granted (3.1.5.6)");
    assert_eq!(link.send_credits(), 0, "a request grants nothing (2.2.1)");
    assert!(link.emit(Millis::ZERO, 1, 0).is_err());
    if granted == 0 {
        return None;
    }
    let response = server_response(&neg, granted).to_vec();
    assert_eq!(
        response,
        oracle::response_bytes(&Agreed::of(&neg), granted),
        "{neg:?}"
    );
    Some((neg, response))
}

fn client(local: &LocalParams, pdu: &[u8]) -> Option<Negotiated> {
    assert_eq!(client_request(local)[..], oracle::request_bytes(local));
    match (client_negotiate(local, pdu), oracle::client(local, pdu)) {
        (Ok(neg), Ok(agreed)) => {
            assert_eq!(Agreed::of(&neg), agreed);
            assert!(neg.initial_send_credits() > 0);
            within(local, &neg);
            Some(neg)
        }
        (Err(e), Err(expected)) => {
            assert_eq!(e, expected);
            line(&e);
            None
        }
        (core, oracle) => panic!("the core says {core:?}, the rules say {oracle:?}"),
    }
}

/// Two sides of this implementation agree whatever their parameters are, and on the same.
fn handshake(c: &LocalParams, s: &LocalParams, receives: u16) {
    let Some((right, response)) = server(s, receives, &client_request(c)) else {
        return assert_eq!(receives, 0, "{c:?} {s:?}");
    };
    let Some(left) = client(c, &response) else {
        panic!("a server of ours was refused: {c:?} {s:?}");
    };
    for (from, to) in [(&left, &right), (&right, &left)] {
        assert!(from.max_send_size() <= to.max_recv_size());
        assert_eq!(
            from.max_fragmented_send_size(),
            to.max_fragmented_recv_size()
        );
        assert!(to.recv_credit_target() <= from.send_credit_target());
    }
    assert!(left.initial_send_credits() <= c.send_credit_target);
    assert!(left.max_read_write_size() <= s.max_read_write_size);
}
