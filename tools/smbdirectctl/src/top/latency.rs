// SPDX-License-Identifier: GPL-2.0

//! How long RDMA takes, from the lines of a recording.
//!
//! Of a server: an RDMA read or write, from `smbd_rdma_begin` to `smbd_rdma_end`. Of a client: memory that the peer may reach, from `smbd_reg` to the
//! invalidation of its key, which is the round trip of a READ or WRITE.

use super::histogram::{bucket, Histogram};
use crate::trace::line::{self, Event, Line};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

/// Seconds that are shown.
pub const SECONDS: usize = 10;
/// Most begins whose end has not come. Those of more are forgotten, the oldest first.
const OPEN: usize = 16 << 10;
/// Most buckets of single connections in one second; what is above is in the sums only.
const BUCKETS: usize = 16 << 10;
/// Most connections that are known to be a server's.
const SERVERS: usize = 16 << 10;
/// What is recorded.
pub const EVENTS: [&str; 5] = ["rdma_begin", "rdma_end", "reg", "local_inv", "remote_inv"];

/// Which end of a connection a time is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// A transfer.
    Server,
    /// A round trip.
    Client,
}

/// What begins and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    /// A task waits for its transfer, so it has one at once; where the task is not known they end in the order in which they began.
    Transfer {
        read: bool,
        length: u64,
        task: Option<u32>,
    },
    /// A key is of one region at once.
    Key(u64),
}

/// On which connection.
type Subject = (u64, What);

/// What ended in one second.
#[derive(Debug, Default)]
struct Second {
    server: Histogram,
    client: Histogram,
    /// By connection and bucket.
    each: BTreeMap<(u64, u8), u64>,
    /// Events that the kernel had no room for.
    lost: u64,
}

/// All that is known.
#[derive(Debug)]
pub struct Latencies {
    /// When each began in nanoseconds, by what it is and which one of those.
    open: BTreeMap<(Subject, u64), u64>,
    /// The same, the oldest first.
    order: BTreeMap<u64, Subject>,
    next: u64,
    servers: BTreeSet<u64>,
    /// The last one is now.
    seconds: VecDeque<Second>,
    now: u64,
}

impl Default for Latencies {
    fn default() -> Self {
        Self {
            open: BTreeMap::new(),
            order: BTreeMap::new(),
            next: 0,
            servers: BTreeSet::new(),
            seconds: [Second::default()].into(),
            now: 0,
        }
    }
}

impl Latencies {
    /// It is so late now, since any moment that stays the same. What comes is counted here, and what is too old is forgotten.
    pub fn advance(&mut self, now: Duration) {
        let passed = now.as_secs().saturating_sub(self.now);
        for _ in 0..passed.min(SECONDS as u64) {
            self.seconds.push_back(Second::default());
            if self.seconds.len() > SECONDS {
                self.seconds.pop_front();
            }
        }
        self.now = self.now.saturating_add(passed);
    }

    /// What began before is not known any more: some of the recording was not looked at.
    pub fn forget(&mut self) {
        self.open.clear();
        self.order.clear();
    }

    /// Takes a line of the recording. What is not understood is passed over.
    pub fn line(&mut self, text: &str) {
        match line::parse(text) {
            Line::Event(event) => {
                let _ = self.event(&event);
            }
            Line::Lost { count, .. } => {
                // an end that is missing would shift all that come later
                self.forget();
                if let Some(second) = self.seconds.back_mut() {
                    second.lost = second.lost.saturating_add(count.unwrap_or(1));
                }
            }
            _ => {}
        }
    }

    /// `None`: there was nothing to do.
    fn event(&mut self, event: &Event<'_>) -> Option<()> {
        let time = event.time.real.then_some(event.time.value)?;
        let conn = event.conn()?;
        let transfer = || {
            Some(What::Transfer {
                read: match event.text("op")? {
                    "read" => true,
                    "write" => false,
                    _ => return None,
                },
                length: event.number("length")?,
                task: event.task,
            })
        };
        let key = || Some(What::Key(event.number("key")?));
        let good = || event.number("ok") == Some(1);
        match event.name {
            "rdma_begin" => {
                if self.servers.len() >= SERVERS {
                    self.servers.clear();
                }
                self.servers.insert(conn);
                self.begin((conn, transfer()?), time);
            }
            "rdma_end" => {
                let began = self.take((conn, transfer()?))?;
                if event.signed("error") == Some(0) {
                    self.ended(Side::Server, conn, time.checked_sub(began)?);
                }
            }
            // memory of an iWARP server's own is a part of a transfer
            "reg" if !self.servers.contains(&conn) => self.begin((conn, key()?), time),
            // a key that was not registered: the peer's mistake
            "remote_inv" if !good() => {}
            "local_inv" | "remote_inv" => {
                let began = self.take((conn, key()?))?;
                if good() {
                    self.ended(Side::Client, conn, time.checked_sub(began)?);
                }
            }
            _ => {}
        }
        Some(())
    }

    fn begin(&mut self, subject: Subject, time: u64) {
        if !matches!(subject.1, What::Transfer { task: None, .. }) {
            // there is one at once: the end of another was not seen
            self.take(subject);
        }
        self.next = self.next.saturating_add(1);
        self.open.insert((subject, self.next), time);
        self.order.insert(self.next, subject);
        if self.order.len() > OPEN {
            if let Some((number, subject)) = self.order.pop_first() {
                self.open.remove(&(subject, number));
            }
        }
    }

    /// When the oldest one began, which is over now.
    fn take(&mut self, subject: Subject) -> Option<u64> {
        let mut all = self.open.range((subject, 0)..=(subject, u64::MAX));
        let (&(subject, number), &time) = all.next()?;
        self.open.remove(&(subject, number));
        self.order.remove(&number);
        Some(time)
    }

    fn ended(&mut self, side: Side, conn: u64, nanos: u64) {
        let Some(second) = self.seconds.back_mut() else {
            return;
        };
        let bucket = bucket(nanos);
        match side {
            Side::Server => second.server.add(bucket, 1),
            Side::Client => second.client.add(bucket, 1),
        }
        let known = second.each.contains_key(&(conn, bucket));
        if known || second.each.len() < BUCKETS {
            let n = second.each.entry((conn, bucket)).or_default();
            *n = n.saturating_add(1);
        }
    }

    /// Of all connections, of that end, in the last [`SECONDS`].
    pub fn all(&self, side: Side) -> Histogram {
        let of = |second: &Second| match side {
            Side::Server => second.server.clone(),
            Side::Client => second.client.clone(),
        };
        self.seconds
            .iter()
            .fold(Histogram::default(), |sum, second| sum.plus(&of(second)))
    }

    /// Of one connection, in the last [`SECONDS`].
    pub fn of(&self, conn: u64) -> Histogram {
        let mut sum = Histogram::default();
        for second in &self.seconds {
            for ((_, bucket), n) in second.each.range((conn, 0)..=(conn, u8::MAX)) {
                sum.add(*bucket, *n);
            }
        }
        sum
    }

    /// Events that the kernel had no room for in the last [`SECONDS`], so that they were not seen; where it does not say how many, one.
    pub fn lost(&self) -> u64 {
        self.seconds
            .iter()
            .fold(0, |sum, second| sum.saturating_add(second.lost))
    }

    /// How many have begun and not ended.
    pub fn outstanding(&self) -> usize {
        self.open.len()
    }
}
