// SPDX-License-Identifier: GPL-2.0

//! Two endpoints of this implementation, under schedules made from seeds.

use smbdirect_core::{LocalParams, Millis};
use smbdirect_host_tests::pair::{Pair, Schedule};
use smbdirect_host_tests::rng::Rng;
use smbdirect_host_tests::{with_credits, DEFAULTS};

/// Credits and message sizes that make life hard: single credits, unequal sides, the smallest
/// messages that are legal.
fn shapes() -> Vec<(LocalParams, LocalParams)> {
    let small = |p: LocalParams| LocalParams {
        max_send_size: 128,
        max_recv_size: 128,
        ..p
    };
    vec![
        (DEFAULTS, DEFAULTS),
        (with_credits(1, 1), with_credits(1, 1)),
        (with_credits(1, 255), with_credits(255, 1)),
        (with_credits(255, 1), with_credits(1, 255)),
        (with_credits(2, 2), with_credits(1, 1)),
        (with_credits(3, 5), with_credits(7, 2)),
        (with_credits(1, 10), with_credits(10, 10)),
        (small(with_credits(10, 10)), DEFAULTS),
        (small(with_credits(2, 3)), small(with_credits(3, 2))),
    ]
}

fn schedules() -> Vec<Schedule> {
    vec![
        Schedule::default(),
        // A long wire, a fast wire.
        Schedule {
            wire: 1,
            ..Schedule::default()
        },
        Schedule {
            wire: 1000,
            ..Schedule::default()
        },
        // Readers that come late, and take little.
        Schedule {
            reader: 1,
            read_size: 100,
            ..Schedule::default()
        },
        Schedule {
            reader: 1000,
            read_size: 1,
            ..Schedule::default()
        },
    ]
}

/// A message of `len` bytes, cut into pieces of memory at random.
fn message(rng: &mut Rng, len: usize) -> Vec<Vec<u8>> {
    let mut rest = rng.bytes(len);
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        let n = rng.range(1, rest.len() as u64) as usize;
        let tail = rest.split_off(n);
        pieces.push(std::mem::replace(&mut rest, tail));
    }
    pieces
}

/// Queues `count` messages on a side and returns what has to arrive at the other.
fn queue(pair: &mut Pair, rng: &mut Rng, side: usize, count: usize, max: u64) -> Vec<Vec<u8>> {
    (0..count)
        .map(|_| {
            let len = rng.range(1, max) as usize;
            let pieces = message(rng, len);
            let whole = pieces.concat();
            pair.sides[side].queue_message(pieces);
            whole
        })
        .collect()
}

#[test]
fn everything_arrives() {
    for (client, server) in shapes() {
        for how in schedules() {
            for seed in 0..6 {
                let mut pair = Pair::connect(&client, &server, seed, how);
                pair.sides[0].extra_by_refill = seed & 1 != 0;
                pair.sides[1].extra_by_refill = seed & 2 != 0;
                let mut rng = Rng::new(seed);
                let to_server = queue(&mut pair, &mut rng, 0, 12, 3000);
                let to_client = queue(&mut pair, &mut rng, 1, 12, 3000);
                pair.settle(500_000);
                assert!(
                    pair.sides[1].delivered == to_server,
                    "{client:?} {server:?} {how:?}"
                );
                assert!(
                    pair.sides[0].delivered == to_client,
                    "{client:?} {server:?} {how:?}"
                );
            }
        }
    }
}

#[test]
fn large_messages_arrive_whatever_the_credits() {
    for (client, server) in shapes() {
        let mut pair = Pair::connect(&client, &server, 42, Schedule::default());
        let mut rng = Rng::new(42);
        let to_server = queue(&mut pair, &mut rng, 0, 2, 131_072);
        let to_client = queue(&mut pair, &mut rng, 1, 2, 131_072);
        pair.settle(2_000_000);
        assert!(
            pair.sides[1].delivered == to_server,
            "{client:?} {server:?}"
        );
        assert!(
            pair.sides[0].delivered == to_client,
            "{client:?} {server:?}"
        );
    }
}

/// The longest message that the peer takes, to the byte.
#[test]
fn message_of_the_largest_size() {
    let mut pair = Pair::connect(&DEFAULTS, &DEFAULTS, 7, Schedule::default());
    let max = pair.sides[0].neg.max_fragmented_send_size();
    assert_eq!(max, 173_910);
    let whole = Rng::new(7).bytes(max as usize);
    pair.sides[0].queue_message(vec![whole.clone()]);
    pair.settle(100_000);
    assert!(pair.sides[1].delivered == [whole]);
    assert_eq!(pair.sides[0].counts.data, u64::from(max.div_ceil(1340)));
}

/// WPTS SmbdDataTransfer_SmallLengthSegment: many more fragments than receive buffers.
#[test]
fn d04_65536_fragments_of_one_byte() {
    for credits in [255, 2, 1] {
        let local = with_credits(credits, credits);
        let mut pair = Pair::connect(&local, &local, 1, Schedule::default());
        pair.sides[0].max_fragment = 1;
        let whole = Rng::new(1).bytes(65_536);
        pair.sides[0].queue_message(vec![whole.clone()]);
        pair.settle(3_000_000);
        assert!(pair.sides[1].delivered == [whole]);
        assert_eq!(pair.sides[0].counts.data, 65_536);
        if credits == 255 {
            // Grants come in batches: about one for each half of the credits, not one each.
            assert!(
                pair.sides[1].counts.empty < 65_536 / 100,
                "{:?}",
                pair.sides[1].counts
            );
        }
    }
}

