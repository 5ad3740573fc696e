// SPDX-License-Identifier: GPL-2.0

//! Which events are wanted: in this program, and as far as it can be said there, in the kernel.

use super::{
    conns::{same_host, Conn, Conns},
    events::{self, Names},
    line::Event,
};
use std::net::{IpAddr, SocketAddr};

/// The kernel takes at most a page.
const LONGEST: usize = 4000;

/// Whom a connection is with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The address.
    pub ip: IpAddr,
    /// The port, if it matters.
    pub port: Option<u16>,
}

impl Peer {
    /// `10.9.0.1`, `10.9.0.1:445`, `fd09::1`, `[fd09::1]:445`.
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(ip) = text.trim_matches(['[', ']']).parse() {
            return Some(Self { ip, port: None });
        }
        let address: SocketAddr = text.parse().ok()?;
        Some(Self {
            ip: address.ip(),
            port: Some(address.port()),
        })
    }

    fn is(self, address: SocketAddr) -> bool {
        same_host(self.ip, address.ip()) && self.port.is_none_or(|port| port == address.port())
    }
}

/// What is wanted. Of lists that are empty everything is.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Events.
    pub events: Names,
    /// Numbers of connections.
    pub connections: Vec<u64>,
    /// Peers.
    pub peers: Vec<Peer>,
    /// Devices.
    pub devices: Vec<String>,
}

impl Wanted {
    /// Whether connections matter.
    fn chooses(&self) -> bool {
        !(self.connections.is_empty() && self.peers.is_empty() && self.devices.is_empty())
    }

    /// Whether a connection is wanted; `None`: it may be, but its peer is not known. A device that is not known yet, as in the first moments of an attempt to connect, counts as
    /// wanted.
    pub fn takes(&self, id: u64, conn: Option<&Conn>) -> Option<bool> {
        if !self.connections.is_empty() && !self.connections.contains(&id) {
            return Some(false);
        }
        let device = conn.and_then(|c| c.device.as_ref());
        if let (false, Some(device)) = (self.devices.is_empty(), device) {
            if !self.devices.contains(device) {
                return Some(false);
            }
        }
        if self.peers.is_empty() {
            // Without its beginning nothing is known of it.
            let unknown = !self.devices.is_empty() && conn.is_none_or(|c| c.role.is_none());
            return (!unknown).then_some(true);
        }
        let address = conn.and_then(|c| c.peer)?;
        Some(self.peers.iter().any(|peer| peer.is(address)))
    }

    /// Whether an event is wanted. `None`: it would be, if its connection is; but that cannot be told.
    pub fn wants(&self, event: &Event<'_>, conns: &Conns) -> Option<bool> {
        let known = events::find(event.name);
        if known.is_some_and(|kind| !self.events.contains(kind.name)) {
            return Some(false);
        }
        if !self.chooses() {
            return Some(true);
        }
        let Some(id) = event.conn() else {
            return Some(false);
        };
        if event.name == "refused" {
            // The number is the listening socket's; the peer is the one that was refused.
            let address = event.text("peer").and_then(|p| p.parse().ok());
            let of_peer = |p: &Peer| address.is_some_and(|a| p.is(a));
            let peer = self.peers.is_empty() || self.peers.iter().any(of_peer);
            let socket = self.connections.is_empty() || self.connections.contains(&id);
            return Some(peer && socket && self.devices.is_empty());
        }
        self.takes(id, conns.get(id))
    }

    /// The events that the kernel has to record: those that are wanted, and those that say whose they are.
    pub fn recorded(&self) -> Names {
        events::all()
            .filter(|kind| kind.context || self.events.contains(kind.name))
            .filter(|kind| kind.name != "policy_refused" || !self.chooses())
            .map(|kind| kind.name)
            .collect()
    }

    /// What to write into the `filter` of each event; `None`: nothing. Connections that come later are let through, since nobody knows their numbers.
    pub fn in_kernel(&self, conns: &Conns) -> Option<String> {
        let terms: Vec<String> = if self.connections.is_empty() {
            let unwanted = |(id, conn): &(&u64, &Conn)| self.takes(**id, Some(conn)) == Some(false);
            conns
                .iter()
                .filter(unwanted)
                .map(|(id, _)| format!("conn != {id}"))
                .collect()
        } else {
            let one = |id: &u64| format!("conn == {id}");
            self.connections.iter().map(one).collect()
        };
        let join = if self.connections.is_empty() {
            " && "
        } else {
            " || "
        };
        let text = terms.join(join);
        (!text.is_empty() && text.len() <= LONGEST).then_some(text)
    }
}
