// SPDX-License-Identifier: GPL-2.0

//! The client's side of the negotiation (3.1.5.2, 3.1.5.7) and the local parameters. L- numbers
//! are the client cases derived from the specification; the test suites have none.

use smbdirect_core::params::{CLIENT_NEGOTIATE_TIMEOUT, SERVER_NEGOTIATE_TIMEOUT};
use smbdirect_core::wire::negotiate::{Request, Response};
use smbdirect_core::*;
use smbdirect_host_tests::{build::*, vectors::*, with_credits, DEFAULTS};

fn failure(resp: Response) -> ProtocolError {
    client_negotiate(&DEFAULTS, &resp.emit()).expect_err("the connect has to fail")
}

#[test]
fn l01_short_response() {
    for len in 0..32 {
        assert_eq!(
            client_negotiate(&DEFAULTS, &RESPONSE_SAMPLE[..len]),
            Err(ProtocolError::ResponseTooShort { len: len as u32 })
        );
    }
}

#[test]
fn l02_version() {
    for version in [0, 0x00FF, 0x0101, 0x0001, 0xFFFF] {
        let e = failure(Response {
            negotiated_version: version,
            ..response()
        });
        assert_eq!(e, ProtocolError::ResponseVersion { version });
        assert!(e.is_refusal());
    }
}

#[test]
fn l03_max_receive_size() {
    for size in [0, 127] {
        assert_eq!(
            failure(Response {
                max_receive_size: size,
                ..response()
            }),
            ProtocolError::ResponseReceiveSize { size }
        );
    }
    for (size, expected) in [
        (128, 128),
        (1363, 1363),
        (1364, 1364),
        (1365, 1364),
        (!0, 1364),
    ] {
        let neg = connected(
            &DEFAULTS,
            &Response {
                max_receive_size: size,
                ..response()
            },
        );
        assert_eq!(neg.max_send_size(), expected);
    }
}

#[test]
fn l04_max_fragmented_size() {
    for size in [0, 131_071] {
        assert_eq!(
            failure(Response {
                max_fragmented_size: size,
                ..response()
            }),
            ProtocolError::ResponseFragmentedSize { size }
        );
    }
    for size in [131_072, u32::MAX] {
        let neg = connected(
            &DEFAULTS,
            &Response {
                max_fragmented_size: size,
                ..response()
            },
        );
        assert_eq!(neg.max_fragmented_send_size(), size);
    }
}

#[test]
fn l05_no_credit_granted() {
    assert_eq!(
        failure(Response {
            credits_granted: 0,
            ..response()
        }),
        ProtocolError::ResponseGrantZero
    );
    for granted in [1, 255, 65535] {
        let neg = connected(
            &DEFAULTS,
            &Response {
                credits_granted: granted,
                ..response()
            },
        );
        assert_eq!(neg.initial_send_credits(), granted);
        let link = Link::new(&neg, Millis::ZERO);
        assert_eq!(link.send_credits(), u32::from(granted));
    }
}

#[test]
fn l06_no_credit_requested() {
    assert_eq!(
        failure(Response {
            credits_requested: 0,
            ..response()
        }),
        ProtocolError::ResponseCreditsZero
    );
    for (asked, target) in [(1, 1), (255, 255), (256, 255), (65535, 255)] {
        let neg = connected(
            &DEFAULTS,
            &Response {
                credits_requested: asked,
                ..response()
            },
        );
        assert_eq!(neg.recv_credit_target(), target);
    }
}

#[test]
fn l07_l10_preferred_send_size() {
    for size in [1365, u32::MAX] {
        assert_eq!(
            failure(Response {
                preferred_send_size: size,
                ..response()
            }),
            ProtocolError::ResponseSendSize { size, max: 1364 }
        );
    }
    for (size, expected) in [
        (0, 128),
        (1, 128),
        (127, 128),
        (128, 128),
        (129, 129),
        (1364, 1364),
    ] {
        let neg = connected(
            &DEFAULTS,
            &Response {
                preferred_send_size: size,
                ..response()
            },
        );
        assert_eq!(neg.max_recv_size(), expected);
    }
}

#[test]
fn l08_error_response() {
    assert_eq!(
        client_negotiate(&DEFAULTS, &RESPONSE_NOT_SUPPORTED),
        Err(ProtocolError::Refused {
            status: 0xC000_00BB
        })
    );
    let e = failure(Response {
        status: 1,
        ..response()
    });
    assert_eq!(e, ProtocolError::Refused { status: 1 });
    assert!(e.is_refusal());
}

#[test]
fn l09_padded_response() {
    let mut pdu = RESPONSE_SAMPLE.to_vec();
    pdu.resize(64, 0xee);
    assert_eq!(
        client_negotiate(&DEFAULTS, &pdu),
        client_negotiate(&DEFAULTS, &RESPONSE_SAMPLE)
    );
    assert!(client_negotiate(&DEFAULTS, &pdu).is_ok());
}

/// The timers themselves are the caller's; the core gives their lengths (L11, T-01, T-02).
#[test]
fn l11_time_for_the_negotiation() {
    assert_eq!(CLIENT_NEGOTIATE_TIMEOUT, Millis(120_000));
    assert_eq!(SERVER_NEGOTIATE_TIMEOUT, Millis(5_000));
}

#[test]
fn l12_max_read_write_size() {
    for (theirs, expected) in [
        (1 << 20, 1 << 20),
        (8 << 20, 8 << 20),
        (16 << 20, 8 << 20),
        (0, 0),
    ] {
        let neg = connected(
            &DEFAULTS,
            &Response {
                max_read_write_size: theirs,
                ..response()
            },
        );
        assert_eq!(neg.max_read_write_size(), expected);
    }
}

