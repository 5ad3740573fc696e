// SPDX-License-Identifier: GPL-2.0

//! `smbdirectctl check`: listeners and configuration of a server.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)] // a test that panics has failed

mod tree;

use smbdirectctl::check::{fault::Fault, Outcome};
use tree::check::*;

#[test]
fn listeners() {
    // iWARP has a port of its own
    let tree = machine();
    tree.write("sys/kernel/smbdirect/devices/rxe0/family", "iwarp\n");
    assert_eq!(server(&tree).fault(), Some(Fault::NoListener));
    let text = server(&tree).text(false);
    assert!(
        text.contains("nobody listens on rxe0 port 5445; only on rxe0 port 445"),
        "{text}"
    );
    tree.change(CM, "445", "5445");
    assert_eq!(server(&tree).fault(), None);
    tree.change(CM, "0.0.0.0", "[::]");
    assert_eq!(server(&tree).fault(), None);
    // nothing at all is no error of the program
    tree.write(CM, "");
    assert_eq!(server(&tree).fault(), Some(Fault::NoListener));
    for strange in ["{", "{}"] {
        tree.write(CM, strange);
        let report = server(&tree);
        assert!(matches!(
            report.outcome("listener"),
            Some(Outcome::Unknown(_))
        ));
    }
    tree.remove(CM);
    let report = server(&tree);
    assert_eq!(report.fault(), None);
    assert!(report
        .text(false)
        .ends_with("not everything could be told.\n"));
}

#[test]
fn configuration() {
    let tree = machine();
    // ksmbd's default is no
    tree.write(CONF, "[global]\nmax connections = 9\n");
    assert_eq!(server(&tree).fault(), Some(Fault::MultichannelOff));
    tree.write(
        CONF,
        "[Global]\n\tServer Multi Channel Support = Yes ; of course\n",
    );
    assert_eq!(server(&tree).fault(), None);
    // policy and interfaces that leave something
    let set = |name: &str, text: &str| {
        tree.write(&format!("{CONFIGFS}/{name}"), text);
        server(&tree).fault()
    };
    for (shares, fault) in [
        ("* default 0 0 0\n", None),
        ("* off 0 0 0\n", Some(Fault::PolicyOff)),
        ("* off 0 0 0\ndata auto 0 0 0\n", None),
        ("* off 0 0 0\ndata default 0 0 0\n", Some(Fault::PolicyOff)),
        ("* auto 0 0 0\ndata off 0 0 0\n", Some(Fault::PolicyOff)),
        ("* auto 0 0 0\ndata off 0 0 0\nb required 0 0 0\n", None),
    ] {
        assert_eq!(set("shares", shares), fault, "{shares}");
    }
    // one that is not listed may allow it
    assert_eq!(set("shares", "* off 0 0 0\nand 2 more\n"), None);
    assert!(matches!(
        server(&tree).outcome("policy"),
        Some(Outcome::Unknown(_))
    ));
    assert_eq!(set("shares", "* default 0 0 0\n"), None);
    for (list, fault) in [
        ("default", None),
        ("eth1", None),
        ("rxe0", None),
        ("eth*", None),
        ("10.9.0.0/16", None),
        ("fd09::/64", None),
        ("!eth2", None),
        ("!eth1", Some(Fault::InterfaceExcluded)),
        ("10.8.0.1", Some(Fault::InterfaceExcluded)),
        ("!10.9.0.1", Some(Fault::InterfaceExcluded)),
    ] {
        assert_eq!(set("interfaces", list), fault, "{list}");
    }
    assert_eq!(set("interfaces", "default"), None);
    assert_eq!(set("capabilities", "eth1=rdma"), None);
    assert_eq!(
        set("capabilities", "eth1=none"),
        Some(Fault::InterfaceExcluded)
    );
}
