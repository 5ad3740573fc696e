// SPDX-License-Identifier: GPL-2.0

//! What an administrator can set, as values: of a draft, and of what is in force ([`policy`](super::policy)).
#![forbid(unsafe_code)]

use kernel::{
    prelude::*,
    sync::{
        atomic::{Atomic, Relaxed},
        Arc,
    },
};
use smbdirect_core::{
    interfaces::{self, ListError},
    settings::{Mode, Number, NumberError, Numbers},
};
use smbdirect_kext::{ctx::ProcessCtx, name::Name, shares::fold, time::now_ms};

/// Most shares of a configuration.
const MAX_SHARES: usize = 1024;
/// How often a share's refusals are written to the log.
const LINE_MS: u64 = 60_000;
/// The share that every server has, without a policy; folded.
pub(super) const IPC: &[u8] = b"ipc$";

/// Why a request is refused.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// `off`, and it came over RDMA.
    OverRdma = 0,
    /// `required`, and data would go over TCP.
    OverTcp = 1,
    /// `required`, and the session cannot move to RDMA.
    CannotMove = 2,
}

impl Reason {
    /// How many there are.
    pub(crate) const COUNT: usize = 3;

    /// The name. Administrators' tools know them: they do not change.
    pub(crate) fn name(self) -> &'static CStr {
        match self {
            Self::OverRdma => c"over_rdma",
            Self::OverTcp => c"over_tcp",
            Self::CannotMove => c"cannot_move",
        }
    }
}

/// What was refused on a share. The next configuration takes it over by the share's name.
pub(crate) struct Record {
    /// The share, as it was written when it was first applied; empty: all that were not applied by name.
    pub(crate) name: Name,
    /// The same, as names are compared.
    key: Name,
    refused: [Atomic<u64>; Reason::COUNT],
    /// When the log may have the next line about it.
    next_line: Atomic<u64>,
}

impl Record {
    /// Of a share.
    const fn new(name: Name, key: Name) -> Self {
        Self {
            name,
            key,
            refused: [const { Atomic::new(0) }; Reason::COUNT],
            next_line: Atomic::new(0),
        }
    }

    /// The one of all shares that were not applied by name.
    pub(super) const fn others() -> Self {
        Self::new(Name::EMPTY, Name::EMPTY)
    }

    /// Counts a refusal. How many there were in all, if the log is to have a line.
    pub(super) fn count(&self, reason: Reason) -> Option<u64> {
        if let Some(counter) = self.refused.get(reason as usize) {
            counter.add(1, Relaxed);
        }
        let (now, next) = (now_ms(), self.next_line.load(Relaxed));
        if now < next
            || self
                .next_line
                .cmpxchg(next, now.saturating_add(LINE_MS), Relaxed)
                .is_err()
        {
            return None;
        }
        Some(self.counts().iter().fold(0, |sum, n| n.wrapping_add(sum)))
    }

    /// The counts, by reason.
    pub(crate) fn counts(&self) -> [u64; Reason::COUNT] {
        let mut counts = [0; Reason::COUNT];
        for (to, from) in counts.iter_mut().zip(&self.refused) {
            *to = from.load(Relaxed);
        }
        counts
    }
}

/// A share that is applied by name.
#[derive(Clone)]
pub(crate) struct Share {
    /// `None`: as all that say nothing.
    pub(crate) mode: Option<Mode>,
    pub(crate) record: Arc<Record>,
}

/// A list of words, checked; empty: not set.
pub(crate) struct List(KVec<u8>);

impl List {
    /// Words separated by blanks.
    fn parse(text: &str, check: impl Fn(&str) -> Result<(), ListError<'_>>) -> Result<Self> {
        check(text).map_err(|why| match why {
            ListError::TooLong => ERANGE,
            ListError::Word(..) => EINVAL,
        })?;
        let mut list = KVec::with_capacity(text.len(), GFP_KERNEL)?;
        for word in text.split(' ').filter(|word| !word.is_empty()) {
            if !list.is_empty() {
                list.push(b' ', GFP_KERNEL)?;
            }
            list.extend_from_slice(word.as_bytes(), GFP_KERNEL)?;
        }
        if list.is_empty() {
            return Err(EINVAL);
        }
        Ok(Self(list))
    }

    /// The words, separated by single blanks.
    pub(crate) fn text(&self) -> &str {
        core::str::from_utf8(&self.0).unwrap_or("")
    }

    fn try_clone(&self) -> Result<Self> {
        let mut copy = KVec::new();
        copy.extend_from_slice(&self.0, GFP_KERNEL)?;
        Ok(Self(copy))
    }
}

/// Something of [`Settings`] that is one value.
#[derive(Clone, Copy)]
pub(crate) enum Item {
    /// A number.
    Number(Number),
    /// The mode of shares that say nothing.
    Mode,
    /// Where connections are taken.
    Interfaces,
    /// What is advertised whatever detection says.
    Capabilities,
}

/// A configuration. What is not set is `None`, or an empty list.
pub(crate) struct Settings {
    pub(crate) mode: Option<Mode>,
    pub(crate) numbers: Numbers,
    pub(crate) interfaces: List,
    pub(crate) capabilities: List,
    /// In the order of their keys.
    shares: KVec<Share>,
}

