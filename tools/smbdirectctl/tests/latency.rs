// SPDX-License-Identifier: GPL-2.0

//! How long RDMA takes, out of lines of a recording, whatever these are.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)] // a test that panics has failed

mod tree;

use smbdirectctl::{
    root::Root,
    top::{
        histogram::Histogram,
        latency::{Latencies, Side, EVENTS, SECONDS},
        recorder::{Recorder, Why},
    },
    trace::events,
};
use std::time::Duration;
use tree::Tree;

/// Lines with a time in microseconds, a task and what is behind the name's prefix.
fn feed(to: &mut Latencies, lines: &[(u64, &str, &str)]) {
    for (micros, task, text) in lines {
        let (whole, part) = (micros / 1_000_000, micros % 1_000_000);
        to.line(&format!(
            "  kworker/u8:1-{task}  [001] ..s1.  {whole}.{part:06}: smbd_{text}"
        ));
    }
}

fn write(end: bool, conn: u64) -> String {
    let name = if end { "rdma_end" } else { "rdma_begin" };
    format!("{name}: conn={conn} op=write length=4096 descriptors=1 error=0")
}

/// Bars that are not empty, by power of two.
fn bars(all: &Histogram) -> Vec<(usize, u64)> {
    let bars = all.bars().into_iter().enumerate();
    bars.filter(|(_, n)| *n != 0).collect()
}

#[test]
fn server_and_client() {
    let mut all = Latencies::default();
    feed(
        &mut all,
        &[
            (
                1000,
                "1",
                "rdma_begin: conn=7 op=read length=65536 descriptors=1 error=0",
            ),
            (
                1100,
                "2",
                "rdma_begin: conn=7 op=write length=65536 descriptors=1 error=0",
            ),
            (
                1200,
                "3",
                "reg: conn=8 key=0x516 iova=0xffff888008e4e000 length=1048576 access=read",
            ),
            (
                1201,
                "3",
                "reg: conn=8 key=0x517 iova=0xffff888008e4e000 length=1048576 access=write",
            ),
            (
                1310,
                "1",
                "rdma_end: conn=7 op=read length=65536 descriptors=1 error=0",
            ),
            (
                1500,
                "2",
                "rdma_end: conn=7 op=write length=65536 descriptors=1 error=0",
            ),
            (3300, "9", "remote_inv: conn=8 key=0x517 ok=1"),
            (9200, "9", "local_inv: conn=8 key=0x516 ok=1"),
        ],
    );
    assert_eq!(bars(&all.all(Side::Server)), [(8, 2)]);
    assert_eq!(bars(&all.all(Side::Client)), [(11, 1), (12, 1)]);
    assert_eq!(all.of(7), all.all(Side::Server));
    assert_eq!(all.of(8), all.all(Side::Client));
    assert_eq!(all.of(9).count(), 0);
    assert_eq!((all.outstanding(), all.lost()), (0, 0));
    assert_eq!(all.of(7).to_string(), "median 304 µs, 99 % 400 µs");
}

/// The recording of a mount that the tests of `trace` have.
#[test]
fn of_a_mount() {
    let mut all = Latencies::default();
    let text = include_str!("trace/mount.trace");
    text.lines().for_each(|line| all.line(line));
    let begun = |name: &str| text.matches(name).count() as u64;
    assert_ne!(begun(" smbd_rdma_end: "), 0);
    assert_eq!(all.all(Side::Server).count(), begun(" smbd_rdma_end: "));
    assert_eq!(all.all(Side::Client).count(), begun(" smbd_reg: "));
    assert_eq!(all.outstanding(), 0);
}

/// The same transfer in many tasks at once, whose ends come in another order.
#[test]
fn many_outstanding() {
    let mut all = Latencies::default();
    for task in 1..=200u64 {
        feed(&mut all, &[(task, &task.to_string(), &write(false, 7))]);
    }
    assert_eq!(all.outstanding(), 200);
    for task in (1..=200u64).rev() {
        feed(
            &mut all,
            &[(task + 5000, &task.to_string(), &write(true, 7))],
        );
    }
    assert_eq!(bars(&all.of(7)), [(12, 200)]);
    // tasks that are not known: in order of begin
    let mut all = Latencies::default();
    let unknown = "<...>";
    feed(
        &mut all,
        &[
            (0, unknown, &write(false, 7)),
            (100, unknown, &write(false, 7)),
        ],
    );
    feed(
        &mut all,
        &[
            (70, unknown, &write(true, 7)),
            (170, unknown, &write(true, 7)),
        ],
    );
    assert_eq!(bars(&all.of(7)), [(6, 2)]);
}

