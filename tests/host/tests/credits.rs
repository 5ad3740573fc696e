// SPDX-License-Identifier: GPL-2.0

//! The credits that the peer gets (3.1.5.9): the cases of the Windows Protocol Test Suites (C-), and what they leave out.

use smbdirect_core::wire::data::Header;
use smbdirect_core::wire::negotiate::Response;
use smbdirect_core::*;
use smbdirect_host_tests::endpoint::{Endpoint, Step};
use smbdirect_host_tests::{build::*, rng::Rng, with_credits, DEFAULTS};

const NOW: Millis = Millis(1);

/// A server that has answered a request with `credits` and the sizes of the suite.
fn server(credits: u16) -> Endpoint {
    let neg = accepted(&DEFAULTS, &request(credits, 1364, 8192, 131_072));
    assert_eq!(neg.max_fragmented_recv_size(), 173_910);
    let mut end = Endpoint::new("server", neg, Millis::ZERO);
    end.refill();
    assert_eq!(end.link.grant_in_response(), credits.min(255));
    end
}

fn target(pdu: &[u8], credits: u16) -> Vec<u8> {
    let mut pdu = pdu.to_vec();
    pdu[..2].copy_from_slice(&credits.to_le_bytes());
    pdu
}

/// What the suite demands of a message that only grants.
fn pure_grant(pdu: &[u8]) -> u16 {
    let h = parse(pdu);
    assert_eq!(pdu.len(), 20);
    assert!(h.credits_granted > 0 && h.credits_requested > 0);
    assert_eq!(
        (
            h.flags,
            h.remaining_data_length,
            h.data_offset,
            h.data_length
        ),
        (0, 0, 0, 0)
    );
    h.credits_granted
}

/// A write of 65648 bytes from a client with `credits`.
fn write_with(credits: u16) -> (Endpoint, u32) {
    let mut end = server(credits);
    let message = Rng::new(9).bytes(65_648);
    let mut held = credits;
    let mut grants = 0;
    for (i, part) in message.chunks(1340).enumerate() {
        assert!(
            held > 0,
            "fragment {i}: the server grants when the client is out of credits"
        );
        held -= 1;
        let remaining = message.len() - i * 1340 - part.len();
        let pdu = target(&data(1, part, remaining as u32), credits);
        for answer in end.turn(NOW, &pdu).expect("good") {
            held += pure_grant(&answer);
            grants += 1;
        }
    }
    assert!(end.delivered == [message]);
    (end, grants)
}

#[test]
fn c01_one_credit() {
    let (_, grants) = write_with(1);
    assert_eq!(grants, 49, "one after every fragment");
}

#[test]
fn c02_ten_credits() {
    let (_, grants) = write_with(10);
    assert!((4..=8).contains(&grants), "{grants}");
}

#[test]
fn c03_client_uses_up_its_credits() {
    for credits in [2, 10, 255] {
        let mut end = server(credits);
        let mut answers = Vec::new();
        for _ in 0..credits {
            // A grant before the last is fine; then the client has more.
            answers.extend(end.turn(NOW, &target(&empty(1, 0), credits)).expect("good"));
        }
        assert!(!answers.is_empty(), "{credits}");
        let given: u16 = answers.iter().map(|m| pure_grant(m)).sum();
        assert!(given > 0 && given <= credits);
        assert!(end.link.granted() > 0);
    }
    // With one credit the empties are not answered for ever, but the last is.
    let mut end = server(1);
    let answers = end.turn(NOW, &target(&empty(1, 0), 1)).expect("good");
    assert_eq!(answers.len(), 1);
    assert!(pure_grant(&answers[0]) > 0);
}

/// Takes a response of 65536 bytes by batches of credits: `batches[0]` at first, and so on.
fn read_with(end: &mut Endpoint, batches: &[u16]) {
    let message = Rng::new(10).bytes(65_536);
    end.queue_message(vec![message.clone()]);
    let mut got = Vec::new();
    for (i, batch) in batches.iter().enumerate() {
        // The request, or an empty message with more credits.
        let sent = end.turn(NOW, &target(&empty(*batch, 0), 10)).expect("good");
        for (j, pdu) in sent.iter().enumerate() {
            let h = parse(pdu);
            let left = message.len() - got.len();
            assert_ne!(h.data_length, 0, "no empty message among the fragments");
            assert_eq!((h.data_length + h.remaining_data_length) as usize, left);
            assert_eq!(h.data_offset % 8, 0);
            assert_eq!(h.credits_requested, 255);
            got.extend_from_slice(&pdu[h.data_offset as usize..]);
            if j + 1 == usize::from(*batch) {
                assert!(
                    h.credits_granted > 0,
                    "batch {i}: the last credit has to grant"
                );
            }
        }
        assert!(sent.len() <= usize::from(*batch));
        if got.len() < message.len() {
            assert_eq!(sent.len(), usize::from(*batch));
            assert_eq!(end.link.send_state(), SendState::NoCredit);
        }
        end.check();
    }
    assert!(got == message);
}

