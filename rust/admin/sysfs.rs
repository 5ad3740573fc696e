// SPDX-License-Identifier: GPL-2.0

//! What an administrator can see: `/sys/kernel/smbdirect`. `Documentation/observability.md` has the format, which is stable.
#![forbid(unsafe_code)]

use crate::snapshot::snapshot;
use crate::transport::{
    devices::{DeviceStats, Observer},
    socket::Role,
    stats::{Events, Stats, EVENTS, PAST},
    Socket,
};
use core::fmt::{self, Write};
use kernel::{
    prelude::*,
    str::CString,
    sync::{atomic::Relaxed, Arc},
};
use smbdirect_kext::{
    ctx::ProcessCtx,
    list::take_first,
    sysfs::{Directory, Empty, Files, Parent, Text, MAX_FILE},
};

/// Version of the format. New lines and files may come without a new one.
const FORMAT: u32 = 1;

/// Files of the module.
struct Totals;

/// Files of a device.
struct Device(Arc<DeviceStats>);

/// Files of a connection.
struct Connection(Arc<Socket>);

/// Lines of `stats` before the counters of traffic.
const GAUGES: [&str; 8] = [
    "connections_active",
    "connections_initiated",
    "connections_accepted",
    "connections_failed",
    "connections_refused",
    "connections_broken",
    "protocol_errors",
    "memory_bytes",
];

/// Most bytes of lines with these names: the longest number has 20 digits, and a line a space and its end.
const fn lines(names: &[&str]) -> usize {
    let (mut bytes, mut i) = (0, 0);
    while i < names.len() {
        bytes += names[i].len() + 22;
        i += 1;
    }
    bytes
}

/// Sums over the sockets of a device, or all: those that have ended and those that have not, at one moment.
struct Sum {
    traffic: Stats,
    active: u64,
    memory: usize,
}

impl Sum {
    fn of(device: Option<&DeviceStats>) -> Result<Self, fmt::Error> {
        let mut sum = Self {
            traffic: Stats::new(),
            active: 0,
            memory: 0,
        };
        let ended = device.map_or(&PAST, |d| &d.past);
        for socket in &snapshot(&sum.traffic, ended)? {
            let on = socket.device.as_ref();
            if device.is_some_and(|d| !on.is_some_and(|on| core::ptr::eq(&**on, d))) {
                continue;
            }
            sum.traffic.absorb(&socket.stats);
            sum.active += u64::from(socket.status.is_connected());
            sum.memory += socket.memory();
        }
        Ok(sum)
    }

    fn write(&self, events: &Events, memory: u64, out: &mut Text<'_>) -> fmt::Result {
        // The other files are shorter.
        const { assert!(lines(&GAUGES) + lines(Stats::NAMES) <= MAX_FILE) };
        let values = [
            self.active,
            events.initiated.load(Relaxed),
            events.accepted.load(Relaxed),
            events.failed(),
            events.refused(),
            events.broken(),
            events.breaches(),
            memory,
        ];
        for (name, value) in GAUGES.iter().zip(values) {
            writeln!(out, "{name} {value}")?;
        }
        traffic(&self.traffic, out)
    }
}

fn traffic(stats: &Stats, out: &mut Text<'_>) -> fmt::Result {
    let mut result = Ok(());
    stats.each(|name, value| {
        if result.is_ok() {
            result = writeln!(out, "{name} {value}");
        }
    });
    result
}

fn failures(events: &Events, out: &mut Text<'_>) -> fmt::Result {
    let mut result = Ok(());
    events.each_failure(|what, name, value| {
        if let (Ok(()), Ok(name)) = (result, name.to_str()) {
            result = writeln!(out, "{what}_{name} {value}");
        }
    });
    result
}

fn protocol_errors(events: &Events, out: &mut Text<'_>) -> fmt::Result {
    let mut result = Ok(());
    events.each_breach(|name, value| {
        if let (Ok(()), Ok(name)) = (result, name.to_str()) {
            result = writeln!(out, "{name} {value}");
        }
    });
    result
}

impl Files for Totals {
    const NAMES: &'static [&'static CStr] = &[c"format", c"stats", c"failures", c"protocol_errors"];

    fn show(&self, number: usize, out: &mut Text<'_>) -> fmt::Result {
        match number {
            0 => writeln!(out, "{FORMAT}"),
            1 => {
                let memory = smbdirect_rdma::memory::MEMORY.load(Relaxed);
                Sum::of(None)?.write(&EVENTS, u64::try_from(memory).unwrap_or(0), out)
            }
            2 => failures(&EVENTS, out),
            _ => protocol_errors(&EVENTS, out),
        }
    }
}

impl Files for Device {
    const NAMES: &'static [&'static CStr] = &[c"family", c"stats", c"failures", c"protocol_errors"];

    fn show(&self, number: usize, out: &mut Text<'_>) -> fmt::Result {
        let device = &*self.0;
        match number {
            0 => writeln!(out, "{}", if device.iwarp { "iwarp" } else { "ib" }),
            1 => {
                let sum = Sum::of(Some(device))?;
                sum.write(&device.events, sum.memory as u64, out)
            }
            2 => failures(&device.events, out),
            _ => protocol_errors(&device.events, out),
        }
    }
}

impl Files for Connection {
    const NAMES: &'static [&'static CStr] = &[c"info", c"stats"];

    fn show(&self, number: usize, out: &mut Text<'_>) -> fmt::Result {
        match number {
            0 => info(&self.0, out),
            _ => traffic(&self.0.stats, out),
        }
    }
}

