// SPDX-License-Identifier: GPL-2.0

//! `smbdirectctl status` over machines made of files.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)] // a test that panics has failed

mod tree;

use serde_json::Value;
use smbdirectctl::{
    rates::Interval,
    state::{shares::Shares, State},
    status, verdict,
};
use std::time::Duration;
use tree::Tree;

fn text(tree: &Tree) -> String {
    status::render(&State::read(&tree.root()), None, false)
}

fn reason(tree: &Tree) -> (bool, &'static str) {
    let verdict = verdict::of(&State::read(&tree.root()), None);
    (verdict.in_use, verdict.reason)
}

#[test]
fn tables() {
    let tree = Tree::healthy();
    let text = text(&tree);
    let has = |line: &str| {
        let words = |l: &str| l.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            text.lines().any(|l| words(l) == line),
            "no '{line}' in:\n{text}"
        );
    };
    has("RDMA in use: yes (2 connections)");
    has("smbdirect loaded, in Rust");
    has("ksmbd loaded, uses smbdirect, running");
    has("rxe0 1 RoCE ACTIVE 2.5 Gb/sec (1X SDR) eth1 2 640 KiB 320 KiB 4 KiB");
    has("eth1 up 9000 100000 Mb/s rxe0 10.9.0.1 fd09::1");
    has("7 server 10.9.0.2:49152 rxe0 CONNECTED 1 min 5 s 1364 1364 131072 8388608");
    has("8 client [fd09::2]:445 rxe0 CONNECTED 1 h 1 min 1364 8192 1048576 1048576");
    has("7 640 KiB 320 KiB - 5.9 KiB 4.9 KiB 7");
    has("8 - - 4 KiB 100 B 200 B 0");
    has("7 254 255 255 3 1 2 0 512 KiB");
    has("failed unreachable 1");
    has("ended keepalive_timeout 1");
    has("protocol error data_too_short 2");
    has("module does not offer it: no policy of shares, or configfs is not mounted");
    // loopback is no network
    assert!(!text.contains(" lo "));
}

#[test]
fn as_json() {
    let tree = Tree::healthy();
    let json = status::render(&State::read(&tree.root()), None, true);
    let v: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(v["format"], 1);
    assert_eq!(v["rdma_in_use"], true);
    assert_eq!(v["reason"], "connected");
    assert_eq!(v["modules"]["smbdirect"], "rust");
    assert_eq!(v["modules"]["ksmbd_state"], "running");
    assert_eq!(v["connections"][0]["id"], 7);
    assert_eq!(v["connections"][0]["peer"], "10.9.0.2:49152");
    assert_eq!(
        v["connections"][0]["info"]["max_read_write_size"],
        8_388_608
    );
    assert_eq!(v["connections"][0]["stats"]["rdma_read_bytes"], 655_360);
    assert!(v["connections"][0].get("per_second").is_none());
    assert_eq!(v["connections"][1]["role"], "client");
    assert_eq!(v["devices"][0]["ports"][0]["netdev"], "eth1");
    assert_eq!(v["devices"][0]["stats"]["rdma_reads"], 10);
    assert_eq!(v["interfaces"][0]["addresses"][0], "10.9.0.1");
    assert_eq!(v["failures"]["failed_unreachable"], 1);
    assert_eq!(v["shares"], Value::Null);
}

#[test]
fn answers() {
    let tree = Tree::healthy();
    assert_eq!(reason(&tree), (true, "connected"));
    let inline = "messages_sent 4\nregistered_bytes 0\ninline_sent_bytes 400\n";
    tree.connection(7, tree::SERVER_INFO, inline);
    tree.connection(8, tree::CLIENT_INFO, inline);
    assert_eq!(reason(&tree), (true, "inline_only"));
    for id in [7, 8] {
        let ended = tree::SERVER_INFO
            .replace("status CONNECTED", "status DISCONNECTED")
            .replace("end_cause none", "end_cause peer");
        tree.connection(id, &ended, inline);
    }
    assert_eq!(reason(&tree), (false, "ended"));
    assert!(text(&tree).contains("DISCONNECTED (peer)"));
    tree.remove("sys/kernel/smbdirect/connections/7")
        .remove("sys/kernel/smbdirect/connections/8");
    assert_eq!(reason(&tree), (false, "no_connection"));
    tree.change(
        "sys/kernel/smbdirect/failures",
        "failed_unreachable 1",
        "failed_unreachable 9",
    );
    assert!(text(&tree).contains("no connection; of those before 9 failed (unreachable)"));
    tree.remove("sys/module/smbdirect/holders/ksmbd")
        .remove("sys/module/smbdirect/holders/cifs");
    assert_eq!(reason(&tree), (false, "no_consumer"));
    tree.write("sys/class/infiniband/rxe0/ports/1/state", "1: DOWN\n");
    assert_eq!(reason(&tree), (false, "no_port"));
    tree.remove("sys/class/infiniband/rxe0")
        .remove("sys/kernel/smbdirect/devices/rxe0");
    assert_eq!(reason(&tree), (false, "no_device"));
    tree.remove("sys/kernel/smbdirect");
    assert_eq!(reason(&tree), (false, "foreign_module"));
    assert!(text(&tree).starts_with("RDMA in use: unknown (the C module"));
    let json = status::render(&State::read(&tree.root()), None, true);
    let v: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(v["rdma_in_use"], Value::Null);
    tree.remove("sys/module/smbdirect");
    assert_eq!(reason(&tree), (false, "no_module"));
    // and a machine with nothing at all
    assert_eq!(reason(&Tree::empty()), (false, "no_module"));
    assert!(text(&Tree::empty()).starts_with("RDMA in use: no"));
}

