// SPDX-License-Identifier: GPL-2.0

//! The queue of received payload.

use smbdirect_core::recv_queue::{Piece, QueueFull, RecvQueue, Segment};
use smbdirect_host_tests::endpoint::Segments;
use smbdirect_host_tests::rng::Rng;
use std::collections::VecDeque;

fn seg(slot: u16, len: u32, start: u32) -> Segment {
    Segment {
        slot,
        offset: 24,
        len,
        start,
    }
}

fn piece(slot: u16, offset: u32, len: u32, done: bool) -> Piece {
    Piece {
        slot,
        offset,
        len,
        done,
    }
}

fn queue(segments: &[Segment]) -> RecvQueue<[Segment; 4]> {
    let mut q = RecvQueue::new([Segment::default(); 4]);
    for &s in segments {
        q.push(s).expect("room");
    }
    q
}

fn take(q: &mut RecvQueue<[Segment; 4]>, want: u32) -> Vec<Piece> {
    let mut out = [Piece::default(); 8];
    let n = q.take(want, &mut out);
    out[..n].to_vec()
}

#[test]
fn a_message_in_parts() {
    let mut q = queue(&[seg(1, 100, 150), seg(2, 50, 0)]);
    assert_eq!((q.available(), q.segments()), (150, 2));
    assert_eq!(q.header(), Some(150));
    assert_eq!(q.take_header(), Some(150));
    assert_eq!((q.header(), q.take_header()), (None, None));
    assert_eq!(take(&mut q, 30), [piece(1, 24, 30, false)]);
    assert_eq!(q.header(), None);
    assert_eq!(
        take(&mut q, 100),
        [piece(1, 54, 70, true), piece(2, 24, 30, false)]
    );
    assert_eq!((q.available(), q.segments()), (20, 1));
    assert_eq!(take(&mut q, 20), [piece(2, 54, 20, true)]);
    assert_eq!((q.available(), q.segments()), (0, 0));
    assert_eq!(take(&mut q, 20), []);
}

#[test]
fn header_of_the_next_message() {
    let mut q = queue(&[seg(1, 10, 10), seg(2, 10, 10)]);
    assert_eq!(q.take_header(), Some(10));
    assert_eq!(take(&mut q, 10), [piece(1, 24, 10, true)]);
    assert_eq!(q.take_header(), Some(10));
    assert_eq!(take(&mut q, 10), [piece(2, 24, 10, true)]);
    assert_eq!(q.header(), None);
}

#[test]
fn payload_goes_over_a_header() {
    let mut q = queue(&[seg(1, 10, 10), seg(2, 10, 10)]);
    assert_eq!(
        take(&mut q, 15),
        [piece(1, 24, 10, true), piece(2, 24, 5, false)]
    );
    assert_eq!(q.header(), None, "not at the start any more");
    assert_eq!(take(&mut q, 99), [piece(2, 29, 5, true)]);
}

/// The header of a message that has only begun to arrive.
#[test]
fn header_before_the_rest_is_here() {
    let mut q = queue(&[seg(1, 1, 100_000)]);
    assert_eq!(q.take_header(), Some(100_000));
    assert_eq!(take(&mut q, 100_000), [piece(1, 24, 1, true)]);
    q.push(seg(2, 1, 0)).expect("room");
    assert_eq!(q.header(), None);
}

#[test]
fn few_pieces_at_a_time() {
    let mut q = queue(&[seg(1, 10, 30), seg(2, 10, 0), seg(3, 10, 0)]);
    let mut out = [Piece::default(); 2];
    assert_eq!(q.take(30, &mut out), 2);
    assert_eq!(out, [piece(1, 24, 10, true), piece(2, 24, 10, true)]);
    assert_eq!(q.take(0, &mut out), 0);
    assert_eq!(q.take(30, &mut []), 0);
    assert_eq!(q.take(30, &mut out), 1);
    assert_eq!(out[0], piece(3, 24, 10, true));
}

#[test]
fn full() {
    let mut q = queue(&[seg(0, 1, 1); 4]);
    assert_eq!(q.push(seg(9, 1, 1)), Err(QueueFull));
    assert_eq!(q.available(), 4);
    take(&mut q, 1);
    assert_eq!(q.push(seg(9, 1, 1)), Ok(()));
    assert_eq!(q.push(seg(9, 1, 1)), Err(QueueFull));
    let mut none = RecvQueue::new(Segments(Vec::new()));
    assert_eq!(none.push(seg(9, 1, 1)), Err(QueueFull));
    assert_eq!((none.header(), none.drain()), (None, None));
}

