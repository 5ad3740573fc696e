// SPDX-License-Identifier: GPL-2.0

//! Reassembly and the queue of received payload (3.1.5.8), compared with a plain stream of bytes.
//! Input: receive buffers (u8), then operations, each with a first byte that selects it.

use crate::input::Input;
use crate::oracle::reassembly::Model;
use smbdirect_core::reassembly::Reassembly;
use smbdirect_core::recv_queue::{Piece, QueueFull, RecvQueue, Segment};
use smbdirect_host_tests::endpoint::Segments;
use std::collections::VecDeque;

/// Number of kinds of operations.
pub const OPERATIONS: u8 = 8;
/// Most segments that the memory of a queue has.
const LARGEST: u32 = 40;

struct Run {
    reassembly: Reassembly,
    rules: Model,
    queue: RecvQueue<Segments>,
    /// Segments that fit.
    room: usize,
    /// Receive buffers with what was received into them.
    buffers: Vec<Vec<u8>>,
    free: VecDeque<u16>,
    /// Buffers in the queue, oldest first.
    used: VecDeque<u16>,
    /// All payload that was not read yet.
    stream: VecDeque<u8>,
    /// Where messages begin that were not read yet (from the front of the stream), and their lengths.
    starts: VecDeque<(usize, u32)>,
    /// The length of the message at the front was told.
    told: bool,
    /// The next byte of payload.
    byte: u8,
}

/// Runs it.
pub fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let room = input.within(0, LARGEST) as usize;
    let mut run = Run {
        reassembly: Reassembly::new(),
        rules: Model::default(),
        queue: RecvQueue::new(memory(room)),
        room,
        buffers: vec![Vec::new(); LARGEST as usize + 2],
        free: (0..LARGEST as u16 + 2).collect(),
        used: VecDeque::new(),
        stream: VecDeque::new(),
        starts: VecDeque::new(),
        told: false,
        byte: 0,
    };
    while !input.is_empty() && run.step(&mut input) {
        run.check();
    }
    run.end();
}

fn memory(n: usize) -> Segments {
    Segments(vec![Segment::default(); n])
}

impl Run {
    /// One operation; false if the connection ended by it.
    fn step(&mut self, input: &mut Input<'_>) -> bool {
        match input.u8() % OPERATIONS {
            // A fragment with any numbers.
            0 => self.fragment(input.u8().into(), input.u32(), input.u8()),
            // One that is as it should be.
            1 | 2 => {
                let (size, rest) = (u32::from(input.u8()), u32::from(input.u16()));
                let left = self.rules.outstanding().unwrap_or(size + rest);
                let len = size.min(left);
                self.fragment(len, left - len, input.u8())
            }
            // The last one.
            3 => {
                let left = self.rules.outstanding().unwrap_or(1);
                if left <= 0xFFFF {
                    return self.fragment(left, 0, input.u8());
                }
                true
            }
            4 => {
                let expected = self.header();
                assert_eq!(self.queue.take_header(), expected);
                self.told |= expected.is_some();
                true
            }
            5 => {
                self.take(input.u32(), input.within(0, 9) as usize);
                true
            }
            6 => {
                self.take(input.u8().into(), input.within(0, 3) as usize);
                true
            }
            _ => {
                self.replace(input.within(0, LARGEST) as usize);
                true
            }
        }
    }

    /// The length of the message that begins at the front, unless it was told.
    fn header(&self) -> Option<u32> {
        match self.starts.front() {
            Some((0, total)) if !self.told => Some(*total),
            _ => None,
        }
    }

