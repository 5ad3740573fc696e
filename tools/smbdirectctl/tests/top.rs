// SPDX-License-Identifier: GPL-2.0

//! `smbdirectctl top`: keys, order, and what is drawn on a terminal that is a buffer.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)] // a test that panics has failed

mod tree;

use ratatui::{
    backend::TestBackend,
    crossterm::event::{KeyCode, KeyEvent, KeyModifiers},
    Terminal,
};
use smbdirectctl::{
    state::State,
    top::{
        app::{App, Latency, Sort},
        draw,
        latency::Latencies,
        recorder::Why,
    },
};
use std::time::Duration;
use tree::Tree;

const SECOND: Duration = Duration::from_secs(1);

fn screen(app: &App, width: u16, height: u16) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw::all(frame, app)).unwrap();
    let buffer = terminal.backend().buffer();
    let line = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect();
    (0..height).map(line).collect()
}

fn press(app: &mut App, code: KeyCode) {
    app.key(KeyEvent::new(code, KeyModifiers::NONE));
}

fn ids(app: &App) -> Vec<u64> {
    app.rows().iter().map(|row| row.connection.id).collect()
}

/// A server's connection with so many bytes by RDMA, in messages, and waits.
fn connection(tree: &Tree, id: u64, read: u64, inline: u64, stalls: u64, age: u64) {
    tree.connection(
        id,
        &tree::SERVER_INFO
            .replace("10.9.0.2", &format!("10.9.0.{id}"))
            .replace("age_msec 65400", &format!("age_msec {age}")),
        &format!("rdma_reads {id}\nrdma_read_bytes {read}\ninline_sent_bytes {inline}\ncredit_stalls {stalls}\n"),
    );
}

/// Three connections that moved something in a second.
fn working() -> (Tree, App) {
    let tree = Tree::healthy();
    tree.remove("sys/kernel/smbdirect/connections/7")
        .remove("sys/kernel/smbdirect/connections/8");
    for (id, age) in [(1, 5000), (2, 9000), (3, 7000)] {
        connection(&tree, id, 0, 0, 0, age);
    }
    let mut app = App::default();
    app.look(State::read(&tree.root()), Duration::ZERO);
    connection(&tree, 1, 1000, 500, 9, 6000);
    connection(&tree, 2, 3_000_000, 0, 1, 10_000);
    connection(&tree, 3, 200_000, 50, 4, 8000);
    app.look(State::read(&tree.root()), SECOND);
    (tree, app)
}

#[test]
fn drawing() {
    let (_tree, app) = working();
    let screen = screen(&app, 100, 24);
    let text = screen.join("\n");
    let has = |line: &str| {
        let words = |l: &str| l.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            screen.iter().any(|l| words(l).contains(line)),
            "no '{line}' in:\n{text}"
        );
    };
    has("RDMA in use: yes (3 connections)");
    has("RDMA in 3.2 MB/s, out 0 B/s inline in 0 B/s, out 550 B/s 0 op/s 14 stalls/s");
    has("all: 3.2 MB/s, most 3.2 MB/s");
    has("3 connections, sorted by bytes");
    has("ID ROLE PEER DEVICE RDMA INLINE OP/S STALLS/S CREDITS");
    has("2 server 10.9.0.2:49152 rxe0 3 MB/s 0 B/s 0 1 254");
    has("CONNECTED, 6 s old, in use");
    has("outstanding: 1 sends, 2 RDMA, 0 regions");
    has("q quit");
    // the graph's last column is full: it is the most that there was
    assert!(text.contains('█'), "{text}");
    // the busiest one is at the top
    let at = |peer: &str| screen.iter().position(|l| l.contains(peer)).unwrap();
    assert!(at(" 10.9.0.2:") < at(" 10.9.0.3:") && at(" 10.9.0.3:") < at(" 10.9.0.1:"));
}