#[test]
fn teardown_names_each_slot_once() {
    let mut q = queue(&[seg(7, 10, 10), seg(8, 10, 20), seg(9, 10, 0)]);
    q.take_header();
    take(&mut q, 13);
    assert_eq!((q.drain(), q.drain(), q.drain()), (Some(8), Some(9), None));
    assert_eq!((q.available(), q.segments()), (0, 0));
}

#[test]
fn memory_is_replaced() {
    let mut q = RecvQueue::new(Segments(vec![Segment::default(); 2]));
    let mut out = [Piece::default(); 4];
    q.push(seg(1, 10, 30)).expect("room");
    q.push(seg(2, 10, 0)).expect("room");
    q.take(10, &mut out);
    q.push(seg(3, 10, 0)).expect("room");
    // Now the oldest is at the end of the memory and the newest at its beginning.
    let short = q
        .replace_store(Segments(vec![Segment::default(); 1]))
        .expect_err("too short");
    assert_eq!(short.0.len(), 1);
    let old = q
        .replace_store(Segments(vec![Segment::default(); 5]))
        .expect("long enough");
    assert_eq!(old.0.len(), 2);
    for slot in 4..7 {
        q.push(seg(slot, 10, 30)).expect("room");
    }
    assert_eq!(q.push(seg(7, 10, 0)), Err(QueueFull));
    assert_eq!(q.available(), 50);
    assert_eq!(q.take(20, &mut out), 2);
    assert_eq!(out[..2], [piece(2, 24, 10, true), piece(3, 24, 10, true)]);
    assert_eq!(q.header(), Some(30));
}

/// Against a plain queue of bytes.
#[test]
fn random_reads() {
    for seed in 0..300 {
        let mut rng = Rng::new(seed);
        let slots = rng.range(1, 9) as usize;
        let mut q = RecvQueue::new(Segments(vec![Segment::default(); slots]));
        let mut buffers: Vec<Vec<u8>> = vec![Vec::new(); slots];
        let mut free: Vec<u16> = (0..slots as u16).collect();
        let mut model: VecDeque<(u8, u32)> = VecDeque::new();
        let mut header_taken = false;
        for _ in 0..500 {
            if rng.percent(50) {
                if let Some(slot) = free.pop() {
                    let offset = rng.range(20, 40) as u32;
                    let len = rng.range(1, 50) as u32;
                    let start = if rng.percent(30) {
                        len + rng.range(0, 99) as u32
                    } else {
                        0
                    };
                    let buffer = rng.bytes((offset + len) as usize);
                    for (i, byte) in buffer[offset as usize..].iter().enumerate() {
                        model.push_back((*byte, if i == 0 { start } else { 0 }));
                    }
                    buffers[usize::from(slot)] = buffer;
                    q.push(Segment {
                        slot,
                        offset,
                        len,
                        start,
                    })
                    .expect("a slot was free");
                } else {
                    assert_eq!(q.push(Segment::default()), Err(QueueFull));
                }
            }
            let header = match model.front() {
                Some(&(_, start)) if start != 0 && !header_taken => Some(start),
                _ => None,
            };
            assert_eq!(q.header(), header);
            if header.is_some() && rng.percent(50) {
                assert_eq!(q.take_header(), header);
                header_taken = true;
            }
            if rng.percent(60) {
                let want = rng.range(0, 120) as u32;
                let mut out = vec![Piece::default(); rng.range(0, 4) as usize];
                let n = q.take(want, &mut out);
                let mut got = 0;
                for p in &out[..n] {
                    assert!(p.len > 0);
                    let from = p.offset as usize;
                    for byte in &buffers[usize::from(p.slot)][from..from + p.len as usize] {
                        assert_eq!(model.pop_front().map(|m| m.0), Some(*byte));
                    }
                    got += p.len;
                    header_taken = false;
                    if p.done {
                        free.push(p.slot);
                    }
                }
                assert!(got <= want);
                assert!(got == want || n == out.len() || model.is_empty());
            }
            assert_eq!(q.available(), model.len() as u64);
            assert_eq!(q.segments(), slots - free.len());
        }
    }
}
