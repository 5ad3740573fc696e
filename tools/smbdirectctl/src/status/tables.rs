// SPDX-License-Identifier: GPL-2.0

//! Status for people.

use crate::{
    rates::Interval,
    state::{
        connections::{Connection, Role},
        interfaces::Interface,
        module::Owner,
        shares::{Shares, ALL},
        State,
    },
    table::{
        bytes, count, duration, plain, rate,
        Side::{Left, Right},
        Table,
    },
    verdict::Verdict,
};
use std::fmt::Write;

/// All of it.
pub fn all(now: &State, before: Option<&Interval<'_>>, verdict: &Verdict) -> String {
    let mut out = format!("RDMA in use: {} ({})\n", verdict.word(), verdict.text);
    section(&mut out, "Modules", &modules(now));
    section(&mut out, "RDMA devices", &devices(now));
    section(&mut out, "Network interfaces", &interfaces(now));
    if now.modules.smbdirect == Owner::Ours {
        section(&mut out, "Connections", &connections(now));
        section(&mut out, "Transfer", &transfer(now, before));
        section(&mut out, "Work", &work(now));
        section(&mut out, "Ended, failed, refused", &failures(now));
        section(&mut out, "Shares", &shares(now));
    }
    out
}

fn section(out: &mut String, name: &str, text: &str) {
    if !text.is_empty() {
        let _ = write!(out, "\n{name}\n{text}");
    }
}

/// A value, or what stands for none.
fn or_none(value: Option<impl ToString>) -> String {
    value.map_or("-".into(), |v| v.to_string())
}

fn modules(now: &State) -> String {
    let m = &now.modules;
    let consumer = |name: &str, loaded: bool| match (loaded, m.holds(name)) {
        (false, _) => "not loaded",
        (true, true) => "loaded, uses smbdirect",
        (true, false) => "loaded, does not use smbdirect",
    };
    let server = m.server.as_ref().map(|state| format!(", {}", plain(state)));
    format!(
        "  smbdirect  {}\n  ksmbd      {}{}\n  cifs       {}\n",
        match m.smbdirect {
            Owner::Nobody => "not loaded",
            owner => owner.name(),
        },
        consumer("ksmbd", m.ksmbd),
        server.unwrap_or_default(),
        consumer("cifs", m.cifs)
    )
}

fn devices(now: &State) -> String {
    let mut table = Table::new(&[
        ("device", Left),
        ("port", Right),
        ("kind", Left),
        ("state", Left),
        ("rate", Left),
        ("interface", Left),
        ("connections", Right),
        ("RDMA read", Right),
        ("RDMA written", Right),
        ("registered", Right),
    ]);
    for device in &now.devices {
        let sum = |name| or_none(device.stats.get(name).map(bytes));
        let none = device.ports.is_empty().then_some(None);
        for port in device.ports.iter().map(Some).chain(none) {
            table.row([
                device.name.clone(),
                or_none(port.map(|p| p.number)),
                device.kind().into(),
                or_none(port.map(|p| &p.state)),
                or_none(port.map(|p| &p.rate)),
                or_none(port.and_then(|p| p.netdev.as_ref())),
                or_none(device.stats.get("connections_active")),
                sum("rdma_read_bytes"),
                sum("rdma_write_bytes"),
                sum("registered_bytes"),
            ]);
        }
    }
    table.text_or("none")
}

fn interface_state(i: &Interface) -> &'static str {
    match (i.up, i.carrier) {
        (false, _) => "down",
        (true, false) => "no carrier",
        (true, true) => "up",
    }
}

fn interfaces(now: &State) -> String {
    let mut table = Table::new(&[
        ("interface", Left),
        ("state", Left),
        ("MTU", Right),
        ("speed", Right),
        ("RDMA", Left),
        ("addresses", Left),
    ]);
    let words = |list: Vec<String>| match list.is_empty() {
        true => "-".into(),
        false => list.join(" "),
    };
    for i in &now.interfaces {
        let addresses = i
            .addresses
            .as_ref()
            .map(|list| words(list.iter().map(ToString::to_string).collect()));
        table.row([
            i.name.clone(),
            interface_state(i).into(),
            or_none(i.mtu),
            or_none(i.speed.map(|n| format!("{n} Mb/s"))),
            words(i.devices.clone()),
            addresses.unwrap_or_else(|| "?".into()),
        ]);
    }
    table.text_or("none")
}

