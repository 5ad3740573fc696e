// SPDX-License-Identifier: GPL-2.0

//! `smbdirectctl check`: walks the chain from the kernel to the peer and names the first fault.
//!
//! Without the name of a server this machine is looked at as a server, with one as a client of it. Each step is a function of its own
//! that looks at [`Machine`]. Of a server one RDMA connection is made, and ended; nothing else is changed.

mod client;
mod config;
mod device;
pub mod fault;
mod firewall;
mod kernel;
pub mod negotiate;
mod rules;
mod server;

use crate::{probe::Facts, root::Root, state::State, table::plain, verdict};
use fault::Fault;
use serde_json::{json, Value};
use std::{fmt::Write, net::IpAddr, time::Duration};

/// Version of what `--json` prints.
pub const FORMAT: u32 = 1;

/// What is looked at.
pub struct Machine<'m> {
    root: &'m Root,
    state: State,
    /// `uname -r`.
    release: String,
    /// The server that this machine is a client of: as it was given, and its address once that is known.
    server: Option<&'m str>,
    address: Option<IpAddr>,
    /// What came of an RDMA connection to it.
    probe: Option<Facts>,
}

/// What a step found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All is well.
    Good(String),
    /// It works, but could be better, or is worth knowing.
    Note(String),
    /// It could not be told, and why.
    Unknown(String),
    /// What is wrong, and how it was seen.
    Fault(Fault, String),
}

impl Outcome {
    fn good(text: impl Into<String>) -> Self {
        Self::Good(text.into())
    }

    fn note(text: impl Into<String>) -> Self {
        Self::Note(text.into())
    }

    fn unknown(text: impl Into<String>) -> Self {
        Self::Unknown(text.into())
    }

    fn fault(fault: Fault, text: impl Into<String>) -> Self {
        Self::Fault(fault, text.into())
    }

    const fn word(&self) -> &'static str {
        match self {
            Self::Good(_) => "ok",
            Self::Note(_) => "note",
            Self::Unknown(_) => "unknown",
            Self::Fault(..) => "fault",
        }
    }

    fn text(&self) -> &str {
        match self {
            Self::Good(text) | Self::Note(text) | Self::Unknown(text) | Self::Fault(_, text) => {
                text
            }
        }
    }
}

type Step = (&'static str, fn(&mut Machine<'_>) -> Outcome);

/// What both sides need.
const COMMON: [Step; 10] = [
    ("kernel", kernel::kernel),
    ("RDMA core", kernel::rdma_core),
    ("module", kernel::module),
    ("device", device::device),
    ("served", device::served),
    ("port", device::port),
    ("interface", device::interface),
    ("address", device::address),
    ("MTU", device::mtu),
    ("QP 1", device::management),
];

const SERVER: [Step; 10] = [
    ("ksmbd", server::ksmbd),
    ("port 445", server::tcp_port),
    ("running", server::running),
    ("listener", server::listener),
    ("configuration", config::file),
    ("multichannel", config::multichannel),
    ("policy", config::policy),
    ("interfaces", config::interfaces),
    ("firewall", firewall::server),
    ("connections", connections),
];

const CLIENT: [Step; 7] = [
    ("cifs", client::cifs),
    ("name", client::name),
    ("route", client::route),
    ("firewall", firewall::client),
    ("SMB", client::smb),
    ("RDMA", client::rdma),
    ("connections", connections),
];

/// What `status` says first.
fn connections(m: &mut Machine<'_>) -> Outcome {
    let verdict = verdict::of(&m.state, None);
    if verdict.in_use {
        Outcome::good(verdict.text)
    } else {
        Outcome::note(verdict.text)
    }
}

/// What was found.
pub struct Report {
    server: Option<String>,
    done: Vec<(&'static str, Outcome)>,
    left: Vec<&'static str>,
    probe: Option<Facts>,
}

/// Walks the chain up to the first fault, in the time that the root has.
pub fn check(root: &Root, server: Option<&str>) -> Report {
    let mut machine = Machine {
        root,
        state: State::read(root),
        release: root.word("proc/sys/kernel/osrelease").unwrap_or_default(),
        server,
        address: None,
        probe: None,
    };
    let rest: &[Step] = if server.is_some() { &CLIENT } else { &SERVER };
    let mut report = Report {
        server: server.map(Into::into),
        done: Vec::new(),
        left: Vec::new(),
        probe: None,
    };
    for (name, step) in COMMON.iter().chain(rest) {
        if report.fault().is_some() {
            report.left.push(name);
        } else if root.left(Duration::MAX).is_none() {
            let late = Outcome::unknown("not looked at: the time limit (--timeout) has passed");
            report.done.push((name, late));
        } else {
            report.done.push((name, step(&mut machine)));
        }
    }
    report.probe = machine.probe;
    report
}

impl Report {
    /// The first fault.
    pub fn fault(&self) -> Option<Fault> {
        match self.done.last()?.1 {
            Outcome::Fault(fault, _) => Some(fault),
            _ => None,
        }
    }

    /// What a step found, if it was reached.
    pub fn outcome(&self, name: &str) -> Option<&Outcome> {
        self.done.iter().find(|(n, _)| *n == name).map(|(_, o)| o)
    }

    /// For people.
    pub fn text(&self, hints: bool) -> String {
        let mut out = String::new();
        for (name, outcome) in &self.done {
            let word = match outcome {
                Outcome::Fault(..) => "FAULT",
                other => other.word(),
            };
            let _ = writeln!(out, "{word:<8} {name:<14} {}", plain(outcome.text()));
        }
        let Some(fault) = self.fault() else {
            let unknown = self
                .done
                .iter()
                .any(|(_, o)| matches!(o, Outcome::Unknown(_)));
            out.push_str(if unknown {
                "\nNo fault found; not everything could be told.\n"
            } else {
                "\nNo fault found.\n"
            });
            return out;
        };
        let about = fault.about();
        let _ = writeln!(
            out,
            "\nFirst fault: {} (exit status {})\n  cause:  {}\n  remedy: {}",
            about.name, about.exit, about.meaning, about.remedy
        );
        if hints {
            for command in about.commands {
                let _ = writeln!(out, "          {command}");
            }
        }
        if !self.left.is_empty() {
            let _ = writeln!(out, "Not reached: {}.", self.left.join(", "));
        }
        out
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let done = self
            .done
            .iter()
            .map(|(name, o)| json!({"step": name, "result": o.word(), "text": o.text()}));
        let left = self
            .left
            .iter()
            .map(|name| json!({"step": name, "result": "not_reached", "text": ""}));
        let fault = self.fault().map(|fault| {
            let about = fault.about();
            json!({
                "name": about.name,
                "exit_status": about.exit,
                "cause": about.meaning,
                "remedy": about.remedy,
                "commands": about.commands,
            })
        });
        json!({
            "format": FORMAT,
            "role": if self.server.is_some() { "client" } else { "server" },
            "server": self.server,
            "steps": done.chain(left).collect::<Vec<_>>(),
            "fault": fault,
            "probe": self.probe.as_ref().map(Facts::json),
        })
    }
}
