// SPDX-License-Identifier: GPL-2.0

//! One side of a connection: a transport without a kernel. It has receive buffers, a queue pair
//! that takes posted receives in order, messages to send and a reader, and it does what the
//! documentation of [`Link`] says. Each thing it can do is a step of its own, so that a schedule can
//! put them into any order.

use smbdirect_core::fragment::{Cutter, Fragment};
use smbdirect_core::recv_queue::{Piece, RecvQueue, Segment, Store};
use smbdirect_core::wire::data::{Header, RESPONSE_REQUESTED};
use smbdirect_core::{Link, Millis, Negotiated, ProtocolError, SendState};
use std::collections::VecDeque;

/// Segments on the heap.
#[derive(Debug)]
pub struct Segments(pub Vec<Segment>);

impl Store for Segments {
    fn slots(&self) -> &[Segment] {
        &self.0
    }
    fn slots_mut(&mut self) -> &mut [Segment] {
        &mut self.0
    }
}

/// An upper-layer message on its way out: pieces of memory, as a network file system has them.
#[derive(Debug)]
struct Outgoing {
    pieces: VecDeque<Vec<u8>>,
    cutter: Cutter,
}

/// What went over the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages with payload sent.
    pub data: u64,
    /// Messages without payload sent.
    pub empty: u64,
    /// Of these, those that ask for an answer; data with the question counts too.
    pub probes: u64,
    /// Receives posted beyond what [`Link::recv_wanted`] asked for.
    pub extra_receives: u64,
}

/// The step could be taken, or there was nothing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A message goes out.
    Sent(Vec<u8>),
    /// A receive was posted, or is wanted now, so that a message can go out later.
    Posted,
    /// Nothing to do, or it has to wait for something.
    Nothing,
}

/// One side of a connection.
#[derive(Debug)]
pub struct Endpoint {
    /// For messages of failed tests.
    pub name: &'static str,
    /// What was negotiated.
    pub neg: Negotiated,
    /// The protocol state.
    pub link: Link,
    /// Fragments are closed at this many bytes, as if a work request could not hold more.
    pub max_fragment: u32,
    /// Do not post the receive that a message needs before it, but leave that to the usual refill,
    /// as if there were no buffer at the moment.
    pub extra_by_refill: bool,
    /// The link said that a sender that sleeps has to look again; whoever sleeps clears it.
    pub woken: bool,
    /// What went out.
    pub counts: Counts,
    /// Messages that the reader has read to the end.
    pub delivered: Vec<Vec<u8>>,
    queue: RecvQueue<Segments>,
    buffers: Vec<Vec<u8>>,
    free: VecDeque<u16>,
    posted: VecDeque<u16>,
    /// Receives that were posted but not yet reported to the link.
    unreported: u16,
    outbox: VecDeque<Outgoing>,
    /// A fragment that waits for a credit.
    fragment: Option<(Fragment, Vec<u8>)>,
    /// The message that the reader is in, and its length.
    reading: Option<(usize, Vec<u8>)>,
}

impl Endpoint {
    /// A side whose negotiation has just ended, with one receive buffer more than its credits.
    pub fn new(name: &'static str, neg: Negotiated, now: Millis) -> Self {
        let slots = neg.recv_credit_max() + 1;
        Self {
            name,
            neg,
            link: Link::new(&neg, now),
            max_fragment: u32::MAX,
            extra_by_refill: false,
            woken: false,
            counts: Counts::default(),
            delivered: Vec::new(),
            queue: RecvQueue::new(Segments(vec![Segment::default(); usize::from(slots)])),
            buffers: vec![Vec::new(); usize::from(slots)],
            free: (0..slots).collect(),
            posted: VecDeque::new(),
            unreported: 0,
            outbox: VecDeque::new(),
            fragment: None,
            reading: None,
        }
    }

    /// Queues a message given in pieces. It has at least one byte.
    pub fn queue_message(&mut self, pieces: Vec<Vec<u8>>) {
        let total: usize = pieces.iter().map(Vec::len).sum();
        assert!(total > 0, "{}: an empty message cannot be sent", self.name);
        let cutter = Cutter::new(total as u32, self.neg.payload_capacity());
        self.outbox.push_back(Outgoing {
            pieces: pieces.into(),
            cutter,
        });
    }