#[test]
fn what_does_not_count() {
    let mut all = Latencies::default();
    feed(
        &mut all,
        &[
            // began before
            (10, "1", &write(true, 7)),
            (11, "1", "remote_inv: conn=8 key=0x1 ok=1"),
            // failed
            (
                20,
                "1",
                "rdma_begin: conn=7 op=read length=1 descriptors=1 error=0",
            ),
            (
                30,
                "1",
                "rdma_end: conn=7 op=read length=1 descriptors=1 error=-103",
            ),
            (40, "1", "reg: conn=8 key=0x2 iova=0x0 length=1 access=read"),
            (50, "1", "local_inv: conn=8 key=0x2 ok=0"),
            // another direction, length, connection, task
            (60, "1", &write(false, 7)),
            (
                61,
                "1",
                "rdma_end: conn=7 op=read length=4096 descriptors=1 error=0",
            ),
            (
                62,
                "1",
                "rdma_end: conn=7 op=write length=4097 descriptors=1 error=0",
            ),
            (63, "1", &write(true, 9)),
            (64, "2", &write(true, 7)),
            // before it began
            (59, "1", &write(true, 7)),
            // an iWARP server's own memory
            (
                70,
                "1",
                "reg: conn=7 key=0x3 iova=0x0 length=1 access=write",
            ),
            (80, "1", "local_inv: conn=7 key=0x3 ok=1"),
        ],
    );
    assert_eq!(
        all.all(Side::Server).count() + all.all(Side::Client).count(),
        0
    );
    assert_eq!(all.outstanding(), 0);
    // the peer names a key that is not registered for it: the region still is
    feed(
        &mut all,
        &[
            (
                100,
                "1",
                "reg: conn=8 key=0x4 iova=0x0 length=1 access=read",
            ),
            (101, "1", "remote_inv: conn=8 key=0x4 ok=0"),
            (228, "1", "remote_inv: conn=8 key=0x4 ok=1"),
        ],
    );
    assert_eq!(bars(&all.of(8)), [(7, 1)]);
}

#[test]
fn lost_and_used_again() {
    let mut all = Latencies::default();
    feed(
        &mut all,
        &[
            // the end of the first one of each is missing
            (0, "1", "reg: conn=8 key=0x4 iova=0x0 length=1 access=read"),
            (
                5000,
                "1",
                "reg: conn=8 key=0x4 iova=0x0 length=1 access=read",
            ),
            (5010, "1", "local_inv: conn=8 key=0x4 ok=1"),
            (0, "2", &write(false, 7)),
            (5000, "2", &write(false, 7)),
            (5010, "2", &write(true, 7)),
        ],
    );
    assert_eq!(bars(&all.of(8)), [(3, 1)]);
    assert_eq!(bars(&all.of(7)), [(3, 1)]);
    feed(&mut all, &[(6000, "<...>", &write(false, 7))]);
    all.line("CPU:1 [LOST 23 EVENTS]");
    all.line("CPU:0 [LOST EVENTS]");
    assert_eq!((all.lost(), all.outstanding()), (24, 0));
    feed(
        &mut all,
        &[
            (9000, "<...>", &write(false, 7)),
            (9010, "<...>", &write(true, 7)),
        ],
    );
    assert_eq!(bars(&all.of(7)), [(3, 2)]);
    feed(&mut all, &[(10_000, "1", &write(false, 7))]);
    all.forget();
    assert_eq!(all.outstanding(), 0);
}

#[test]
fn only_the_last_seconds() {
    let mut all = Latencies::default();
    let once = |all: &mut Latencies, second: u64| {
        all.advance(Duration::from_secs(second));
        feed(
            all,
            &[(0, "1", &write(false, 7)), (8, "1", &write(true, 7))],
        );
    };
    once(&mut all, 0);
    all.line("CPU:1 [LOST 5 EVENTS]");
    for second in 1..SECONDS as u64 {
        once(&mut all, second);
    }
    assert_eq!((all.of(7).count(), all.lost()), (SECONDS as u64, 5));
    once(&mut all, SECONDS as u64);
    assert_eq!((all.of(7).count(), all.lost()), (SECONDS as u64, 0));
    // a clock that goes back, and one that leaps
    all.advance(Duration::ZERO);
    assert_eq!(all.of(7).count(), SECONDS as u64);
    all.advance(Duration::MAX);
    assert_eq!(all.of(7).count(), 0);
    once(&mut all, u64::MAX);
    assert_eq!(all.all(Side::Server).count(), 1);
}

