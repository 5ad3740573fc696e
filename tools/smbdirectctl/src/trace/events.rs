// SPDX-License-Identifier: GPL-2.0

//! The tracepoints by name and group, and what a word of the command line asks for.

use crate::names::nearest;
use std::collections::BTreeSet;

/// What the events of a group are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// The life of a connection.
    Connection,
    /// What was refused, and rules that peers broke.
    Refusals,
    /// Messages of MS-SMBD, in both directions.
    Messages,
    /// Receives that may be granted, and senders that waited.
    Credits,
    /// Work requests and their completions.
    Work,
    /// Memory that is registered, and keys that are invalidated.
    Registrations,
    /// RDMA reads and writes.
    Rdma,
}

impl Group {
    /// All.
    pub const ALL: [Self; 7] = [
        Self::Connection,
        Self::Refusals,
        Self::Messages,
        Self::Credits,
        Self::Work,
        Self::Registrations,
        Self::Rdma,
    ];

    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::Refusals => "refusals",
            Self::Messages => "messages",
            Self::Credits => "credits",
            Self::Work => "work",
            Self::Registrations => "registrations",
            Self::Rdma => "rdma",
        }
    }

    /// What they are about, in a sentence.
    pub const fn about(self) -> &'static str {
        match self {
            Self::Connection => "The life of a connection: from the connection manager's events to its end.",
            Self::Refusals => "Connections, messages and requests that were refused, and the rules that peers broke.",
            Self::Messages => "Negotiate and Data Transfer messages.",
            Self::Credits => "Receives that may be granted from now on, and senders that waited, of which the latter are shown also by default.",
            Self::Work => "Work requests and their completions; by default only receives that the driver did not take.",
            Self::Registrations => "Memory that is registered for the peer, and keys that are invalidated; by default without the moment at which memory is its owner's again.",
            Self::Rdma => "RDMA reads and writes of a server.",
        }
    }
}

/// A tracepoint.
#[derive(Debug)]
pub struct Kind {
    /// Its name, without the `smbd_` in front.
    pub name: &'static str,
    /// Its group.
    pub group: Group,
    /// Whether it is shown if nobody says what to show.
    usual: bool,
    /// Whether it is needed to know whose the other events are.
    pub context: bool,
}

const fn kind(name: &'static str, group: Group, usual: bool) -> Kind {
    Kind {
        name,
        group,
        usual,
        context: false,
    }
}

/// One that says which peer or device a connection is of, or that it is gone. There are few of them.
const fn context(name: &'static str) -> Kind {
    Kind {
        name,
        group: Group::Connection,
        usual: true,
        context: true,
    }
}

/// What stands in front of each name in the kernel.
pub const PREFIX: &str = "smbd_";
/// The word for all of them.
const ALL_WORD: &str = "all";

/// All, as `Documentation/observability.md` has them.
const KINDS: [Kind; 28] = [
    context("connect"),
    context("arrival"),
    context("cm_event"),
    context("negotiated"),
    context("closed"),
    kind("fail", Group::Connection, true),
    kind("teardown", Group::Connection, true),
    kind("refused", Group::Refusals, true),
    kind("policy_refused", Group::Refusals, true),
    kind("protocol_error", Group::Refusals, true),
    kind("recv_refused", Group::Refusals, true),
    kind("send_negotiate", Group::Messages, true),
    kind("recv_negotiate", Group::Messages, true),
    kind("send", Group::Messages, true),
    kind("recv", Group::Messages, true),
    kind("recv_posted", Group::Credits, false),
    kind("wait", Group::Credits, true),
    kind("post_send", Group::Work, false),
    kind("wc_send", Group::Work, false),
    kind("post_recv", Group::Work, false),
    kind("post_recv_err", Group::Work, true),
    kind("wc_recv", Group::Work, false),
    kind("reg", Group::Registrations, true),
    kind("local_inv", Group::Registrations, true),
    kind("remote_inv", Group::Registrations, true),
    kind("unmap", Group::Registrations, false),
    kind("rdma_begin", Group::Rdma, true),
    kind("rdma_end", Group::Rdma, true),
];

/// All kinds.
pub fn all() -> impl Iterator<Item = &'static Kind> {
    KINDS.iter()
}

/// The one of that name, which is without `smbd_`.
pub fn find(name: &str) -> Option<&'static Kind> {
    all().find(|kind| kind.name == name)
}

/// Names of events.
pub type Names = BTreeSet<&'static str>;

/// Those that are shown if nobody says what to show.
pub fn usual() -> Names {
    all().filter(|k| k.usual).map(|k| k.name).collect()
}

/// What a word stands for: `all`, a group, or an event with or without `smbd_`. `Err`: what is wrong with it.
pub fn meant(word: &str) -> Result<Names, String> {
    if word == ALL_WORD {
        return Ok(all().map(|k| k.name).collect());
    }
    if let Some(group) = Group::ALL.into_iter().find(|g| g.name() == word) {
        return Ok(all().filter(|k| k.group == group).map(|k| k.name).collect());
    }
    let bare = word.strip_prefix(PREFIX).unwrap_or(word);
    if let Some(kind) = find(bare) {
        return Ok([kind.name].into());
    }
    let known = (Group::ALL.into_iter().map(Group::name))
        .chain(all().map(|k| k.name))
        .chain([ALL_WORD]);
    Err(match nearest(bare, known) {
        Some(name) => format!("no event or group of events; the nearest is '{name}'"),
        None => {
            let groups: Vec<&str> = Group::ALL.into_iter().map(Group::name).collect();
            format!(
                "no event or group of events; groups are {}, and all",
                groups.join(", ")
            )
        }
    })
}
