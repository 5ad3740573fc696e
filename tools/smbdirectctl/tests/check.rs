// SPDX-License-Identifier: GPL-2.0

//! `smbdirectctl check` over a machine made of files: one thing is broken, and exactly that is named.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)] // a test that panics has failed

mod tree;

use smbdirectctl::{
    check::{
        check,
        fault::Fault,
        negotiate::{exchange, parse, request, Answer},
        Outcome, Report,
    },
    root::Root,
};
use std::{
    collections::BTreeSet,
    io::{Read, Write},
    net::TcpListener,
    process::Command,
    thread,
};
use tree::Tree;

const DEP: &str = "lib/modules/7.3.4+deb13-amd64/modules.dep";
const CONF: &str = "etc/ksmbd/ksmbd.conf";
const PORT: &str = "sys/class/infiniband/rxe0/ports/1/state";
const CM: &str = "commands/rdma -j resource show cm_id";
const IP: &str = "commands/ip -j address show";
const NFT: &str = "commands/nft -j list ruleset";
const IPTABLES: &str = "commands/iptables-save";
const CONFIGFS: &str = "sys/kernel/config/smbdirect";
const SERVER: &str = "10.9.0.2";

/// A healthy machine that can also be a client of [`SERVER`].
fn machine() -> Tree {
    let tree = Tree::healthy();
    tree.write(
        "commands/ip -j route get 10.9.0.2",
        r#"[{"dst":"10.9.0.2","dev":"eth1","prefsrc":"10.9.0.1"}]"#,
    )
    .write("commands/negotiate 10.9.0.2", "770 8\n");
    tree
}

fn server(tree: &Tree) -> Report {
    check(&tree.root(), None)
}

fn client(tree: &Tree) -> Report {
    check(&tree.root(), Some(SERVER))
}

fn nft_rule(expr: &str) -> String {
    format!(
        r#"{{"nftables":[{{"table":{{"family":"inet","name":"filter"}}}},
        {{"chain":{{"family":"inet","table":"filter","name":"input","type":"filter","hook":"input","prio":0,"policy":"accept"}}}},
        {{"rule":{{"family":"inet","table":"filter","chain":"input","expr":{expr}}}}}]}}"#
    )
}

fn dport(protocol: &str, right: &str) -> String {
    format!(
        r#"{{"match":{{"op":"==","left":{{"payload":{{"protocol":"{protocol}","field":"dport"}}}},"right":{right}}}}}"#
    )
}

