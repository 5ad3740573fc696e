// SPDX-License-Identifier: GPL-2.0

//! Why connections end, and why requests are refused: names for counters, traces and administrators.
#![forbid(unsafe_code)]

use core::ffi::CStr;
use kernel::prelude::*;

macro_rules! named {
    ($(#[$doc:meta])* $type:ident { $($(#[$each:meta])* $variant:ident = $name:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq)]
        pub(crate) enum $type {
            $($(#[$each])* $variant,)*
        }

        impl $type {
            const ALL: &'static [Self] = &[$(Self::$variant,)*];
            /// How many there are.
            pub(crate) const COUNT: usize = Self::ALL.len();
            /// Their names. Administrators' tools know them: they do not change.
            pub(crate) const NAMES: [&'static CStr; Self::COUNT] = [$($name,)*];

            /// The name.
            pub(crate) fn name(self) -> &'static CStr {
                Self::NAMES.get(self as usize).copied().unwrap_or(c"?")
            }
        }
    };
}
pub(super) use named;

named! {
    /// Why a connection, or an attempt to make one, ended.
    Cause {
        /// It has not ended.
        None = c"none",
        /// Its owner shut it down.
        Local = c"local",
        /// The peer ended it.
        Peer = c"peer",
        /// The peer refused it: nobody listens there, or the negotiation came to nothing.
        Refused = c"refused",
        /// There is no way to the peer, or the connection manager gave up.
        Unreachable = c"unreachable",
        /// The device is gone, or cannot do what is needed.
        Device = c"device",
        /// The peer broke a rule of the protocol.
        Protocol = c"protocol",
        /// The connection manager's handshake or the negotiation took too long.
        HandshakeTimeout = c"handshake_timeout",
        /// It waited too long to be accepted.
        BacklogTimeout = c"backlog_timeout",
        /// No sign of life of the peer.
        KeepaliveTimeout = c"keepalive_timeout",
        /// The peer did not finish a message.
        MessageTimeout = c"message_timeout",
        /// The peer gave no credits, acknowledged no sends, or took messages too slowly.
        SendTimeout = c"send_timeout",
        /// A work request did not complete in time.
        WorkTimeout = c"work_timeout",
        /// The adapter reported an error, or did not take a work request.
        Adapter = c"adapter",
        /// A half-open connection that was dropped for a newer one.
        Crowded = c"crowded",
        /// A signal.
        Interrupted = c"interrupted",
        /// No memory.
        Memory = c"memory",
        /// Anything else.
        Other = c"other",
    }
}

impl Cause {
    /// The cause with a number.
    pub(super) fn from_number(number: u32) -> Self {
        Self::ALL
            .get(number as usize)
            .copied()
            .unwrap_or(Self::Other)
    }

    /// The usual cause of an error, where nothing more is known.
    pub(super) fn of(error: Error) -> Self {
        match error {
            e if e == ESHUTDOWN => Self::Local,
            e if e == ECONNRESET => Self::Peer,
            e if e == ECONNREFUSED => Self::Refused,
            e if e == ENETDOWN || e == ENODEV || e == EPROTONOSUPPORT => Self::Device,
            e if e == EHOSTUNREACH || e == ENETUNREACH || e == ETIMEDOUT => Self::Unreachable,
            e if e == ERESTARTSYS => Self::Interrupted,
            e if e == ENOMEM => Self::Memory,
            _ => Self::Other,
        }
    }
}

named! {
    /// Why a connection request was refused before there was a socket for it.
    Refusal {
        /// Too many are in the handshake.
        HalfOpen = c"half_open",
        /// `max_connections`.
        Connections = c"max_connections",
        /// `max_connections_per_address`.
        PerAddress = c"max_connections_per_address",
        /// The device cannot do what the port asks for.
        Device = c"device",
        /// No memory.
        Memory = c"memory",
        /// An administrator wants no connections there.
        Interface = c"interface",
    }
}