    /// A fragment arrives; it is refused if no buffer is free, as the queue would refuse it.
    fn fragment(&mut self, len: u32, remaining: u32, offset: u8) -> bool {
        if len > 0xFFFF || u64::from(len) + u64::from(remaining) > u32::MAX.into() {
            return true;
        }
        let expected = self.rules.accept(len, remaining);
        assert_eq!(self.reassembly.accept(len, remaining), expected);
        let position = match expected {
            Ok(Some(position)) => position,
            Ok(None) => return true,
            Err(_) => return false,
        };
        let Some(slot) = self.free.pop_front() else {
            panic!("more buffers in the queue than it has room for");
        };
        let payload: Vec<u8> = (0..len)
            .map(|_| {
                self.byte = self.byte.wrapping_mul(5).wrapping_add(3);
                self.byte
            })
            .collect();
        let mut buffer = vec![0xEE; usize::from(offset)];
        buffer.extend_from_slice(&payload);
        self.buffers[usize::from(slot)] = buffer;
        let pushed = self.queue.push(Segment {
            slot,
            offset: offset.into(),
            len,
            start: position.start.unwrap_or(0),
        });
        if self.used.len() >= self.room {
            assert_eq!(pushed, Err(QueueFull));
            // A transport that lets this happen loses the connection.
            self.free.push_front(slot);
            return false;
        }
        assert_eq!(pushed, Ok(()));
        self.used.push_back(slot);
        if let Some(total) = position.start {
            self.starts.push_back((self.stream.len(), total));
        }
        self.stream.extend(payload);
        true
    }

    /// Takes up to `want` bytes in up to `most` pieces.
    fn take(&mut self, want: u32, most: usize) {
        let mut pieces = [Piece::default(); 9];
        let n = self.queue.take(want, &mut pieces[..most]);
        assert!(n <= most);
        let mut got = 0;
        for piece in &pieces[..n] {
            assert_ne!(piece.len, 0, "an empty piece");
            let Some(slot) = self.used.front().copied() else {
                panic!("a piece of nothing");
            };
            assert_eq!(piece.slot, slot, "not the oldest buffer");
            let buffer = &self.buffers[usize::from(slot)];
            let end = piece.offset as usize + piece.len as usize;
            let bytes = &buffer[piece.offset as usize..end];
            let expected: Vec<u8> = self.stream.drain(..bytes.len()).collect();
            assert_eq!(bytes, expected, "not the bytes of the stream");
            assert_eq!(piece.done, end == buffer.len(), "buffer given back");
            if piece.done {
                self.used.pop_front();
                self.free.push_back(slot);
            }
            got += bytes.len();
        }
        assert!(got <= want as usize);
        if n < most {
            // Only the end of the stream or of what was asked for stops it.
            assert!(got == want as usize || self.stream.is_empty());
        }
        if n != 0 {
            self.told = false;
        }
        while self.starts.front().is_some_and(|s| s.0 < got) {
            self.starts.pop_front();
        }
        for start in &mut self.starts {
            start.0 -= got;
        }
    }

    /// Moves the queue to memory of `n` segments.
    fn replace(&mut self, n: usize) {
        match self.queue.replace_store(memory(n)) {
            Ok(old) => {
                assert!(n >= self.used.len());
                assert_eq!(old.0.len(), self.room);
                self.room = n;
            }
            Err(refused) => {
                assert!(n < self.used.len(), "{n} segments are enough");
                assert_eq!(refused.0.len(), n);
            }
        }
    }

    fn check(&self) {
        assert_eq!(self.queue.available(), self.stream.len() as u64);
        assert_eq!(self.queue.segments(), self.used.len());
        assert_eq!(self.queue.header(), self.header());
        assert_eq!(self.queue.store().0.len(), self.room);
        assert_eq!(self.reassembly.outstanding(), self.rules.outstanding());
    }

    /// The connection ends: every buffer comes back once, in order.
    fn end(&mut self) {
        while let Some(slot) = self.queue.drain() {
            assert_eq!(Some(slot), self.used.pop_front());
        }
        assert!(self.used.is_empty());
        assert_eq!(self.queue.available(), 0);
        assert_eq!(self.queue.header(), None);
    }
}
