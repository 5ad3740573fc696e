// SPDX-License-Identifier: GPL-2.0

//! `smbdirectctl trace` over recordings: one of a guest of the lab, and made ones.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)] // a test that panics has failed

use serde_json::Value;
use smbdirectctl::trace::{
    conns::Conns,
    events,
    filter::{Peer, Wanted},
    line::{self, Line},
    lines::Lines,
    session::Session,
    Options,
};
use std::{fs, path::Path};
use unicode_width::UnicodeWidthStr;

fn file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/trace");
    fs::read_to_string(path.join(name)).unwrap()
}

fn usual() -> Options {
    Options {
        wanted: Wanted {
            events: events::usual(),
            ..Wanted::default()
        },
        ..Options::default()
    }
}

fn of(words: &[&str]) -> events::Names {
    words
        .iter()
        .flat_map(|w| events::meant(w).unwrap())
        .collect()
}

/// What is printed for a recording.
fn shown(options: &Options, recording: &str, width: Option<usize>) -> String {
    let mut session = Session::new(options, Conns::default(), width).unwrap();
    for line in recording.lines() {
        session.line(line).unwrap();
    }
    session.take_text()
}

/// The part of a line behind the ladder.
fn said(line: &str) -> String {
    let behind = line.get(33..).unwrap_or_else(|| panic!("{line:?}"));
    behind.trim().into()
}

/// What is said of one event.
fn one(event: &str) -> String {
    let mut options = usual();
    options.wanted.events = of(&["all"]);
    let text = shown(
        &options,
        &format!("a-1 [000] ..... 1.5: smbd_{event}"),
        None,
    );
    said(text.lines().nth(1).unwrap())
}

#[test]
fn ladder() {
    let text = shown(&usual(), &file("mount.trace"), None);
    let golden = file("mount.ladder.txt");
    for (got, want) in text.lines().zip(golden.lines()) {
        assert_eq!(got, want);
    }
    assert_eq!(text.lines().count(), golden.lines().count());
    let narrow = shown(&usual(), &file("mount.trace"), Some(80));
    assert!(narrow.lines().all(|line| line.width() <= 80));
    assert!(narrow
        .lines()
        .any(|line| line.ends_with('>') && line.width() == 80));
}

#[test]
fn words_of_the_protocol() {
    for (event, want) in [
        (
            "send: conn=4 length=0 offset=0 remaining=0 requests=255 grants=3 flags=0x1 send_credits=9 granted=8 posted=9",
            "Data Transfer empty, wants a response, credits: asks 255 grants 3 [we hold 9, peer 8]",
        ),
        (
            "recv: conn=4 length=100 offset=64 remaining=0 requests=1 grants=0 flags=0x0 send_credits=9 granted=8 posted=9",
            "Data Transfer 100 bytes at 64, credits: asks 1 grants 0 [we hold 9, peer 8]",
        ),
        (
            "send_negotiate: conn=4 length=32 bytes=000100010000000000000000bb0000c000000000000000000000000000000000",
            "Negotiate Response status 0xc00000bb, version 0.0 of 1.0 to 1.0, credits: asks 0 grants 0, send 0, receive 0, fragmented 0, read/write 0",
        ),
        ("recv_negotiate: conn=4 length=3 bytes=000102", "Negotiate only 3 bytes"),
        (
            "recv_refused: conn=4 length=1364 bytes=0000010000000000000000001900000054050000000000000000000000000000",
            "refused message 1364 bytes: data 1364 at 25, remaining 0, credits: asks 0 grants 1, flags 0x0",
        ),
        ("recv_refused: conn=4 length=7 bytes=00000100000000", "refused message only 7 bytes"),
        ("refused: conn=1 peer=10.9.0.2:49152 why=half_open", "refused connection of 10.9.0.2:49152: half_open"),
        (
            "policy_refused: share=a reason=b c command=d reason=over_tcp command=READ",
            "policy READ of share 'a reason=b c command=d' refused: over_tcp",
        ),
        ("wait: conn=4 need=credit msec=12 error=0", "waited 12 ms for a credit"),
        ("wait: conn=4 need=slot msec=5000 error=-110", "waited 5000 ms for a slot, errno 110 (Connection timed out)"),
        ("post_send: conn=4 seq=9 count=2 opcode=9 signalled=1 error=0", "post SEND with invalidate, 2 entries up to 9, signalled"),
        ("wc_recv: conn=4 slot=7 status=WR_FLUSH_ERR (5) length=0", "completion of receive 7: WR_FLUSH_ERR, 0 bytes"),
        ("rdma_end: conn=4 op=write length=4096 descriptors=2 error=-5", "RDMA Write 4096 bytes, 2 descriptors, done, errno 5 (Input/output error)"),
        ("unmap: conn=4 key=0x12 ok=0", "unmap key 0x12, not invalidated"),
        ("fail: conn=4 status=14 error=-104 cause=peer", "end by cause peer in CONNECTED, errno 104 (Connection reset by peer)"),
        ("protocol_error: conn=4 kind=data_too_short", "protocol error data_too_short"),
        ("something_new: conn=4 a=1 b=two words", "event something_new a=1 b=two words"),
        ("send: conn=4 length=99999999999 remaining=1", "Data Transfer length=99999999999 remaining=1"),
    ] {
        assert_eq!(one(event), want);
    }
}

