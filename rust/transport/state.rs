// SPDX-License-Identifier: GPL-2.0

//! What a socket's spinlock protects.
#![forbid(unsafe_code)]

use kernel::prelude::*;
use smbdirect_core::{
    link::Link,
    params::Negotiated,
    recv_queue::{RecvQueue, Segment, Store},
};
use smbdirect_rdma::memory::Charge;

/// Memory of the receive queue.
pub(crate) struct Segments {
    list: KVVec<Segment>,
    /// With what the [`Established`] takes that it is part of.
    charge: Charge,
}

impl Segments {
    /// Room for `n` segments. Sleeps.
    pub(crate) fn new(n: usize) -> Result<Self> {
        Ok(Self {
            list: KVVec::from_elem(Segment::default(), n, GFP_KERNEL)?,
            charge: Charge::array::<Segment>(n).and(Charge::of::<Established>()),
        })
    }

    /// Bytes of memory of an established state.
    pub(crate) fn memory(&self) -> usize {
        self.charge.bytes()
    }
}

impl Store for Segments {
    fn slots(&self) -> &[Segment] {
        &self.list
    }

    fn slots_mut(&mut self) -> &mut [Segment] {
        &mut self.list
    }
}

/// What a reader sleeps for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Want {
    /// Payload bytes.
    pub(crate) bytes: u64,
    /// The header of a message would do.
    pub(crate) header: bool,
}

/// The state of an established connection.
pub(crate) struct Established {
    pub(crate) link: Link,
    pub(crate) negotiated: Negotiated,
    pub(crate) queue: RecvQueue<Segments>,
    /// Receive slots that exist less the one kept for the last-credit rule.
    pub(crate) limit: usize,
    /// The message token is taken: fragments of a message are under way, or an empty message is being posted.
    pub(crate) token: bool,
    /// Senders wait for the token, credits or slots.
    pub(crate) senders_wait: bool,
    /// The reader sleeps for this.
    pub(crate) want: Option<Want>,
    /// When the message began that is not complete yet, in milliseconds, and its length; 0 = none.
    pub(crate) began: (u64, u32),
    /// How long senders of a server waited for the peer, less what its progress has earned, in milliseconds.
    pub(crate) starved_ms: u64,
    /// The peer ran dry although the reader keeps up.
    pub(crate) grow: bool,
    /// Messages with payload since the receives became more.
    pub(crate) payloads: usize,
}

impl Established {
    /// Whether a reader that wants this can go on: what it wants is there, or so much is parked that it had better take it now.
    pub(crate) fn readable(&self, want: Want) -> bool {
        let queue = &self.queue;
        (want.header && queue.header().is_some())
            || queue.available() >= want.bytes
            || queue.segments().saturating_mul(4) >= self.limit.saturating_mul(3)
    }
}

/// Longest negotiate message that is looked at; longer ones are legal but the rest is ignored (MS-SMBD 3.1.5.6).
pub(crate) const NEGOTIATE_MAX: usize = 32;

/// A negotiate message as received.
#[derive(Clone, Copy)]
pub(crate) struct NegotiateMessage {
    pub(crate) bytes: [u8; NEGOTIATE_MAX],
    pub(crate) len: usize,
}

/// What a socket's spinlock protects.
pub(crate) struct State {
    /// The peer's negotiate message, until it is processed.
    pub(crate) message: Option<NegotiateMessage>,
    /// A negotiate message came (there may be only one).
    pub(crate) message_seen: bool,
    /// The adapter says that data came before the CM's handshake was complete.
    pub(crate) data_early: bool,
    /// The CM says that the connection is established.
    pub(crate) established: bool,
    /// A tick has seen it established without the peer's first message.
    pub(crate) silent: bool,
    /// When the current phase times out, in milliseconds; 0 = never.
    pub(crate) deadline: u64,
    /// After negotiation.
    pub(crate) link: Option<KBox<Established>>,
}

impl State {
    /// A fresh socket's.
    pub(crate) const fn new() -> Self {
        Self {
            message: None,
            message_seen: false,
            data_early: false,
            established: false,
            silent: false,
            deadline: 0,
            link: None,
        }
    }
}
