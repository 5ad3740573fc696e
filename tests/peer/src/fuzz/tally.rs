// SPDX-License-Identifier: GPL-2.0
//! What was sent, and what became of it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

/// For one kind of change.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Fates {
    /// Messages that were sent.
    pub sent: u64,
    /// The connection had to go on.
    pub lives: u64,
    /// The server had to end the connection, and did.
    pub ends: u64,
    /// Either would have been right.
    pub open: u64,
}

/// Where the time of the threads went, in seconds.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Times {
    pub connecting: f64,
    pub negotiating: f64,
    /// SMB2: negotiation, and session and file where there is one.
    pub preparing: f64,
    pub sending: f64,
    /// For the server to end a connection.
    pub ending: f64,
    pub closing: f64,
    pub honest: f64,
}

/// Sums; each thread has its own, and they are added.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Tally {
    /// Mutated messages that were sent.
    pub mutated: u64,
    /// Of these, negotiate requests.
    pub requests: u64,
    /// Messages of a connection beside them: requests as they should be, the
    /// rest of fragmented messages, probes, SMB2 set-up.
    pub others: u64,
    pub connections: u64,
    /// Of these, with an SMB2 session and an open file.
    pub sessions: u64,
    /// Connections that the server has ended.
    pub ended: u64,
    /// Requests of SMB2 that had to be answered, and were.
    pub answered: u64,
    pub honest: u64,
    /// The longest that a server took to end a connection that it had to end.
    pub slowest_end: f64,
    pub kinds: BTreeMap<&'static str, Fates>,
    /// Why it had to end connections, and how often.
    pub reasons: BTreeMap<&'static str, u64>,
    pub times: Times,
}

impl Tally {
    pub fn ended_after(&mut self, took: Duration) {
        self.ended += 1;
        self.slowest_end = self.slowest_end.max(took.as_secs_f64());
    }

    pub fn add(&mut self, o: &Tally) {
        self.mutated += o.mutated;
        self.requests += o.requests;
        self.others += o.others;
        self.connections += o.connections;
        self.sessions += o.sessions;
        self.ended += o.ended;
        self.answered += o.answered;
        self.honest += o.honest;
        self.slowest_end = self.slowest_end.max(o.slowest_end);
        for (kind, f) in &o.kinds {
            let to = self.kinds.entry(kind).or_default();
            to.sent += f.sent;
            to.lives += f.lives;
            to.ends += f.ends;
            to.open += f.open;
        }
        for (why, n) in &o.reasons {
            *self.reasons.entry(why).or_default() += n;
        }
        let (to, from) = (&mut self.times, &o.times);
        to.connecting += from.connecting;
        to.negotiating += from.negotiating;
        to.preparing += from.preparing;
        to.sending += from.sending;
        to.ending += from.ending;
        to.closing += from.closing;
        to.honest += from.honest;
    }
}