fn info(socket: &Socket, out: &mut Text<'_>) -> fmt::Result {
    let role = match socket.role() {
        Role::Client => "client",
        _ => "server",
    };
    writeln!(out, "role {role}")?;
    match socket.peer.as_ref() {
        Some(peer) => writeln!(out, "peer {peer}")?,
        None => writeln!(out, "peer -")?,
    }
    match socket.device.as_ref().and_then(|d| d.name.to_str().ok()) {
        Some(name) => writeln!(out, "device {name}")?,
        None => writeln!(out, "device -")?,
    }
    writeln!(out, "status {}", socket.status.status().name())?;
    let cause = socket.status.cause().name();
    writeln!(out, "end_cause {}", cause.to_str().unwrap_or("-"))?;
    let errno = socket.status.first_error().map_or(0, Error::to_errno);
    writeln!(out, "end_errno {}", errno.unsigned_abs())?;
    let age = smbdirect_kext::time::now_ms().saturating_sub(socket.born);
    writeln!(out, "age_msec {age}")?;
    let p = socket.params.get();
    writeln!(
        out,
        "max_send_size {}\nmax_recv_size {}\nmax_fragmented_send_size {}\nmax_fragmented_recv_size {}\nmax_read_write_size {}",
        p.max_send_size,
        p.max_recv_size,
        p.max_fragmented_send_size,
        p.max_fragmented_recv_size,
        p.max_read_write_size
    )?;
    let (send_credits, granted, posted, parked) = socket.with_link_for_admin().unwrap_or_default();
    writeln!(
        out,
        "send_credits {send_credits}\nrecv_credits_granted {granted}\nrecv_posted {posted}\nrecv_parked {parked}"
    )?;
    let work = socket.outstanding();
    writeln!(
        out,
        "sends_outstanding {}\nrdma_outstanding {}\nregistrations {}\nmemory_bytes {}",
        work.sends,
        work.transfers,
        work.registrations,
        socket.memory()
    )
}

/// All directories. What comes and goes is dropped without the lock: that waits for readers.
pub(crate) struct Shown {
    devices: KVec<Directory<Device>>,
    connections: KVec<Directory<Connection>>,
    tree: Option<Fixed>,
}

impl Shown {
    /// Nothing.
    pub(crate) const fn new() -> Self {
        Self {
            devices: KVec::new(),
            connections: KVec::new(),
            tree: None,
        }
    }
}

/// The directories that do not come and go. Each is dropped before the one that it is in.
struct Fixed {
    devices: Directory<Empty>,
    connections: Directory<Empty>,
    _root: Directory<Totals>,
}

/// Keeps the directories; dropping it takes them away.
pub(crate) struct Tree;

impl Tree {
    /// Makes those that do not come and go. Sleeps.
    pub(crate) fn new() -> Result<Self> {
        let ctx = ProcessCtx::enter();
        let root = Directory::new(&ctx, Parent::kernel(), c"smbdirect", Totals)?;
        let devices = Directory::new(&ctx, root.parent(), c"devices", Empty)?;
        let connections = Directory::new(&ctx, root.parent(), c"connections", Empty)?;
        crate::SHOWN.lock().tree = Some(Fixed {
            devices,
            connections,
            _root: root,
        });
        Ok(Self)
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let gone = core::mem::replace(&mut *crate::SHOWN.lock(), Shown::new());
        drop(gone);
    }
}

/// Makes and takes away the directories of devices and connections. One that cannot be made, for want of memory, is missing; its numbers are in the sums.
pub(crate) struct Publisher;

/// Adds a directory; with the lock held, so that the one above it stays.
fn add<T: Files>(
    list: &mut KVec<Directory<T>>,
    parent: Option<&Directory<Empty>>,
    name: &CStr,
    data: T,
) -> Result {
    list.reserve(1, GFP_KERNEL)?;
    let parent = parent.ok_or(ENOENT)?.parent();
    list.push(
        Directory::new(&ProcessCtx::enter(), parent, name, data)?,
        GFP_KERNEL,
    )?;
    Ok(())
}

impl Observer for Publisher {
    fn device_added(&self, device: &Arc<DeviceStats>) {
        let mut shown = crate::SHOWN.lock();
        let shown = &mut *shown;
        // A device that was renamed still has its first name here; a second directory of that name would make the kernel warn.
        let name = device.name.to_bytes();
        if shown
            .devices
            .iter()
            .any(|d| d.data().0.name.to_bytes() == name)
        {
            return;
        }
        let parent = shown.tree.as_ref().map(|tree| &tree.devices);
        let _ = add(
            &mut shown.devices,
            parent,
            &device.name,
            Device(device.clone()),
        );
    }

    fn device_removed(&self, device: &Arc<DeviceStats>) {
        let gone = take_first(&mut crate::SHOWN.lock().devices, |d| {
            Arc::ptr_eq(&d.data().0, device)
        });
        drop(gone);
    }

    fn connected(&self, socket: &Arc<Socket>) {
        let Ok(name) = CString::try_from_fmt(fmt!("{}", socket.id)) else {
            return;
        };
        let mut shown = crate::SHOWN.lock();
        let shown = &mut *shown;
        let parent = shown.tree.as_ref().map(|tree| &tree.connections);
        let _ = add(
            &mut shown.connections,
            parent,
            &name,
            Connection(socket.clone()),
        );
    }

    fn released(&self, socket: &Socket) {
        let gone = take_first(&mut crate::SHOWN.lock().connections, |c| {
            core::ptr::eq(&*c.data().0, socket)
        });
        drop(gone);
    }
}
