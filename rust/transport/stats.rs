// SPDX-License-Identifier: GPL-2.0

//! Counters of connections, of devices and of the module. `Documentation/observability.md` says what each counts.
//!
//! Traffic is counted per connection only, on lines that nobody else writes at the same time ([`Stats`]); devices and the module have the sums of what has
//! ended, and add up the rest when somebody reads. Beginnings and ends of connections are rare, and are counted where they happen ([`Events`]).
#![forbid(unsafe_code)]

use super::{
    cause::{named, Cause, Refusal},
    devices::DeviceStats,
    Socket,
};
use core::ffi::CStr;
use kernel::sync::{
    atomic::{Atomic, Relaxed},
    Arc,
};
use smbdirect_core::error::ProtocolError;
use smbdirect_kext::trace;
use smbdirect_rdma::memory::Charge;

macro_rules! counters {
    ($($(#[$group_doc:meta])* $group:ident: $group_type:ident { $($(#[$doc:meta])* $name:ident,)* })*) => {
        $(
            $(#[$group_doc])*
            #[repr(C, align(64))]
            pub(crate) struct $group_type {
                $($(#[$doc])* pub(crate) $name: Atomic<u64>,)*
            }
        )*

        /// Counters of traffic. Groups are by who writes, and have cache lines of their own. Each is one aligned word, so a reader sees no half of it; none is ever
        /// taken back; after 2^64 they begin again.
        #[repr(C)]
        pub(crate) struct Stats {
            $($(#[$group_doc])* pub(crate) $group: $group_type,)*
        }

        impl Stats {
            /// All zero.
            pub(crate) const fn new() -> Self {
                Self {
                    $($group: $group_type { $($name: Atomic::new(0),)* },)*
                }
            }

            /// Adds everything in `other` to this.
            pub(crate) fn absorb(&self, other: &Self) {
                $($(self.$group.$name.add(other.$group.$name.load(Relaxed), Relaxed);)*)*
            }

            /// Calls `f` with each name and value.
            pub(crate) fn each(&self, mut f: impl FnMut(&str, u64)) {
                $($(f(stringify!($name), self.$group.$name.load(Relaxed));)*)*
            }

            /// The names, in that order.
            pub(crate) const NAMES: &'static [&'static str] = &[$($(stringify!($name),)*)*];
        }
    };
}

counters! {
    /// Written by receive completions, which come one after the other, and by nobody else.
    receive: Receive {
        /// SMB Direct messages received.
        messages_received,
        /// Of these, those without payload.
        empty_received,
        /// Bytes of SMB messages received inline.
        inline_received_bytes,
        /// Messages that asked for an answer.
        keepalives_received,
        /// Keys that the peer invalidated.
        remote_invalidations,
        /// Receive buffers handed to the reader.
        recv_buffers_taken,
        /// Wake-ups of readers.
        reader_wakes,
    }
    /// Written by whoever holds the message token, and by nobody else.
    send: Send {
        /// SMB Direct messages sent.
        messages_sent,
        /// Of these, those without payload.
        empty_sent,
        /// Bytes of SMB messages sent inline.
        inline_sent_bytes,
        /// Doorbells rung for sends.
        send_posts,
        /// Messages that asked for an answer.
        keepalives_sent,
        /// Sends that had the peer's adapter invalidate a key.
        invalidations_sent,
        /// Times a sender waited for a credit of the peer.
        credit_stalls,
        /// Times a sender waited for a send slot.
        slot_stalls,
    }
    /// Written by threads of the SMB stack, many at a time.
    request: Request {
        /// RDMA transfers asked for.
        rdma_transfers,
        /// Transfers from the peer's memory that were completed.
        rdma_reads,
        /// Their bytes.
        rdma_read_bytes,
        /// Transfers to the peer's memory that were completed.
        rdma_writes,
        /// Their bytes.
        rdma_write_bytes,
        /// Transfers that failed or were refused.
        rdma_failures,
        /// Times a transfer waited until others had left room in the queue.
        rdma_stalls,
        /// Regions registered by work requests.
        fast_registrations,
        /// Keys invalidated by work requests of our own.
        local_invalidations,
        /// Bytes of memory registered for the peer to read or write.
        registered_bytes,
        /// Registrations of memory with holes, which had to be copied.
        copied_registrations,
        /// Registrations that failed.
        registration_failures,
        /// Times a registration waited for a region.
        registration_stalls,
    }
    /// Written by the reader, and by nobody else.
    reader: Reader {
        /// Receive buffers given back.
        recv_buffers_returned,
    }
}

/// Sum over all sockets that have ended; changed with the lock of the list of sockets held, so that each is either in the list or in here.
pub(crate) static PAST: Stats = Stats::new();

/// Beginnings and ends of all connections, and what was wrong.
pub(crate) static EVENTS: Events = Events::new();

named! {
    /// What a peer can do wrong that the protocol core does not see.
    Breach {
        /// A second message before the end of the negotiation.
        SecondNegotiate = c"second_negotiate",
        /// A client without a common version.
        NoCommonVersion = c"no_common_version",
        /// A server's MaxReadWriteSize is less than a page.
        ReadWriteSize = c"response_read_write_size",
        /// An invalidated key that is not registered for it.
        Invalidation = c"unexpected_invalidation",
        /// An operation that SMB Direct does not have.
        Opcode = c"unexpected_opcode",
        /// Buffer descriptors that cannot be used. The connection goes on.
        Descriptors = c"bad_descriptors",
    }
}

/// Kinds of protocol errors: those of the core, then ours.
const BREACHES: usize = ProtocolError::KINDS.len() + Breach::COUNT;

fn breach_names() -> impl Iterator<Item = &'static &'static CStr> {
    Iterator::chain(ProtocolError::KINDS.iter(), &Breach::NAMES)
}

/// Counters of what happens once in the life of a connection.
pub(crate) struct Events {
    /// Connections that were established, made by us.
    pub(crate) initiated: Atomic<u64>,
    /// Connections that were established, made by a peer.
    pub(crate) accepted: Atomic<u64>,
    failed: [Atomic<u64>; Cause::COUNT],
    ended: [Atomic<u64>; Cause::COUNT],
    refused: [Atomic<u64>; Refusal::COUNT],
    breaches: [Atomic<u64>; BREACHES],
}

fn sum(all: &[Atomic<u64>]) -> u64 {
    all.iter()
        .fold(0, |sum, n| sum.wrapping_add(n.load(Relaxed)))
}

fn one(all: &[Atomic<u64>], number: usize) {
    if let Some(counter) = all.get(number) {
        count(counter);
    }
}

impl Events {
    /// All zero.
    pub(crate) const fn new() -> Self {
        Self {
            initiated: Atomic::new(0),
            accepted: Atomic::new(0),
            failed: [const { Atomic::new(0) }; Cause::COUNT],
            ended: [const { Atomic::new(0) }; Cause::COUNT],
            refused: [const { Atomic::new(0) }; Refusal::COUNT],
            breaches: [const { Atomic::new(0) }; BREACHES],
        }
    }

    /// Attempts to connect that failed, in either direction.
    pub(crate) fn failed(&self) -> u64 {
        sum(&self.failed)
    }

    /// Requests that were refused before there was a socket for them.
    pub(crate) fn refused(&self) -> u64 {
        sum(&self.refused)
    }

    /// Established connections that ended by an error.
    pub(crate) fn broken(&self) -> u64 {
        let fine = |cause: Cause| {
            self.ended
                .get(cause as usize)
                .map_or(0, |n| n.load(Relaxed))
        };
        sum(&self.ended)
            .wrapping_sub(fine(Cause::Local))
            .wrapping_sub(fine(Cause::Peer))
    }

    /// Rules that peers broke.
    pub(crate) fn breaches(&self) -> u64 {
        sum(&self.breaches)
    }

    /// Calls `f` with prefix, name and value of what ended how.
    pub(crate) fn each_failure(&self, mut f: impl FnMut(&str, &CStr, u64)) {
        let causes = Cause::NAMES.iter();
        for (name, n) in causes.clone().zip(&self.failed).skip(1) {
            f("failed", name, n.load(Relaxed));
        }
        for (name, n) in causes.zip(&self.ended).skip(1) {
            f("ended", name, n.load(Relaxed));
        }
        for (name, n) in Refusal::NAMES.iter().zip(&self.refused) {
            f("refused", name, n.load(Relaxed));
        }
    }

    /// Calls `f` with name and value of each kind of protocol error.
    pub(crate) fn each_breach(&self, mut f: impl FnMut(&CStr, u64)) {
        for (name, n) in breach_names().zip(&self.breaches) {
            f(name, n.load(Relaxed));
        }
    }
}

/// Does something with the events of the module and those of a device.
fn both(device: Option<&Arc<DeviceStats>>, f: impl Fn(&Events)) {
    f(&EVENTS);
    if let Some(device) = device {
        f(&device.events);
    }
}

/// Counts a connection request that was refused on a device.
pub(super) fn refused(device: Option<&Arc<DeviceStats>>, why: Refusal) {
    both(device, |events| one(&events.refused, why as usize));
}

impl Socket {
    /// Counts the beginning of a connection.
    pub(super) fn count_established(&self, client: bool) {
        both(self.device.as_ref(), |events| {
            count(if client {
                &events.initiated
            } else {
                &events.accepted
            });
        });
    }

    /// Counts the end of a connection that was `established`, or of an attempt.
    pub(super) fn count_end(&self, established: bool, cause: Cause) {
        both(self.device.as_ref(), |events| {
            let counters = if established {
                &events.ended
            } else {
                &events.failed
            };
            one(counters, cause as usize);
        });
    }

    /// Counts a rule that the peer broke.
    pub(super) fn count_protocol_error(&self, why: &ProtocolError) {
        let number = why.kind();
        let name = ProtocolError::KINDS.get(number).copied();
        self.breach(number, name.unwrap_or(c"?"));
    }

    /// The same, for what the core does not see.
    pub(super) fn count_breach(&self, why: Breach) {
        self.breach(ProtocolError::KINDS.len() + why as usize, why.name());
    }

    fn breach(&self, number: usize, kind: &'static CStr) {
        both(self.device.as_ref(), |events| one(&events.breaches, number));
        trace::Breach::emit(|| trace::Breach {
            conn: self.id,
            kind,
        });
    }
}

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

/// Adds one; any number of writers.
#[inline]
pub(crate) fn count(counter: &Atomic<u64>) {
    counter.add(1, Relaxed);
}

/// Adds `n`; any number of writers.
#[inline]
pub(crate) fn count_n(counter: &Atomic<u64>, n: u64) {
    counter.add(n, Relaxed);
}

/// Adds `n` to a counter that has one writer at a time: without a locked instruction.
#[inline]
pub(crate) fn own(counter: &Atomic<u64>, n: u64) {
    counter.store(counter.load(Relaxed).wrapping_add(n), Relaxed);
}
