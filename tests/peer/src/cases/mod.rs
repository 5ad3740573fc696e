// SPDX-License-Identifier: GPL-2.0
//! The conformance cases, by group.

mod beside;
mod context;
mod credits;
mod data;
mod errors;
mod errors_rdma;
mod hostile_credits;
mod hostile_descriptors;
mod hostile_flight;
mod hostile_starve;
mod hostile_stream;
mod invalidate;
mod negotiate;
mod network;
mod pattern;
mod rdma;
mod tasks;
mod timers;
mod transform;

pub use context::{Config, Context};
pub use pattern::{bytes as pattern_bytes, same as pattern_same};

use crate::client::{self, Bench};
use crate::stop::Try;

/// A case: what it is called, and what it does.
pub struct Case {
    /// Our identifier: group and number. The groups of one letter are those of
    /// the Windows Protocol Test Suites, HD, HC and HS are hostile ones of our own;
    /// L, LX, LT and HL are those of the client role.
    pub id: &'static str,
    /// Its name, in the Windows Protocol Test Suites if it is from there.
    pub name: &'static str,
    /// It waits for minutes: it runs beside the others.
    pub long: bool,
    pub run: Run,
}

/// Which role of the module a case is about.
pub enum Run {
    /// A server, of which we are a client.
    Server(fn(&mut Context) -> Try<()>),
    /// The same, when all others are done: it wants the server for itself, or looks at
    /// what is left in it.
    Alone(fn(&mut Context) -> Try<()>),
    /// The kernel's client, of which we are the server.
    Client(fn(&mut Bench) -> Try<()>),
}

impl Case {
    pub fn run(&self, context: &mut Context) -> Try<()> {
        match self.run {
            Run::Server(run) | Run::Alone(run) => run(context),
            Run::Client(run) => client::run(context, run),
        }
    }
}

const fn case(id: &'static str, name: &'static str, run: fn(&mut Context) -> Try<()>) -> Case {
    Case {
        id,
        name,
        long: false,
        run: Run::Server(run),
    }
}

const fn long(id: &'static str, name: &'static str, run: fn(&mut Context) -> Try<()>) -> Case {
    Case {
        id,
        name,
        long: true,
        run: Run::Server(run),
    }
}

const fn alone(id: &'static str, name: &'static str, run: fn(&mut Context) -> Try<()>) -> Case {
    Case {
        id,
        name,
        long: false,
        run: Run::Alone(run),
    }
}

/// All of the server role, in the order of the groups; see `client::all`.
pub fn all() -> impl Iterator<Item = &'static Case> {
    [
        negotiate::CASES,
        credits::CASES,
        data::CASES,
        timers::CASES,
        rdma::CASES,
        invalidate::CASES,
        errors::CASES,
        errors_rdma::CASES,
        transform::CASES,
        network::CASES,
        hostile_descriptors::CASES,
        hostile_flight::CASES,
        hostile_credits::CASES,
        hostile_stream::CASES,
        hostile_starve::CASES,
    ]
    .into_iter()
    .flatten()
}

/// Does a pattern (`N-01`, `N`, `T-0*`, `all`, a name) mean this case?
pub fn selects(pattern: &str, case: &Case) -> bool {
    let pattern = pattern.to_ascii_uppercase();
    let group = case.id.split('-').next().unwrap_or(case.id);
    pattern == "ALL"
        || pattern == group
        || glob(pattern.as_bytes(), case.id.as_bytes())
        || glob(
            pattern.as_bytes(),
            case.name.to_ascii_uppercase().as_bytes(),
        )
}

/// `*` and `?` as in a shell.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.first(), text.first()) {
        (None, None) => true,
        (Some(b'*'), _) => {
            glob(&pattern[1..], text) || (!text.is_empty() && glob(pattern, &text[1..]))
        }
        (Some(b'?'), Some(_)) => glob(&pattern[1..], &text[1..]),
        (Some(p), Some(t)) if p == t => glob(&pattern[1..], &text[1..]),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_is_there_once() {
        let mut ids: Vec<_> = all()
            .map(|c| c.id)
            .filter(|id| !id.starts_with('H'))
            .collect();
        let count = |group: &str| all().filter(|c| selects(group, c)).count();
        let groups = ["N", "C", "D", "T", "R", "I", "X", "E", "S", "F"];
        assert_eq!(groups.map(count), [10, 5, 6, 5, 7, 6, 20, 24, 9, 7]);
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 99);
    }

    #[test]
    fn identifiers_of_both_roles_differ() {
        let mut ids: Vec<_> = all().chain(client::all()).map(|c| c.id).collect();
        let count = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), count);
    }

    #[test]
    fn patterns() {
        let one = all().next().unwrap();
        assert!(selects("n-01", one) && selects("all", one) && selects("N-*", one));
        assert!(selects("*negotiate_basic", one) && selects("N-?1", one));
        assert!(!selects("N-02", one) && !selects("C", one) && !selects("", one));
    }
}