fn connections(now: &State) -> String {
    let mut table = Table::new(&[
        ("id", Right),
        ("role", Left),
        ("peer", Left),
        ("device", Left),
        ("status", Left),
        ("age", Right),
        ("send", Right),
        ("receive", Right),
        ("fragmented", Right),
        ("read/write", Right),
    ]);
    for c in &now.connections {
        let size = |name: &str| or_none(c.info.get(name));
        table.row([
            c.id.to_string(),
            c.role.name().into(),
            c.peer.clone(),
            c.device.clone(),
            match c.end_cause.as_str() {
                "none" => c.status.clone(),
                cause => format!("{} ({cause})", c.status),
            },
            or_none(c.info.get("age_msec").map(duration)),
            size("max_send_size"),
            size("max_recv_size"),
            size("max_fragmented_recv_size"),
            size("max_read_write_size"),
        ]);
    }
    table.text_or("none")
}

/// What only one of the ends knows.
fn only(c: &Connection, role: Role, name: &str) -> String {
    or_none((c.role == role).then(|| bytes(c.stats.value(name))))
}

fn transfer(now: &State, before: Option<&Interval<'_>>) -> String {
    let mut columns = vec![
        ("id", Right),
        ("RDMA read", Right),
        ("RDMA written", Right),
        ("registered", Right),
        ("inline in", Right),
        ("inline out", Right),
        ("stalls", Right),
    ];
    if before.is_some() {
        columns.extend([
            ("RDMA", Right),
            ("inline", Right),
            ("op/s", Right),
            ("stalls/s", Right),
        ]);
    }
    let mut table = Table::new(&columns);
    for c in &now.connections {
        let mut row = vec![
            c.id.to_string(),
            only(c, Role::Server, "rdma_read_bytes"),
            only(c, Role::Server, "rdma_write_bytes"),
            only(c, Role::Client, "registered_bytes"),
            bytes(c.stats.value("inline_received_bytes")),
            bytes(c.stats.value("inline_sent_bytes")),
            c.stalls().to_string(),
        ];
        if let Some(interval) = before {
            let rates = interval.of(c);
            row.extend([
                or_none(rates.map(|r| rate(r.rdma()))),
                or_none(rates.map(|r| rate(r.inline()))),
                or_none(rates.map(|r| count(r.operations))),
                or_none(rates.map(|r| count(r.stalls))),
            ]);
        }
        table.row(row);
    }
    table.text_or("")
}

/// Heading and name in `info`.
const WORK: [(&str, &str); 7] = [
    ("send credits", "send_credits"),
    ("granted", "recv_credits_granted"),
    ("posted", "recv_posted"),
    ("parked", "recv_parked"),
    ("sends", "sends_outstanding"),
    ("RDMA", "rdma_outstanding"),
    ("regions", "registrations"),
];

fn work(now: &State) -> String {
    let mut columns = vec![("id", Right)];
    columns.extend(WORK.map(|(heading, _)| (heading, Right)));
    columns.push(("memory", Right));
    let mut table = Table::new(&columns);
    for c in &now.connections {
        let mut row = vec![c.id.to_string()];
        row.extend(WORK.map(|(_, name)| or_none(c.info.get(name))));
        row.push(or_none(c.info.get("memory_bytes").map(bytes)));
        table.row(row);
    }
    table.text_or("")
}

fn failures(now: &State) -> String {
    let mut out = String::new();
    for (name, n) in now.failures.nonzero() {
        let _ = writeln!(out, "  {} {n}", name.replacen('_', " ", 1));
    }
    for (name, n) in now.protocol_errors.nonzero() {
        let _ = writeln!(out, "  protocol error {name} {n}");
    }
    out
}

fn shares(now: &State) -> String {
    let Shares::Listed { list, left_off } = &now.shares else {
        return "  module does not offer it: no policy of shares, or configfs is not mounted\n"
            .into();
    };
    let mut table = Table::new(&[
        ("share", Left),
        ("smb direct", Left),
        ("refused over RDMA", Right),
        ("over TCP", Right),
        ("cannot move", Right),
    ]);
    for share in list {
        table.row([
            share.name.clone(),
            share.mode.name().into(),
            share.over_rdma.to_string(),
            share.over_tcp.to_string(),
            share.cannot_move.to_string(),
        ]);
    }
    let mut out = table.text_or("none");
    if *left_off != 0 {
        let _ = writeln!(out, "  and {left_off} more: for root all are in /{ALL}");
    }
    if now.modules.ksmbd && !now.modules.enforced {
        out.push_str("  not enforced: the loaded ksmbd was built without the hook\n");
    }
    out
}