/// Fragments belong together, in each direction and connection apart; where some are missing a message begins anew.
#[test]
fn fragments() {
    let message = |conn: u32, name: &str, length: u32, remaining: u32| {
        format!("a-1 [000] ..... 1.5: smbd_{name}: conn={conn} length={length} offset=24 remaining={remaining} requests=1 grants=0 flags=0x0\n")
    };
    let recording = [
        message(1, "send", 1000, 500),
        message(1, "recv", 700, 100),
        message(2, "send", 10, 0),
        message(1, "send", 300, 200),
        message(1, "recv", 100, 0),
        message(1, "send", 200, 0),
        message(1, "send", 1000, 3000),
        message(1, "send", 1000, 1000),
        message(1, "send", 1000, 0),
    ]
    .concat();
    let text = shown(&usual(), &recording, None);
    let parts: Vec<String> = text
        .lines()
        .skip(1)
        .map(|line| said(line).split(", credits").next().unwrap().into())
        .collect();
    assert_eq!(
        parts,
        [
            "Data Transfer 1000 bytes at 24, fragment 1, 500 of 1500 to follow",
            "Data Transfer 700 bytes at 24, fragment 1, 100 of 800 to follow",
            "Data Transfer 10 bytes at 24",
            "Data Transfer 300 bytes at 24, fragment 2, 200 of 1500 to follow",
            "Data Transfer 100 bytes at 24, fragment 2, the last of 800",
            "Data Transfer 200 bytes at 24, fragment 3, the last of 1500",
            "Data Transfer 1000 bytes at 24, fragment 1, 3000 of 4000 to follow",
            // 2000 are missing
            "Data Transfer 1000 bytes at 24, fragment 1, 1000 of 2000 to follow",
            "Data Transfer 1000 bytes at 24, fragment 2, the last of 2000",
        ]
    );
}

