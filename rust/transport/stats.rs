// SPDX-License-Identifier: GPL-2.0

//! Counters of a socket and of the module.
#![forbid(unsafe_code)]

use kernel::sync::atomic::{Atomic, Relaxed};
use smbdirect_rdma::memory::Charge;

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Event counters; each is a plain atomic, updated without ordering.
        pub(crate) struct Stats {
            $($(#[$doc])* pub(crate) $name: Atomic<u64>,)*
        }

        impl Stats {
            /// All zero.
            pub(crate) const fn new() -> Self {
                Self { $($name: Atomic::new(0),)* }
            }

            /// Adds everything in `other` to this.
            pub(crate) fn absorb(&self, other: &Self) {
                $(self.$name.add(other.$name.load(Relaxed), Relaxed);)*
            }

            /// Calls `f` with each name and value.
            pub(crate) fn each(&self, mut f: impl FnMut(&str, u64)) {
                $(f(stringify!($name), self.$name.load(Relaxed));)*
            }
        }
    };
}

counters! {
    /// Connection requests that a listener refused.
    connections_refused,
    /// Bytes of SMB messages sent inline.
    inline_sent_bytes,
    /// Bytes of SMB messages received inline.
    inline_received_bytes,
    /// Bytes read from the peer's memory by RDMA.
    rdma_read_bytes,
    /// Bytes written to the peer's memory by RDMA.
    rdma_write_bytes,
    /// RDMA transfers asked for.
    rdma_transfers,
    /// SMB Direct messages sent.
    messages_sent,
    /// SMB Direct messages received.
    messages_received,
    /// Messages sent without payload.
    empty_sent,
    /// Doorbells rung for sends.
    send_posts,
    /// Times a sender waited for a credit of the peer.
    credit_stalls,
    /// Times a sender waited for a send slot.
    slot_stalls,
    /// Memory registrations.
    registrations,
    /// Bytes of memory registered for the peer to read or write.
    registered_bytes,
    /// Registrations of memory with holes, which had to be copied.
    copied_registrations,
    /// Keys that the peer invalidated.
    remote_invalidations,
    /// Wake-ups of readers.
    reader_wakes,
    /// Receive buffers handed to the reader.
    recv_buffers_taken,
    /// Receive buffers given back.
    recv_buffers_returned,
}

/// Sum over all sockets that have ended; changed with the lock of the list of sockets held, so that each is either in the list or in here.
pub(crate) static PAST: Stats = Stats::new();

/// The counters of a socket.
pub(crate) struct SocketStats(Stats, Charge);

impl SocketStats {
    /// Bytes of memory of a socket itself, without what it refers to.
    pub(crate) fn shell(&self) -> usize {
        self.1.bytes()
    }

    /// Books a new socket.
    pub(crate) fn new() -> Self {
        LIVE.add(1, Relaxed);
        Self(Stats::new(), Charge::shared::<super::Socket>())
    }
}

impl core::ops::Deref for SocketStats {
    type Target = Stats;

    fn deref(&self) -> &Stats {
        &self.0
    }
}

impl Drop for SocketStats {
    fn drop(&mut self) {
        LIVE.add(-1, Relaxed);
    }
}

/// Sockets that exist in memory.
pub(crate) static LIVE: Atomic<i64> = Atomic::new(0);

/// Adds one.
#[inline]
pub(crate) fn count(counter: &Atomic<u64>) {
    counter.add(1, Relaxed);
}

/// Adds `n`.
#[inline]
pub(crate) fn count_n(counter: &Atomic<u64>, n: u64) {
    counter.add(n, Relaxed);
}
