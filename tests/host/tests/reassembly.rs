// SPDX-License-Identifier: GPL-2.0

//! Which fragments belong together (3.1.5.8), and where a reader finds them.

use smbdirect_core::reassembly::{Position, Reassembly};
use smbdirect_core::wire::data::Header;
use smbdirect_core::*;
use smbdirect_host_tests::endpoint::Endpoint;
use smbdirect_host_tests::{build::*, rng::Rng, DEFAULTS};

fn first(total: u32) -> Option<Position> {
    Some(Position {
        start: Some(total),
        end: false,
    })
}
const MIDDLE: Option<Position> = Some(Position {
    start: None,
    end: false,
});
const LAST: Option<Position> = Some(Position {
    start: None,
    end: true,
});

#[test]
fn one_message() {
    let mut r = Reassembly::new();
    let whole = Some(Position {
        start: Some(500),
        end: true,
    });
    assert_eq!(r.accept(500, 0), Ok(whole));
    assert_eq!(r.outstanding(), None);
    assert_eq!(r.accept(500, 0), Ok(whole));
}

#[test]
fn several_fragments() {
    let mut r = Reassembly::new();
    assert_eq!(r.accept(100, 250), Ok(first(350)));
    assert_eq!(r.outstanding(), Some(250));
    assert_eq!(r.accept(100, 150), Ok(MIDDLE));
    assert_eq!(r.accept(149, 1), Ok(MIDDLE));
    assert_eq!(r.accept(1, 0), Ok(LAST));
    assert_eq!(r.outstanding(), None);
}

#[test]
fn empty_first_fragment_carries_its_total_over() {
    let mut r = Reassembly::new();
    assert_eq!(r.accept(0, 300), Ok(None));
    assert_eq!(r.accept(0, 300), Ok(None));
    assert_eq!(r.accept(100, 200), Ok(first(300)));
    assert_eq!(r.accept(0, 200), Ok(None));
    assert_eq!(r.accept(200, 0), Ok(LAST));

    // What it announced counts.
    let mut short = Reassembly::new();
    assert_eq!(short.accept(0, 300), Ok(None));
    assert_eq!(short.outstanding(), Some(300));
    assert_eq!(
        short.accept(200, 0),
        Err(ProtocolError::EndedEarly { missing: 100 })
    );
    let mut long = Reassembly::new();
    assert_eq!(long.accept(0, 300), Ok(None));
    let error = ProtocolError::FragmentOverrun {
        data_length: 301,
        announced: 300,
    };
    assert_eq!(long.accept(301, 0), Err(error));

    // The first payload can be the last as well.
    assert_eq!(r.accept(0, 7), Ok(None));
    assert_eq!(
        r.accept(7, 0),
        Ok(Some(Position {
            start: Some(7),
            end: true
        }))
    );
}

#[test]
fn credit_messages_do_not_disturb() {
    let mut r = Reassembly::new();
    assert_eq!(r.accept(0, 0), Ok(None));
    assert_eq!(r.accept(100, 100), Ok(first(200)));
    assert_eq!(r.accept(0, 0), Ok(None));
    assert_eq!(r.outstanding(), Some(100));
    assert_eq!(r.accept(100, 0), Ok(LAST));
}

#[test]
fn x14_ends_early() {
    let mut r = Reassembly::new();
    assert_eq!(r.accept(1000, 64_536), Ok(first(65_536)));
    assert_eq!(
        r.accept(1000, 0),
        Err(ProtocolError::EndedEarly { missing: 63_536 })
    );

    let mut r = Reassembly::new();
    assert_eq!(r.accept(1, 2), Ok(first(3)));
    assert_eq!(
        r.accept(1, 0),
        Err(ProtocolError::EndedEarly { missing: 1 })
    );
}

#[test]
fn overrun() {
    let mut r = Reassembly::new();
    assert_eq!(r.accept(100, 50), Ok(first(150)));
    let error = ProtocolError::FragmentOverrun {
        data_length: 51,
        announced: 50,
    };
    assert_eq!(r.accept(51, 0), Err(error));

    let mut r = Reassembly::new();
    assert_eq!(r.accept(100, 50), Ok(first(150)));
    assert_eq!(
        r.accept(50, 1),
        Err(ProtocolError::MoreThanAnnounced { remaining: 1 })
    );
}

/// X-15 is off in the test suite: Windows lets a wrong number pass as long as the sum is right.
#[test]
fn x15_wrong_remaining_in_between_is_let_pass() {
    let mut r = Reassembly::new();
    assert_eq!(r.accept(100, 200), Ok(first(300)));
    assert_eq!(r.accept(100, 101), Ok(MIDDLE));
    assert_eq!(r.accept(100, 0), Ok(LAST));
}

/// A server with the numbers of the suite's data cases: 255/1024/1024/131072.
fn server() -> Endpoint {
    let mut end = Endpoint::new(
        "server",
        accepted(&DEFAULTS, &request(255, 1024, 1024, 131_072)),
        Millis(0),
    );
    end.refill();
    assert_eq!(end.link.grant_in_response(), 255);
    end
}

/// Sends raw messages to an endpoint and waits for grants like the suite's client.
fn feed(end: &mut Endpoint, pdus: &[Vec<u8>]) -> Result<(), ProtocolError> {
    let mut credits = 255;
    for pdu in pdus {
        assert_ne!(
            credits, 0,
            "the server has to grant when the client is out of credits"
        );
        credits -= 1;
        for answer in end.turn(Millis(1), pdu)? {
            let h = parse(&answer);
            // What the suite expects of a message that only grants.
            assert_eq!(answer.len(), 20);
            assert!(h.credits_granted > 0 && h.credits_requested > 0);
            assert_eq!((h.flags, h.remaining_data_length), (0, 0));
            assert_eq!((h.data_offset, h.data_length), (0, 0));
            credits += u32::from(h.credits_granted);
        }
    }
    Ok(())
}

