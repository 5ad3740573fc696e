// SPDX-License-Identifier: GPL-2.0

//! Two connected endpoints under a schedule from the input. Input: [`Run::begin`] has the
//! parameters; then operations of one byte each (bit 0: the side, the rest: what), some with more.
//!
//! At the end the schedule becomes fair, and everything has to arrive, in order; a sender that
//! sleeps is only looked at when the link has said so, so a wake-up that is missing is a deadlock.

use crate::input::Input;
use smbdirect_core::wire::data::Header;
use smbdirect_core::{
    client_negotiate, client_request, server_negotiate, server_response, LocalParams, Millis,
    ServerOutcome, TimerAction,
};
use smbdirect_host_tests::endpoint::{Endpoint, Step};
use smbdirect_host_tests::DEFAULTS;
use std::collections::VecDeque;

/// Number of kinds of operations.
pub const OPERATIONS: u8 = 9;
/// Most bytes that one side sends, and of one message.
const MOST_BYTES: usize = 1500;
const LONGEST: u16 = 700;
/// Most time that goes by before everything that can happen happens: below the keepalive timeout.
const MOST_DELAY: u64 = 4000;
/// Most times that the connection is left idle.
const MOST_IDLE: u32 = 3;
/// Far more rounds than the bytes of both sides can take, one by one.
const MOST_ROUNDS: u32 = 40_000;

/// The content of messages: a sequence that begins again after a prime number of bytes.
const PERIOD: usize = 251;
static CONTENT: [u8; PERIOD + LONGEST as usize] = {
    let mut bytes = [0; PERIOD + LONGEST as usize];
    let mut i = 0;
    while i < bytes.len() {
        bytes[i] = (i * 31 % PERIOD) as u8;
        i += 1;
    }
    bytes
};

struct Side {
    end: Endpoint,
    /// Messages on their way to the other side.
    wire: VecDeque<Vec<u8>>,
    /// Credits that these grant.
    under_way: u32,
    /// What has to arrive at the other side.
    queued: Vec<Vec<u8>>,
    bytes: usize,
    /// RemainingDataLength of the last message sent.
    open: u32,
    timer: Millis,
    asleep: bool,
}

struct Run {
    sides: [Side; 2],
    now: Millis,
    delayed: u64,
    idle: u32,
    /// Senders sleep until they are woken.
    sleepers: bool,
}

/// Runs it.
pub fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut run = Run::begin(&mut input);
    while !input.is_empty() {
        run.step(&mut input);
        run.check();
    }
    run.settle();
}

fn params(input: &mut Input<'_>) -> LocalParams {
    LocalParams {
        recv_credit_max: input.within(1, 20) as u16,
        send_credit_target: input.within(1, 20) as u16,
        max_send_size: input.within(128, 700),
        max_recv_size: input.within(128, 700),
        ..DEFAULTS
    }
}

impl Run {
    fn begin(input: &mut Input<'_>) -> Self {
        let now = Millis(1000);
        let (client, server) = (params(input), params(input));
        let outcome = server_negotiate(&server, &client_request(&client));
        let Ok(ServerOutcome::Accept(neg)) = outcome else {
            panic!("refused: {outcome:?}");
        };
        let mut right = Endpoint::new("server", neg, now);
        right.refill();
        let response = server_response(&neg, right.link.grant_in_response());
        let left = match client_negotiate(&client, &response) {
            Ok(neg) => Endpoint::new("client", neg, now),
            Err(e) => panic!("{e}"),
        };
        let flags = input.u8();
        let sides = [(left, 1), (right, 2)].map(|(mut end, bit)| {
            end.extra_by_refill = flags & bit != 0;
            end.max_fragment = match input.u8() {
                0 => u32::MAX,
                n => n.into(),
            };
            Side {
                timer: end.link.next_timer(),
                end,
                wire: VecDeque::new(),
                under_way: 0,
                queued: Vec::new(),
                bytes: 0,
                open: 0,
                asleep: false,
            }
        });
        Self {
            sides,
            now,
            delayed: 0,
            idle: 0,
            sleepers: flags & 4 != 0,
        }
    }