/// The word for what is not set.
pub(crate) const UNSET: &str = "default";

/// The mode that a word stands for; `None`: not set.
pub(crate) fn parse_mode(text: &str) -> Result<Option<Mode>> {
    match Mode::from_name(text) {
        None if text == UNSET => Ok(None),
        None => Err(EINVAL),
        mode => Ok(mode),
    }
}

/// The word for a mode.
pub(crate) fn mode_name(mode: Option<Mode>) -> &'static str {
    mode.map_or(UNSET, Mode::name)
}

impl Settings {
    /// Nothing is set.
    pub(crate) const fn new() -> Self {
        Self {
            mode: None,
            numbers: Numbers::new(),
            interfaces: List(KVec::new()),
            capabilities: List(KVec::new()),
            shares: KVec::new(),
        }
    }

    /// A copy; shares have the same counts.
    pub(super) fn try_clone(&self) -> Result<Self> {
        let mut shares = KVec::with_capacity(self.shares.len(), GFP_KERNEL)?;
        for share in &self.shares {
            shares.push(share.clone(), GFP_KERNEL)?;
        }
        Ok(Self {
            mode: self.mode,
            numbers: self.numbers,
            interfaces: self.interfaces.try_clone()?,
            capabilities: self.capabilities.try_clone()?,
            shares,
        })
    }

    /// Sets an item to what a text stands for. `-EINVAL`: not such a value; `-ERANGE`: out of range; then nothing changed.
    pub(crate) fn set(&mut self, item: Item, text: &str) -> Result {
        let unset = text == UNSET;
        let empty = List(KVec::new());
        match item {
            Item::Number(number) => {
                let value = if unset {
                    None
                } else {
                    Some(number.parse(text).map_err(|why| match why {
                        NumberError::Range => ERANGE,
                        _ => EINVAL,
                    })?)
                };
                if !self.numbers.set(number, value) {
                    return Err(ERANGE);
                }
            }
            Item::Mode => self.mode = parse_mode(text)?,
            Item::Interfaces if unset => self.interfaces = empty,
            Item::Interfaces => self.interfaces = List::parse(text, interfaces::check)?,
            Item::Capabilities if unset => self.capabilities = empty,
            Item::Capabilities => {
                self.capabilities = List::parse(text, interfaces::check_capabilities)?;
            }
        }
        Ok(())
    }

    fn find(&self, key: &Name) -> Result<usize, usize> {
        self.shares
            .binary_search_by(|share| share.record.key.as_bytes().cmp(key.as_bytes()))
    }

    /// All shares that are applied by name.
    pub(crate) fn shares(&self) -> &[Share] {
        &self.shares
    }

    /// The share of a folded name.
    pub(crate) fn share(&self, key: &Name) -> Option<&Share> {
        self.find(key).ok().and_then(|at| self.shares.get(at))
    }

    /// Sets the mode of a share. `-ENOENT` if it is not there.
    pub(crate) fn set_share(&mut self, key: &Name, mode: Option<Mode>) -> Result {
        let at = self.find(key).map_err(|_| ENOENT)?;
        self.shares.get_mut(at).ok_or(ENOENT)?.mode = mode;
        Ok(())
    }

    /// Adds a share, which says nothing yet, and returns its folded name. `-EEXIST` if one of a name that is the same is there, `-ENOSPC` if there are too many,
    /// `-EINVAL` if no share can have the name. Sleeps.
    pub(crate) fn add_share(&mut self, ctx: &ProcessCtx, name: &CStr) -> Result<Name> {
        let text = name.to_str().map_err(|_| EINVAL)?;
        // `*` stands for all others, and what a terminal would obey is in no list.
        if text == "*" || text.chars().any(char::is_control) {
            return Err(EINVAL);
        }
        let shown = Name::new(name.to_bytes());
        if shown.as_bytes() != name.to_bytes() {
            return Err(ENAMETOOLONG);
        }
        let key = fold(ctx, name)?;
        if key.text().is_none() || key.as_bytes() == IPC {
            return Err(EINVAL);
        }
        let at = match self.find(&key) {
            Ok(_) => return Err(EEXIST),
            Err(at) => at,
        };
        if self.shares.len() >= MAX_SHARES {
            return Err(ENOSPC);
        }
        let record = Arc::new(Record::new(shown, key), GFP_KERNEL)?;
        self.shares.reserve(1, GFP_KERNEL)?;
        self.shares
            .insert_within_capacity(at, Share { mode: None, record })
            .map_err(|_| ENOMEM)?;
        Ok(key)
    }

    /// Takes a share out.
    pub(crate) fn remove_share(&mut self, key: &Name) {
        if let Ok(at) = self.find(key) {
            let _ = self.shares.remove(at);
        }
    }

    /// Has shares go on with the counts that they have in another configuration.
    pub(super) fn keep_counts(&mut self, of: &Self) {
        for share in self.shares.iter_mut() {
            if let Some(known) = of.share(&share.record.key) {
                share.record = known.record.clone();
            }
        }
    }

    /// What a share's requests meet.
    pub(crate) fn effective(&self, share: Option<&Share>) -> Mode {
        share
            .and_then(|share| share.mode)
            .or(self.mode)
            .unwrap_or_default()
    }
}
