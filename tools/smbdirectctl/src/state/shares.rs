// SPDX-License-Identifier: GPL-2.0

//! Shares, their policy and what was refused for it (`Documentation/steering.md`, 5).

use super::{CONFIGFS, UNSET};
use crate::root::Root;
use smbdirect_core::settings::Mode;

/// A share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// Its name; `*`: all that were not applied by name.
    pub name: String,
    /// What was set; `None`: nothing.
    pub set: Option<Mode>,
    /// Its policy: that, or the one of `*`, or the default.
    pub mode: Mode,
    /// Requests that were refused because they came over RDMA.
    pub over_rdma: u64,
    /// Because they came over TCP.
    pub over_tcp: u64,
    /// Because the session cannot move to RDMA.
    pub cannot_move: u64,
}

/// What the module offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shares {
    /// Nothing: there is no such file.
    NotOffered,
    /// These.
    Listed {
        /// In the order of the file.
        list: Vec<Share>,
        /// How many more there are, which did not fit the file.
        left_off: u64,
    },
}

/// Stands for all shares that were not applied by name.
pub const OTHERS: &str = "*";

/// The file that is never cut off, for root.
pub const ALL: &str = "sys/kernel/debug/smbdirect/shares";

impl Shares {
    /// Looks.
    pub fn read(root: &Root) -> Self {
        root.read(ALL)
            .or_else(|_| root.read(&format!("{CONFIGFS}/shares")))
            .map_or(Self::NotOffered, |text| parse(&text))
    }

    /// Whether RDMA is for some share: of those that were applied by name, or, if there are none, of all others.
    pub fn allow_rdma(&self) -> bool {
        let others = |s: &&Share| s.name == OTHERS;
        let named = || self.list().iter().filter(|s| !others(s));
        let all_off = if named().next().is_some() {
            named().all(|s| s.mode == Mode::Off)
        } else {
            self.list().iter().any(|s| s.mode == Mode::Off)
        };
        !all_off
    }

    /// Those that are listed.
    pub fn list(&self) -> &[Share] {
        match self {
            Self::NotOffered => &[],
            Self::Listed { list, .. } => list,
        }
    }

    /// How many are not.
    pub fn left_off(&self) -> u64 {
        match self {
            Self::NotOffered => 0,
            Self::Listed { left_off, .. } => *left_off,
        }
    }
}

/// `and 12 more`, the last line if not all did fit.
fn more(text: &str) -> Option<u64> {
    let line = text.lines().last()?;
    let number = line.strip_prefix("and ")?.strip_suffix(" more")?;
    number.parse().ok()
}

/// A name, which may hold blanks, and then four words. Other lines are passed over.
fn parse(text: &str) -> Shares {
    let line = |line: &str| {
        let mut words = line.rsplitn(5, ' ');
        let mut number = || words.next()?.parse().ok();
        let (cannot_move, over_tcp, over_rdma) = (number()?, number()?, number()?);
        let set = match words.next()? {
            UNSET => None,
            mode => Some(Mode::from_name(mode)?),
        };
        Some(Share {
            set,
            mode: set.unwrap_or_default(),
            name: words.next()?.into(),
            over_rdma,
            over_tcp,
            cannot_move,
        })
    };
    let mut shares: Vec<Share> = text.lines().filter_map(line).collect();
    let others = shares.iter().find(|s| s.name == OTHERS);
    let others = others.map(|s| s.mode).unwrap_or_default();
    for share in &mut shares {
        share.mode = share.set.unwrap_or(others);
    }
    Shares::Listed {
        list: shares,
        left_off: more(text).unwrap_or(0),
    }
}