#[test]
fn order() {
    let (_tree, mut app) = working();
    assert_eq!(ids(&app), [2, 3, 1]);
    for (sort, order) in [
        (Sort::Operations, [1, 2, 3]),
        (Sort::Stalls, [1, 3, 2]),
        (Sort::Age, [2, 3, 1]),
        (Sort::Peer, [1, 2, 3]),
        (Sort::Bytes, [2, 3, 1]),
    ] {
        press(&mut app, KeyCode::Char('s'));
        assert_eq!((app.sort, ids(&app)), (sort, order.to_vec()));
    }
    press(&mut app, KeyCode::Char('r'));
    assert_eq!(ids(&app), [1, 3, 2]);
    assert!(screen(&app, 100, 24)
        .join("\n")
        .contains("reversed by bytes"));
}

#[test]
fn selection() {
    let (tree, mut app) = working();
    let selected = |app: &App| app.selected().map(|(row, _)| row.connection.id);
    // the first one of the first look, wherever it is now
    assert_eq!(selected(&app), Some(1));
    press(&mut app, KeyCode::Up);
    assert_eq!(selected(&app), Some(3));
    press(&mut app, KeyCode::Char('k'));
    press(&mut app, KeyCode::Up);
    assert_eq!(selected(&app), Some(2));
    press(&mut app, KeyCode::Down);
    assert_eq!(selected(&app), Some(3));
    // it stays selected when the order changes, and another is when it goes
    press(&mut app, KeyCode::Char('r'));
    press(&mut app, KeyCode::Char('s'));
    assert_eq!(selected(&app), Some(3));
    tree.remove("sys/kernel/smbdirect/connections/3");
    app.look(State::read(&tree.root()), SECOND);
    assert_eq!(ids(&app).len(), 2);
    assert_eq!(selected(&app), Some(ids(&app)[0]));
    for id in [1, 2] {
        tree.remove(&format!("sys/kernel/smbdirect/connections/{id}"));
    }
    app.look(State::read(&tree.root()), SECOND);
    assert_eq!(selected(&app), None);
    press(&mut app, KeyCode::Down);
    assert!(screen(&app, 100, 24).join("\n").contains("no connection"));
}

/// Transfers of connection 1, the client's requests of 8, and what the kernel lost.
fn recorded(client: bool, lost: bool) -> Latencies {
    let mut all = Latencies::default();
    let mut line = |micros: u64, task: u64, text: String| {
        let (whole, part) = (micros / 1_000_000, micros % 1_000_000);
        all.line(&format!(
            " k-{task} [000] ..... {whole}.{part:06}: smbd_{text}"
        ));
    };
    for n in 0..100 {
        let took = if n < 90 { 310 } else { 2100 };
        let transfer = "conn=1 op=read length=1 descriptors=1 error=0";
        line(n, n, format!("rdma_begin: {transfer}"));
        line(n + took, n, format!("rdma_end: {transfer}"));
        if client {
            line(
                n,
                n,
                format!("reg: conn=8 key={n:#x} iova=0x0 length=1 access=read"),
            );
            line(n + 5000, n, format!("remote_inv: conn=8 key={n:#x} ok=1"));
        }
    }
    if lost {
        all.line("CPU:0 [LOST 1200 EVENTS]");
    }
    all
}