#[test]
fn c04_server_uses_up_its_credits() {
    let mut end = server(10);
    // 49 fragments of 1340: the last one uses a last credit as well.
    read_with(&mut end, &[9, 10, 10, 10, 10]);
    assert!(end.counts.extra_receives > 0 || end.link.granted() > 0);
}

#[test]
fn c04_with_one_credit_at_a_time() {
    let mut end = server(10);
    read_with(&mut end, &[1; 49]);
}

/// The target and the maximum are reached, nothing is grantable, and one more is granted.
#[test]
fn last_credit_goes_beyond_target_and_max() {
    for max in [1, 10, 255] {
        let (mut link, _) =
            server_link(&with_credits(max, 255), &request(max, 1364, 1364, 131_072));
        let _ = link
            .on_receive(NOW, &target(&empty(3, 0), max))
            .expect("good");
        link.recv_posted(link.recv_wanted());
        assert_eq!((link.posted(), link.granted()), (max, max - 1));
        assert_eq!(parse(&link.emit(NOW, 10, 0).expect("3")).credits_granted, 1);
        assert_eq!(parse(&link.emit(NOW, 10, 0).expect("2")).credits_granted, 0);
        assert_eq!(
            (link.posted(), link.granted(), link.recv_wanted()),
            (max, max, 0)
        );
        assert_eq!(
            (link.send_credits(), link.send_state()),
            (1, SendState::NeedGrant)
        );
        assert_eq!(link.emit(NOW, 10, 0), Err(SendState::NeedGrant));
        assert_eq!(link.emit_empty(NOW), Err(SendState::NeedGrant));
        // From now on the receive is also wanted, should nobody have a buffer at the moment.
        assert!(link.can_overpost());
        assert_eq!(link.recv_wanted(), 1);
        assert!(link.recv_posted(1), "the sender can go on");
        assert_eq!(link.recv_wanted(), 0);
        assert!(!link.can_overpost());
        assert_eq!((link.send_state(), link.grantable()), (SendState::Ready, 1));
        assert_eq!(parse(&link.emit(NOW, 10, 0).expect("1")).credits_granted, 1);
        assert_eq!((link.posted(), link.granted()), (max + 1, max + 1));
        assert_eq!(link.send_state(), SendState::NoCredit);

        // The peer can only help by sending, which uses one; then it works once more, for ever.
        for _ in 0..3 {
            let got = link
                .on_receive(NOW, &target(&empty(1, 0), max))
                .expect("good");
            assert!(got.wake_senders);
            assert_eq!(link.send_state(), SendState::NeedGrant);
            assert!(link.can_overpost());
            assert_eq!(link.recv_wanted(), 0, "nobody has tried to send");
            link.recv_posted(1);
            assert_eq!(parse(&link.emit(NOW, 10, 0).expect("1")).credits_granted, 1);
            assert_eq!((link.posted(), link.granted()), (max + 1, max + 1));
        }
    }
}

/// The peer holds more than max because of a last credit, and asks for an answer. Only a last credit
/// may bring it there again, or there would be no room when the next last credit comes.
#[test]
fn answers_do_not_go_beyond_max() {
    let (mut link, _) = server_link(&with_credits(2, 255), &request(2, 1364, 1364, 131_072));
    let _ = link
        .on_receive(NOW, &target(&empty(2, 0), 2))
        .expect("good");
    for grants in [1, 1] {
        link.recv_posted(1);
        assert_eq!(
            parse(&link.emit(NOW, 10, 0).expect("credit")).credits_granted,
            grants
        );
    }
    assert_eq!(
        (link.posted(), link.granted(), link.send_credits()),
        (3, 3, 0)
    );
    let _ = link
        .on_receive(NOW, &target(&empty(5, 1), 2))
        .expect("good");
    assert!(link.empty_due() && !link.reply_needs_grant());
    assert_eq!(
        (link.recv_wanted(), link.can_overpost(), link.grantable()),
        (0, true, 0)
    );
    for _ in 0..4 {
        assert_eq!(
            parse(&link.emit(NOW, 10, 0).expect("credits")).credits_granted,
            0
        );
    }
    assert_eq!(link.send_state(), SendState::NeedGrant);
    assert!(link.can_overpost());
    link.recv_posted(1);
    assert_eq!(
        parse(&link.emit(NOW, 10, 0).expect("last")).credits_granted,
        1
    );
}

