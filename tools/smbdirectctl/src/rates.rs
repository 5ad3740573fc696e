// SPDX-License-Identifier: GPL-2.0

//! What moved between two looks.

use crate::state::{connections::Connection, State};
use std::time::Duration;

/// A connection's, in a second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rates {
    /// Bytes from the client's memory (server), or lent memory (client).
    pub rdma_in: f64,
    /// Bytes to the client's memory (server).
    pub rdma_out: f64,
    /// Bytes of messages received.
    pub inline_in: f64,
    /// Bytes of messages sent.
    pub inline_out: f64,
    /// RDMA operations.
    pub operations: f64,
    /// Waits for credits, slots, room, regions.
    pub stalls: f64,
}

impl Rates {
    /// All bytes.
    pub fn bytes(&self) -> f64 {
        self.rdma() + self.inline()
    }

    /// Those by RDMA reads and writes.
    pub fn rdma(&self) -> f64 {
        self.rdma_in + self.rdma_out
    }

    /// Those in messages.
    pub fn inline(&self) -> f64 {
        self.inline_in + self.inline_out
    }

    /// The sum.
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            rdma_in: self.rdma_in + other.rdma_in,
            rdma_out: self.rdma_out + other.rdma_out,
            inline_in: self.inline_in + other.inline_in,
            inline_out: self.inline_out + other.inline_out,
            operations: self.operations + other.operations,
            stalls: self.stalls + other.stalls,
        }
    }
}

/// From one look to the next.
fn between(then: &Connection, now: &Connection, time: Duration) -> Rates {
    let seconds = time.as_secs_f64();
    #[allow(clippy::cast_precision_loss)] // shown with three digits
    let rate = |then: u64, now: u64| {
        if seconds > 0.0 {
            now.saturating_sub(then) as f64 / seconds
        } else {
            0.0
        }
    };
    let counter = |name: &str| rate(then.stats.value(name), now.stats.value(name));
    Rates {
        rdma_in: counter("rdma_read_bytes") + counter("registered_bytes"),
        rdma_out: counter("rdma_write_bytes"),
        inline_in: counter("inline_received_bytes"),
        inline_out: counter("inline_sent_bytes"),
        operations: rate(then.operations(), now.operations()),
        stalls: rate(then.stalls(), now.stalls()),
    }
}

/// Two looks and the time between.
pub struct Interval<'s> {
    /// The first.
    pub then: &'s State,
    /// The time.
    pub time: Duration,
}

impl Interval<'_> {
    /// The rates of a connection of the second look; one that was not there before has none.
    pub fn of(&self, now: &Connection) -> Option<Rates> {
        let then = self.then.connections.iter().find(|c| c.id == now.id)?;
        Some(between(then, now, self.time))
    }
}
