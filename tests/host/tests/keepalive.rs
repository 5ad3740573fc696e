// SPDX-License-Identifier: GPL-2.0

//! The idle timer (3.1.6.2): the cases of the Windows Protocol Test Suites (T-, C-05), and both
//! sides at once.

use smbdirect_core::keepalive::{Keepalive, TimerAction};
use smbdirect_core::*;
use smbdirect_host_tests::endpoint::Endpoint;
use smbdirect_host_tests::{build::*, DEFAULTS};

const fn secs(s: u64) -> Millis {
    Millis::from_secs(s)
}

/// A server whose client has sent a request at second 1 and has had the answer.
fn idle_server() -> Endpoint {
    let neg = accepted(&DEFAULTS, &request(255, 1364, 8192, 131_072));
    let mut end = Endpoint::new("server", neg, Millis::ZERO);
    end.refill();
    assert_eq!(end.link.grant_in_response(), 255);
    end.queue_message(vec![vec![0; 100]]);
    let sent = end.turn(secs(1), &data(255, &[0; 100], 0)).expect("good");
    assert_eq!(sent.len(), 1, "the refill goes with the answer");
    assert_eq!(end.link.granted(), 255);
    end
}

/// Lets time go by up to `to`; what is sent meanwhile, and when.
fn idle(end: &mut Endpoint, to: Millis) -> Vec<(Millis, Vec<u8>)> {
    let mut out = Vec::new();
    loop {
        let at = end.link.next_timer();
        if at > to {
            return out;
        }
        match end.link.on_timer(at) {
            TimerAction::Dead => panic!("dead at {at:?}"),
            TimerAction::Rearm(next) | TimerAction::Probe { rearm: next } => assert!(next > at),
        }
        out.extend(end.send_all(at).into_iter().map(|m| (at, m)));
    }
}

fn probe(pdu: &[u8]) {
    let h = parse(pdu);
    assert_eq!((pdu.len(), h.flags), (20, 1));
    assert!(h.credits_requested > 0);
    assert_eq!(
        (h.remaining_data_length, h.data_offset, h.data_length),
        (0, 0, 0)
    );
}

fn answer(pdu: &[u8]) {
    let h = parse(pdu);
    assert_eq!((pdu.len(), h.flags), (20, 0));
    assert!(h.credits_requested > 0 && h.credits_granted > 0);
    assert_eq!(
        (h.remaining_data_length, h.data_offset, h.data_length),
        (0, 0, 0)
    );
}

#[test]
fn t03_client_asks() {
    let mut end = idle_server();
    assert!(
        idle(&mut end, secs(120)).is_empty(),
        "nothing before the question"
    );
    let sent = end.turn(secs(120), &empty(0, 1)).expect("good");
    assert_eq!(sent.len(), 1);
    answer(&sent[0]);
}

#[test]
fn t03_the_refill_comes_late() {
    let mut end = idle_server();
    end.deliver(secs(100), &empty(0, 1)).expect("good");
    assert!(end.link.reply_needs_grant());
    // The endpoint posts a receive for the answer even though nobody refilled.
    let sent = end.send_all(secs(100));
    assert_eq!(sent.len(), 1);
    answer(&sent[0]);
    end.refill();
    assert!(end.send_all(secs(100)).is_empty(), "no second message");
}

#[test]
fn t03_answer_with_data() {
    let mut end = idle_server();
    end.queue_message(vec![vec![7; 10]]);
    let sent = end.turn(secs(100), &empty(0, 1)).expect("good");
    assert_eq!(sent.len(), 1, "the data is the answer");
    let h = parse(&sent[0]);
    assert_eq!((h.flags, h.credits_granted, h.data_length), (0, 1, 10));
}

#[test]
fn t04_server_asks_twice() {
    let mut end = idle_server();
    let mut last = secs(1);
    for _ in 0..2 {
        let sent = idle(&mut end, last.after(secs(125)).since(Millis(1)));
        assert_eq!(sent.len(), 1);
        assert_eq!(sent[0].0, last.after(secs(120)));
        probe(&sent[0].1);
        // The client answers after four seconds, and asks in turn.
        last = sent[0].0.after(secs(4));
        assert!(idle(&mut end, last).is_empty());
        let sent = end.turn(last, &empty(1, 1)).expect("good");
        assert_eq!(sent.len(), 1);
        answer(&sent[0]);
    }
}

#[test]
fn t05_no_answer() {
    let mut end = idle_server();
    let sent = idle(&mut end, secs(125));
    assert_eq!(sent.len(), 1);
    probe(&sent[0].1);
    assert_eq!(end.link.next_timer(), secs(126));
    assert_eq!(
        end.link.on_timer(Millis(125_999)),
        TimerAction::Rearm(secs(126))
    );
    assert_eq!(end.link.on_timer(secs(126)), TimerAction::Dead);
}