#[test]
fn lines_of_other_programs() {
    let time = |line: &str| match line::parse(line) {
        Line::Event(e) => Some((e.name.to_owned(), e.time.to_string(), e.cpu, e.conn())),
        _ => None,
    };
    let want = |time: &str, cpu| Some(("unmap".to_owned(), time.to_owned(), cpu, Some(4)));
    for (line, time_of, cpu) in [
        ("    kworker/u8:1-63  [001] ..s1.   103.123456: smbd_unmap: conn=4 key=0x1 ok=1", "103.123456000", 1),
        // trace-cmd report, perf script
        ("    kworker/u8:1-63  [012]   103.123456789: smbd_unmap:            conn=4 key=0x1 ok=1", "103.123456789", 12),
        ("mount.cifs   238 [000]    14.853570: smbdirect:smbd_unmap: conn=4 key=0x1 ok=1", "14.853570000", 0),
        // the clock "counter"
        ("  a-1  [001] .....     17: smbd_unmap: conn=4 key=0x1 ok=1", "17", 1),
        // names of tasks have anything in them
        ("  [7] x: a=1-63  [001] ..s1.   103.1: smbd_unmap: conn=4 key=0x1 ok=1", "103.100000000", 1),
    ] {
        assert_eq!(time(line), want(time_of, cpu), "{line}");
    }
    for line in [
        "",
        "# tracer: nop",
        "[",
        "a-1 [000] 1.5:",
        "a-1 [000] ..... 1.5: smbd_unmap",
        "a-1 [000] ..... 1.5.5: smbd_unmap: conn=4",
        "a-1 [000] ..... 99999999999999999999.5: smbd_unmap: conn=4",
        "a-1 [-1] ..... 1.5: smbd_unmap: conn=4",
        "##### CPU 1 buffer started ####",
    ] {
        assert_eq!(line::parse(line), Line::Unknown, "{line:?}");
    }
    assert_eq!(
        line::parse("a-1 [000] ..... 1.5: sched_switch: prev_comm=smbd_send: conn=4"),
        Line::Foreign
    );
}

#[test]
fn lost_events() {
    let recording = "\
# entries-in-buffer/entries-written: 100/250   #P:2
CPU:1 [LOST 23 EVENTS]
CPU:0 [5 EVENTS DROPPED]
CPU:0 [EVENTS DROPPED]
a-1 [000] ..... 1.5: smbd_teardown: conn=4
";
    let text = shown(&usual(), recording, None);
    for (line, want) in text.lines().skip(1).zip([
        "150 events before the first one here were overwritten",
        "23 events of processor 1 were lost here",
        "5 events of processor 0 were lost here",
        "an unknown number of events of processor 0 were lost here",
        "teardown begins",
    ]) {
        assert!(line.ends_with(want), "{line}");
    }
    let mut options = usual();
    options.json = true;
    let mut session = Session::new(&options, Conns::default(), None).unwrap();
    recording.lines().for_each(|l| session.line(l).unwrap());
    let counts: Vec<Value> = session
        .take_text()
        .lines()
        .map(|l| serde_json::from_str::<Value>(l).unwrap()["count"].clone())
        .take(4)
        .collect();
    assert_eq!(counts, [150.into(), 23.into(), 5.into(), Value::Null]);
    assert_eq!((session.seen.lost, session.seen.gaps), (178, 4));
    assert_eq!(
        line::parse("CPU:3 [LOST EVENTS]"),
        Line::Lost {
            cpu: 3,
            count: None
        }
    );
    assert!(session
        .summary()
        .contains("178 or more were lost in 4 places"));
}

#[test]
fn as_json() {
    let mut options = usual();
    options.json = true;
    options.wanted.events = of(&["all"]);
    let text = shown(&options, &file("mount.trace"), None);
    let all: Vec<Value> = text
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    let recorded = file("mount.trace").matches(": smbd_").count();
    assert_eq!(all.len(), recorded);
    let find = |event: &str, conn: u64| {
        all.iter()
            .find(|v| v["event"] == event && v["connection"] == conn)
            .unwrap()
    };
    let v = find("smbd_send", 4);
    assert_eq!(v["time"], "21.210211000");
    assert_eq!(v["unix_time"], "1795901479.442556908");
    assert_eq!(v["role"], "client");
    assert_eq!(v["peer"], "10.9.0.1:445");
    assert_eq!(v["device"], "rxe0");
    assert_eq!(v["direction"], "out");
    assert_eq!(v["what"], "Data Transfer");
    assert_eq!(v["group"], "messages");
    assert_eq!(v["fields"]["grants"], 68);
    assert_eq!(v["fields"]["flags"], 0);
    assert_eq!(v["fragment"], Value::Null);
    let last = all.iter().find(|v| v["fragment"]["last"] == true).unwrap();
    assert_eq!(last["fragment"]["number"], 3);
    assert_eq!(last["fragment"]["message_bytes"], 3112);
    assert_eq!(find("smbd_cm_event", 3)["fields"]["status"], -19);
    assert_eq!(find("smbd_recv_negotiate", 5)["what"], "Negotiate Request");
    assert_eq!(find("smbd_arrival", 5)["role"], "server");
}

