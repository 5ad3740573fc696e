// SPDX-License-Identifier: GPL-2.0

//! The server's side of the negotiation (3.1.5.6): the order of the checks, their bounds, and the
//! cases of the Windows Protocol Test Suites (N- positive, X- negative).

use smbdirect_core::wire::negotiate::{Request, Response, STATUS_NOT_SUPPORTED};
use smbdirect_core::*;
use smbdirect_host_tests::{build::*, vectors::*, with_credits, DEFAULTS};

/// What the suite checks on every positive answer to a request with credits `c`, preferred send
/// size `p` and receive size `r`.
fn answer(local: &LocalParams, pdu: &[u8]) -> Response {
    let req = Request::parse(pdu).expect("20 bytes");
    let Ok(ServerOutcome::Accept(neg)) = server_negotiate(local, pdu) else {
        panic!("{req:?} was not accepted");
    };
    let mut link = Link::new(&neg, Millis::ZERO);
    assert_eq!(link.grant_in_response(), 0, "no receive, no grant");
    link.recv_posted(link.recv_wanted());
    let resp = Response::parse(&server_response(&neg, link.grant_in_response())).expect("32 bytes");
    assert_eq!(
        (resp.min_version, resp.max_version, resp.negotiated_version),
        (256, 256, 256)
    );
    assert!((1..=req.credits_requested).contains(&resp.credits_granted));
    assert!(resp.credits_requested >= 1);
    assert_eq!(resp.status, 0);
    assert_eq!(resp.max_read_write_size, 8 << 20);
    assert!((128..=req.preferred_send_size.max(128)).contains(&resp.max_receive_size));
    assert!((128..=req.max_receive_size).contains(&resp.preferred_send_size));
    assert!((131_072..=0x00FF_FFFF).contains(&resp.max_fragmented_size));
    // The server has no credit until the client's first data message.
    assert_eq!(link.send_credits(), 0);
    assert_eq!(link.send_state(), SendState::NoCredit);
    resp
}

fn refusal(pdu: &[u8]) -> ProtocolError {
    server_negotiate(&DEFAULTS, pdu).expect_err("has to end without an answer")
}

#[test]
fn n01_basic() {
    let resp = answer(&DEFAULTS, &REQUEST_SAMPLE);
    assert_eq!(
        (resp.max_receive_size, resp.preferred_send_size),
        (1024, 1024)
    );
    assert_eq!(resp.credits_granted, 10);
    // 255 * 1024 / 2 is below the legal minimum (the C module sends 130560).
    assert_eq!(resp.max_fragmented_size, 131_072);
}

#[test]
fn n02_n03_preferred_send_size_below_128() {
    for preferred in [0, 1, 127, 128] {
        let resp = answer(&DEFAULTS, &request(10, preferred, 1024, 131_072).emit());
        assert_eq!(resp.max_receive_size, 128);
        assert_eq!(resp.max_fragmented_size, 131_072);
    }
    let resp = answer(&DEFAULTS, &request(10, 129, 1024, 131_072).emit());
    assert_eq!(resp.max_receive_size, 129);
}

#[test]
fn n04_preferred_send_size_of_any_size() {
    for preferred in [8136, 8137, u32::MAX] {
        let resp = answer(&DEFAULTS, &request(10, preferred, 1024, 131_072).emit());
        assert_eq!(resp.max_receive_size, 1364);
        assert_eq!(resp.max_fragmented_size, 173_910);
    }
}

#[test]
fn n05_padded_request() {
    let mut pdu = REQUEST_SAMPLE.to_vec();
    pdu.resize(512, 0);
    assert_eq!(answer(&DEFAULTS, &pdu), answer(&DEFAULTS, &REQUEST_SAMPLE));
    pdu.resize(20, 0);
    pdu.resize(512, 0xff);
    assert_eq!(answer(&DEFAULTS, &pdu), answer(&DEFAULTS, &REQUEST_SAMPLE));
}

#[test]
fn n07_to_n10_version_range() {
    for (min, max) in [
        (0x0100, 0xFFFF),
        (0, 0x0100),
        (0x00FF, 0x0101),
        (0x0100, 0x0100),
    ] {
        let req = Request {
            min_version: min,
            max_version: max,
            ..request(10, 1024, 1024, 131_072)
        };
        assert_eq!(answer(&DEFAULTS, &req.emit()).negotiated_version, 0x0100);
    }
}

#[test]
fn x01_short_request() {
    for len in 0..20 {
        assert_eq!(
            refusal(&REQUEST_SAMPLE[..len]),
            ProtocolError::RequestTooShort { len: len as u32 }
        );
    }
}

#[test]
fn x02_x03_version_out_of_range() {
    for (min, max) in [
        (0x0101, 0xFFFF),
        (0, 0x00FF),
        (0, 0),
        (0x0101, 0x00FF),
        (0xFFFF, 0),
    ] {
        let req = Request {
            min_version: min,
            max_version: max,
            ..request(10, 1024, 1024, 131_072)
        };
        assert_eq!(
            server_negotiate(&DEFAULTS, &req.emit()),
            Ok(ServerOutcome::Reject {
                status: STATUS_NOT_SUPPORTED,
                response: RESPONSE_NOT_SUPPORTED
            })
        );
    }
}

#[test]
fn x04_credits_requested() {
    assert_eq!(
        refusal(&request(0, 1024, 1024, 131_072).emit()),
        ProtocolError::RequestCreditsZero
    );
    for (asked, given) in [(1, 1), (254, 254), (255, 255), (256, 255), (65535, 255)] {
        let resp = answer(&DEFAULTS, &request(asked, 1024, 1024, 131_072).emit());
        assert_eq!(resp.credits_granted, given);
    }
    assert_eq!(
        answer(
            &with_credits(65534, 255),
            &request(65535, 1364, 1024, 131_072).emit()
        )
        .credits_granted,
        65534
    );
}