/// Requests and answers in turn need no message for credits but the first, by which the client
/// opens its window, and the one by which the server learns that it is open.
#[test]
fn grants_travel_with_data() {
    for seed in 0..20 {
        let mut pair = Pair::connect(&DEFAULTS, &DEFAULTS, seed, Schedule::default());
        let mut rng = Rng::new(seed);
        for _ in 0..1000 {
            queue(&mut pair, &mut rng, 0, 1, 300);
            pair.settle(1000);
            queue(&mut pair, &mut rng, 1, 1, 1000);
            pair.settle(1000);
        }
        assert_eq!(pair.sides[0].delivered.len(), 1000);
        let empties = [pair.sides[0].counts.empty, pair.sides[1].counts.empty];
        assert!(empties[0] <= 1 && empties[1] == 0, "{empties:?}");
    }
}

/// Data in one direction only (the C module's stall W18): the receiver grants in batches.
#[test]
fn one_way_traffic_does_not_stall() {
    for (client, server) in shapes() {
        for side in 0..2 {
            let mut pair = Pair::connect(&client, &server, 3, Schedule::default());
            let mut rng = Rng::new(3);
            let sent = queue(&mut pair, &mut rng, side, 2000, 60);
            pair.settle(300_000);
            assert_eq!(
                pair.sides[1 - side].delivered.len(),
                sent.len(),
                "{client:?} {server:?}"
            );
            assert_eq!(pair.sides[side].counts.data, 2000);
        }
    }
}

/// However few credits there are, two idle sides do not talk to each other.
#[test]
fn empties_come_to_an_end() {
    for (client, server) in shapes() {
        for seed in 0..50 {
            let mut pair = Pair::connect(&client, &server, seed, Schedule::default());
            let steps = pair.settle(500);
            let empties = pair.sides[0].counts.empty + pair.sides[1].counts.empty;
            assert!(
                empties <= 3,
                "{empties} empties in {steps} steps: {client:?} {server:?}"
            );
        }
    }
}

/// An hour without data: a question and its answer every two minutes, also when both ask at the
/// same time, and nobody gives up.
#[test]
fn idle_connections_live() {
    for (client, server) in shapes() {
        for seed in 0..5 {
            let mut pair = Pair::connect(&client, &server, seed, Schedule::default());
            pair.idle_until(Millis::from_secs(3601), 1000);
            let counts = [pair.sides[0].counts, pair.sides[1].counts];
            let probes = counts[0].probes + counts[1].probes;
            let empties = counts[0].empty + counts[1].empty;
            assert!(
                (29..=62).contains(&probes),
                "{probes} probes: {client:?} {server:?}"
            );
            // An answer each, and a few grants for those who have but one credit.
            assert!(
                empties <= 4 * probes + 3,
                "{empties} empties for {probes} probes"
            );
        }
    }
}

/// Nobody reads: the sender is stopped by its credits, no receive is missing, and all goes on
/// when the reader comes back.
#[test]
fn slow_reader_stops_the_sender() {
    for (client, server) in shapes() {
        let how = Schedule {
            reader: 0,
            ..Schedule::default()
        };
        let mut pair = Pair::connect(&client, &server, 11, how);
        let mut rng = Rng::new(11);
        let sent = queue(&mut pair, &mut rng, 0, 1000, 60);
        for _ in 0..20_000 {
            // A weight of zero still lets the reader go when nothing else is possible.
            if pair.sides[1].unread() == usize::from(pair.sides[1].neg.recv_credit_max()) {
                break;
            }
            pair.step();
        }
        pair.settle(100_000);
        assert!(pair.sides[1].delivered == sent, "{client:?} {server:?}");
    }
}

/// The connection breaks after any number of steps: all buffers come back, each once.
#[test]
fn flush_after_every_step() {
    for (client, server) in shapes() {
        for steps in 0..300 {
            let how = Schedule {
                reader: 3,
                read_size: 50,
                ..Schedule::default()
            };
            let mut pair = Pair::connect(&client, &server, steps, how);
            let mut rng = Rng::new(steps);
            queue(&mut pair, &mut rng, 0, 5, 1500);
            queue(&mut pair, &mut rng, 1, 5, 1500);
            for _ in 0..steps {
                pair.step();
            }
            pair.flush();
        }
    }
}

/// Many more seeds than a normal run has time for.
#[test]
#[ignore = "takes minutes; run with --run-ignored all"]
fn everything_arrives_long() {
    for seed in 1000..21_000 {
        let mut rng = Rng::new(seed);
        let mut side = || {
            let mut p = with_credits(rng.range(1, 20) as u16, rng.range(1, 20) as u16);
            p.max_send_size = rng.range(128, 2000) as u32;
            p.max_recv_size = rng.range(128, 2000) as u32;
            p
        };
        let (client, server) = (side(), side());
        let how = Schedule {
            wire: rng.range(1, 100),
            reader: rng.range(1, 100),
            post: rng.range(0, 50),
            read_size: rng.range(1, 3000) as u32,
            delay: rng.range(0, 5),
        };
        let mut pair = Pair::connect(&client, &server, seed, how);
        let to_server = queue(&mut pair, &mut rng, 0, 20, 20_000);
        let to_client = queue(&mut pair, &mut rng, 1, 20, 20_000);
        pair.settle(10_000_000);
        assert!(
            pair.sides[1].delivered == to_server,
            "seed {seed} {client:?} {server:?} {how:?}"
        );
        assert!(
            pair.sides[0].delivered == to_client,
            "seed {seed} {client:?} {server:?} {how:?}"
        );
    }
}
