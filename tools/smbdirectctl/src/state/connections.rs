// SPDX-License-Identifier: GPL-2.0

//! Connections, as the module shows them.

use super::{counters::Counters, SYSFS};
use crate::root::Root;
use smbdirect_core::lifecycle::Status;

/// Which end of a connection we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// We connected.
    Client,
    /// A client connected to us.
    Server,
}

impl Role {
    /// The word, as in sysfs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
        }
    }
}

/// One end of a connection.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Its number, which is not used twice.
    pub id: u64,
    /// Which end.
    pub role: Role,
    /// Address and port of the other end; `-`: unknown.
    pub peer: String,
    /// The RDMA device; `-`: unknown.
    pub device: String,
    /// The name of its state.
    pub status: String,
    /// Why it ended; `none`: it did not.
    pub end_cause: String,
    /// The numbers of `info`: what was negotiated, credits, outstanding work.
    pub info: Counters,
    /// Counters.
    pub stats: Counters,
}

/// What is text in `info`, also if it looks like a number, as a device's name may.
const TEXTS: [&str; 5] = ["role", "peer", "device", "status", "end_cause"];

/// The state of a connection that is in use.
const CONNECTED: &str = Status::Connected.name();

/// What counts waiting.
pub const STALLS: [&str; 4] = [
    "credit_stalls",
    "slot_stalls",
    "rdma_stalls",
    "registration_stalls",
];

impl Connection {
    /// From the two files; `None`: they are not of a connection that this program knows.
    pub fn parse(id: u64, info: &str, stats: &str) -> Option<Self> {
        let text = |name: &str| {
            let line = info.lines().find(|line| {
                line.strip_prefix(name)
                    .is_some_and(|rest| rest.starts_with(' '))
            })?;
            Some(line.split_once(' ')?.1.to_owned())
        };
        Some(Self {
            id,
            role: match text("role")?.as_str() {
                "client" => Role::Client,
                "server" => Role::Server,
                _ => return None,
            },
            peer: text("peer")?,
            device: text("device")?,
            status: text("status")?,
            end_cause: text("end_cause")?,
            info: Counters::parse(info).without(&TEXTS),
            stats: Counters::parse(stats),
        })
    }

    /// Whether it is established.
    pub fn is_connected(&self) -> bool {
        self.status == CONNECTED
    }

    /// Bytes moved by RDMA; of a client, which does not know how much of it the server used, the memory that it lent.
    pub fn rdma_bytes(&self) -> u64 {
        match self.role {
            Role::Client => self.stats.value("registered_bytes"),
            Role::Server => self.stats.sum(&["rdma_read_bytes", "rdma_write_bytes"]),
        }
    }

    /// Bytes of messages.
    pub fn inline_bytes(&self) -> u64 {
        self.stats
            .sum(&["inline_sent_bytes", "inline_received_bytes"])
    }

    /// RDMA operations: transfers of a server, registrations of a client.
    pub fn operations(&self) -> u64 {
        match self.role {
            Role::Client => self.stats.value("fast_registrations"),
            Role::Server => self.stats.sum(&["rdma_reads", "rdma_writes"]),
        }
    }

    /// How often something waited.
    pub fn stalls(&self) -> u64 {
        self.stats.sum(&STALLS)
    }
}

/// All; one that ends while we look is not among them.
pub fn read(root: &Root) -> Vec<Connection> {
    let dir = format!("{SYSFS}/connections");
    let one = |name: &String| {
        let id = name.parse().ok()?;
        let info = root.read(&format!("{dir}/{name}/info")).ok()?;
        let stats = root.read(&format!("{dir}/{name}/stats")).ok()?;
        Connection::parse(id, &info, &stats)
    };
    let mut all: Vec<Connection> = root.names(&dir).iter().filter_map(one).collect();
    all.sort_by_key(|c| c.id);
    all
}