/// The fragments of `message` in steps of `sizes`.
fn fragments(message: &[u8], sizes: impl IntoIterator<Item = usize>) -> Vec<Vec<u8>> {
    let mut rest = message;
    let mut out = Vec::new();
    for size in sizes {
        let (part, tail) = rest.split_at(size.min(rest.len()));
        out.push(data(1, part, tail.len() as u32));
        rest = tail;
        if rest.is_empty() {
            break;
        }
    }
    assert!(rest.is_empty());
    out
}

#[test]
fn d01_small_message() {
    let mut end = server();
    let message = Rng::new(1).bytes(500);
    feed(&mut end, &[data(1, &message, 0)]).expect("good");
    assert!(end.delivered == [message]);
}

#[test]
fn d02_66_fragments_with_a_falling_target() {
    let mut end = server();
    let message = Rng::new(2).bytes(65_536);
    let mut pdus = fragments(&message, [1000; 66]);
    assert_eq!(pdus.len(), 66);
    for (pdu, target) in pdus.iter_mut().zip((1..=66u16).rev()) {
        pdu[..2].copy_from_slice(&target.to_le_bytes());
    }
    feed(&mut end, &pdus).expect("good");
    assert!(end.delivered == [message]);
}

#[test]
fn d03_fragments_of_every_length_with_empty_ones() {
    let mut end = server();
    let message = Rng::new(3).bytes(65_536);
    let mut pdus = vec![raw(
        &Header {
            credits_requested: 255,
            credits_granted: 1,
            remaining_data_length: 65_536,
            ..Header::default()
        },
        &[],
    )];
    // Down from 128 to 0, and up again from 0.
    pdus.extend(fragments(&message, (0..=128).rev().chain(0..1000)));
    assert!(pdus.len() > 400, "{}", pdus.len());
    feed(&mut end, &pdus).expect("good");
    assert!(end.delivered == [message]);
}

#[test]
fn d04_one_byte_each_padded_to_full_size() {
    let mut end = server();
    let message = Rng::new(4).bytes(65_536);
    let mut pdus = fragments(&message, std::iter::repeat_n(1, 65_536));
    for pdu in &mut pdus {
        pdu.resize(1024, 0xaa);
    }
    feed(&mut end, &pdus).expect("good");
    assert!(end.delivered == [message]);
    // More than 16 bits of credits came with them.
    assert!(
        end.link.send_credits() > 65_535 - 2000,
        "{}",
        end.link.send_credits()
    );
}

#[test]
fn d05_trailing_bytes() {
    let mut end = server();
    let message = Rng::new(5).bytes(500);
    let mut pdu = data(1, &message, 0);
    pdu.resize(1024, 0);
    feed(&mut end, &[pdu]).expect("good");
    assert!(end.delivered == [message]);
}

/// One byte more than announced, hidden so that each message alone looks right.
#[test]
fn x12_one_byte_too_many() {
    for size in [173_911usize, 131_073, 1_048_577] {
        let mut r = Reassembly::new();
        let mut left = size as u32;
        let mut result = Ok(None);
        while left > 0 {
            let len = left.min(1340);
            left -= len;
            result = r.accept(len, left.saturating_sub(1));
        }
        let last = size as u32 % 1340;
        assert_eq!(
            result,
            Err(ProtocolError::FragmentOverrun {
                data_length: last,
                announced: last - 1
            })
        );
    }

    let mut end = server();
    let message = Rng::new(6).bytes(131_073);
    let mut pdus = fragments(&message, [1000; 132]);
    for pdu in &mut pdus {
        let remaining = parse(pdu).remaining_data_length.saturating_sub(1);
        pdu[8..12].copy_from_slice(&remaining.to_le_bytes());
    }
    let error = ProtocolError::FragmentOverrun {
        data_length: 73,
        announced: 72,
    };
    assert_eq!(feed(&mut end, &pdus), Err(error));
}

#[test]
fn x14_on_a_link() {
    for at in [1, 64] {
        let mut end = server();
        let mut pdus = fragments(&Rng::new(7).bytes(65_536), [1000; 66]);
        pdus[at][8..12].fill(0);
        let missing = 65_536 - 1000 * (at as u32 + 1);
        assert_eq!(
            feed(&mut end, &pdus),
            Err(ProtocolError::EndedEarly { missing })
        );
    }
}

/// A response that does not fit one message leaves in fragments with exact numbers and nothing in
/// between (D-06), whatever the client's receive size.
#[test]
fn d06_response_in_fragments() {
    for receive in [128, 1000, 1024, 1364] {
        let neg = accepted(&DEFAULTS, &request(255, 1024, receive, 131_072));
        let mut end = Endpoint::new("server", neg, Millis(0));
        end.refill();
        let _ = end.link.grant_in_response();
        end.deliver(Millis(1), &empty(255, 0)).expect("good");
        let message = Rng::new(8).bytes(receive as usize);
        end.queue_message(vec![message.clone()]);
        let sent = end.send_all(Millis(1));
        let capacity = receive as usize - 24;
        assert_eq!(sent.len(), message.len().div_ceil(capacity));
        let mut got = Vec::new();
        for pdu in &sent {
            let h = parse(pdu);
            assert!(pdu.len() <= receive as usize);
            assert_eq!(
                (h.data_offset, h.data_offset + h.data_length),
                (24, pdu.len() as u32)
            );
            assert_eq!(
                (h.data_length + h.remaining_data_length) as usize,
                message.len() - got.len()
            );
            got.extend_from_slice(&pdu[24..]);
        }
        assert!(got == message);
    }
}
