// SPDX-License-Identifier: GPL-2.0

//! Whatever the bytes of a file are, reading it ends, does not panic, and says nothing that a terminal would obey.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)] // a test that panics has failed

use smbdirectctl::{config, diagnostics::Diagnostics, text};
use std::{fs, path::Path};

/// Deterministic, so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % below.max(1) as u64) as usize
    }
}

fn look_at(bytes: &[u8]) {
    let mut diagnostics = Diagnostics::default();
    let config = config::read(bytes, &mut diagnostics);
    for diagnostic in diagnostics.iter() {
        let line = diagnostic.to_string();
        assert!(!line.contains(|c: char| c.is_control()), "{line:?}");
        assert!(line.len() < 1000, "{line}");
    }
    if !diagnostics.refused() {
        // What is printed is taken again, without an error.
        let mut again = Diagnostics::default();
        let same = config::read(text::sections(&config, false).as_bytes(), &mut again);
        assert!(!again.refused(), "{again:?}");
        assert_eq!(config.numbers, same.numbers);
        assert_eq!(config.mode, same.mode);
        assert_eq!(config.interfaces, same.interfaces);
    }
}

#[test]
fn mutations_of_the_corpus() {
    let pieces: [&[u8]; 16] = [
        b"[",
        b"]",
        b"=",
        b";",
        b"#",
        b"\"",
        b"\n",
        b"\\\n",
        b"\0",
        b"\r",
        b"\xff",
        b"\xc3\xa9",
        b"smb direct",
        b"!",
        b"*",
        b"18446744073709551616",
    ];
    let mut random = Random(0x5eed_1234_5678_9abc);
    for kind in ["good", "bad"] {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests")
            .join(kind);
        for entry in fs::read_dir(dir).unwrap() {
            let original = fs::read(entry.unwrap().path()).unwrap();
            look_at(&original);
            for _ in 0..100 {
                let mut bytes = original.clone();
                for _ in 0..=random.next(4) {
                    let at = random.next(bytes.len());
                    match random.next(3) {
                        0 => bytes.truncate(at),
                        1 if at < bytes.len() => bytes[at] = random.next(256) as u8,
                        _ => {
                            let piece = pieces[random.next(pieces.len())];
                            bytes.splice(at..at, piece.iter().copied());
                        }
                    }
                }
                look_at(&bytes);
            }
        }
    }
}

#[test]
fn long_and_deep() {
    look_at(&b"[".repeat(100_000));
    look_at(&b"smb direct = off\n".repeat(10_000));
    look_at(
        &[
            b"[global]\nsmb direct interfaces = ".as_slice(),
            &b"a ".repeat(100_000),
        ]
        .concat(),
    );
    look_at(&[b"[global]\n".as_slice(), &b"x".repeat(1_000_000), b" = 1"].concat());
}
