// SPDX-License-Identifier: GPL-2.0

//! `smbdirectctl trace` as a program, and what it asks of the kernel.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)] // a test that panics has failed

mod tree;

use smbdirectctl::trace::{
    events,
    filter::{Peer, Wanted},
};
use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Stdio},
};
use tree::Tree;

fn of(words: &[&str]) -> events::Names {
    words
        .iter()
        .flat_map(|w| events::meant(w).unwrap())
        .collect()
}

#[test]
fn in_the_kernel() {
    let tree = Tree::healthy();
    let (conns, marks) = smbdirectctl::trace::present(&tree.root());
    assert_eq!(
        marks,
        [
            "smbdirectctl conn=7 role=server peer=10.9.0.2:49152 device=rxe0 local=",
            "smbdirectctl conn=8 role=client peer=[fd09::2]:445 device=rxe0 local=",
        ]
    );
    tree.write(
        "commands/rdma -j resource show cm_id",
        r#"[{"src-addr":"0.0.0.0:445"},{"src-addr":"10.9.0.1:445","dst-addr":"10.9.0.2:49152"},{"src-addr":"fd09::1:4000","dst-addr":"fd09::2:445"}]"#,
    );
    let (_, marks) = smbdirectctl::trace::present(&tree.root());
    assert!(marks[0].ends_with("local=10.9.0.1:445"), "{}", marks[0]);
    assert!(marks[1].ends_with("local=[fd09::1]:4000"), "{}", marks[1]);
    let filter = |wanted: Wanted| wanted.in_kernel(&conns);
    assert_eq!(filter(Wanted::default()), None);
    assert_eq!(
        filter(Wanted {
            connections: vec![7, 9],
            ..Wanted::default()
        }),
        Some("conn == 7 || conn == 9".into())
    );
    let peers = |text: &str| Wanted {
        peers: vec![Peer::parse(text).unwrap()],
        ..Wanted::default()
    };
    assert_eq!(filter(peers("10.9.0.2")), Some("conn != 8".into()));
    assert_eq!(
        filter(peers("10.9.0.3")),
        Some("conn != 7 && conn != 8".into())
    );
    let device = Wanted {
        devices: vec!["siw0".into()],
        ..Wanted::default()
    };
    assert_eq!(
        filter(device.clone()),
        Some("conn != 7 && conn != 8".into())
    );
    // which say whose the others are
    assert!(device.recorded().contains("arrival"));
    assert!(!device.recorded().contains("send"));
}

#[test]
fn names_of_events() {
    assert_eq!(of(&["send"]), of(&["smbd_send"]));
    assert!(of(&["messages"]).contains("send_negotiate"));
    for (word, want) in [
        ("mesages", "the nearest is 'messages'"),
        ("smbd_sent", "the nearest is 'send'"),
        ("rdma_beginn", "the nearest is 'rdma_begin'"),
        ("frobnicate", "groups are connection, refusals"),
        ("", "groups are connection"),
    ] {
        let why = events::meant(word).unwrap_err();
        assert!(why.contains(want), "{word}: {why}");
    }
    for text in [
        "",
        "10.9.0",
        "10.9.0.1:",
        "10.9.0.1:70000",
        "server",
        "fd09::1:445:",
    ] {
        assert_eq!(Peer::parse(text), None, "{text}");
    }
}

/// The events of the code, of the module and of the documentation are the same.
#[test]
fn every_event() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let header = fs::read_to_string(top.join("rust/kext/smbdirect_trace.h")).unwrap();
    let mut module: Vec<&str> = header
        .split("\nTRACE_EVENT(smbd_")
        .skip(1)
        .map(|rest| rest.split(',').next().unwrap())
        .chain(
            header
                .split("\nDEFINE_EVENT(")
                .skip(1)
                .map(|rest| rest.split(", smbd_").nth(1).unwrap())
                .map(|rest| rest.split(',').next().unwrap()),
        )
        .collect();
    module.sort_unstable();
    let mut ours: Vec<&str> = events::all().map(|k| k.name).collect();
    ours.sort_unstable();
    assert_eq!(ours, module);
    let text = fs::read_to_string(top.join("Documentation/observability.md")).unwrap();
    for name in ours {
        assert!(
            text.contains(&format!("`smbd_{name}`")),
            "{name} is not documented"
        );
    }
    for group in events::Group::ALL {
        assert!(text.contains(&format!("`{}`", group.name())), "{group:?}");
    }
}