    /// Messages not yet completely sent.
    pub fn unsent(&self) -> usize {
        self.outbox.len()
    }

    /// Posts the receives that the link asks for; false if there is nothing to do.
    pub fn post(&mut self) -> bool {
        let wanted = self.link.recv_wanted().saturating_sub(self.unreported);
        let mut any = false;
        for _ in 0..wanted {
            let Some(slot) = self.free.pop_front() else {
                break;
            };
            self.posted.push_back(slot);
            self.unreported += 1;
            any = true;
        }
        any
    }

    /// Tells the link of posted receives; false if there is nothing to tell.
    pub fn report(&mut self) -> bool {
        let n = std::mem::take(&mut self.unreported);
        self.woken |= self.link.recv_posted(n) || self.link.empty_due();
        n != 0
    }

    /// Both of the above, as a transport does that has one thread.
    pub fn refill(&mut self) {
        self.post();
        self.report();
    }

    /// A message comes in. A receive must be there for it: without one a real queue pair would
    /// answer "receiver not ready" and the connection would be lost.
    pub fn deliver(&mut self, now: Millis, pdu: &[u8]) -> Result<(), ProtocolError> {
        let slot = self.posted.pop_front();
        let slot = slot.unwrap_or_else(|| panic!("{}: receiver not ready", self.name));
        let before = self.link.send_state();
        let got = match self.link.on_receive(now, pdu) {
            Ok(got) => got,
            Err(e) => {
                self.free.push_back(slot);
                return Err(e);
            }
        };
        if before != SendState::Ready && self.link.send_state() == SendState::Ready {
            assert!(
                got.wake_senders,
                "{}: a waiting sender would sleep on",
                self.name
            );
        }
        self.woken |= got.wake_senders || self.link.empty_due();
        let Some(p) = got.payload else {
            self.free.push_back(slot);
            return Ok(());
        };
        assert!(p.len >= 1 && (p.offset + p.len) as usize <= pdu.len());
        self.buffers[usize::from(slot)] = pdu.to_vec();
        let start = p.start.unwrap_or(0);
        self.queue
            .push(Segment {
                slot,
                offset: p.offset,
                len: p.len,
                start,
            })
            .expect("there is a segment for each buffer");
        Ok(())
    }

    /// The reader takes up to `max` bytes of the message it is in. False if it has to wait.
    pub fn read(&mut self, max: u32) -> bool {
        if self.reading.is_none() {
            let Some(total) = self.queue.take_header() else {
                return false;
            };
            self.reading = Some((total as usize, Vec::new()));
        }
        let Some((total, mut bytes)) = self.reading.take() else {
            return false;
        };
        let want = max.min((total - bytes.len()) as u32);
        let mut pieces = [Piece::default(); 3];
        let n = self.queue.take(want, &mut pieces);
        for piece in &pieces[..n] {
            let buffer = &self.buffers[usize::from(piece.slot)];
            let from = piece.offset as usize;
            bytes.extend_from_slice(&buffer[from..from + piece.len as usize]);
            if piece.done {
                self.free.push_back(piece.slot);
            }
        }
        if bytes.len() == total {
            self.delivered.push(bytes);
        } else {
            self.reading = Some((total, bytes));
        }
        n != 0
    }

    /// Reads everything that is there.
    pub fn read_all(&mut self) {
        while self.read(u32::MAX) {}
    }

    /// Posts one receive more than wanted, for a message that has to grant something.
    fn post_extra(&mut self) -> bool {
        if self.unreported != 0 {
            return self.report();
        }
        if self.extra_by_refill || !self.link.can_overpost() {
            return false;
        }
        let Some(slot) = self.free.pop_front() else {
            return false;
        };
        self.posted.push_back(slot);
        self.link.recv_posted(1);
        self.counts.extra_receives += 1;
        true
    }

    /// Gathers the next fragment of the message at the head of the queue.
    fn next_fragment(&mut self) {
        if self.fragment.is_some() {
            return;
        }
        let Some(out) = self.outbox.front_mut() else {
            return;
        };
        let mut payload = Vec::new();
        while let Some(piece) = out.pieces.front_mut() {
            let room = self.max_fragment - payload.len() as u32;
            let n = out.cutter.gather(room.min(piece.len() as u32)) as usize;
            payload.extend(piece.drain(..n));
            if !piece.is_empty() {
                break;
            }
            out.pieces.pop_front();
        }
        let fragment = out
            .cutter
            .close()
            .expect("a message has bytes left until it is done");
        assert_eq!(fragment.len as usize, payload.len());
        if out.cutter.done() {
            assert_eq!(fragment.remaining, 0);
            self.outbox.pop_front();
        }
        self.fragment = Some((fragment, payload));
    }