#[test]
fn rates_between_two_looks() {
    let tree = Tree::healthy();
    let then = State::read(&tree.root());
    tree.connection(
        7,
        tree::SERVER_INFO,
        &tree::SERVER_STATS
            .replace("rdma_read_bytes 655360", "rdma_read_bytes 2655360")
            .replace("rdma_reads 10", "rdma_reads 50")
            .replace("credit_stalls 1", "credit_stalls 7"),
    );
    // came in between
    tree.connection(9, tree::SERVER_INFO, tree::SERVER_STATS);
    let now = State::read(&tree.root());
    let interval = Interval {
        then: &then,
        time: Duration::from_secs(2),
    };
    let of = |at: usize| interval.of(&now.connections[at]);
    let moved = of(0).unwrap();
    assert_eq!(moved.rdma_in, 1_000_000.0);
    assert_eq!((moved.rdma_out, moved.inline()), (0.0, 0.0));
    assert_eq!((moved.operations, moved.stalls), (20.0, 3.0));
    assert_eq!(of(1).unwrap().bytes(), 0.0);
    assert_eq!(of(2), None);
    let text = status::render(&now, Some(&interval), false);
    assert!(text.contains("1 MB/s"), "{text}");
    let v: Value = serde_json::from_str(&status::render(&now, Some(&interval), true)).unwrap();
    assert_eq!(v["connections"][0]["per_second"]["operations"], 20.0);
    // nothing moves: in use, and idle
    assert_eq!(verdict::of(&now, Some(&now)).reason, "idle");
    // a clock that stands still divides by nothing
    let still = Interval {
        then: &then,
        time: Duration::ZERO,
    };
    assert_eq!(still.of(&now.connections[0]).unwrap().bytes(), 0.0);
}

#[test]
fn shares_that_are_listed() {
    let tree = Tree::healthy();
    tree.write(
        "sys/kernel/config/smbdirect/shares",
        "* off 0 0 0\ndata required 0 3 1\nmy files default 4 0 0\nstrange sometimes 0 0 0\nand 12 more\n",
    );
    let state = State::read(&tree.root());
    let Shares::Listed { list, left_off } = &state.shares else {
        panic!("not offered")
    };
    let names: Vec<&str> = list.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names, ["*", "data", "my files"]);
    assert_eq!(*left_off, 12);
    // what says nothing is as all others
    let modes: Vec<&str> = list.iter().map(|s| s.mode.name()).collect();
    assert_eq!(modes, ["off", "required", "off"]);
    assert_eq!(list[2].set, None);
    assert_eq!(
        (list[1].over_rdma, list[1].over_tcp, list[1].cannot_move),
        (0, 3, 1)
    );
    let text = text(&tree);
    assert!(text.contains("not enforced"), "{text}");
    assert!(text.contains("and 12 more: "), "{text}");
    tree.write("sys/module/ksmbd/parameters/smbdirect_policy", "1\n");
    assert!(!status::render(&State::read(&tree.root()), None, false).contains("not enforced"));
    // all of them are in debugfs
    tree.write("sys/kernel/debug/smbdirect/shares", "other auto 0 0 0\n");
    assert_eq!(State::read(&tree.root()).shares.list()[0].name, "other");
}

