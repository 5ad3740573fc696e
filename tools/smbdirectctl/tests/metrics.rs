// SPDX-License-Identifier: GPL-2.0

//! `smbdirectctl metrics`: what a strict reader of Prometheus' text format 0.0.4 says of it.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)] // a test that panics has failed

mod tree;

use smbdirectctl::{
    metrics::{self, COUNTERS, INFO},
    state::State,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::Command,
};
use tree::Tree;

type Labels = BTreeMap<String, String>;

/// A metric: its type, and samples.
#[derive(Debug, Default)]
struct Family {
    kind: String,
    help: String,
    samples: BTreeMap<Labels, f64>,
}

fn is_name(text: &str, colon: bool) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || c == '_' || (colon && c == ':');
    !text.is_empty() && !text.starts_with(|c: char| c.is_ascii_digit()) && text.chars().all(good)
}

/// `a="b",c="d"` up to the closing brace; the rest of the line.
fn labels(mut text: &str) -> Result<(Labels, &str), String> {
    let mut found = Labels::new();
    loop {
        let (name, rest) = text
            .split_once("=\"")
            .ok_or("no =\" after a label's name")?;
        if !is_name(name, false) || name.starts_with("__") {
            return Err(format!("bad label '{name}'"));
        }
        let mut value = String::new();
        let mut chars = rest.char_indices();
        let end = loop {
            match chars.next().ok_or("the value of a label is not closed")? {
                (at, '"') => break at,
                (_, '\\') => match chars.next().ok_or("backslash at the end")?.1 {
                    'n' => value.push('\n'),
                    c @ ('\\' | '"') => value.push(c),
                    c => return Err(format!("\\{c} is no escape")),
                },
                (_, c) => value.push(c),
            }
        };
        if found.insert(name.into(), value).is_some() {
            return Err(format!("label '{name}' twice"));
        }
        text = &rest[end + 1..];
        if let Some(rest) = text.strip_prefix('}') {
            return Ok((found, rest));
        }
        text = text.strip_prefix(',').ok_or("no comma between labels")?;
    }
}

/// A whole exposition; everything that the format asks for.
fn parse(text: &str) -> Result<BTreeMap<String, Family>, String> {
    let mut all: BTreeMap<String, Family> = BTreeMap::new();
    let mut current = String::new();
    if !text.ends_with('\n') {
        return Err("the last line is not whole".into());
    }
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').ok_or("HELP without a text")?;
            if all.contains_key(name) {
                return Err(format!("{name} begins twice"));
            }
            current = name.into();
            all.entry(name.into()).or_default().help = help.into();
            continue;
        }
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').ok_or("TYPE without a type")?;
            let family = all.get_mut(name).ok_or("TYPE before HELP")?;
            if name != current || !family.kind.is_empty() || !family.samples.is_empty() {
                return Err(format!("TYPE of {name} is out of place"));
            }
            if !["counter", "gauge"].contains(&kind) {
                return Err(format!("{name}: no such type '{kind}'"));
            }
            if (kind == "counter") != name.ends_with("_total") {
                return Err(format!("{name} is a {kind}"));
            }
            family.kind = kind.into();
            continue;
        }
        let end = line.find(['{', ' ']).ok_or("a line without a value")?;
        let (name, rest) = line.split_at(end);
        let (labels, rest) = match rest.strip_prefix('{') {
            Some(rest) => labels(rest)?,
            None => (Labels::new(), rest),
        };
        let value = rest.strip_prefix(' ').ok_or("no blank before the value")?;
        let value: f64 = value.parse().map_err(|e| format!("{line}: {e}"))?;
        if !is_name(name, true) || name != current {
            return Err(format!("{name} is out of place"));
        }
        let family = all.get_mut(name).ok_or("no HELP")?;
        if family.kind.is_empty() || family.help.is_empty() {
            return Err(format!("{name} has no TYPE or HELP"));
        }
        if family.samples.insert(labels.clone(), value).is_some() {
            return Err(format!("{name} {labels:?} twice"));
        }
    }
    Ok(all)
}

