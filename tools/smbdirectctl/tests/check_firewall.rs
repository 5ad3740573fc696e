// SPDX-License-Identifier: GPL-2.0

//! `smbdirectctl check`: rules of nftables and iptables.

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
