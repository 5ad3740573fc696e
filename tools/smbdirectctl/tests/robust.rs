// SPDX-License-Identifier: GPL-2.0

//! Whatever the bytes of a file are, reading it ends, does not panic, and says nothing that a terminal would obey: of configurations, and of
//! what a machine shows.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)] // a test that panics has failed

mod tree;

use ratatui::{backend::TestBackend, Terminal};
use smbdirectctl::{
    check::check,
    config,
    diagnostics::Diagnostics,
    metrics,
    rates::Interval,
    state::State,
    status, text,
    top::{app::App, draw},
};
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};
use tree::{random::Random, Tree};

fn mutated(random: &mut Random, original: &[u8]) -> Vec<u8> {
    let mut bytes = original.to_vec();
    for _ in 0..=random.next(4) {
        let at = random.next(bytes.len());
        match random.next(3) {
            0 => bytes.truncate(at),
            1 if at < bytes.len() => bytes[at] = random.next(256) as u8,
            _ => {
                let piece = PIECES[random.next(PIECES.len())];
                bytes.splice(at..at, piece.iter().copied());
            }
        }
    }
    bytes
}

const PIECES: [&[u8]; 18] = [
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
    b"\x1b[2J",
    b"18446744073709551615",
    b"18446744073709551616",
];

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
    let mut random = Random(0x5eed_1234_5678_9abc);
    for kind in ["good", "bad"] {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests")
            .join(kind);
        for entry in fs::read_dir(dir).unwrap() {
            let original = fs::read(entry.unwrap().path()).unwrap();
            look_at(&original);
            for _ in 0..100 {
                look_at(&mutated(&mut random, &original));
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

fn files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// All that a machine says of itself and the kernel of its peers, changed at random.
#[test]
fn mutations_of_a_machine() {
    let tree = Tree::healthy();
    tree.write(
        "sys/kernel/config/smbdirect/shares",
        "* auto 0 0 0\na b off 1 2 3\n",
    )
    .write("sys/kernel/config/smbdirect/interfaces", "eth1 !10.9.0.2\n")
    .write("commands/ip -j route get 10.9.0.2", r#"[{"dev":"eth1"}]"#)
    .write("commands/negotiate 10.9.0.2", "770 8\n");
    let mut all = Vec::new();
    files(tree.path(), &mut all);
    all.sort();
    let root = tree.root();
    let mut random = Random(0x0dd5_eed0_dd5e_ed01);
    let mut app = App::default();
    let mut then = State::read(&root);
    for path in &all {
        let original = fs::read(path).unwrap();
        for _ in 0..6 {
            fs::write(path, mutated(&mut random, &original)).unwrap();
            let now = State::read(&root);
            let interval = Interval {
                then: &then,
                time: Duration::from_secs(1),
            };
            let mut texts = vec![
                status::render(&now, Some(&interval), false),
                status::render(&now, Some(&interval), true),
            ];
            // whose labels are not for terminals: tests/metrics.rs
            assert!(metrics::render(&now).ends_with('\n'));
            for server in [None, Some("10.9.0.2")] {
                let report = check(&root, server);
                texts.extend([report.text(true), format!("{:#}", report.json())]);
            }
            app.look(State::read(&root), Duration::from_secs(1));
            let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
            terminal.draw(|frame| draw::all(frame, &app)).unwrap();
            for text in texts {
                let obeyed = |c: char| c.is_control() && c != '\n';
                assert!(!text.contains(obeyed), "{}: {text:?}", path.display());
            }
            then = now;
        }
        fs::write(path, &original).unwrap();
    }
}