#[test]
fn filters() {
    let lines = |wanted: Wanted| {
        let options = Options {
            wanted,
            ..Options::default()
        };
        let text = shown(&options, &file("mount.trace"), None);
        let conns: Vec<String> = text
            .lines()
            .skip(1)
            .map(|l| l.split_whitespace().nth(1).unwrap().to_owned())
            .collect();
        conns
    };
    let all = of(&["all"]);
    let with = |change: &dyn Fn(&mut Wanted)| {
        let mut wanted = Wanted {
            events: all.clone(),
            ..Wanted::default()
        };
        change(&mut wanted);
        lines(wanted)
    };
    let only = |lines: Vec<String>, conns: &[&str]| {
        assert!(!lines.is_empty());
        assert!(
            lines.iter().all(|c| conns.contains(&c.as_str())),
            "{lines:?}"
        );
        for conn in conns {
            assert!(lines.iter().any(|c| c == conn), "nothing of {conn}");
        }
    };
    let peer = |text: &str| Peer::parse(text).unwrap();
    only(with(&|_| ()), &["3", "4", "5"]);
    only(with(&|w| w.connections = vec![4]), &["4"]);
    only(
        with(&|w| w.peers = vec![peer("10.9.0.1")]),
        &["3", "4", "5"],
    );
    only(with(&|w| w.peers = vec![peer("10.9.0.1:445")]), &["4"]);
    only(
        with(&|w| w.peers = vec![peer("::ffff:10.9.0.1")]),
        &["3", "4", "5"],
    );
    assert_eq!(with(&|w| w.peers = vec![peer("10.9.0.9")]).len(), 0);
    // The device of an attempt that never got one is not known.
    only(with(&|w| w.devices = vec!["rxe0".into()]), &["3", "4", "5"]);
    let other = with(&|w| w.devices = vec!["siw0".into()]);
    assert!(
        other.iter().all(|c| c != "5") && other.len() < 20,
        "{other:?}"
    );
    only(
        with(&|w| {
            w.events = of(&["rdma", "registrations"]);
            w.peers = vec![peer("10.9.0.1:445")];
        }),
        &["4"],
    );
    // in the middle of a recording nothing is known of peers
    let options = Options {
        wanted: Wanted {
            events: all.clone(),
            peers: vec![peer("10.9.0.1")],
            ..Wanted::default()
        },
        ..Options::default()
    };
    let mut session = Session::new(&options, Conns::default(), None).unwrap();
    let recording = file("mount.trace");
    recording
        .lines()
        .filter(|l| !l.contains("smbd_connect") && !l.contains("smbd_arrival"))
        .for_each(|l| session.line(l).unwrap());
    assert_eq!(session.seen.shown, 0);
    assert!(session.seen.unknown > 100);
    assert!(session.summary().contains("does not say peer"));
}

#[test]
fn lines_in_pieces() {
    let text = "one\ntwo\r\n\nthree \u{e9}\nlast";
    let whole = ["one", "two", "three \u{e9}", "last"];
    for size in 1..=text.len() {
        let (mut lines, mut got) = (Lines::default(), Vec::new());
        for piece in text.as_bytes().chunks(size) {
            lines.push(piece, |l| got.push(l.to_owned()));
        }
        lines.flush(|l| got.push(l.to_owned()));
        assert_eq!(got, whole, "pieces of {size}");
    }
    let (mut lines, mut longest, mut sum) = (Lines::default(), 0, 0);
    for _ in 0..100 {
        lines.push(&[b'x'; 10_000], |l| {
            longest = longest.max(l.len());
            sum += l.len();
        });
    }
    assert_eq!(longest, line::LONGEST);
    assert!(sum > 990_000);
}
