// SPDX-License-Identifier: GPL-2.0

//! Other programs: what they print is bounded in length and in time.

#![allow(clippy::unwrap_used)] // a test that panics has failed

use smbdirectctl::program::output;
use std::{
    path::Path,
    time::{Duration, Instant},
};

const TIME: Duration = Duration::from_secs(30);

fn shell(script: &str, time: Duration, most: usize) -> Result<String, String> {
    output(Path::new("/bin/sh"), &["-c", script], time, most)
}

#[test]
fn what_it_prints() {
    assert_eq!(
        shell("echo a; echo b >&2", TIME, 10),
        Ok("a\nb\n"[..2].into())
    );
    assert_eq!(
        shell("printf 0123456789", TIME, 10),
        Ok("0123456789".into())
    );
    assert_eq!(shell("printf $LC_ALL; cat", TIME, 10), Ok("C".into()));
    let why = shell("echo first >&2; echo second >&2; exit 3", TIME, 10).unwrap_err();
    assert!(why.contains('3') && why.ends_with(", first"), "{why}");
    assert!(output(Path::new("/nonexistent"), &[], TIME, 10).is_err());
}

#[test]
fn too_much() {
    let start = Instant::now();
    for endless in ["yes", "cat /dev/zero", "printf 01234567890"] {
        let why = shell(endless, TIME, 10).unwrap_err();
        assert!(why.contains("more than 10 bytes"), "{why}");
    }
    // of what it complains about, the first line at most
    let why = shell("yes >&2 & sleep 1; kill $!; exit 1", TIME, 10).unwrap_err();
    assert!(why.ends_with(", y"), "{why}");
    assert!(start.elapsed() < TIME);
}

#[test]
fn too_long() {
    let start = Instant::now();
    // it prints nothing, or closes its output and stays
    for slow in ["sleep 60", "echo a; exec >&- 2>&-; exec sleep 60"] {
        let why = shell(slow, Duration::from_secs(1), 10).unwrap_err();
        assert!(why.contains("no end within 1 s"), "{why}");
    }
    assert!(start.elapsed() < TIME);
}
