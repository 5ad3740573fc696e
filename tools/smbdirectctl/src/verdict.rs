// SPDX-License-Identifier: GPL-2.0

//! "Is RDMA in use?", answered in a line.

use crate::state::{counters::Counters, module::Owner, State};

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Yes; no, or it cannot be told.
    pub in_use: bool,
    /// Why, in one word for programs.
    pub reason: &'static str,
    /// Why, for people.
    pub text: String,
}

/// The reason of "cannot be told".
const FOREIGN: &str = "foreign_module";

impl Verdict {
    /// The same with "cannot be told" apart.
    pub fn known(&self) -> Option<bool> {
        (self.reason != FOREIGN).then_some(self.in_use)
    }

    /// For people.
    pub fn word(&self) -> &'static str {
        match self.known() {
            Some(true) => "yes",
            Some(false) => "no",
            None => "unknown",
        }
    }
}

fn no(reason: &'static str, text: impl Into<String>) -> Verdict {
    Verdict {
        in_use: false,
        reason,
        text: text.into(),
    }
}

/// What an earlier look adds: whether anything moved since.
pub fn of(state: &State, before: Option<&State>) -> Verdict {
    match state.modules.smbdirect {
        Owner::Nobody => return no("no_module", "smbdirect.ko is not loaded"),
        Owner::Foreign => {
            return no(
                FOREIGN,
                "the C module is loaded, which counts nothing; `smbdirectctl check` says how to change it",
            )
        }
        Owner::Ours => {}
    }
    let connections = state.connected().count();
    if connections == 0 {
        return idle(state);
    }
    let plural = if connections == 1 { "" } else { "s" };
    let sum = |of: fn(&crate::state::connections::Connection) -> u64| {
        state
            .connected()
            .map(of)
            .fold(0u64, |sum, n| sum.saturating_add(n))
    };
    let moved = before.map(|before| {
        state.connected().any(|now| {
            before.connections.iter().any(|then| {
                then.id == now.id
                    && (then.rdma_bytes(), then.inline_bytes())
                        != (now.rdma_bytes(), now.inline_bytes())
            })
        })
    });
    let (reason, text) = if sum(|c| c.rdma_bytes()) == 0 {
        (
            "inline_only",
            format!("{connections} connection{plural}; no data moved by RDMA reads and writes yet, only in messages (small I/O, or signing or encryption by the client)"),
        )
    } else if moved == Some(false) {
        (
            "idle",
            format!("{connections} connection{plural}, idle at the moment"),
        )
    } else {
        ("connected", format!("{connections} connection{plural}"))
    };
    Verdict {
        in_use: true,
        reason,
        text,
    }
}

/// No connection: how far it would get.
fn idle(state: &State) -> Verdict {
    if state.devices.is_empty() {
        return no("no_device", "there is no RDMA device: `rdma link show`");
    }
    if !state.devices.iter().any(|d| d.is_active()) {
        return no("no_port", "no port of an RDMA device is ACTIVE");
    }
    if state.modules.holders.is_empty() {
        return no(
            "no_consumer",
            "neither ksmbd nor cifs with SMB Direct is loaded",
        );
    }
    if !state.connections.is_empty() {
        return no(
            "ended",
            "no connection is established; those that ended are still held by their owner",
        );
    }
    no(
        "no_connection",
        format!("no connection{}", past(&state.failures)),
    )
}

/// What became of those before.
fn past(failures: &Counters) -> String {
    let worst = failures
        .nonzero()
        .filter(|(name, _)| !matches!(*name, "ended_local" | "ended_peer"))
        .max_by_key(|(_, n)| *n);
    match worst {
        Some((name, n)) => format!(
            "; of those before {n} {} ({})",
            if name.starts_with("failed") {
                "failed"
            } else if name.starts_with("refused") {
                "were refused"
            } else {
                "ended"
            },
            name.split_once('_').map_or(name, |(_, cause)| cause)
        ),
        None => String::new(),
    }
}