    /// Sends the next message if there is one to send and it may go out.
    pub fn send(&mut self, now: Millis) -> Step {
        self.next_fragment();
        if self.link.reply_needs_grant() && self.post_extra() {
            return Step::Posted;
        }
        let last_credit = self.link.send_credits() == 1;
        let credits = self.link.send_credits();
        let wanted = self.link.recv_wanted();
        let emitted = match &self.fragment {
            Some((f, payload)) => self.link.emit(now, f.len, f.remaining).map(|header| {
                let mut pdu = header.to_vec();
                pdu.extend_from_slice(payload);
                pdu
            }),
            None if !self.link.empty_due() => return Step::Nothing,
            None => self.link.emit_empty(now).map(|m| m.to_vec()),
        };
        let pdu = match emitted {
            Ok(pdu) => pdu,
            Err(SendState::NeedGrant) => {
                assert!(
                    self.link.can_overpost(),
                    "{}: no room for a last receive",
                    self.name
                );
                let newly_wanted = self.link.recv_wanted() > wanted;
                return if self.post_extra() || newly_wanted {
                    Step::Posted
                } else {
                    Step::Nothing
                };
            }
            Err(SendState::NoCredit) => return Step::Nothing,
            Err(state) => panic!("{}: {state:?} for a good message", self.name),
        };
        let h = Header::parse(&pdu).expect("a header");
        assert_eq!(
            self.link.send_credits() + 1,
            credits,
            "{}: a message costs one",
            self.name
        );
        assert!(
            !last_credit || h.credits_granted > 0,
            "{}: last credit without grant",
            self.name
        );
        if self.fragment.take().is_some() {
            self.counts.data += 1;
        } else {
            self.counts.empty += 1;
        }
        self.counts.probes += u64::from(h.flags & RESPONSE_REQUESTED);
        self.check();
        Step::Sent(pdu)
    }

    /// Sends until nothing more can go out; posts receives where a message needs it.
    pub fn send_all(&mut self, now: Millis) -> Vec<Vec<u8>> {
        let mut out = Vec::new();
        loop {
            match self.send(now) {
                Step::Sent(pdu) => out.push(pdu),
                Step::Posted => {}
                Step::Nothing => return out,
            }
        }
    }

    /// What a transport does on a completion: take the message, read, post again, send.
    pub fn turn(&mut self, now: Millis, pdu: &[u8]) -> Result<Vec<Vec<u8>>, ProtocolError> {
        self.deliver(now, pdu)?;
        self.read_all();
        self.refill();
        Ok(self.send_all(now))
    }

    /// What always holds.
    pub fn check(&self) {
        let max = self.neg.recv_credit_max();
        let posted = self.link.posted() + self.unreported;
        assert!(
            self.link.granted() <= self.link.posted(),
            "{}: {:?}",
            self.name,
            self.link
        );
        assert_eq!(
            usize::from(posted),
            self.posted.len(),
            "{}: receives are lost",
            self.name
        );
        assert!(posted <= max + 1, "{}: {posted} receives posted", self.name);
        assert!(
            self.link.granted() <= max + 1,
            "{}: {:?}",
            self.name,
            self.link
        );
    }

    /// The queue pair goes to error: all receives come back and the receive queue is emptied.
    /// Every buffer has to come back exactly once.
    pub fn flush(&mut self) {
        self.free.append(&mut self.posted);
        while let Some(slot) = self.queue.drain() {
            self.free.push_back(slot);
        }
        assert_eq!(self.queue.available(), 0);
        assert_eq!(self.queue.segments(), 0);
        let mut slots: Vec<u16> = self.free.iter().copied().collect();
        slots.sort_unstable();
        let all: Vec<u16> = (0..=self.neg.recv_credit_max()).collect();
        assert_eq!(slots, all, "{}: buffers lost or doubled", self.name);
    }

    /// Buffers that wait for the reader.
    pub fn unread(&self) -> usize {
        self.queue.segments()
    }
}