#[test]
fn x05_max_receive_size() {
    for size in [0, 1, 127] {
        assert_eq!(
            refusal(&request(10, 1024, size, 131_072).emit()),
            ProtocolError::RequestReceiveSize { size }
        );
    }
    for (asked, expected) in [(128, 128), (129, 129), (1364, 1364), (u32::MAX, 1364)] {
        let resp = answer(&DEFAULTS, &request(10, 1024, asked, 131_072).emit());
        assert_eq!(resp.preferred_send_size, expected);
    }
}

#[test]
fn x06_max_fragmented_size() {
    for size in [0, 131_071] {
        assert_eq!(
            refusal(&request(10, 1024, 1024, size).emit()),
            ProtocolError::RequestFragmentedSize { size }
        );
    }
    for size in [131_072, 131_073, u32::MAX] {
        answer(&DEFAULTS, &request(10, 1024, 1024, size).emit());
        let neg = accepted(&DEFAULTS, &request(10, 1024, 1024, size));
        assert_eq!(neg.max_fragmented_send_size(), size);
    }
}

/// Everything is wrong in these requests; the first check that applies decides.
#[test]
fn checks_come_in_the_order_of_the_text() {
    let bad_version = Request {
        min_version: 2,
        max_version: 1,
        ..request(0, 0, 0, 0)
    };
    assert!(matches!(
        server_negotiate(&DEFAULTS, &bad_version.emit()),
        Ok(ServerOutcome::Reject {
            status: STATUS_NOT_SUPPORTED,
            ..
        })
    ));
    assert_eq!(
        refusal(&bad_version.emit()[..19]),
        ProtocolError::RequestTooShort { len: 19 }
    );
    assert_eq!(
        refusal(&request(0, 0, 0, 0).emit()),
        ProtocolError::RequestCreditsZero
    );
    assert_eq!(
        refusal(&request(1, 0, 0, 0).emit()),
        ProtocolError::RequestReceiveSize { size: 0 }
    );
    assert_eq!(
        refusal(&request(1, 0, 128, 0).emit()),
        ProtocolError::RequestFragmentedSize { size: 0 }
    );
}

#[test]
fn fragmented_size_of_the_server() {
    let announced = |credits, size| {
        let local = LocalParams {
            max_recv_size: size,
            ..with_credits(credits, 255)
        };
        answer(&local, &request(255, u32::MAX, 1024, 131_072).emit()).max_fragmented_size
    };
    assert_eq!(announced(255, 1364), 173_910);
    assert_eq!(announced(255, 1028), 131_072);
    assert_eq!(announced(255, 1029), 131_197);
    assert_eq!(announced(255, 8192), 1_044_480);
    assert_eq!(announced(1, 128), 131_072);
    // More than the users can be told of.
    assert_eq!(announced(65534, 8192), 0x00FF_FFFF);
    assert_eq!(announced(65534, u32::MAX), 0x00FF_FFFF);
}

/// An administrator can set another one, within what the protocol and the users allow.
#[test]
fn fragmented_size_that_is_set() {
    let neg = accepted(&DEFAULTS, &request(255, 1364, 1364, 131_072));
    for (set, expected) in [
        (0, 131_072),
        (131_072, 131_072),
        (1 << 20, 1 << 20),
        (u32::MAX, 0x00FF_FFFF),
    ] {
        let neg = neg.with_fragmented_recv_size(set);
        assert_eq!(neg.max_fragmented_recv_size(), expected);
        let resp = Response::parse(&server_response(&neg, 1)).expect("32 bytes");
        assert_eq!(resp.max_fragmented_size, expected);
    }
}

#[test]
fn everything_negotiated() {
    let neg = accepted(&DEFAULTS, &request(100, 1000, 1200, 200_000));
    assert_eq!(neg.max_send_size(), 1200);
    assert_eq!(neg.payload_capacity(), 1176);
    assert_eq!(neg.max_recv_size(), 1000);
    assert_eq!(neg.max_fragmented_send_size(), 200_000);
    assert_eq!(neg.max_fragmented_recv_size(), 131_072);
    assert_eq!(neg.max_read_write_size(), 8 << 20);
    assert_eq!(neg.recv_credit_target(), 100);
    assert_eq!(neg.recv_credit_max(), 255);
    assert_eq!(neg.send_credit_target(), 255);
    assert_eq!(neg.initial_send_credits(), 0);
    assert_eq!(neg.keepalive_interval(), Millis::from_secs(120));
    assert_eq!(neg.keepalive_timeout(), Millis::from_secs(5));
}

/// Parameters that [`LocalParams::validate`] refuses must not do harm if somebody forgot to ask.
#[test]
fn unchecked_local_parameters_do_not_underflow() {
    let local = LocalParams {
        recv_credit_max: 0,
        send_credit_target: 0,
        max_send_size: 0,
        max_recv_size: 0,
        max_fragmented_recv_size: 0,
        max_read_write_size: 0,
        keepalive_interval: Millis::ZERO,
        keepalive_timeout: Millis::ZERO,
    };
    assert!(local.validate().is_err());
    let neg = accepted(&local, &request(1, 0, 128, 131_072));
    assert_eq!(neg.payload_capacity(), 0);
    assert_eq!(neg.max_recv_size(), 128);
    let mut link = Link::new(&neg, Millis::ZERO);
    assert_eq!(link.emit(Millis::ZERO, 1, 0), Err(SendState::Refused));
}