/// The same with anything a client may do.
#[test]
fn there_is_always_room_for_the_last_credit() {
    for max in [1, 2, 10] {
        let local = with_credits(max, 255);
        let mut end = Endpoint::new(
            "server",
            accepted(&local, &request(max, 1364, 1364, 131_072)),
            NOW,
        );
        end.refill();
        let _ = end.link.grant_in_response();
        let mut rng = Rng::new(u64::from(max));
        for round in 0..5000 {
            // The client uses what it has: empties, questions, grants of a few.
            if end.link.granted() > 0 && rng.percent(50) {
                let grants = if rng.percent(60) { 0 } else { rng.range(1, 5) };
                let pdu = empty(grants as u16, rng.range(0, 1) as u16);
                end.deliver(NOW, &target(&pdu, max)).expect("good");
            }
            if rng.percent(70) {
                end.refill();
            }
            if rng.percent(20) {
                for _ in 0..rng.range(1, 5) {
                    end.queue_message(vec![vec![0; 10]]);
                }
            }
            // Panics if a last credit cannot be spent for want of a receive.
            while end.send(NOW) != Step::Nothing {}
            if end.unsent() > 0 {
                assert_eq!(end.link.send_credits(), 0, "round {round}");
            }
            end.check();
        }
    }
}

#[test]
fn server_sends_nothing_before_it_has_credits() {
    let mut end = server(255);
    end.queue_message(vec![vec![1; 100]]);
    assert_eq!(end.send(NOW), Step::Nothing);
    assert_eq!(end.link.emit_empty(NOW), Err(SendState::NoCredit));
    let sent = end.turn(NOW, &data(5, &[1; 100], 0)).expect("good");
    assert_eq!(sent.len(), 1);
    assert_eq!(parse(&sent[0]).credits_granted, 1);
}

/// More receives than the client asked for are no reason to grant them.
#[test]
fn response_grants_what_was_asked_for() {
    let neg = accepted(&DEFAULTS, &request(10, 1364, 8192, 131_072));
    let mut link = Link::new(&neg, NOW);
    link.recv_posted(20);
    assert_eq!(link.grant_in_response(), 10);
    assert_eq!(
        (link.granted(), link.grantable(), link.recv_wanted()),
        (10, 0, 0)
    );
    assert_eq!(link.grant_in_response(), 0);
}

/// The target falls below what the peer holds: nothing is added until it has used enough. Then it
/// rises again.
#[test]
fn falling_and_rising_target() {
    let mut end = server(255);
    let _ = end
        .turn(NOW, &target(&data(100, &[1; 10], 0), 1))
        .expect("good");
    assert_eq!((end.link.granted(), end.link.recv_wanted()), (254, 0));
    end.queue_message(vec![vec![1; 100]]);
    let sent = end.send_all(NOW);
    assert_eq!(parse(&sent[0]).credits_granted, 0);
    for left in (1..254).rev() {
        let sent = end
            .turn(NOW, &target(&data(1, &[1; 10], 0), 1))
            .expect("good");
        assert_eq!((sent.len(), end.link.granted()), (0, left));
    }
    // The last one: now it is granted one.
    let sent = end
        .turn(NOW, &target(&data(1, &[1; 10], 0), 1))
        .expect("good");
    assert_eq!((sent.len(), pure_grant(&sent[0])), (1, 1));
    // It wants more again.
    let sent = end
        .turn(NOW, &target(&data(1, &[1; 10], 0), 255))
        .expect("good");
    assert_eq!((sent.len(), pure_grant(&sent[0])), (1, 255));
    // More than we give.
    end.queue_message(vec![vec![1; 100]]);
    let sent = end
        .turn(NOW, &target(&data(1, &[1; 10], 0), 65535))
        .expect("good");
    assert_eq!((sent.len(), parse(&sent[0]).credits_granted), (1, 1));
    assert_eq!(end.link.recv_target(), 255);
}

