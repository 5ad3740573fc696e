// SPDX-License-Identifier: GPL-2.0

//! Fuzzing of the protocol core. A target is a function of any bytes that drives a part of the core
//! with them and compares what it does with a model of its own; it panics if they differ.
//!
//! * [`input`]: how bytes become operations.
//! * [`oracle`]: the rules of MS-SMBD a second time, written down straight and in wide numbers.
//! * [`targets`]: the eight of them.
//! * [`seeds`]: the inputs to begin with, made from the byte vectors of `tests/host`.
//!
//! `src/bin/engine.rs` is the coverage-guided fuzzer; `src/bin/replay.rs` runs a target over files,
//! without an engine.

pub mod input;
pub mod oracle;
pub mod seeds;
pub mod targets;

/// A target: any bytes are a valid input.
pub type Target = fn(&[u8]);

/// The targets by name.
pub const TARGETS: [(&str, Target); 8] = [
    ("wire", targets::wire::run),
    ("negotiate", targets::negotiate::run),
    ("link", targets::link::run),
    ("queue", targets::queue::run),
    ("slices", targets::slices::run),
    ("pair", targets::pair::run),
    ("differential", targets::differential::run),
    ("dialogue", targets::dialogue::run),
];

/// The target of that name.
#[must_use]
pub fn target(name: &str) -> Option<Target> {
    TARGETS.iter().find(|t| t.0 == name).map(|t| t.1)
}
