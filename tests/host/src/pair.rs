// SPDX-License-Identifier: GPL-2.0

//! Two endpoints, a wire between them and a virtual clock. A seed decides what happens next: which
//! message arrives, who reads, posts, sends, and how time goes by. Messages arrive in order, as on
//! a reliable connection.

use crate::endpoint::{Endpoint, Step};
use crate::rng::Rng;
use smbdirect_core::wire::data::Header;
use smbdirect_core::{
    client_negotiate, client_request, server_negotiate, server_response, LocalParams, Millis,
    ServerOutcome, TimerAction,
};
use std::collections::VecDeque;

/// How the seed's dice are loaded.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// Weight of messages arriving, compared with 10 for sending.
    pub wire: u64,
    /// Weight of readers.
    pub reader: u64,
    /// Weight of receives being posted and reported: a small one starves the peer of credits.
    pub post: u64,
    /// Most bytes that a reader takes at once.
    pub read_size: u32,
    /// Most milliseconds between two steps.
    pub delay: u64,
}

impl Default for Schedule {
    fn default() -> Self {
        Self {
            wire: 10,
            reader: 10,
            post: 10,
            read_size: u32::MAX,
            delay: 2,
        }
    }
}

/// A connection.
#[derive(Debug)]
pub struct Pair {
    /// Side 0 is the client, side 1 the server.
    pub sides: [Endpoint; 2],
    /// The time.
    pub now: Millis,
    /// Messages sent by each side that have not arrived.
    wire: [VecDeque<Vec<u8>>; 2],
    timers: [Millis; 2],
    schedule: Schedule,
    rng: Rng,
}

const ACTIONS: [Action; 5] = [
    Action::Arrive,
    Action::Read,
    Action::Post,
    Action::Report,
    Action::Send,
];

#[derive(Clone, Copy, Debug)]
enum Action {
    Arrive,
    Read,
    Post,
    Report,
    Send,
}

impl Pair {
    /// Negotiates and connects.
    pub fn connect(client: &LocalParams, server: &LocalParams, seed: u64, how: Schedule) -> Self {
        let now = Millis(1_000);
        client.validate().expect("good parameters");
        server.validate().expect("good parameters");
        let outcome = server_negotiate(server, &client_request(client)).expect("a good request");
        let ServerOutcome::Accept(neg) = outcome else {
            panic!("refused: {outcome:?}")
        };
        let mut right = Endpoint::new("server", neg, now);
        right.refill();
        let response = server_response(&neg, right.link.grant_in_response());
        let neg = client_negotiate(client, &response).expect("a good response");
        let left = Endpoint::new("client", neg, now);
        let timers = [left.link.next_timer(), right.link.next_timer()];
        Self {
            sides: [left, right],
            now,
            wire: Default::default(),
            timers,
            schedule: how,
            rng: Rng::new(seed),
        }
    }

    /// Takes one of the steps that are possible now, in random order; false if none is.
    pub fn step(&mut self) -> bool {
        let mut candidates = Vec::with_capacity(10);
        for side in 0..2 {
            for action in ACTIONS {
                let weight = match action {
                    Action::Arrive => self.schedule.wire,
                    Action::Read => self.schedule.reader,
                    Action::Post | Action::Report => self.schedule.post,
                    Action::Send => 10,
                };
                candidates.push((side, action, weight));
            }
        }
        while !candidates.is_empty() {
            let total: u64 = candidates.iter().map(|c| c.2).sum();
            // With a total of zero only the last resorts are left: the first of them.
            let mut dice = self.rng.range(0, total.saturating_sub(1));
            let at = candidates.iter().position(|c| match dice.checked_sub(c.2) {
                Some(left) => {
                    dice = left;
                    false
                }
                None => true,
            });
            let (side, action, _) = candidates.swap_remove(at.unwrap_or(0));
            if self.act(side, action) {
                self.now = self
                    .now
                    .after(Millis(self.rng.range(0, self.schedule.delay)));
                self.fire_timers();
                self.check();
                return true;
            }
        }
        false
    }

    fn act(&mut self, side: usize, action: Action) -> bool {
        let read_size = self.rng.range(1, u64::from(self.schedule.read_size)) as u32;
        let end = &mut self.sides[side];
        match action {
            Action::Arrive => match self.wire[1 - side].pop_front() {
                Some(pdu) => {
                    end.deliver(self.now, &pdu)
                        .expect("the other side keeps the rules");
                    true
                }
                None => false,
            },
            Action::Read => end.read(read_size),
            Action::Post => end.post(),
            Action::Report => end.report(),
            Action::Send => match end.send(self.now) {
                Step::Sent(pdu) => {
                    self.wire[side].push_back(pdu);
                    true
                }
                Step::Posted => true,
                Step::Nothing => false,
            },
        }
    }

    fn fire_timers(&mut self) {
        for side in 0..2 {
            while self.timers[side] <= self.now {
                let end = &mut self.sides[side];
                self.timers[side] = match end.link.on_timer(self.now) {
                    TimerAction::Rearm(at) | TimerAction::Probe { rearm: at } => at,
                    TimerAction::Dead => panic!("{}: keepalive failed at {:?}", end.name, self.now),
                };
            }
        }
    }

    /// Steps until nothing more can happen but a timer. Panics if that takes more than `limit`
    /// steps: the two sides would be talking for ever.
    pub fn settle(&mut self, limit: usize) -> usize {
        for taken in 0..limit {
            if !self.step() {
                return taken;
            }
        }
        panic!(
            "not at rest after {limit} steps: {:?} {:?}",
            self.sides[0].counts, self.sides[1].counts
        );
    }

    /// Nothing happens until `at` but timers and what they set off.
    pub fn idle_until(&mut self, at: Millis, limit: usize) {
        loop {
            self.settle(limit);
            let next = self.timers[0].min(self.timers[1]);
            if next > at {
                self.now = self.now.max(at);
                return;
            }
            self.now = self.now.max(next);
            self.fire_timers();
        }
    }

    /// What holds after every step. No credit is ever lost or made up: what one side has granted
    /// is held by the other, on its way to it, or spent on a message that has not arrived.
    pub fn check(&self) {
        for side in 0..2 {
            let (me, peer) = (&self.sides[side], &self.sides[1 - side]);
            me.check();
            let granted: u32 = self.wire[side]
                .iter()
                .map(|m| u32::from(Header::parse(m).expect("a header").credits_granted))
                .sum();
            let held = peer.link.send_credits() + granted + self.wire[1 - side].len() as u32;
            assert_eq!(
                u32::from(me.link.granted()),
                held,
                "{}: credits do not add up",
                me.name
            );
        }
    }

    /// The connection breaks: nothing arrives any more and every buffer comes back.
    pub fn flush(&mut self) {
        self.wire = Default::default();
        for end in &mut self.sides {
            end.flush();
        }
    }
}