/// Begins without ends, and connections, without end: memory is bounded, and the newest are known.
#[test]
fn bounds() {
    let mut all = Latencies::default();
    for n in 0..40_000u64 {
        feed(
            &mut all,
            &[(
                n,
                "1",
                &format!("reg: conn=8 key={n:#x} iova=0x0 length=1 access=read"),
            )],
        );
    }
    assert_eq!(all.outstanding(), 16 << 10);
    feed(
        &mut all,
        &[
            (40_000, "1", "local_inv: conn=8 key=0x0 ok=1"),
            (
                40_001,
                "1",
                &format!("local_inv: conn=8 key={:#x} ok=1", 39_999),
            ),
        ],
    );
    assert_eq!(all.of(8).count(), 1);
    for conn in 100..40_100 {
        feed(
            &mut all,
            &[(0, "1", &write(false, conn)), (9, "1", &write(true, conn))],
        );
    }
    assert_eq!(all.all(Side::Server).count(), 40_000);
    let each: u64 = (100..40_100).map(|conn| all.of(conn).count()).sum();
    assert_eq!(each, (16 << 10) - 1);
}

/// Nothing panics; and what is not understood counts nothing.
#[test]
fn garbage() {
    let good = [
        "  k-1  [001] ..s1.  1.000001: smbd_rdma_begin: conn=7 op=write length=4096 descriptors=1 error=0",
        "  k-1  [001] ..s1.  1.000009: smbd_rdma_end: conn=7 op=write length=4096 descriptors=1 error=0",
        "  k-1  [001] ..s1.  1.000010: smbd_reg: conn=8 key=0x4 iova=0x0 length=1 access=read",
        "  k-1  [001] ..s1.  1.000020: smbd_local_inv: conn=8 key=0x4 ok=1",
        "CPU:1 [LOST 5 EVENTS]",
    ];
    let mut all = Latencies::default();
    for line in [
        "",
        "[",
        "[1]",
        "\u{fffd}\u{0}[001]: : :",
        "k-1 [001] .... 5: smbd_rdma_begin: conn=7 op=write length=1 descriptors=1 error=0",
        "k-1 [001] .... 5.0: smbd_rdma_begin:",
        "k-1 [001] .... 5.0: smbd_rdma_begin: conn=7",
        "k-1 [001] .... 5.0: smbd_rdma_begin: conn=7 op=copy length=1",
        "k-1 [001] .... 5.0: smbd_rdma_begin: conn=-7 op=read length=1",
        "k-1 [001] .... 5.0: smbd_reg: conn=8",
        "k-1 [001] .... 5.0: smbd_reg: conn=8 key=0xfffffffffffffffffffff",
        "k-1 [001] .... 99999999999999999999.0: smbd_reg: conn=8 key=0x1",
        "k-1 [001] .... 5.0: smbd_send: conn=8 length=1",
        "k-1 [001] .... 5.0: other_reg: conn=8 key=0x1",
    ] {
        all.line(line);
    }
    assert_eq!(all.outstanding(), 0);
    // each line cut anywhere, and with any byte changed
    for line in good {
        for at in 0..line.len() {
            all.line(&line[..at]);
            all.line(&line[at..]);
            for byte in [b'0', b'9', b' ', b'=', b'[', b':', b'-', 0] {
                let mut bytes = line.as_bytes().to_vec();
                bytes[at] = byte;
                all.line(&String::from_utf8(bytes).unwrap());
            }
        }
    }
    assert!(all.all(Side::Server).quantile(99).is_some());
}

/// What is recorded are events that there are; where there is no tracing, it is said why.
#[test]
fn recorder() {
    for name in EVENTS {
        assert!(events::find(name).is_some(), "{name}");
    }
    let why = |root: &Root| Recorder::begin(root).err();
    assert_eq!(
        why(&Tree::healthy().root()),
        Some(Why {
            text: "these are files of another machine".into(),
            passing: false
        })
    );
}