/// No grant on its own while the peer has plenty; one of many when it runs low.
#[test]
fn grants_come_in_batches() {
    let mut end = server(255);
    let mut sent = Vec::new();
    let mut used = 0;
    while sent.is_empty() {
        sent = end.turn(NOW, &data(1, &[1; 10], 0)).expect("good");
        used += 1;
    }
    // Less than a quarter left.
    assert_eq!((used, pure_grant(&sent[0])), (192, 192));
    assert_eq!(end.link.granted(), 255);
}

/// A peer without a credit is helped with what there is, however little (it cannot ask).
#[test]
fn peer_without_credit_is_helped_at_once() {
    let (mut link, _) = server_link(&DEFAULTS, &request(10, 1364, 1364, 131_072));
    for left in (0..10).rev() {
        let _ = link
            .on_receive(NOW, &target(&data(1, &[1; 10], 0), 10))
            .expect("good");
        assert!(!link.empty_due(), "nothing to grant");
        assert_eq!(link.granted(), left);
    }
    link.recv_posted(1);
    assert!(link.empty_due());
    assert_eq!(pure_grant(&link.emit_empty(NOW).expect("credits")), 1);
    // It has one: less than a quarter, so half of the target would be worth a message.
    link.recv_posted(4);
    assert!(!link.empty_due());
    link.recv_posted(1);
    assert!(link.empty_due());
}

/// With a pool of 16 receives the marks are those of 16.
#[test]
fn limit_of_a_small_pool() {
    let (mut link, _) = server_link(&DEFAULTS, &request(255, 1364, 1364, 131_072));
    assert_eq!(link.recv_wanted(), 0);
    let neg = accepted(&DEFAULTS, &request(255, 1364, 1364, 131_072));
    link = Link::new(&neg, NOW);
    link.set_recv_limit(16);
    assert_eq!(link.recv_wanted(), 16);
    link.recv_posted(16);
    assert_eq!(link.grant_in_response(), 16);
    for used in 1..=13 {
        let _ = link.on_receive(NOW, &data(1, &[1; 10], 0)).expect("good");
        assert_eq!(link.recv_wanted(), 1);
        link.recv_posted(1);
        assert_eq!(link.empty_due(), used >= 13, "{used}");
    }
    link.set_recv_limit(64);
    assert_eq!(link.recv_wanted(), 48);
    link.recv_posted(48);
    assert_eq!(link.grantable(), 61);
    link.set_recv_limit(u16::MAX);
    assert_eq!(link.recv_wanted(), 255 - 64);
    link.set_recv_limit(0);
    assert_eq!((link.recv_wanted(), link.grantable()), (0, 0));
}

/// Peers that want one credit and have one: no endless exchange, yet nobody is left without.
#[test]
fn single_credits_settle() {
    let one = with_credits(1, 1);
    let mut server = Endpoint::new(
        "server",
        accepted(&one, &request(1, 1364, 1364, 131_072)),
        NOW,
    );
    server.refill();
    let granted = server.link.grant_in_response();
    let resp = Response {
        credits_requested: 1,
        credits_granted: granted,
        max_fragmented_size: 131_072,
        ..response()
    };
    let mut client = Endpoint::new("client", connected(&one, &resp), NOW);
    client.refill();
    let mut in_flight = client.send_all(NOW);
    let mut messages = 0;
    let mut to_server = true;
    while let Some(pdu) = in_flight.pop() {
        messages += 1;
        assert!(messages < 5, "they talk for ever");
        let end = if to_server { &mut server } else { &mut client };
        in_flight = end.turn(NOW, &pdu).expect("good");
        assert!(in_flight.len() <= 1);
        to_server = !to_server;
    }
    assert!(server.link.send_credits() >= 1 && client.link.send_credits() >= 1);
}

/// Not even a message of zeros with flags and grants at their largest breaks the counting.
#[test]
fn extreme_header_values() {
    let (mut link, _) = server_link(&DEFAULTS, &request(65535, 1364, 1364, 131_072));
    let h = Header {
        credits_requested: 65535,
        credits_granted: 65535,
        flags: 65535,
        ..Header::default()
    };
    let _ = link.on_receive(NOW, &raw(&h, &[])).expect("good");
    assert_eq!((link.send_credits(), link.granted()), (65535, 254));
}
