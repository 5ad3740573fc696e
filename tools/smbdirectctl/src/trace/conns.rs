// SPDX-License-Identifier: GPL-2.0

//! What is known of the connections of a recording: who the peer is, which end we are, and where each direction is in a message of several fragments.

use super::line::Event;
use crate::state::connections::{Connection, Role};
use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
};

/// More are not kept in mind; the oldest is forgotten for a new one.
const MOST: usize = 65_536;

/// Where a message is among the fragments of its upper-layer message (MS-SMBD 3.1.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// No payload.
    Empty,
    /// The whole.
    Whole,
    /// The first of several, of so many bytes in all.
    First {
        /// Bytes of all.
        total: u64,
    },
    /// One in the middle.
    Middle {
        /// Its number, from 1.
        number: u32,
        /// Bytes of all.
        total: u64,
    },
    /// The last.
    Last {
        /// Its number, from 1.
        number: u32,
        /// Bytes of all.
        total: u64,
    },
}

/// One direction of a connection.
#[derive(Clone, Copy, Debug, Default)]
struct Flow {
    total: u64,
    left: u64,
    parts: u32,
}

impl Flow {
    /// A message with so many bytes, after which so many follow.
    fn step(&mut self, length: u64, remaining: u64) -> Part {
        if length == 0 {
            return Part::Empty;
        }
        let before = length.saturating_add(remaining);
        // Another number than what was left: the recording has not all of it.
        let begins = self.left == 0 || self.left != before;
        if begins {
            (self.total, self.parts) = (before, 0);
        }
        self.parts = self.parts.saturating_add(1);
        self.left = remaining;
        let (number, total) = (self.parts, self.total);
        match (begins, remaining) {
            (true, 0) => Part::Whole,
            (true, _) => Part::First { total },
            (false, 0) => Part::Last { number, total },
            (false, _) => Part::Middle { number, total },
        }
    }
}

/// One end of a connection.
#[derive(Clone, Debug, Default)]
pub struct Conn {
    /// Which end; `None`: not known.
    pub role: Option<Role>,
    /// The peer's address.
    pub peer: Option<SocketAddr>,
    /// Our own address.
    pub local: Option<SocketAddr>,
    /// The RDMA device.
    pub device: Option<String>,
    sent: Flow,
    received: Flow,
}

impl Conn {
    /// `client of 10.9.0.1:445 over rxe0`, as far as it is known.
    pub fn about(&self) -> String {
        let peer = |peer: &SocketAddr| peer.to_string();
        let peer = self.peer.as_ref().map_or("an unknown peer".into(), peer);
        let role = match self.role {
            Some(Role::Client) => "client of",
            Some(Role::Server) => "server of",
            None => "connection with",
        };
        match &self.device {
            Some(device) => format!("{role} {peer} over {device}"),
            None => format!("{role} {peer}"),
        }
    }
}

/// An address that names somebody.
fn address(text: Option<&str>) -> Option<SocketAddr> {
    let address: SocketAddr = text?.parse().ok()?;
    (!address.ip().is_unspecified()).then_some(address)
}

/// IPv4 in an IPv6 socket's form is IPv4.
pub fn same_host(a: IpAddr, b: IpAddr) -> bool {
    a.to_canonical() == b.to_canonical()
}

/// All that are known.
#[derive(Debug, Default)]
pub struct Conns(BTreeMap<u64, Conn>);

impl Conns {
    /// One of them.
    pub fn get(&self, id: u64) -> Option<&Conn> {
        self.0.get(&id)
    }

    /// All, in the order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (&u64, &Conn)> {
        self.0.iter()
    }

    fn entry(&mut self, id: u64) -> &mut Conn {
        if self.0.len() >= MOST && !self.0.contains_key(&id) {
            self.0.pop_first();
        }
        self.0.entry(id).or_default()
    }

    /// What the module's files say of one.
    pub fn know(&mut self, shown: &Connection, local: Option<SocketAddr>) {
        let conn = self.entry(shown.id);
        conn.role = Some(shown.role);
        conn.peer = address(Some(&shown.peer));
        conn.device = (shown.device != "-").then(|| shown.device.clone());
        conn.local = local;
    }

    /// Learns from an event; where a message is among its fragments.
    pub fn learn(&mut self, event: &Event<'_>) -> Option<Part> {
        let id = event.conn()?;
        // What is known of a listening socket is nothing that concerns its connections.
        if event.name == "refused" {
            return None;
        }
        let conn = self.entry(id);
        let sizes = || (event.number("length"), event.number("remaining"));
        match event.name {
            "connect" | "arrival" => {
                let client = event.name == "connect";
                let role = if client { Role::Client } else { Role::Server };
                *conn = Conn {
                    role: Some(role),
                    peer: address(event.text("peer")),
                    local: address(event.text("local")),
                    device: event
                        .text("device")
                        .filter(|d| !d.is_empty())
                        .map(Into::into),
                    ..Conn::default()
                };
                None
            }
            "cm_event" => {
                let device = event.text("device").filter(|d| !d.is_empty());
                if let Some(device) = device {
                    conn.device = Some(device.into());
                }
                conn.local = address(event.text("local")).or(conn.local);
                None
            }
            "negotiated" => {
                conn.role = role(event.text("role")).or(conn.role);
                None
            }
            "send" | "recv" => {
                let (Some(length), Some(remaining)) = sizes() else {
                    return None;
                };
                let flow = match event.name {
                    "send" => &mut conn.sent,
                    _ => &mut conn.received,
                };
                Some(flow.step(length, remaining))
            }
            _ => None,
        }
    }

    /// Learns from what this program has written into a recording.
    pub fn learn_mark(&mut self, mark: &Event<'_>) {
        let Some(id) = mark.conn() else { return };
        let conn = self.entry(id);
        conn.role = role(mark.text("role")).or(conn.role);
        conn.peer = address(mark.text("peer")).or(conn.peer);
        conn.local = address(mark.text("local")).or(conn.local);
        if let Some(device) = mark.text("device").filter(|d| !d.is_empty()) {
            conn.device = Some(device.into());
        }
    }

    /// Forgets one whose end has been seen and shown.
    pub fn forget(&mut self, id: u64) {
        self.0.remove(&id);
    }
}

fn role(text: Option<&str>) -> Option<Role> {
    match text? {
        "client" => Some(Role::Client),
        "server" => Some(Role::Server),
        _ => None,
    }
}
