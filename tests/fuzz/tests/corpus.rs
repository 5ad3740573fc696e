// SPDX-License-Identifier: GPL-2.0

//! The inputs in the tree, without the engine: they run on any host, and all of them are good.

use smbdirect_fuzz::{seeds, target, TARGETS};
use std::fs;
use std::path::PathBuf;

fn corpus() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

#[test]
fn inputs_in_the_tree_are_good() {
    for (name, run) in TARGETS {
        let mut count = 0;
        for file in fs::read_dir(corpus().join(name)).expect("a directory a target") {
            let path = file.expect("an entry").path();
            println!("{}", path.display());
            run(&fs::read(path).expect("a file"));
            count += 1;
        }
        assert!(count >= 5, "{name}: only {count} inputs");
    }
}

/// `cargo run --bin seeds -- corpus` writes them again.
#[test]
fn seeds_in_the_tree_are_those_of_the_sources() {
    for (name, file, bytes) in seeds::all() {
        let path = corpus().join(name).join(&file);
        let there = fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        assert!(there == bytes, "{} is not up to date", path.display());
    }
}

/// Cut off anywhere, an input is still one.
#[test]
fn inputs_may_end_anywhere() {
    for (name, _, bytes) in seeds::all() {
        let run = target(name).expect("a target");
        for n in 0..bytes.len() {
            run(&bytes[..n]);
        }
    }
}