#[test]
fn latency() {
    let (_tree, mut app) = working();
    let text = |app: &App, width| screen(app, width, 24).join("\n");
    assert!(!text(&app, 100).contains("latency:"));
    app.latency = Latency::On(recorded(false, false));
    let lines = screen(&app, 100, 24);
    let all = lines.join("\n");
    assert!(
        all.contains("┐┌ RDMA latency, 10 s: median 304 µs, 99 % 2.2 ms ─"),
        "{all}"
    );
    // the whole height where most are, below what is left of a tenth, above their labels
    let place = |line: &str, c: char| line.chars().position(|x| x == c);
    let axis = lines.iter().position(|l| l.contains("32 µs")).unwrap();
    assert!(
        lines[axis].contains("1 µs      32 µs     1 ms      32 ms     1 s"),
        "{all}"
    );
    let left = place(&lines[axis], '1').unwrap();
    let bar = |at: usize| lines[axis - 1].chars().nth(left + 2 * at).unwrap();
    assert_eq!((bar(8), bar(11), bar(9)), ('█', '▂', ' '), "{all}");
    assert_eq!(lines[axis - 3].chars().nth(left + 16), Some('█'), "{all}");
    // of the selected connection
    assert!(
        all.contains("RDMA latency: median 304 µs, 99 % 2.2 ms"),
        "{all}"
    );
    press(&mut app, KeyCode::Up);
    assert!(text(&app, 100).contains("RDMA latency: nothing yet"));
    // throughput is still there
    assert!(all.contains("all: 3.2 MB/s, most 3.2 MB/s"), "{all}");

    app.latency = Latency::On(recorded(true, true));
    let all = text(&app, 100);
    assert!(
        all.contains("10 s: server 304 µs/2.2 ms, client 4.9 ms/4.9 ms"),
        "{all}"
    );
    assert!(all.contains(" 1.2 k events lost "), "{all}");

    app.latency = Latency::On(Latencies::default());
    assert!(text(&app, 100).contains("RDMA latency, 10 s: nothing yet"));
    app.latency = Latency::None(Why {
        text: "only root may trace\u{1b}[2J".into(),
        passing: false,
    });
    let all = text(&app, 100);
    assert!(all.contains("RDMA latency: no tracing"), "{all}");
    assert!(all.contains("only root may trace\u{fffd}[2J"), "{all}");
}

#[test]
fn latency_key() {
    let mut app = App::default();
    press(&mut app, KeyCode::Char('l'));
    assert!(matches!(app.latency, Latency::Asked));
    for latency in [
        Latency::Asked,
        Latency::On(Latencies::default()),
        Latency::None(Why {
            text: String::new(),
            passing: true,
        }),
    ] {
        app.latency = latency;
        press(&mut app, KeyCode::Char('l'));
        assert!(matches!(app.latency, Latency::Off));
    }
}

#[test]
fn pause_and_end() {
    let (tree, mut app) = working();
    press(&mut app, KeyCode::Char('p'));
    connection(&tree, 4, 0, 0, 0, 0);
    app.look(State::read(&tree.root()), SECOND);
    assert_eq!(ids(&app).len(), 3);
    assert!(screen(&app, 100, 24).join("\n").contains("PAUSED"));
    // what moved meanwhile did not move in the second after it
    connection(&tree, 2, 900_000_000, 0, 1, 10_000);
    app.look(State::read(&tree.root()), SECOND);
    press(&mut app, KeyCode::Char('p'));
    connection(&tree, 2, 900_000_500, 0, 1, 10_000);
    app.look(State::read(&tree.root()), SECOND);
    assert_eq!(ids(&app).len(), 4);
    assert_eq!(app.total.bytes(), 500.0);
    assert!(!app.ended());
    press(&mut app, KeyCode::Char('c'));
    assert!(!app.ended());
    app.key(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL));
    assert!(app.ended());
    for code in [KeyCode::Esc, KeyCode::Char('q')] {
        let mut app = App::default();
        press(&mut app, code);
        assert!(app.ended());
    }
}

/// Any size, nothing to show, more history than is kept.
#[test]
fn limits() {
    let (tree, mut app) = working();
    for _ in 0..600 {
        app.look(State::read(&tree.root()), SECOND);
    }
    assert_eq!(app.history.last(10_000).len(), 512);
    assert_eq!(app.history.most(), 0, "what moved is forgotten");
    let empty = App::default();
    let mut full = working().1;
    full.latency = Latency::On(recorded(true, true));
    let mut without = working().1;
    without.latency = Latency::None(Why {
        text: "no ".repeat(1000),
        passing: false,
    });
    let mut nothing = App::default();
    nothing.look(State::read(&Tree::empty().root()), SECOND);
    for (width, height) in [
        (1, 1),
        (3, 2),
        (20, 5),
        (71, 9),
        (72, 24),
        (80, 24),
        (300, 100),
    ] {
        for app in [&app, &empty, &nothing, &full, &without] {
            assert_eq!(screen(app, width, height).len(), usize::from(height));
        }
    }
    assert!(screen(&nothing, 80, 24)[0].starts_with("RDMA in use: no (smbdirect.ko is not loaded)"));
}