#[test]
fn nothing_that_is_read_is_believed() {
    let tree = Tree::healthy();
    let dir = "sys/kernel/smbdirect/connections";
    tree.write(&format!("{dir}/notanumber/info"), "role server\n")
        .write(&format!("{dir}/10/info"), "role server\n")
        .write(&format!("{dir}/10/stats"), "")
        .connection(
            12,
            &tree::SERVER_INFO.replace("role server", "role other"),
            "",
        )
        .connection(13, &tree::SERVER_INFO.replace("rxe0", "5"), "")
        .write("sys/class/ksmbd-control/stats", "2 \x1b[2J 445 10\n")
        .connection(
            11,
            &tree::SERVER_INFO.replace("rxe0", "rx\x1b[2Je0"),
            "messages_sent 18446744073709551616\nx -1\n\nrdma_reads 1 2\n",
        )
        .write("sys/class/infiniband/rxe0/ports/zero/state", "4: ACTIVE\n")
        .write("commands/rdma -j link show", "no JSON")
        .write(
            "commands/ip -j address show",
            "[{\"ifname\":4}, 5, {\"ifname\":\"eth1\",\"addr_info\":[{}]}]",
        );
    let state = State::read(&tree.root());
    let ids: Vec<u64> = state.connections.iter().map(|c| c.id).collect();
    assert_eq!(ids, [7, 8, 11, 13]);
    assert!(state.connections[2].stats.is_empty());
    // a name of digits is a name
    assert_eq!(state.connections[3].device, "5");
    assert_eq!(state.connections[3].info.get("device"), None);
    // without the program, sysfs says it
    assert_eq!(state.devices[0].ports[0].netdev.as_deref(), Some("eth1"));
    let text = status::render(&state, None, false);
    assert!(!text.contains('\x1b'), "a terminal would obey this");
    for json in [false, true] {
        assert!(!status::render(&state, None, json).is_empty());
    }
}

/// VLAN on a bridge on the port of an RDMA device.
#[test]
fn interfaces_above() {
    let tree = Tree::healthy();
    for (name, lower) in [("br0", "eth1"), ("br0.7", "br0"), ("eth2", "")] {
        tree.write(&format!("sys/class/net/{name}/flags"), "0x1003\n");
        if !lower.is_empty() {
            tree.link(&format!("sys/class/net/{name}/lower_{lower}"), "../x");
        }
    }
    // a loop, which the kernel would not make
    tree.link("sys/class/net/eth1/lower_br0", "../x");
    let state = State::read(&tree.root());
    let of = |name: &str| {
        let found = state.interfaces.iter().find(|i| i.name == name);
        found.unwrap().devices.join(" ")
    };
    assert_eq!(of("br0.7"), "rxe0");
    assert_eq!(of("eth2"), "");
}

/// The module shows a device under the name that it had at first.
#[test]
fn renamed() {
    let tree = Tree::healthy();
    let dir = "sys/kernel/smbdirect/devices";
    std::fs::rename(
        tree.path().join(dir).join("rxe0"),
        tree.path().join(dir).join("first"),
    )
    .unwrap();
    let state = State::read(&tree.root());
    let shown: Vec<_> = state.devices.iter().map(|d| (&*d.name, d.shown)).collect();
    assert_eq!(shown, [("first", true), ("rxe0", false)]);
    assert!(status::render(&state, None, false).contains("InfiniBand or RoCE"));
    let metrics = smbdirectctl::metrics::render(&state);
    assert!(metrics.contains("smbdirect_device_rdma_reads_total{device=\"first\"} 10\n"));
    let report = smbdirectctl::check::check(&tree.root(), None);
    assert_eq!(report.fault(), None);
}

/// An InfiniBand adapter with two ports, whose interfaces `rdma` does not tell.
#[test]
fn adapter() {
    let tree = Tree::healthy();
    let dir = "sys/class/infiniband/mlx4_0";
    for (port, state) in [("1", "1: DOWN"), ("2", "4: ACTIVE")] {
        tree.write(&format!("{dir}/ports/{port}/state"), state)
            .write(&format!("{dir}/ports/{port}/link_layer"), "InfiniBand\n");
    }
    for (name, port) in [("ib0", "1"), ("ib1", "0")] {
        tree.write(&format!("{dir}/device/net/{name}/dev_port"), port);
    }
    let netdevs = || {
        let state = State::read(&tree.root());
        let device = &state.devices[0];
        assert_eq!(
            (device.name.as_str(), device.kind()),
            ("mlx4_0", "InfiniBand")
        );
        assert!(device.is_active() && !device.shown);
        device.netdevs().map(Into::into).collect::<Vec<String>>()
    };
    assert_eq!(netdevs(), ["ib1", "ib0"]);
    // a kernel that does not number them: any is better than none
    tree.remove(&format!("{dir}/device/net/ib0/dev_port"))
        .remove(&format!("{dir}/device/net/ib1/dev_port"));
    assert_eq!(netdevs(), ["ib0", "ib0"]);
}