fn all(tree: &Tree) -> BTreeMap<String, Family> {
    let text = metrics::render(&State::read(&tree.root()));
    parse(&text).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

fn with(pairs: &[(&str, &str)]) -> Labels {
    pairs
        .iter()
        .map(|(n, v)| ((*n).into(), (*v).into()))
        .collect()
}

/// The reader itself refuses what is wrong.
#[test]
fn reader() {
    let good = "# HELP a_total x\n# TYPE a_total counter\na_total{l=\"\\\"\\\\\\n\"} 1\n";
    let family = parse(good).unwrap();
    assert_eq!(family["a_total"].samples[&with(&[("l", "\"\\\n")])], 1.0);
    for (from, to) in [
        ("} 1\n", "} 1"),
        ("} 1\n", "} x\n"),
        ("} 1\n", "}1\n"),
        ("a_total{", "b_total{"),
        ("{l=", "{l-="),
        ("{l=", "{l=\"\",l="),
        ("\\n\"", "\\t\""),
        ("counter", "gauge"),
        ("# TYPE a_total counter\n", ""),
        ("# HELP a_total x\n", ""),
        ("} 1\n", "} 1\na_total{l=\"\\\"\\\\\\n\"} 2\n"),
    ] {
        assert!(good.contains(from));
        assert!(parse(&good.replace(from, to)).is_err(), "{from} {to}");
    }
}

#[test]
fn values() {
    let tree = Tree::healthy();
    let all = all(&tree);
    let value = |name: &str, labels: &[(&str, &str)]| {
        let family = all.get(name).unwrap_or_else(|| panic!("no {name}"));
        family.samples[&with(labels)]
    };
    let server = [
        ("connection", "7"),
        ("device", "rxe0"),
        ("peer", "10.9.0.2:49152"),
        ("role", "server"),
    ];
    assert_eq!(value("smbdirect_in_use", &[("reason", "connected")]), 1.0);
    assert_eq!(value("smbdirect_module_info", &[("module", "rust")]), 1.0);
    assert_eq!(value("smbdirect_connections_active", &[]), 2.0);
    assert_eq!(value("smbdirect_rdma_read_bytes_total", &[]), 655_360.0);
    assert_eq!(
        value("smbdirect_device_rdma_reads_total", &[("device", "rxe0")]),
        10.0
    );
    assert_eq!(
        value("smbdirect_connection_rdma_read_bytes_total", &server),
        655_360.0
    );
    assert_eq!(value("smbdirect_connection_age_seconds", &server), 65.4);
    assert_eq!(value("smbdirect_connection_send_credits", &server), 254.0);
    let port = [("device", "rxe0"), ("port", "1"), ("netdev", "eth1")];
    assert_eq!(value("smbdirect_port_active", &port), 1.0);
    let end = [("how", "failed"), ("cause", "unreachable")];
    assert_eq!(value("smbdirect_ends_total", &end), 1.0);
    let rule = [("rule", "data_too_short")];
    assert_eq!(value("smbdirect_protocol_errors_by_rule_total", &rule), 2.0);
    assert!(all.keys().all(|name| name.starts_with("smbdirect_")));
}

#[test]
fn strange_names() {
    let tree = Tree::healthy();
    tree.write(
        "sys/kernel/config/smbdirect/shares",
        "a\\b \"c\" off 4 0 1\n",
    )
    .write(
        "sys/kernel/smbdirect/stats",
        "new_thing 5\nBad-Name 6\nmessages_sent 18446744073709551615\n",
    );
    let all = all(&tree);
    let labels = with(&[
        ("share", "a\\b \"c\""),
        ("smb_direct", "off"),
        ("why", "over_rdma"),
    ]);
    assert_eq!(
        all["smbdirect_share_refused_requests_total"].samples[&labels],
        4.0
    );
    // what a later module counts is passed on; what is no name is not
    assert_eq!(
        all["smbdirect_new_thing_total"].samples[&Labels::new()],
        5.0
    );
    let text = metrics::render(&State::read(&tree.root()));
    assert!(!text.contains("Bad"));
    assert!(text.contains("smbdirect_messages_sent_total 18446744073709551615\n"));
}

#[test]
fn without_the_module() {
    let all = all(&Tree::empty());
    assert_eq!(
        all["smbdirect_module_info"].samples[&with(&[("module", "none")])],
        1.0
    );
    assert_eq!(
        all["smbdirect_in_use"].samples[&with(&[("reason", "no_module")])],
        0.0
    );
    assert_eq!(all.len(), 2);
}

/// A file is replaced as a whole, and nothing is left beside it.
#[test]
fn file() {
    let tree = Tree::empty();
    let path = tree.path().join("smbdirect.prom");
    for text in ["long, long ago\n", "short\n"] {
        metrics::write(&path, text).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        assert_eq!(tree.root().names(""), ["smbdirect.prom"]);
    }
    assert!(metrics::write(&tree.path().join("no/such/directory"), "").is_err());
    assert!(metrics::write(Path::new("/"), "").is_err());
    // a directory in its place
    tree.dir("taken/x");
    assert!(metrics::write(&tree.path().join("taken"), "").is_err());
    assert_eq!(tree.root().names(""), ["smbdirect.prom", "taken"]);
}

/// node_exporter may read it and nobody else may write it, whatever the umask; a link in the way is not followed.
#[test]
fn mode_of_the_file() {
    let tree = Tree::empty();
    tree.write("victim", "untouched\n");
    for umask in ["000", "022", "077"] {
        let script = format!(
            "umask {umask}; cd '{}'; ln -s victim out.prom.$$; exec '{}' metrics --root . --output out.prom",
            tree.path().display(),
            env!("CARGO_BIN_EXE_smbdirectctl")
        );
        let status = Command::new("sh").args(["-c", &script]).status().unwrap();
        assert!(status.success(), "umask {umask}");
        let about = fs::symlink_metadata(tree.path().join("out.prom")).unwrap();
        assert!(about.is_file());
        assert_eq!(about.permissions().mode() & 0o7777, 0o644, "umask {umask}");
        assert_eq!(tree.root().names(""), ["out.prom", "victim"]);
    }
    let victim = fs::read_to_string(tree.path().join("victim")).unwrap();
    assert_eq!(victim, "untouched\n");
}

#[test]
fn shares_that_are_left_off() {
    let tree = Tree::healthy();
    for (end, left_off) in [("", 0.0), ("and 12 more\n", 12.0)] {
        tree.write(
            "sys/kernel/config/smbdirect/shares",
            &format!("* default 0 0 0\n{end}"),
        );
        let all = all(&tree);
        let family = &all["smbdirect_shares_left_off"];
        assert_eq!(family.samples[&Labels::new()], left_off);
    }
}

/// Every counter of the documentation has its help, and no other.
#[test]
fn help() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Documentation/observability.md");
    let text = fs::read_to_string(path).unwrap();
    let part = |from: &str, to: &str| {
        let text = &text[text.find(from).expect(from)..];
        text[..text.find(to).expect(to)].to_owned()
    };
    let counters: BTreeSet<String> = [
        part("## Counters of traffic", "What always holds"),
        part("## Counters of connections", "`failures` splits"),
    ]
    .join("")
    .lines()
    .filter(|line| line.starts_with("| `"))
    .flat_map(|line| {
        let cell = line.split('|').nth(1).unwrap();
        let quoted = cell.split('`').skip(1).step_by(2);
        quoted.map(Into::into).collect::<Vec<_>>()
    })
    .collect();
    let known: BTreeSet<String> = COUNTERS.iter().map(|(name, _)| (*name).into()).collect();
    assert_eq!(counters, known);
    let info = part("`connections/ID/info`:", "\n\n");
    let numbers = &info[info.find("end_errno").unwrap() - 1..];
    let numbers: BTreeSet<&str> = numbers.split('`').skip(1).step_by(2).collect();
    let known: BTreeSet<&str> = INFO.iter().map(|(name, _)| *name).collect();
    assert_eq!(numbers, known);
}
