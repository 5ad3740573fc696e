// SPDX-License-Identifier: GPL-2.0

//! What a developer can see: `/sys/kernel/debug/smbdirect/{connections,stats,shares}`. Administrators have `sysfs`, which is stable.
#![forbid(unsafe_code)]

use crate::snapshot::snapshot;
use crate::transport::{
    socket::Role,
    stats::{Stats, EVENTS, LIVE, PAST},
    Socket,
};
use core::fmt;
use kernel::{
    debugfs::{Scope, Writer},
    prelude::*,
    sync::atomic::Relaxed,
};

/// The list of sockets, one paragraph each: a heading, then `name value` lines.
struct Connections;

/// Counters over all sockets, present and past, as `name value` lines.
struct Totals;

/// All shares of the policy.
struct Shares;

/// The files.
pub(crate) struct Files {
    connections: Connections,
    totals: Totals,
    shares: Shares,
}

impl Files {
    /// Creates the directory; it vanishes with the value.
    pub(crate) fn new() -> impl PinInit<Scope<Self>> {
        Scope::dir(
            Self {
                connections: Connections,
                totals: Totals,
                shares: Shares,
            },
            c"smbdirect",
            |files, dir| {
                dir.read_only_file(c"connections", &files.connections);
                dir.read_only_file(c"stats", &files.totals);
                dir.read_only_file(c"shares", &files.shares);
            },
        )
    }
}

impl Writer for Connections {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, socket) in snapshot(&Stats::new(), &PAST)?.iter().enumerate() {
            describe(f, number, socket)?;
        }
        Ok(())
    }
}

impl Writer for Shares {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::configfs::write_shares(f)
    }
}

fn describe(f: &mut fmt::Formatter<'_>, number: usize, socket: &Socket) -> fmt::Result {
    let status = socket.status.status();
    write!(
        f,
        "connection {number} id {} role {:?} status {}",
        socket.id,
        socket.role(),
        status.name()
    )?;
    if let Some(peer) = socket.peer.as_ref() {
        write!(f, " peer {peer}")?;
    }
    writeln!(f)?;
    writeln!(
        f,
        "  age_msec {}",
        smbdirect_kext::time::now_ms().saturating_sub(socket.born)
    )?;
    if let Some(listener) = socket
        .listener
        .as_ref()
        .filter(|_| socket.role() == Role::Listener)
    {
        let (children, ready) = listener.counts();
        writeln!(f, "  not_accepted {children}\n  ready {ready}")?;
    }
    let link = socket.with_link_for_admin();
    if let Some((send_credits, granted, posted, parked)) = link {
        writeln!(
            f,
            "  send_credits {send_credits}\n  recv_credits_granted {granted}\n  recv_posted {posted}\n  recv_parked {parked}"
        )?;
    }
    writeln!(f, "  memory_bytes {}", socket.memory())?;
    let p = socket.params.get();
    writeln!(
        f,
        "  max_send_size {}\n  max_recv_size {}\n  max_read_write_size {}",
        p.max_send_size, p.max_recv_size, p.max_read_write_size
    )?;
    let mut result = Ok(());
    socket.stats.each(|name, value| {
        if result.is_ok() {
            result = writeln!(f, "  {name} {value}");
        }
    });
    result
}

/// What [`kind`] tells apart. A socket that has ended is in no list any more: `sockets` has more of them than these together.
const KINDS: [&str; 5] = ["new", "listening", "half_open", "server", "client"];

fn kind(socket: &Socket) -> usize {
    match socket.role() {
        Role::Fresh => 0,
        Role::Listener => 1,
        Role::Server if !socket.status.is_connected() => 2,
        Role::Server => 3,
        Role::Client => 4,
    }
}

impl Writer for Totals {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sum = Stats::new();
        let sockets = snapshot(&sum, &PAST)?;
        let mut connected = 0;
        let mut kinds = [(0i64, 0usize); KINDS.len()];
        for socket in sockets.iter() {
            sum.absorb(&socket.stats);
            connected += u32::from(socket.status.is_connected());
            if let Some((count, bytes)) = kinds.get_mut(kind(socket)) {
                *count += 1;
                *bytes += socket.memory();
            }
        }
        writeln!(
            f,
            "connections_active {connected}\nsockets {}",
            LIVE.load(Relaxed)
        )?;
        writeln!(
            f,
            "memory_bytes {}",
            smbdirect_rdma::memory::MEMORY.load(Relaxed)
        )?;
        for (name, (count, bytes)) in KINDS.iter().zip(kinds) {
            writeln!(f, "{name}_sockets {count}\n{name}_memory_bytes {bytes}")?;
        }
        writeln!(
            f,
            "connections_initiated {}\nconnections_accepted {}\nconnections_refused {}",
            EVENTS.initiated.load(Relaxed),
            EVENTS.accepted.load(Relaxed),
            EVENTS.refused()
        )?;
        let mut result = Ok(());
        sum.each(|name, value| {
            if result.is_ok() {
                result = writeln!(f, "{name} {value}");
            }
        });
        result
    }
}