struct Tool(Vec<u8>, Vec<u8>, i32);

/// Runs the program with something at its standard input.
fn tool(arguments: &[&str], input: &[u8]) -> Tool {
    let mut child = Command::new(env!("CARGO_BIN_EXE_smbdirectctl"))
        .arg("trace")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // it may end before it has read all
    let feeder = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap();
    Tool(
        output.stdout,
        output.stderr,
        output.status.code().unwrap_or(-1),
    )
}

#[test]
fn program() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/trace/mount.trace");
    let all = &fs::read(path).unwrap();
    let Tool(out, err, status) = tool(&["--read", "-", "-n", "3"], all);
    assert_eq!(status, 0, "{}", String::from_utf8_lossy(&err));
    assert_eq!(String::from_utf8(out).unwrap().lines().count(), 4);
    assert!(String::from_utf8(err).unwrap().contains("3 events"));
    // only the capture goes to standard output
    let Tool(out, _, status) = tool(&["--read", "-", "--pcapng", "-"], all);
    assert_eq!(status, 0);
    assert_eq!(out[..4], [0x0a, 0x0d, 0x0d, 0x0a]);
    let Tool(out, _, _) = tool(&["--read", "-", "--json", "--pcapng", "-"], all);
    assert_eq!(out[..4], [0x0a, 0x0d, 0x0d, 0x0a]);
    let wrong = |arguments: &[&str], input: &[u8], status: i32, text: &str| {
        let Tool(_, err, got) = tool(arguments, input);
        let err = String::from_utf8(err).unwrap();
        assert_eq!(got, status, "{arguments:?}: {err}");
        assert!(err.contains(text), "{arguments:?}: {err}");
    };
    wrong(&["--read", "-"], b"", 4, "no recording");
    wrong(&["--read", "-"], &vec![0; 1 << 20], 4, "no recording");
    wrong(&["--read", "/nowhere/at/all"], b"", 4, "/nowhere/at/all");
    wrong(
        &["--read", "-", "--pcapng", "/nowhere/x"],
        all,
        4,
        "/nowhere/x",
    );
    wrong(
        &["--read", "-", "-e", "mesages"],
        all,
        2,
        "the nearest is 'messages'",
    );
    wrong(&["--read", "-", "-p", "server"], all, 2, "no address");
    wrong(&["--read", "-", "-t", "5"], all, 2, "cannot be used");
    wrong(&["-n", "0"], b"", 2, "0 is not in");
    let tree = Tree::healthy();
    let kept = tree.path().join("recording");
    fs::write(&kept, all).unwrap();
    let kept = kept.to_str().unwrap();
    wrong(
        &[
            "--read",
            kept,
            "--pcapng",
            &kept.replace("/recording", "//recording"),
        ],
        b"",
        2,
        "cannot be both",
    );
    assert_eq!(&fs::read(kept).unwrap(), all);
    let dir = tree.path().to_str().unwrap().to_owned();
    wrong(
        &["--root", &dir, "-d", "rxe1"],
        b"",
        2,
        "the nearest is 'rxe0'",
    );
    wrong(&["--root", &dir], b"", 4, "tracefs is not mounted");
    let tracing = "sys/kernel/tracing/instances";
    tree.dir(tracing);
    wrong(&["--root", &dir], b"", 5, "no events smbdirect");
    // What dead processes left goes, what others have stays. Then it fails, since files do not appear by themselves here, and leaves nothing.
    for name in [
        "smbdirectctl-99",
        "smbdirectctl-77",
        "smbdirectctl-x",
        "other",
    ] {
        tree.dir(&format!("{tracing}/{name}"));
    }
    tree.write("proc/77/comm", "smbdirectctl\n");
    tree.write("proc/99/comm", "bash\n");
    tree.write("sys/kernel/tracing/events/smbdirect/smbd_send/enable", "0");
    wrong(&["--root", &dir], b"", 4, "trace_clock");
    assert_eq!(
        tree.root().names(tracing),
        ["other", "smbdirectctl-77", "smbdirectctl-x"]
    );
}