/// Breaks the one thing.
fn inject(fault: Fault, tree: &Tree) {
    match fault {
        Fault::Kernel => tree.change(
            "boot/config-7.3.4+deb13-amd64",
            "CONFIG_INFINIBAND=m",
            "# CONFIG_INFINIBAND is not set",
        ),
        Fault::RdmaCore => tree.write("sys/module/ib_core/taint", "OE\n"),
        Fault::ModuleMissing => {
            unloaded(tree).change(DEP, "updates/smbdirect.ko:", "updates/other.ko:")
        }
        Fault::ModuleOtherKernel => unloaded(tree)
            .change(DEP, "updates/smbdirect.ko:", "updates/other.ko:")
            .write(
                "lib/modules/7.2.0/modules.dep",
                "updates/smbdirect.ko.xz:\n",
            ),
        Fault::ModuleUnsigned => unloaded(tree).write(
            "sys/kernel/security/lockdown",
            "none [integrity] confidentiality\n",
        ),
        Fault::ModuleNotLoaded => unloaded(tree),
        Fault::ModuleForeign => tree.remove("sys/kernel/smbdirect"),
        Fault::NoDevice => tree
            .remove("sys/class/infiniband/rxe0")
            .remove("sys/kernel/smbdirect/devices/rxe0"),
        Fault::DeviceUnusable => tree.remove("sys/kernel/smbdirect/devices/rxe0"),
        Fault::PortDown => tree.write(PORT, "1: DOWN\n"),
        Fault::NoInterface => tree
            .write("commands/rdma -j link show", "[]")
            .remove("sys/class/infiniband/rxe0/parent"),
        Fault::InterfaceDown => tree.write("sys/class/net/eth1/flags", "0x1002\n"),
        Fault::NoAddress => tree.write(IP, r#"[{"ifname":"eth1","addr_info":[]}]"#),
        Fault::NoIpv4 => tree.write(
            IP,
            r#"[{"ifname":"eth1","addr_info":[{"family":"inet6","local":"fd09::1"}]}]"#,
        ),
        Fault::KsmbdNotLoaded => tree.remove("sys/module/ksmbd"),
        Fault::KsmbdWithoutRdma => tree.remove("sys/module/smbdirect/holders/ksmbd"),
        Fault::PortTaken => tree
            .write("proc/411/comm", "smbd\n")
            .link("proc/411/fd/3", "/dev/null")
            .link("proc/411/fd/31", "socket:[2222]"),
        Fault::KsmbdNotRunning => tree.write("sys/class/ksmbd-control/stats", "2 startup 445 0\n"),
        // a connection is no listener, and of another kind it does not count
        Fault::NoListener => tree.change(CM, "LISTEN", "CONNECT"),
        Fault::ConfigRefused => tree.change(CONF, "[data]", "smb direkt = off\n[data]"),
        Fault::MultichannelOff => tree.change(
            CONF,
            "server multi channel support = yes",
            "server multi channel support = no",
        ),
        Fault::PolicyOff => tree.write(
            &format!("{CONFIGFS}/shares"),
            "data off 0 0 0\n* off 0 0 0\n",
        ),
        Fault::InterfaceExcluded => {
            tree.write(&format!("{CONFIGFS}/interfaces"), "eth7 10.8.0.0/16\n")
        }
        Fault::Firewall => tree.write(
            NFT,
            &nft_rule(&format!(
                r#"[{},{{"counter":{{"packets":1,"bytes":2}}}},{{"drop":null}}]"#,
                dport("udp", "4791")
            )),
        ),
        Fault::CifsWithoutRdma => tree.remove("sys/module/smbdirect/holders/cifs"),
        Fault::ServerUnknown => tree,
        Fault::WrongInterface => tree.change("commands/ip -j route get 10.9.0.2", "eth1", "eth0"),
        Fault::ServerUnreachable => tree.remove("commands/negotiate 10.9.0.2"),
        Fault::ServerTooOld => tree.write("commands/negotiate 10.9.0.2", "3221225659\n"),
    };
}

fn unloaded(tree: &Tree) -> &Tree {
    tree.remove("sys/kernel/smbdirect")
        .remove("sys/module/smbdirect")
}

fn is_of_client(fault: Fault) -> bool {
    fault.about().exit >= 50
}

#[test]
fn healthy() {
    let tree = machine();
    for report in [server(&tree), client(&tree)] {
        let text = report.text(true);
        assert_eq!(report.fault(), None, "{text}");
        assert!(text.ends_with("\nNo fault found.\n"), "{text}");
        assert!(!text.contains("unknown"), "{text}");
        assert_eq!(report.json()["fault"], serde_json::Value::Null);
    }
    assert_eq!(
        client(&tree).outcome("SMB"),
        Some(&Outcome::Good("dialect 3.0.2, offers multichannel".into()))
    );
}

#[test]
fn each_fault_is_named() {
    for &fault in Fault::ALL {
        let tree = machine();
        inject(fault, &tree);
        let report = match fault {
            Fault::ServerUnknown => check(&tree.root(), Some("nowhere")),
            _ if is_of_client(fault) => client(&tree),
            _ => server(&tree),
        };
        let about = fault.about();
        assert_eq!(
            report.fault(),
            Some(fault),
            "{}\n{}",
            about.name,
            report.text(false)
        );
        let text = report.text(true);
        assert!(text.contains(&format!(
            "First fault: {} (exit status {})",
            about.name, about.exit
        )));
        for line in about.commands.iter().chain([&about.remedy, &about.meaning]) {
            assert!(text.contains(line), "{line}");
        }
        let json = report.json();
        assert_eq!(json["fault"]["name"], about.name);
        assert_eq!(json["fault"]["exit_status"], about.exit);
        let steps = json["steps"].as_array().unwrap();
        let faults = steps.iter().filter(|s| s["result"] == "fault").count();
        assert_eq!(faults, 1);
    }
}

#[test]
fn exit_statuses() {
    let about: Vec<_> = Fault::ALL.iter().map(|f| f.about()).collect();
    let exits: Vec<u8> = about.iter().map(|a| a.exit).collect();
    let mut sorted = exits.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(exits, sorted, "unique, and in order");
    // below are those of other commands; from 64 on sysexits, 126 and more the shell
    assert!(exits.iter().all(|e| (10..64).contains(e)));
    let names: BTreeSet<_> = about.iter().map(|a| a.name).collect();
    assert_eq!(names.len(), about.len());
    for a in about {
        assert!(
            a.meaning.ends_with('.') || a.meaning.ends_with(')'),
            "{}",
            a.name
        );
        assert!(!a.remedy.ends_with('.') && !a.remedy.is_empty());
    }
}

/// Through the program itself, as scripts see it.
#[test]
fn program() {
    let tree = machine();
    let run = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_smbdirectctl"))
            .args(args)
            .arg("--root")
            .arg(tree.path())
            .output()
            .unwrap();
        (
            output.status.code().unwrap(),
            String::from_utf8(output.stdout).unwrap(),
        )
    };
    assert_eq!(run(&["check"]).0, 0);
    assert_eq!(run(&["check", SERVER]).0, 0);
    assert_eq!(run(&["status"]).0, 0);
    assert_eq!(run(&["metrics"]).0, 0);
    inject(Fault::PortDown, &tree);
    let (code, text) = run(&["check", "--json"]);
    assert_eq!(code, 22);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["fault"]["name"], "port-down");
    assert!(run(&["check", "--fix-hints"])
        .1
        .contains("          ip link set INTERFACE up\n"));
    assert!(!run(&["check"]).1.contains("          ip link set"));
    tree.remove("sys/kernel/smbdirect");
    let (code, text) = run(&["status"]);
    assert_eq!(code, 1);
    assert!(text.starts_with("RDMA in use: unknown"));
}

