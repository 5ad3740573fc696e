// SPDX-License-Identifier: GPL-2.0

//! Files with what has to be said about them.
//!
//! `bad/*.conf` are refused, `good/*.conf` are taken. A comment `# expect: LINE: SEVERITY: MESSAGE` is a message, and these are all messages, in order;
//! `# show: LINE` is a line that `config show` prints, without the blank ones.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)] // a test that panics has failed

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

fn files(kind: &str) -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(kind);
    let mut files: Vec<PathBuf> = fs::read_dir(&dir)
        .unwrap_or_else(|e| panic!("{}: {e}", dir.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "conf"))
        .collect();
    files.sort();
    files
}

fn config(args: &[&str], file: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_smbdirectctl"))
        .arg("config")
        .args(args)
        .arg(file)
        .output()
        .unwrap()
}

/// Lines of a file that begin with a mark.
fn marked(file: &Path, mark: &str) -> Vec<String> {
    let mark = format!("# {mark}: ");
    String::from_utf8_lossy(&fs::read(file).unwrap())
        .lines()
        .filter_map(|line| line.strip_prefix(&mark))
        .map(|line| line.trim_end().to_owned())
        .collect()
}

/// The messages about a file, without its name in front.
fn messages(output: &Output, file: &Path) -> Vec<String> {
    let prefix = format!("{}:", file.display());
    String::from_utf8(output.stderr.clone())
        .unwrap()
        .lines()
        .map(|line| line.strip_prefix(&prefix).unwrap_or(line).to_owned())
        .collect()
}

#[test]
fn bad_files_are_refused_with_these_messages() {
    let files = files("bad");
    assert!(files.len() >= 50, "only {} files", files.len());
    for file in files {
        let expected = marked(&file, "expect");
        assert!(!expected.is_empty(), "{}: no '# expect:'", file.display());
        let output = config(&["check"], &file);
        assert_eq!(messages(&output, &file), expected, "{}", file.display());
        assert_eq!(output.status.code(), Some(3), "{}", file.display());
        assert!(output.stdout.is_empty());
    }
}

/// What check refuses, no other command works with.
#[test]
fn bad_files_are_refused_by_all_commands() {
    for file in files("bad") {
        for command in ["show", "diff", "apply"] {
            let output = config(&[command], &file);
            assert_eq!(
                output.status.code(),
                Some(3),
                "{command} {}",
                file.display()
            );
            assert!(output.stdout.is_empty());
        }
    }
}

#[test]
fn good_files_are_taken() {
    let files = files("good");
    assert!(files.len() >= 10);
    for file in files {
        let output = config(&["check"], &file);
        assert_eq!(
            messages(&output, &file),
            marked(&file, "expect"),
            "{}",
            file.display()
        );
        assert_eq!(output.status.code(), Some(0), "{}", file.display());
        let shown = String::from_utf8(config(&["show"], &file).stdout).unwrap();
        let shown: Vec<&str> = shown.lines().filter(|line| !line.is_empty()).collect();
        assert_eq!(shown, marked(&file, "show"), "{}", file.display());
    }
}

/// What `show` prints means the same as what it was made from.
#[test]
fn shown_files_say_the_same() {
    for file in files("good") {
        let first = config(&["show", "--json"], &file).stdout;
        let json: serde_json::Value = serde_json::from_slice(&first).unwrap();
        assert_eq!(json["format"], 1);
        let copy = std::env::temp_dir().join(format!(
            "smbdirectctl-{}-{}",
            std::process::id(),
            file.file_name().unwrap().to_string_lossy()
        ));
        fs::write(&copy, config(&["show"], &file).stdout).unwrap();
        let again = config(&["show", "--json"], &copy);
        fs::remove_file(&copy).unwrap();
        // Shares that say nothing are not printed, and what came from ksmbd's own list is a comment.
        let name = file.file_stem().unwrap().to_string_lossy();
        let partial = ["everything", "ksmbd-only", "capability-of-ksmbd"];
        if !partial.contains(&name.as_ref()) {
            assert_eq!(
                String::from_utf8(first).unwrap(),
                String::from_utf8(again.stdout).unwrap(),
                "{}",
                file.display()
            );
        }
    }
}

#[test]
fn differences() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/good");
    let run = |new: &str, old: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_smbdirectctl"))
            .args(["config", "diff"])
            .args([dir.join(new), dir.join(old)])
            .output()
            .unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
        )
    };
    assert_eq!(
        run("comments.conf", "comments.conf"),
        (Some(0), String::new())
    );
    assert_eq!(
        run("one-section-in-parts.conf", "comments.conf"),
        (
            Some(1),
            "[data] smb direct: (not set) -> off\nsmb direct: off -> (not set)\nsmb direct max half open: (not set) -> 10\n".to_owned()
        )
    );
    // a share that says nothing is known by name all the same
    let (_, text) = run("everything.conf", "nothing.conf");
    assert!(
        text.contains("[inherits] smb direct: (not set) -> (as [global] says)\n"),
        "{text}"
    );
    let (status, text) = run("bounds.conf", "everything.conf");
    assert_eq!(status, Some(1));
    assert!(
        text.contains("smb direct max read write size: 16M -> 64K\n"),
        "{text}"
    );
    assert!(
        text.contains(
            "smb direct interfaces: eth1 rxe* 10.9.0.0/16 fd09::/64 !eth3 10.1.2.3 -> (not set)\n"
        ),
        "{text}"
    );
}

#[test]
fn files_that_cannot_be_read() {
    let output = config(&["check"], Path::new("/does/not/exist"));
    assert_eq!(output.status.code(), Some(4));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("/does/not/exist"), "{said}");
    let output = config(&["check"], Path::new("/dev/zero"));
    assert_eq!(output.status.code(), Some(4));
}

/// A disk that is full is not taken for success.
#[test]
fn output_that_cannot_be_written() {
    let nothing = env!("CARGO_TARGET_TMPDIR");
    for command in ["metrics", "status", "check"] {
        let output = Command::new(env!("CARGO_BIN_EXE_smbdirectctl"))
            .args([command, "--root", nothing])
            .stdout(
                fs::OpenOptions::new()
                    .write(true)
                    .open("/dev/full")
                    .unwrap(),
            )
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(4), "{command}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("standard output"), "{said}");
    }
}

#[test]
fn messages_as_json() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bad/number-too-small.conf");
    let output = config(&["check", "--json"], &file);
    assert_eq!(output.status.code(), Some(3));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["format"], 1);
    assert_eq!(json["refused"], true);
    assert_eq!(json["more"], 0);
    assert_eq!(json["messages"][0]["line"], 4);
    assert_eq!(json["messages"][0]["severity"], "error");
    assert!(json["messages"][0]["message"]
        .as_str()
        .unwrap()
        .contains("8 to 1024 messages"));
}
