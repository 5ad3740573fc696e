// SPDX-License-Identifier: GPL-2.0

//! Bytes that a peer could send: random ones, and good messages with a few bytes changed. Nothing
//! may panic, and what is accepted must be within bounds. The short runs belong to every test run;
//! the long one is for `--run-ignored all`.

use smbdirect_core::recv_queue::Segment;
use smbdirect_core::slices::Slices;
use smbdirect_core::wire::descriptor::Descriptor;
use smbdirect_core::*;
use smbdirect_host_tests::rng::Rng;
use smbdirect_host_tests::{build::*, vectors::*, with_credits, DEFAULTS};

/// Numbers at which things go wrong.
const EDGES: [u32; 14] = [
    0,
    1,
    7,
    8,
    20,
    24,
    127,
    128,
    131_071,
    131_072,
    0x7FFF_FFFF,
    0xFFFF_FFE8,
    0xFFFF_FFF8,
    u32::MAX,
];

/// Changes a message a little: a byte, a field, its length.
fn mutate(rng: &mut Rng, pdu: &mut Vec<u8>) {
    for _ in 0..rng.range(0, 3) {
        match rng.range(0, 3) {
            0 if !pdu.is_empty() => {
                let at = rng.range(0, pdu.len() as u64 - 1) as usize;
                pdu[at] = rng.next_u64() as u8;
            }
            1 if pdu.len() >= 4 => {
                let at = rng.range(0, pdu.len() as u64 / 4 - 1) as usize * 4;
                let value = EDGES[rng.range(0, 13) as usize];
                pdu[at..at + 4].copy_from_slice(&value.to_le_bytes());
            }
            2 => pdu.truncate(rng.range(0, pdu.len() as u64) as usize),
            _ => pdu.resize(pdu.len() + rng.range(0, 40) as usize, 0x55),
        }
    }
}

fn negotiations(seed: u64, rounds: u32) {
    let mut rng = Rng::new(seed);
    for _ in 0..rounds {
        let mut pdu = match rng.range(0, 4) {
            0 => REQUEST_SAMPLE.to_vec(),
            1 => REQUEST_WINDOWS.to_vec(),
            2 => RESPONSE_SAMPLE.to_vec(),
            3 => RESPONSE_NOT_SUPPORTED.to_vec(),
            _ => {
                let len = rng.range(0, 600) as usize;
                rng.bytes(len)
            }
        };
        mutate(&mut rng, &mut pdu);
        if let Ok(ServerOutcome::Accept(neg)) = server_negotiate(&DEFAULTS, &pdu) {
            assert!(pdu.len() >= 20);
            assert!((128..=1364).contains(&neg.max_send_size()));
            assert!((128..=1364).contains(&neg.max_recv_size()));
            assert!(neg.max_fragmented_send_size() >= 131_072);
        }
        if let Ok(neg) = client_negotiate(&DEFAULTS, &pdu) {
            assert!(pdu.len() >= 32);
            assert!(neg.initial_send_credits() > 0);
            assert!((128..=1364).contains(&neg.max_send_size()));
        }
    }
}

/// Feeds one connection after the other with messages that get worse, until each ends.
fn connections(seed: u64, count: u32) -> u64 {
    let mut rng = Rng::new(seed);
    let mut accepted_messages = 0;
    for _ in 0..count {
        let local = with_credits(rng.range(1, 300) as u16, rng.range(1, 300) as u16);
        let (mut link, neg) = server_link(&local, &request(300, 1364, 1364, 200_000));
        let mut outstanding: u32 = 0;
        let mut now = Millis::ZERO;
        loop {
            now = now.after(Millis(rng.range(0, 1000)));
            let len = rng.range(0, 60) as usize;
            let mut pdu = match rng.range(0, 9) {
                0 => rng.bytes(len),
                1..=3 => empty(rng.range(0, 2) as u16, rng.range(0, 1) as u16),
                4..=6 if outstanding == 0 => data(1, &vec![1; len], rng.range(0, 300) as u32),
                _ => {
                    let n = (outstanding as usize).min(len);
                    data(1, &vec![1; n], outstanding - n as u32)
                }
            };
            if rng.percent(3) {
                mutate(&mut rng, &mut pdu);
            }
            let got = match link.on_receive(now, &pdu) {
                Ok(got) => got,
                Err(e) => {
                    // The line for the log can be made.
                    assert!(e.to_string().ends_with(')'), "{e}");
                    break;
                }
            };
            accepted_messages += 1;
            let h = parse(&pdu);
            assert!(pdu.len() <= neg.max_recv_size() as usize);
            if h.data_length != 0 || h.remaining_data_length != 0 {
                outstanding = if outstanding == 0 {
                    h.remaining_data_length
                } else {
                    outstanding
                        .checked_sub(h.data_length)
                        .expect("never more than announced")
                };
                assert_eq!(outstanding == 0, h.remaining_data_length == 0);
            }
            if let Some(p) = got.payload {
                assert!(p.len > 0 && p.offset >= 24);
                assert!(u64::from(p.offset) + u64::from(p.len) <= pdu.len() as u64);
                assert!(p
                    .start
                    .is_none_or(|t| t >= p.len && t <= neg.max_fragmented_recv_size()));
                // It fits a segment.
                let _ = Segment {
                    slot: 0,
                    offset: p.offset,
                    len: p.len,
                    start: p.start.unwrap_or(0),
                };
            }
            link.recv_posted(link.recv_wanted());
            while link.empty_due() {
                if link.send_state() == SendState::NeedGrant {
                    assert!(link.can_overpost());
                    link.recv_posted(1);
                }
                if link.emit_empty(now).is_err() {
                    break;
                }
            }
            assert!(link.granted() <= link.posted());
            assert!(link.posted() <= local.recv_credit_max + 1);
        }
    }
    accepted_messages
}

fn descriptors(seed: u64, rounds: u32) {
    let mut rng = Rng::new(seed);
    for _ in 0..rounds {
        let mut array = Vec::new();
        for _ in 0..rng.range(0, 8) {
            let edge = |rng: &mut Rng| EDGES[rng.range(0, 13) as usize];
            let offset = match rng.range(0, 2) {
                0 => rng.next_u64(),
                1 => u64::MAX - u64::from(edge(&mut rng)),
                _ => u64::from(edge(&mut rng)),
            };
            let length = edge(&mut rng);
            array.extend(
                Descriptor {
                    offset,
                    token: 1,
                    length,
                }
                .emit(),
            );
        }
        mutate(&mut rng, &mut array);
        let len = EDGES[rng.range(0, 13) as usize];
        let max = EDGES[rng.range(10, 13) as usize];
        if let Ok(slices) = Slices::new(&array, len, max) {
            let total: u64 = slices.map(|s| u64::from(s.len)).sum();
            assert_eq!(total, u64::from(len));
        }
    }
}

#[test]
fn negotiations_with_changed_bytes() {
    negotiations(1, 200_000);
}

#[test]
fn connections_with_changed_bytes() {
    let messages = connections(2, 3000);
    assert!(
        messages > 20_000,
        "only {messages} messages passed: the input is too bad to be of use"
    );
}

#[test]
fn descriptors_with_changed_bytes() {
    descriptors(3, 200_000);
}

#[test]
#[ignore = "takes minutes; run with --run-ignored all"]
fn long_run() {
    for seed in 100..160 {
        negotiations(seed, 1_000_000);
        connections(seed, 30_000);
        descriptors(seed, 1_000_000);
    }
}