/// No credit for the question: nothing is sent, and the end comes all the same at 125 s.
#[test]
fn c05_question_cannot_be_sent() {
    let neg = accepted(&DEFAULTS, &request(255, 1364, 8192, 131_072));
    let mut end = Endpoint::new("server", neg, Millis::ZERO);
    end.refill();
    let _ = end.link.grant_in_response();
    assert_eq!(
        end.link.on_timer(secs(120)),
        TimerAction::Probe { rearm: secs(125) }
    );
    assert!(end.link.empty_due());
    assert!(end.send_all(secs(120)).is_empty());
    assert_eq!(end.link.on_timer(secs(125)), TimerAction::Dead);
}

/// The question goes out late: the peer has the full time from then on.
#[test]
fn late_question() {
    let (mut link, _) = client_link(&DEFAULTS, &response());
    assert_eq!(
        link.on_timer(secs(120)),
        TimerAction::Probe { rearm: secs(125) }
    );
    assert_eq!(
        parse(&link.emit_empty(secs(124)).expect("credits")).flags,
        1
    );
    assert_eq!(link.on_timer(secs(125)), TimerAction::Rearm(secs(129)));
    assert_eq!(link.on_timer(secs(129)), TimerAction::Dead);
}

/// Data carries the question if there is some, only once.
#[test]
fn question_with_data() {
    let (mut link, _) = client_link(&DEFAULTS, &response());
    let _ = link.on_timer(secs(120));
    assert_eq!(
        parse(&link.emit(secs(121), 10, 10).expect("credits")).flags,
        1
    );
    assert_eq!(
        parse(&link.emit(secs(121), 10, 0).expect("credits")).flags,
        0
    );
}

/// Sending is no sign of life of the peer.
#[test]
fn sending_does_not_put_the_timer_off() {
    let (mut link, _) = client_link(&DEFAULTS, &response());
    for s in 0..120 {
        link.emit(secs(s), 10, 0).expect("credits");
        assert_eq!(link.next_timer(), secs(120));
    }
    assert!(matches!(
        link.on_timer(secs(120)),
        TimerAction::Probe { .. }
    ));
}

/// A message only stores the time: the timer finds out when it fires.
#[test]
fn receiving_is_lazy() {
    let mut k = Keepalive::new(secs(120), secs(5), Millis::ZERO);
    k.on_receive(secs(50));
    k.on_receive(secs(60));
    assert_eq!(k.on_timer(secs(120)), TimerAction::Rearm(secs(180)));
    assert_eq!(
        k.on_timer(secs(180)),
        TimerAction::Probe { rearm: secs(185) }
    );
    // Saved at the last moment, asked or not.
    k.on_receive(Millis(184_999));
    assert_eq!(k.on_timer(secs(185)), TimerAction::Rearm(Millis(304_999)));
    assert_eq!(
        k.on_timer(secs(305)),
        TimerAction::Probe { rearm: secs(310) }
    );
    assert!(k.probe_pending() && k.take_probe(secs(306)) && !k.take_probe(secs(306)));
    k.on_receive(secs(307));
    assert_eq!(k.next_timer(), secs(427));
}

#[test]
fn timer_that_fires_late_or_early() {
    let mut k = Keepalive::new(secs(120), secs(5), Millis::ZERO);
    assert_eq!(k.on_timer(Millis::ZERO), TimerAction::Rearm(secs(120)));
    // Late by an hour: the peer still gets its five seconds.
    assert_eq!(
        k.on_timer(secs(3600)),
        TimerAction::Probe { rearm: secs(3605) }
    );
    // Never an overflow.
    let mut k = Keepalive::new(Millis(u64::MAX), Millis(u64::MAX), Millis(5));
    assert_eq!(k.next_timer(), Millis(u64::MAX));
    assert!(matches!(
        k.on_timer(Millis(u64::MAX)),
        TimerAction::Probe { .. }
    ));
}

/// Both ask at the same moment: each message is an answer to the other; one more from each, no
/// end of questions.
#[test]
fn simultaneous_questions() {
    let mut ends = [idle_server(), idle_server()];
    let mut crossing = Vec::new();
    for end in &mut ends {
        assert!(matches!(
            end.link.on_timer(secs(121)),
            TimerAction::Probe { .. }
        ));
        let mut sent = end.send_all(secs(121));
        assert_eq!(sent.len(), 1);
        probe(&sent[0]);
        crossing.append(&mut sent);
    }
    crossing.reverse();
    let mut answers = Vec::new();
    for (end, pdu) in ends.iter_mut().zip(&crossing) {
        let mut sent = end.turn(secs(121), pdu).expect("good");
        assert_eq!(sent.len(), 1);
        answer(&sent[0]);
        answers.append(&mut sent);
    }
    answers.reverse();
    for (end, pdu) in ends.iter_mut().zip(&answers) {
        assert!(end.turn(secs(121), pdu).expect("good").is_empty());
        assert_eq!(end.link.next_timer(), secs(241));
    }
}