#[test]
fn l13_first_message_grants_all_receives() {
    for posted in [1, 7, 255] {
        let neg = connected(&DEFAULTS, &response());
        let mut link = Link::new(&neg, Millis::ZERO);
        link.recv_posted(posted);
        assert_eq!(link.granted(), 0, "the server has no credit yet");
        let h = parse(&link.emit(Millis::ZERO, 100, 0).expect("credits"));
        assert_eq!(h.credits_granted, posted);
        assert_eq!(link.granted(), posted);
        assert_eq!(link.send_credits(), 254);
    }
}

#[test]
fn l14_message_longer_than_the_server_takes() {
    let (mut link, neg) = client_link(&DEFAULTS, &response());
    let max = neg.max_fragmented_send_size();
    let before = link.send_credits();
    assert_eq!(
        link.emit(Millis::ZERO, 1340, max - 1340 + 1),
        Err(SendState::Refused)
    );
    assert_eq!(
        link.emit(Millis::ZERO, 1340, u32::MAX),
        Err(SendState::Refused)
    );
    // Nothing happened: the connection goes on.
    assert_eq!(link.send_credits(), before);
    assert!(link.emit(Millis::ZERO, 1340, max - 1340).is_ok());
}

/// Everything is wrong but the length.
#[test]
fn checks_in_order() {
    let mut resp = Response {
        status: 5,
        negotiated_version: 0,
        max_receive_size: 0,
        max_fragmented_size: 0,
        credits_granted: 0,
        credits_requested: 0,
        preferred_send_size: u32::MAX,
        ..response()
    };
    assert_eq!(failure(resp), ProtocolError::Refused { status: 5 });
    resp.status = 0;
    assert_eq!(failure(resp), ProtocolError::ResponseVersion { version: 0 });
    resp.negotiated_version = 0x0100;
    assert_eq!(
        failure(resp),
        ProtocolError::ResponseReceiveSize { size: 0 }
    );
    resp.max_receive_size = 128;
    assert_eq!(
        failure(resp),
        ProtocolError::ResponseFragmentedSize { size: 0 }
    );
    resp.max_fragmented_size = 131_072;
    assert_eq!(failure(resp), ProtocolError::ResponseGrantZero);
    resp.credits_granted = 1;
    assert_eq!(failure(resp), ProtocolError::ResponseCreditsZero);
    resp.credits_requested = 1;
    assert_eq!(
        failure(resp),
        ProtocolError::ResponseSendSize {
            size: u32::MAX,
            max: 1364
        }
    );
    assert!(!failure(resp).is_refusal());
    resp.preferred_send_size = 0;
    connected(&DEFAULTS, &resp);
}

/// Windows Server 2012 R2 and later refuse more than 8136.
#[test]
fn proposal_never_above_8136() {
    for (own, proposed) in [(1364, 1364), (8136, 8136), (8137, 8136), (u32::MAX, 8136)] {
        let local = LocalParams {
            max_send_size: own,
            ..DEFAULTS
        };
        let req = Request::parse(&client_request(&local)).expect("20 bytes");
        assert_eq!(req.preferred_send_size, proposed);
    }
}

#[test]
fn local_parameters_are_checked() {
    assert_eq!(DEFAULTS.validate(), Ok(()));
    assert_eq!(with_credits(1, 1).validate(), Ok(()));
    assert_eq!(with_credits(65534, 65535).validate(), Ok(()));
    assert_eq!(
        with_credits(0, 1).validate(),
        Err(ParamError::RecvCreditMax(0))
    );
    assert_eq!(
        with_credits(65535, 1).validate(),
        Err(ParamError::RecvCreditMax(65535))
    );
    assert_eq!(
        with_credits(1, 0).validate(),
        Err(ParamError::SendCreditTarget)
    );
    let check = |change: fn(&mut LocalParams)| {
        let mut p = DEFAULTS;
        change(&mut p);
        p.validate()
    };
    assert_eq!(check(|p| p.max_send_size = 128), Ok(()));
    assert_eq!(
        check(|p| p.max_send_size = 127),
        Err(ParamError::MaxSendSize(127))
    );
    assert_eq!(check(|p| p.max_recv_size = 128), Ok(()));
    assert_eq!(
        check(|p| p.max_recv_size = 127),
        Err(ParamError::MaxRecvSize(127))
    );
    assert_eq!(check(|p| p.max_fragmented_recv_size = 131_072), Ok(()));
    assert_eq!(check(|p| p.max_fragmented_recv_size = 0x00FF_FFFF), Ok(()));
    for size in [0, 131_071, 0x0100_0000] {
        let mut p = DEFAULTS;
        p.max_fragmented_recv_size = size;
        assert_eq!(p.validate(), Err(ParamError::MaxFragmentedRecvSize(size)));
    }
    assert_eq!(
        check(|p| p.keepalive_interval = Millis::ZERO),
        Err(ParamError::KeepaliveInterval)
    );
    assert_eq!(
        check(|p| p.keepalive_timeout = Millis::ZERO),
        Err(ParamError::KeepaliveTimeout)
    );
    assert_eq!(
        ParamError::MaxSendSize(127).to_string(),
        "max_send_size 127 is not in 128..=65535"
    );
    assert_eq!(check(|p| p.max_send_size = 65_535), Ok(()));
    for size in [127, 65_536, u32::MAX] {
        let mut p = DEFAULTS;
        p.max_send_size = size;
        assert_eq!(p.validate(), Err(ParamError::MaxSendSize(size)));
        let mut p = DEFAULTS;
        p.max_recv_size = size;
        assert_eq!(p.validate(), Err(ParamError::MaxRecvSize(size)));
    }
}
