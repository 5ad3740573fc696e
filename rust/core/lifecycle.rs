// SPDX-License-Identifier: GPL-2.0

//! The states of a socket and every legal step between them.
//!
//! The numbers and names of the states are seen by users (the connection status in the debug
//! files of cifs) and are therefore fixed. All steps are in one table, [`TRANSITIONS`]; the tests
//! compare it with a stored picture, so that an edge does not come or go unnoticed.

use core::fmt;

macro_rules! statuses {
    ($($(#[$doc:meta])* $variant:ident = $number:literal $name:literal,)*) => {
        /// The state of a socket.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Status {
            $($(#[$doc])* $variant = $number,)*
        }

        impl Status {
            /// Every state, by number.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name that users see.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

statuses! {
    /// Fresh.
    Created = 0 "CREATED",
    /// Waits for clients.
    Listening = 1 "LISTENING",
    /// Client: an address is to be resolved.
    ResolveAddrNeeded = 2 "RESOLVE_ADDR_NEEDED",
    /// Client: the address is being resolved.
    ResolveAddrRunning = 3 "RESOLVE_ADDR_RUNNING",
    /// Client: the address could not be resolved.
    ResolveAddrFailed = 4 "RESOLVE_ADDR_FAILED",
    /// Client: a route is to be found.
    ResolveRouteNeeded = 5 "RESOLVE_ROUTE_NEEDED",
    /// Client: the route is being found.
    ResolveRouteRunning = 6 "RESOLVE_ROUTE_RUNNING",
    /// Client: no route was found.
    ResolveRouteFailed = 7 "RESOLVE_ROUTE_FAILED",
    /// The RDMA connection is to be made.
    RdmaConnectNeeded = 8 "RDMA_CONNECT_NEEDED",
    /// The RDMA connection is being made.
    RdmaConnectRunning = 9 "RDMA_CONNECT_RUNNING",
    /// The RDMA connection could not be made.
    RdmaConnectFailed = 10 "RDMA_CONNECT_FAILED",
    /// The RDMA connection is there, nothing was exchanged.
    NegotiateNeeded = 11 "NEGOTIATE_NEEDED",
    /// A negotiate request is on its way, or waits for the answer of the server.
    NegotiateRunning = 12 "NEGOTIATE_RUNNING",
    /// The negotiation failed.
    NegotiateFailed = 13 "NEGOTIATE_FAILED",
    /// Data can flow.
    Connected = 14 "CONNECTED",
    /// Failed after data could flow.
    Error = 15 "ERROR",
    /// The RDMA connection is being ended.
    Disconnecting = 16 "DISCONNECTING",
    /// There is no RDMA connection any more.
    Disconnected = 17 "DISCONNECTED",
    /// Released.
    Destroyed = 18 "DESTROYED",
}

impl Status {
    /// The number that users see.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The state after `event`.
    pub fn next(self, event: Event) -> Result<Self, Invalid> {
        TRANSITIONS
            .iter()
            .find(|t| t.from == self && t.event == event)
            .map(|t| t.to)
            .ok_or(Invalid { from: self, event })
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What makes a socket change its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// The owner listens.
    Listen,
    /// The owner connects.
    Connect,
    /// A client arrived and the socket made for it has a queue pair and a receive.
    Arrived,
    /// The step for which the state says "needed" was begun: it was handed to the connection
    /// manager, the request was sent (client) or received (server).
    Begin,
    /// The address is resolved.
    AddrResolved,
    /// The route is found and the queue pair made.
    RouteResolved,
    /// The RDMA connection is there.
    Established,
    /// Client: the answer was good. Server: the socket is accepted and the answer sent.
    Negotiated,
    /// Anything went wrong, or the owner shuts down. Later failures change nothing.
    Fail,
    /// The first step of teardown: the RDMA connection is ended if there is one.
    Cleanup,
    /// The connection manager says that the RDMA connection has ended or the device goes.
    Disconnect,
    /// The owner gives the socket back.
    Release,
}

impl Event {
    /// Every event.
    pub const ALL: &'static [Self] = &[
        Self::Listen,
        Self::Connect,
        Self::Arrived,
        Self::Begin,
        Self::AddrResolved,
        Self::RouteResolved,
        Self::Established,
        Self::Negotiated,
        Self::Fail,
        Self::Cleanup,
        Self::Disconnect,
        Self::Release,
    ];
}

/// The event cannot happen in this state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// The state.
    pub from: Status,
    /// The event.
    pub event: Event,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "event {:?} in state {}", self.event, self.from)
    }
}

/// One legal step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    /// The state before.
    pub from: Status,
    /// What happens.
    pub event: Event,
    /// The state after.
    pub to: Status,
}

macro_rules! transitions {
    ($($event:ident { $($($from:ident)|+ => $to:ident,)* })*) => {
        &[$($($(Transition {
            from: Status::$from,
            event: Event::$event,
            to: Status::$to,
        },)+)*)*]
    };
}

/// Every legal step.
pub const TRANSITIONS: &[Transition] = transitions! {
    Listen { Created => Listening, }
    Connect { Created => ResolveAddrNeeded, }
    Arrived { Created => RdmaConnectNeeded, }
    Begin {
        ResolveAddrNeeded => ResolveAddrRunning,
        ResolveRouteNeeded => ResolveRouteRunning,
        RdmaConnectNeeded => RdmaConnectRunning,
        NegotiateNeeded => NegotiateRunning,
    }
    AddrResolved { ResolveAddrRunning => ResolveRouteNeeded, }
    RouteResolved { ResolveRouteRunning => RdmaConnectNeeded, }
    Established { RdmaConnectRunning => NegotiateNeeded, }
    Negotiated { NegotiateRunning => Connected, }
    Fail {
        Created | Listening => Disconnected,
        ResolveAddrNeeded | ResolveAddrRunning | ResolveAddrFailed => ResolveAddrFailed,
        ResolveRouteNeeded | ResolveRouteRunning | ResolveRouteFailed => ResolveRouteFailed,
        RdmaConnectNeeded | RdmaConnectRunning | RdmaConnectFailed => RdmaConnectFailed,
        NegotiateNeeded | NegotiateRunning | NegotiateFailed => NegotiateFailed,
        Connected | Error => Error,
        Disconnecting => Disconnecting,
        Disconnected => Disconnected,
    }
    Cleanup {
        Created | Listening => Disconnected,
        ResolveAddrNeeded | ResolveAddrRunning | ResolveAddrFailed => Disconnected,
        ResolveRouteNeeded | ResolveRouteRunning | ResolveRouteFailed => Disconnected,
        RdmaConnectNeeded | RdmaConnectRunning | RdmaConnectFailed => Disconnected,
        NegotiateNeeded | NegotiateRunning | NegotiateFailed => Disconnecting,
        Connected | Error | Disconnecting => Disconnecting,
        Disconnected => Disconnected,
    }
    Disconnect {
        ResolveAddrFailed | ResolveRouteFailed | RdmaConnectFailed => Disconnected,
        NegotiateNeeded | NegotiateRunning | NegotiateFailed => Disconnected,
        Connected | Error | Disconnecting | Disconnected => Disconnected,
    }
    Release { Disconnecting | Disconnected => Destroyed, }
};