/// The first one in the chain is named if there are several.
#[test]
fn the_first() {
    let tree = machine();
    inject(Fault::MultichannelOff, &tree);
    inject(Fault::PortDown, &tree);
    inject(Fault::NoListener, &tree);
    let report = server(&tree);
    assert_eq!(report.fault(), Some(Fault::PortDown));
    assert!(report
        .text(false)
        .contains("Not reached: interface, address, MTU, ksmbd"));
    assert_eq!(report.outcome("ksmbd"), None);
}

#[test]
fn modules() {
    // signed, or not to be told: then it only is not loaded
    let tree = machine();
    inject(Fault::ModuleUnsigned, &tree);
    let file = "lib/modules/7.3.4+deb13-amd64/updates/smbdirect.ko";
    tree.write(file, "code, long enough~Module signature appended~\n");
    assert_eq!(server(&tree).fault(), Some(Fault::ModuleNotLoaded));
    tree.change(DEP, "updates/smbdirect.ko:", "updates/smbdirect.ko.xz:");
    assert_eq!(server(&tree).fault(), Some(Fault::ModuleNotLoaded));
    // sig_enforce, without lockdown
    tree.change(DEP, "updates/smbdirect.ko.xz:", "updates/smbdirect.ko:")
        .write(file, "short")
        .write("sys/kernel/security/lockdown", "[none] integrity\n")
        .write("sys/module/module/parameters/sig_enforce", "Y\n");
    assert_eq!(server(&tree).fault(), Some(Fault::ModuleUnsigned));
    // a vendor's ib_core that is installed, not loaded
    let tree = machine();
    tree.change(
        DEP,
        "kernel/drivers/infiniband/core/ib_core.ko.xz:",
        "updates/dkms/ib_core.ko.xz:",
    )
    .remove("sys/module/ib_core");
    assert_eq!(server(&tree).fault(), Some(Fault::RdmaCore));
    // cifs that is not loaded: the one that would be
    let tree = machine();
    tree.remove("sys/module/cifs")
        .remove("sys/module/smbdirect/holders/cifs");
    assert_eq!(client(&tree).fault(), None);
    tree.change(
        DEP,
        "updates/cifs.ko: updates/smbdirect.ko",
        "kernel/fs/smb/client/cifs.ko.xz:",
    );
    assert_eq!(client(&tree).fault(), Some(Fault::CifsWithoutRdma));
    // the same for ksmbd
    tree.remove("sys/module/ksmbd");
    assert_eq!(server(&tree).fault(), Some(Fault::KsmbdNotLoaded));
    tree.change(
        DEP,
        "updates/ksmbd.ko: updates/smbdirect.ko",
        "kernel/fs/smb/server/ksmbd.ko.xz:",
    );
    assert_eq!(server(&tree).fault(), Some(Fault::KsmbdWithoutRdma));
}

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

