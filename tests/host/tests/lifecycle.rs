// SPDX-License-Identifier: GPL-2.0

//! The states of a socket: the whole table as a picture, and what has to be true of it.

use smbdirect_core::lifecycle::{Event, Invalid, Status, TRANSITIONS};
use std::collections::HashSet;
use std::fmt::Write;

/// The table in the language of graphviz. Steps that change nothing are left out.
fn dot() -> String {
    let mut out = String::from("digraph lifecycle {\n    node [shape=box];\n");
    for status in Status::ALL {
        writeln!(
            out,
            "    {} [label=\"{} {}\"];",
            status,
            status.number(),
            status
        )
        .expect("string");
    }
    for t in TRANSITIONS.iter().filter(|t| t.from != t.to) {
        writeln!(out, "    {} -> {} [label=\"{:?}\"];", t.from, t.to, t.event).expect("string");
    }
    out.push_str("}\n");
    out
}

/// A new or a lost edge shows as a difference. To accept it, run the test with `UPDATE=1`.
#[test]
fn picture() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/snapshots/lifecycle.dot");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, dot()).expect("the snapshot can be written");
    }
    let stored = std::fs::read_to_string(path).expect("the snapshot is there");
    assert!(stored == dot(), "the table has changed:\n{}", dot());
    // The same picture is in the documentation.
    let doc = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../Documentation/protocol-core.md"
    );
    let doc = std::fs::read_to_string(doc).expect("the documentation is there");
    assert!(
        doc.contains(&stored),
        "Documentation/protocol-core.md has another picture"
    );
}

#[test]
fn numbers_and_names_that_users_see() {
    let names: Vec<_> = Status::ALL.iter().map(|s| s.name()).collect();
    assert_eq!(
        names,
        [
            "CREATED",
            "LISTENING",
            "RESOLVE_ADDR_NEEDED",
            "RESOLVE_ADDR_RUNNING",
            "RESOLVE_ADDR_FAILED",
            "RESOLVE_ROUTE_NEEDED",
            "RESOLVE_ROUTE_RUNNING",
            "RESOLVE_ROUTE_FAILED",
            "RDMA_CONNECT_NEEDED",
            "RDMA_CONNECT_RUNNING",
            "RDMA_CONNECT_FAILED",
            "NEGOTIATE_NEEDED",
            "NEGOTIATE_RUNNING",
            "NEGOTIATE_FAILED",
            "CONNECTED",
            "ERROR",
            "DISCONNECTING",
            "DISCONNECTED",
            "DESTROYED",
        ]
    );
    for (i, status) in Status::ALL.iter().enumerate() {
        assert_eq!(usize::from(status.number()), i);
        assert_eq!(status.to_string(), status.name());
    }
}

#[test]
fn one_step_for_each_pair() {
    let mut seen = HashSet::new();
    for t in TRANSITIONS {
        assert!(seen.insert((t.from, t.event)), "{t:?} is there twice");
        assert_eq!(t.from.next(t.event), Ok(t.to));
    }
    for &from in Status::ALL {
        for &event in Event::ALL {
            if !seen.contains(&(from, event)) {
                assert_eq!(from.next(event), Err(Invalid { from, event }));
            }
        }
    }
}

fn walk(events: &[Event]) -> Status {
    events.iter().fold(Status::Created, |s, &e| {
        s.next(e).unwrap_or_else(|e| panic!("{e}"))
    })
}

const CLIENT: [Event; 9] = [
    Event::Connect,
    Event::Begin,
    Event::AddrResolved,
    Event::Begin,
    Event::RouteResolved,
    Event::Begin,
    Event::Established,
    Event::Begin,
    Event::Negotiated,
];
const CHILD: [Event; 5] = [
    Event::Arrived,
    Event::Begin,
    Event::Established,
    Event::Begin,
    Event::Negotiated,
];

#[test]
fn usual_ways() {
    assert_eq!(walk(&CLIENT), Status::Connected);
    assert_eq!(walk(&CHILD), Status::Connected);
    assert_eq!(walk(&[Event::Listen]), Status::Listening);
    let mut life = CHILD.to_vec();
    life.extend([
        Event::Disconnect,
        Event::Fail,
        Event::Cleanup,
        Event::Release,
    ]);
    assert_eq!(walk(&life), Status::Destroyed);
    let mut life = CLIENT.to_vec();
    life.extend([
        Event::Fail,
        Event::Cleanup,
        Event::Disconnect,
        Event::Release,
    ]);
    assert_eq!(walk(&life), Status::Destroyed);
}

/// Teardown works from everywhere, and a second failure moves nothing back.
#[test]
fn every_state_can_be_torn_down() {
    for way in [&CLIENT[..], &CHILD[..], &[Event::Listen][..]] {
        for n in 0..=way.len() {
            let before = walk(&way[..n]);
            let failed = before.next(Event::Fail).expect("anything can fail");
            assert!(failed.number() > before.number());
            assert_eq!(failed.next(Event::Fail), Ok(failed));
            let cleaned = failed
                .next(Event::Cleanup)
                .expect("after a failure comes the cleanup");
            let had_connection = before.number() >= Status::NegotiateNeeded.number();
            let expected = if had_connection {
                Status::Disconnecting
            } else {
                Status::Disconnected
            };
            assert_eq!(cleaned, expected, "from {before}");
            assert_eq!(cleaned.next(Event::Cleanup), Ok(cleaned));
            assert_eq!(cleaned.next(Event::Fail), Ok(cleaned));
            assert_eq!(cleaned.next(Event::Release), Ok(Status::Destroyed));
        }
    }
}

/// No way leads back, and nothing leads out of the end.
#[test]
fn numbers_only_grow() {
    for t in TRANSITIONS {
        assert!(t.to.number() >= t.from.number(), "{t:?}");
        assert_ne!(t.from, Status::Destroyed);
    }
    assert_eq!(
        Status::Destroyed
            .next(Event::Fail)
            .expect_err("the end")
            .to_string(),
        "event Fail in state DESTROYED"
    );
}

/// Data never flows without a negotiation, and nobody is accepted twice.
#[test]
fn connected_has_one_way_in() {
    let ways: Vec<_> = TRANSITIONS
        .iter()
        .filter(|t| t.to == Status::Connected)
        .collect();
    assert_eq!(ways.len(), 1);
    assert_eq!(
        (ways[0].from, ways[0].event),
        (Status::NegotiateRunning, Event::Negotiated)
    );
    assert!(Status::Connected.next(Event::Negotiated).is_err());
    assert!(Status::NegotiateFailed.next(Event::Negotiated).is_err());
}
