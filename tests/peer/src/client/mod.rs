// SPDX-License-Identifier: GPL-2.0
//! The kernel's client against our server, good and bad.
//!
//! The client runs in the same guest: cases mount, read and write through it while they answer.

mod bench;
mod errors;
mod memory;
mod negotiation;
mod rights;
mod stages;
mod stream;
mod system;
mod timers;

pub use bench::{run, Bench};

use crate::cases::{Case, Run};
use crate::stop::Try;

const fn case(id: &'static str, name: &'static str, run: fn(&mut Bench) -> Try<()>) -> Case {
    Case {
        id,
        name,
        // one after the other always: they share a directory and the client
        long: false,
        run: Run::Client(run),
    }
}

/// All of them, in the order of the groups.
pub fn all() -> impl Iterator<Item = &'static Case> {
    [
        negotiation::CASES,
        stream::CASES,
        errors::CASES,
        timers::CASES,
        memory::CASES,
        rights::CASES,
        stages::CASES,
    ]
    .into_iter()
    .flatten()
}