    fn step(&mut self, input: &mut Input<'_>) {
        let op = input.u8();
        let side = usize::from(op & 1);
        match (op >> 1) % OPERATIONS {
            0 => {
                self.arrive(side);
            }
            1 => {
                self.sides[side].end.read(input.u16().max(1).into());
            }
            2 => {
                self.sides[side].end.post();
            }
            3 => {
                self.sides[side].end.report();
            }
            4 => {
                self.send(side);
            }
            5 => self.queue(side, input.u16(), input.u8()),
            6 => {
                let span = u64::from(input.u16()).min(MOST_DELAY - self.delayed);
                self.delayed += span;
                self.now = self.now.after(Millis(span));
                self.timers();
            }
            // Woken for nothing.
            7 => self.sides[side].asleep = false,
            _ if self.idle < MOST_IDLE => {
                self.idle += 1;
                self.settle();
                self.now = self.now.max(self.sides[side].timer);
                self.timers();
                self.settle();
            }
            _ => {}
        }
    }

    /// A message for the other side, in pieces of memory of the given size.
    fn queue(&mut self, side: usize, len: u16, piece: u8) {
        let me = &mut self.sides[side];
        let len = usize::from(len % LONGEST + 1);
        if me.bytes + len > MOST_BYTES {
            return;
        }
        let first = (me.bytes * 7 + side * 101) % PERIOD;
        let whole = CONTENT[first..first + len].to_vec();
        let pieces = whole.chunks(usize::from(piece).max(8));
        me.end.queue_message(pieces.map(<[u8]>::to_vec).collect());
        me.queued.push(whole);
        me.bytes += len;
        me.asleep = false;
    }

    fn arrive(&mut self, side: usize) -> bool {
        let now = self.now;
        let Some(pdu) = self.sides[1 - side].wire.pop_front() else {
            return false;
        };
        let granted = u32::from(self.fields(1 - side, &pdu).credits_granted);
        self.sides[1 - side].under_way -= granted;
        let end = &mut self.sides[side].end;
        if let Err(e) = end.deliver(now, &pdu) {
            panic!("{}: {e}, but the other side keeps the rules", end.name);
        }
        true
    }

    fn fields(&self, side: usize, pdu: &[u8]) -> Header {
        match Header::parse(pdu) {
            Some(h) => h,
            None => panic!("{}: a short message", self.sides[side].end.name),
        }
    }

    fn send(&mut self, side: usize) -> bool {
        let now = self.now;
        let me = &mut self.sides[side];
        if std::mem::take(&mut me.end.woken) {
            me.asleep = false;
        }
        if me.asleep && self.sleepers {
            return false;
        }
        match me.end.send(now) {
            Step::Sent(pdu) => {
                let h = self.fields(side, &pdu);
                let me = &mut self.sides[side];
                assert!(me.open == 0 || h.data_length != 0, "between fragments");
                me.open = h.remaining_data_length;
                me.under_way += u32::from(h.credits_granted);
                me.wire.push_back(pdu);
                true
            }
            Step::Posted => true,
            Step::Nothing => {
                me.asleep = true;
                false
            }
        }
    }

    fn timers(&mut self) {
        for me in &mut self.sides {
            while me.timer <= self.now {
                me.timer = match me.end.link.on_timer(self.now) {
                    TimerAction::Rearm(at) => at,
                    TimerAction::Probe { rearm } => {
                        me.asleep = false;
                        rearm
                    }
                    TimerAction::Dead => panic!("{}: the peer is alive", me.end.name),
                };
            }
        }
    }

    /// Everybody does what there is to do, in turn, until nothing is left. Time stands still.
    fn settle(&mut self) {
        let mut rounds = 0;
        let mut busy = true;
        while busy {
            busy = false;
            for side in 0..2 {
                busy |= self.sides[side].end.post();
                busy |= self.sides[side].end.report();
                busy |= self.arrive(side);
                busy |= self.sides[side].end.read(u32::MAX);
                busy |= self.send(side);
            }
            rounds += 1;
            assert!(rounds < MOST_ROUNDS, "messages without end");
        }
        self.check();
        self.delayed = 0;
        for side in 0..2 {
            let (me, peer) = (&self.sides[side], &self.sides[1 - side]);
            assert!(
                me.queued == peer.end.delivered,
                "{}: {} of {} messages arrived, {:?}, peer {:?}",
                me.end.name,
                peer.end.delivered.len(),
                me.queued.len(),
                me.end.link,
                peer.end.link
            );
        }
    }

    /// No credit is lost or made up: what a side has granted is held by the other, on its way to
    /// it, or spent on a message that has not arrived.
    fn check(&self) {
        for side in 0..2 {
            let (me, peer) = (&self.sides[side], &self.sides[1 - side]);
            me.end.check();
            let held = peer.end.link.send_credits() + me.under_way + peer.wire.len() as u32;
            assert_eq!(
                u32::from(me.end.link.granted()),
                held,
                "{}: credits do not add up",
                me.end.name
            );
        }
    }
}
