// SPDX-License-Identifier: GPL-2.0

//! What may be sent, and when: the credits that the peer gave (3.1.5.9), fragments that belong together, and senders that wait for either.

use smbdirect_core::credits::SEND_CREDIT_LIMIT;
use smbdirect_core::wire::negotiate::Response;
use smbdirect_core::*;
use smbdirect_host_tests::{build::*, DEFAULTS};

const NOW: Millis = Millis(1);

/// W12: a peer may give 65535 with every message.
#[test]
fn send_credits_are_wide_and_end_somewhere() {
    let (mut link, _) = server_link(&DEFAULTS, &request(255, 1364, 1364, 131_072));
    let mut expected = 0u32;
    for _ in 0..1000 {
        let _ = link.on_receive(NOW, &empty(65535, 0)).expect("good");
        expected = (expected + 65535).min(SEND_CREDIT_LIMIT);
        assert_eq!(link.send_credits(), expected);
        link.recv_posted(link.recv_wanted());
        if link.empty_due() {
            link.emit_empty(NOW).expect("credits");
            expected -= 1;
        }
    }
    assert!(i32::try_from(link.send_credits()).is_ok());
}

/// Between the fragments of a message there is never anything else, whatever is due.
#[test]
fn no_empty_message_between_fragments() {
    let (mut link, _) = client_link(&DEFAULTS, &response());
    link.emit(NOW, 1000, 500).expect("credits");
    for _ in 0..255 {
        let _ = link.on_receive(NOW, &empty(0, 1)).expect("good");
        link.recv_posted(1);
    }
    assert_eq!(link.granted(), 0);
    assert!(!link.empty_due());
    assert_eq!(link.emit_empty(NOW), Err(SendState::Refused));
    let _ = link.on_timer(Millis::from_secs(200));
    assert!(!link.empty_due());
    // The next fragment does it all.
    let h = parse(&link.emit(NOW, 500, 0).expect("credits"));
    assert_eq!((h.credits_granted, h.flags), (255, 0));
    // And the question comes after the answer.
    assert!(link.empty_due());
    assert_eq!(parse(&link.emit_empty(NOW).expect("credits")).flags, 1);
    assert!(!link.empty_due());
}

#[test]
fn fragments_must_continue_the_message() {
    let (mut link, neg) = client_link(&DEFAULTS, &response());
    for (len, remaining) in [(0, 0), (0, 5), (1341, 0), (u32::MAX, u32::MAX)] {
        assert_eq!(
            link.emit(NOW, len, remaining),
            Err(SendState::Refused),
            "{len} {remaining}"
        );
    }
    assert_eq!(neg.payload_capacity(), 1340);
    link.emit(NOW, 1340, 100).expect("credits");
    for (len, remaining) in [(100, 1), (99, 0), (101, 0), (50, 51), (0, 100)] {
        assert_eq!(
            link.emit(NOW, len, remaining),
            Err(SendState::Refused),
            "{len} {remaining}"
        );
    }
    assert_eq!(link.send_credits(), 254);
    link.emit(NOW, 60, 40).expect("credits");
    link.emit(NOW, 40, 0).expect("credits");
    link.emit(NOW, 1, 0).expect("credits");
    assert_eq!(link.send_credits(), 251);
}

/// A waiting sender is woken when, and only when, its reason is gone.
#[test]
fn senders_are_woken() {
    let neg = connected(
        &DEFAULTS,
        &Response {
            credits_granted: 1,
            ..response()
        },
    );
    let mut link = Link::new(&neg, NOW);
    assert_eq!(link.send_state(), SendState::NeedGrant);
    assert!(link.recv_posted(4));
    assert_eq!(link.send_state(), SendState::Ready);
    assert!(!link.recv_posted(1));
    link.emit(NOW, 1, 0).expect("one credit");
    assert_eq!(link.send_state(), SendState::NoCredit);
    let wake = |link: &mut Link, granted| {
        link.on_receive(NOW, &empty(granted, 0))
            .expect("good")
            .wake_senders
    };
    assert!(!wake(&mut link, 0));
    // From "no credit" to "need a receive": somebody has to post it.
    assert!(wake(&mut link, 1));
    assert_eq!(link.send_state(), SendState::NeedGrant);
    assert!(wake(&mut link, 1));
    assert_eq!(link.send_state(), SendState::Ready);
    assert!(!wake(&mut link, 1));
}