#[test]
fn nft() {
    let drop = |expr: String| {
        let tree = machine();
        tree.write(NFT, &nft_rule(&expr));
        server(&tree).fault() == Some(Fault::Firewall)
    };
    let rule = |matches: &[String], verdict: &str| {
        let all: Vec<String> = matches
            .iter()
            .cloned()
            .chain([format!("{{\"{verdict}\":null}}")])
            .collect();
        format!("[{}]", all.join(","))
    };
    let meta = |key: &str, op: &str, right: &str| {
        format!(
            r#"{{"match":{{"op":"{op}","left":{{"meta":{{"key":"{key}"}}}},"right":{right}}}}}"#
        )
    };
    let state = |right: &str| {
        format!(r#"{{"match":{{"op":"in","left":{{"ct":{{"key":"state"}}}},"right":{right}}}}}"#)
    };
    let from = r#"{"match":{"op":"==","left":{"payload":{"protocol":"ip","field":"saddr"}},"right":"10.0.0.1"}}"#.to_owned();
    for right in [
        "4791",
        r#"{"range":[4000,5000]}"#,
        r#"{"set":[53,4791]}"#,
        r#"{"set":[{"range":[1,9999]}]}"#,
    ] {
        assert!(drop(rule(&[dport("udp", right)], "drop")), "{right}");
    }
    assert!(drop(rule(&[dport("tcp", "445")], "reject")));
    assert!(drop(rule(&[], "drop")));
    assert!(drop(rule(&[meta("l4proto", "==", r#""udp""#)], "drop")));
    assert!(drop(rule(&[meta("iifname", "!=", r#""lo""#)], "drop")));
    assert!(drop(rule(&[state(r#"["new","invalid"]"#)], "drop")));
    // others
    for right in ["4790", r#"{"range":[1,99]}"#, r#"{"set":[53,54]}"#] {
        assert!(!drop(rule(&[dport("udp", right)], "drop")), "{right}");
    }
    assert!(!drop(rule(&[dport("tcp", "4791")], "drop")));
    assert!(!drop(rule(&[dport("udp", "4791")], "accept")));
    assert!(!drop(rule(&[meta("iifname", "==", r#""eth0""#)], "drop")));
    assert!(!drop(rule(&[state(r#"["invalid"]"#)], "drop")));
    // of a port of UDP, so not of TCP port 445
    let other = dport("udp", "4791").replace("==", "!=");
    assert!(!drop(rule(&[other], "drop")));
    // some peers only: not surely
    assert!(!drop(rule(&[from, dport("udp", "4791")], "drop")));
    // not understood is not in the way
    let tree = machine();
    tree.write(NFT, "?");
    assert!(matches!(
        server(&tree).outcome("firewall"),
        Some(Outcome::Unknown(_))
    ));
    // a policy of drop, and a chain that is called and lets pass
    let chains = |port: &str| {
        format!(
            r#"{{"nftables":[{{"chain":{{"family":"ip","table":"f","name":"in","hook":"input","policy":"drop"}}}},
            {{"chain":{{"family":"ip","table":"f","name":"smb"}}}},
            {{"rule":{{"family":"ip","table":"f","chain":"in","expr":[{{"jump":{{"target":"smb"}}}}]}}}},
            {{"rule":{{"family":"ip","table":"f","chain":"in","expr":[{},{{"accept":null}}]}}}},
            {{"rule":{{"family":"ip","table":"f","chain":"smb","expr":[{},{{"accept":null}}]}}}}]}}"#,
            dport("tcp", "445"),
            dport("udp", port)
        )
    };
    let tree = machine();
    tree.write(NFT, &chains("4791"));
    assert_eq!(server(&tree).fault(), None);
    tree.write(NFT, &chains("53"));
    assert_eq!(server(&tree).fault(), Some(Fault::Firewall));
    assert!(server(&tree)
        .text(false)
        .contains("the policy of chain in of table ip f"));
    // of a client only RoCE matters
    assert_eq!(client(&tree).fault(), Some(Fault::Firewall));
    // of IPv6 alone, which ksmbd takes no RDMA connections over
    tree.write(NFT, &chains("53").replace(r#""ip""#, r#""ip6""#));
    assert_eq!(server(&tree).fault(), None);
    // a map of verdicts that may let pass, and one that does not concern new connections
    let map = |key: &str, value: &str| {
        chains("53").replace(
            r#"{"jump":{"target":"smb"}}"#,
            &format!(
                r#"{{"vmap":{{"key":{key},"data":{{"set":[[{value},{{"accept":null}}]]}}}}}}"#
            ),
        )
    };
    let port = r#"{"payload":{"protocol":"udp","field":"dport"}}"#;
    let state = r#"{"ct":{"key":"state"}}"#;
    for (text, fault) in [
        (map(port, "4791"), None),
        (map(port, r#"{"range":[4000,5000]}"#), None),
        (map(r#"{"meta":{"key":"mark"}}"#, "1"), None),
        (map(state, r#""new""#), None),
        (map(state, r#""established""#), Some(Fault::Firewall)),
        (map(port, "53"), Some(Fault::Firewall)),
    ] {
        tree.write(NFT, &text);
        assert_eq!(server(&tree).fault(), fault, "{text}");
    }
    // chains that call the next one ten times each, fifteen deep
    let mut rules = vec![
        r#"{"chain":{"family":"ip","table":"f","name":"0","hook":"input","policy":"drop"}}"#.into(),
        r#"{"chain":{"family":"ip","table":"f","name":"15"}}"#.to_owned(),
    ];
    for n in 0..15 {
        let rule = format!(
            r#"{{"rule":{{"family":"ip","table":"f","chain":"{n}","expr":[{{"jump":{{"target":"{}"}}}}]}}}}"#,
            n + 1
        );
        rules.extend(vec![rule; 10]);
    }
    tree.write(NFT, &format!(r#"{{"nftables":[{}]}}"#, rules.join(",")));
    assert_eq!(server(&tree).fault(), None);
    // a chain that calls itself, which the kernel refuses
    let circle = chains("53").replace(
        r#"[{"jump":{"target":"smb"}}]"#,
        r#"[{"jump":{"target":"in"}}]"#,
    );
    tree.write(NFT, &circle);
    assert_eq!(server(&tree).fault(), None);
}

#[test]
fn iptables() {
    let drop = |rules: &str, policy: &str| {
        let tree = machine();
        tree.remove(NFT).write(
            IPTABLES,
            &format!("*filter\n:INPUT {policy} [0:0]\n:OUTPUT DROP [0:0]\n:other - [0:0]\n{rules}\nCOMMIT\n"),
        );
        let report = server(&tree);
        assert!(report.outcome("firewall").is_some());
        report.fault() == Some(Fault::Firewall)
    };
    assert!(!drop("", "ACCEPT"));
    assert!(drop("", "DROP"));
    assert!(drop(
        "-A INPUT -p udp -m udp --dport 4791 -j DROP",
        "ACCEPT"
    ));
    assert!(drop(
        "-A INPUT -p tcp -m multiport --dports 139,445 -j REJECT --reject-with tcp-reset",
        "ACCEPT"
    ));
    assert!(drop(
        "-A INPUT ! -i lo -p udp --dport 4000:5000 -j DROP",
        "ACCEPT"
    ));
    assert!(drop("-A INPUT -j other\n-A other -p udp -j DROP", "ACCEPT"));
    assert!(!drop(
        "-A INPUT -j other\n-A other -p udp -j RETURN\n-A other -p udp -j DROP",
        "ACCEPT"
    ));
    assert!(!drop(
        "-A INPUT -i eth0 -p udp --dport 4791 -j DROP",
        "ACCEPT"
    ));
    assert!(!drop(
        "-A INPUT -m conntrack --ctstate INVALID -j DROP",
        "ACCEPT"
    ));
    assert!(!drop(
        "-A INPUT -s 10.0.0.1/32 -p udp --dport 4791 -j DROP",
        "ACCEPT"
    ));
    assert!(!drop(
        "-A INPUT -p udp --dport 4791 -j ACCEPT\n-A INPUT -p tcp --dport 445 -j ACCEPT",
        "DROP"
    ));
    let tree = machine();
    tree.remove(NFT);
    let report = server(&tree);
    assert!(matches!(
        report.outcome("firewall"),
        Some(Outcome::Unknown(_))
    ));
}

/// An adapter's traffic does not pass the firewall; TCP, where Windows begins, does.
#[test]
fn hardware() {
    let tree = machine();
    inject(Fault::Firewall, &tree);
    tree.dir("sys/class/infiniband/rxe0/device");
    assert_eq!(server(&tree).fault(), None);
    tree.change(NFT, "udp", "tcp").change(NFT, "4791", "445");
    assert_eq!(server(&tree).fault(), Some(Fault::Firewall));
    assert_eq!(client(&tree).fault(), None);
}

#[test]
fn ways() {
    // an address of this machine
    let tree = machine();
    tree.write(
        "commands/ip -j route get 10.9.0.1",
        r#"[{"dst":"10.9.0.1","dev":"lo"}]"#,
    )
    .write(
        "commands/ip -j route get 127.0.0.1",
        r#"[{"dst":"127.0.0.1","dev":"lo"}]"#,
    )
    .write("commands/negotiate 10.9.0.1", "768 0\n")
    .write(
        "commands/getent ahosts files.example",
        "10.9.0.2 STREAM files.example\n10.9.0.2 DGRAM\n",
    );
    let report = check(&tree.root(), Some("10.9.0.1"));
    assert_eq!(report.fault(), None);
    // SMB 3.0 without multichannel
    assert!(matches!(report.outcome("SMB"), Some(Outcome::Note(_))));
    assert_eq!(
        check(&tree.root(), Some("127.0.0.1")).fault(),
        Some(Fault::WrongInterface)
    );
    assert_eq!(check(&tree.root(), Some("files.example")).fault(), None);
    // what is no name is not handed to a program
    for name in ["-s", "a b", "$(id)", ""] {
        assert_eq!(
            check(&tree.root(), Some(name)).fault(),
            Some(Fault::ServerUnknown)
        );
    }
    // no IPv4 is no fault of a client
    inject(Fault::NoIpv4, &tree);
    assert_eq!(client(&tree).fault(), None);
}

#[test]
fn nothing_there() {
    let tree = Tree::empty();
    let report = server(&tree);
    assert_eq!(
        report.fault(),
        Some(Fault::ModuleMissing),
        "{}",
        report.text(false)
    );
    // and this machine, whatever it has
    let report = check(&Root::live(), None);
    assert!(!report.text(true).is_empty());
}

fn answer() -> Vec<u8> {
    let mut message = vec![0; 64 + 65];
    message[..4].copy_from_slice(b"\xfeSMB");
    message[64] = 65;
    message[68..70].copy_from_slice(&0x0302u16.to_le_bytes());
    message[88] = 0x08;
    message
}

#[test]
fn negotiate() {
    let request = request();
    assert_eq!(request.len(), 4 + 64 + 36 + 4);
    assert_eq!(request[..4], [0, 0, 0, 104]);
    let good = answer();
    let dialect = |multichannel| {
        Some(Answer::Dialect {
            dialect: 0x0302,
            multichannel,
        })
    };
    assert_eq!(parse(&good), dialect(true));
    let with = |at: usize, byte: u8| {
        let mut message = good.clone();
        message[at] = byte;
        parse(&message)
    };
    assert_eq!(with(88, 0xf7), dialect(false));
    assert_eq!(with(8, 0xbb), Some(Answer::Refused(0xbb)));
    assert_eq!(with(0, 0xff), None); // SMB 1
    assert_eq!(with(12, 1), None); // another command
    assert_eq!(with(64, 9), None);
    assert_eq!(with(69, 2), None); // SMB 2.0.2, which was not offered
    for length in 0..92 {
        assert_eq!(parse(&good[..length]), None);
    }
}

/// A server of one answer, whatever it is.
#[test]
fn over_tcp() {
    let good = answer();
    let length = u32::try_from(good.len()).unwrap().to_be_bytes();
    for (bytes, fine) in [
        ([&length[..], &good].concat(), true),
        ([&length[..], &good[..20]].concat(), false),
        (vec![0xff; 4], false),
        (vec![0; 4], false),
        (vec![], false),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let served = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = vec![0; request().len()];
            stream.read_exact(&mut asked).unwrap();
            stream.write_all(&bytes).unwrap();
            asked
        });
        assert_eq!(exchange(address).is_ok(), fine);
        assert_eq!(served.join().unwrap(), request());
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    assert!(exchange(address).is_err());
}
