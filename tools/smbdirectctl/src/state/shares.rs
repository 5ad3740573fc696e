// SPDX-License-Identifier: GPL-2.0

//! Shares, their policy and what was refused for it (`Documentation/steering.md`, 5).

use crate::root::Root;

/// A share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// Its name; `*`: all that were not applied by name.
    pub name: String,
    /// Its policy.
    pub mode: String,
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
    Listed(Vec<Share>),
}

/// First the one that is never cut off.
const FILES: [&str; 2] = [
    "sys/kernel/debug/smbdirect/shares",
    "sys/kernel/config/smbdirect/shares",
];

impl Shares {
    /// Looks.
    pub fn read(root: &Root) -> Self {
        FILES
            .iter()
            .find_map(|file| root.read(file).ok())
            .map_or(Self::NotOffered, |text| Self::Listed(parse(&text)))
    }

    /// Those that are listed.
    pub fn list(&self) -> &[Share] {
        match self {
            Self::NotOffered => &[],
            Self::Listed(list) => list,
        }
    }
}

/// A name, which may hold blanks, and then four words. Other lines, such as the one that counts what did not fit, are passed over.
fn parse(text: &str) -> Vec<Share> {
    let line = |line: &str| {
        let mut words = line.rsplitn(5, ' ');
        let mut number = || words.next()?.parse().ok();
        let (cannot_move, over_tcp, over_rdma) = (number()?, number()?, number()?);
        Some(Share {
            mode: words.next()?.into(),
            name: words.next()?.into(),
            over_rdma,
            over_tcp,
            cannot_move,
        })
    };
    text.lines().filter_map(line).collect()
}
