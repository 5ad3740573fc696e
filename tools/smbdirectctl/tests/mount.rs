// SPDX-License-Identifier: GPL-2.0

//! `mount.smbdirect` over a machine made of files: which way it goes, what `mount.cifs` gets, what is said.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)] // a test that panics has failed

mod tree;

use smbdirectctl::mount::{
    self,
    options::{Options, Wish},
    plan, Plan,
};
use std::{fs, os::unix::fs::PermissionsExt};
use tree::{check::*, Tree};

const SPEC: &str = "//10.9.0.2/share";
const PROBE: &str = "commands/probe 10.9.0.2";

/// A client with a `mount.cifs` that writes down its arguments, a line each.
fn host() -> Tree {
    let tree = machine();
    let script = format!(
        "#!/bin/sh\nprintf '%s\\n' \"$@\" >'{}/arguments'\nexit 32\n",
        tree.path().display()
    );
    program(&tree, "usr/sbin/mount.cifs", &script);
    tree.write("dev/kmsg", "");
    tree
}

fn program(tree: &Tree, name: &str, script: &str) {
    tree.write(name, script);
    let mode = fs::Permissions::from_mode(0o755);
    fs::set_permissions(tree.path().join(name), mode).unwrap();
}

fn try_plan(tree: &Tree, arguments: &[&str]) -> Result<Plan, mount::Stop> {
    plan(&tree.root(), arguments.iter().map(Into::into)).map(|call| call.unwrap())
}

/// The options that `mount.cifs` gets, and what is said.
fn options(tree: &Tree, options: &str) -> (String, String) {
    let plan = try_plan(tree, &[SPEC, "/mnt", "-o", options]).unwrap();
    let words: Vec<_> = plan.arguments.iter().map(|a| a.to_str().unwrap()).collect();
    assert_eq!(words[..2], [SPEC, "/mnt"]);
    let at = words.iter().position(|w| *w == "-o");
    (
        at.map_or(String::new(), |at| words[at + 1].into()),
        plan.log.unwrap_or_default(),
    )
}

fn stopped(tree: &Tree, options: &str) -> (String, u8) {
    try_plan(tree, &[SPEC, "/mnt", "-o", options]).unwrap_err()
}

#[test]
fn ways() {
    let tree = host();
    for (given, passed) in [
        ("", "rdma"),
        ("rw,username=me", "rw,username=me,rdma"),
        ("rdma=auto,vers=3.0,port=445", "vers=3.0,port=445,rdma"),
        ("username=me,rdma=required", "username=me,rdma"),
        ("rdma", "rdma"),
        ("rdma=off,username=me", "username=me"),
        ("rdma,nordma", ""),
        ("rdma=off,rdma=auto", "rdma"),
    ] {
        assert_eq!(options(&tree, given).0, passed, "{given}");
    }
    let (_, log) = options(&tree, "rdma=auto");
    assert!(
        log.starts_with("//10.9.0.2/share on /mnt: over RDMA: negotiated over rxe0 port 445"),
        "{log}"
    );
    assert_eq!(options(&tree, "rdma=off").1, "");
    // the server takes none
    tree.write(
        PROBE,
        &failed("connect", "refused", 111, "reject_reason 8\n"),
    );
    let (passed, log) = options(&tree, "username=me");
    assert_eq!(passed, "username=me");
    assert!(
        log.contains("over TCP: 10.9.0.2 rxe0 port 445: nobody takes RDMA connections there (stage connect, cause refused, errno 111"),
        "{log}"
    );
    for wanted in ["rdma", "rdma=required"] {
        let (why, exit) = stopped(&tree, wanted);
        assert_eq!(exit, mount::FAILED);
        assert!(
            why.contains("RDMA is required") && why.contains("nobody takes"),
            "{why}"
        );
    }
    assert_eq!(stopped(&tree, "rdma=perhaps").1, mount::USAGE);
}

/// Breaks something.
type Break = fn(&Tree);

/// What is in the way of RDMA on this side.
#[test]
fn impossible() {
    let cases: [(&str, Break, &str); 3] = [
        ("vers=2.1", |_| {}, "vers=2.1 has no SMB Direct"),
        (
            "rw",
            |tree| {
                tree.remove("sys/module/smbdirect/holders/cifs");
            },
            "cifs was built without SMB Direct",
        ),
        (
            "rw",
            |tree| {
                unloaded(tree).remove("sys/module/cifs");
            },
            "smbdirect is not loaded",
        ),
    ];
    for (given, break_it, why) in cases {
        let tree = host();
        break_it(&tree);
        let (passed, log) = options(&tree, given);
        assert_eq!(passed, given);
        assert!(log.contains("over TCP: ") && log.contains(why), "{log}");
        let (said, exit) = stopped(&tree, &format!("{given},rdma=required"));
        assert!(said.contains(why), "{said}");
        assert!([mount::USAGE, mount::FAILED].contains(&exit));
    }
    // what cannot be probed: TCP, or if RDMA is required, cifs will say
    let cases: [(Break, &str); 2] = [
        (
            |tree| {
                tree.remove("sys/kernel/config/smbdirect");
            },
            "configfs is not mounted",
        ),
        (
            |tree| {
                tree.remove("sys/kernel/smbdirect");
            },
            "the C module",
        ),
    ];
    for (break_it, why) in cases {
        let tree = host();
        break_it(&tree);
        let (passed, log) = options(&tree, "rw");
        assert_eq!(passed, "rw");
        assert!(
            log.contains("over TCP: RDMA was not probed: ") && log.contains(why),
            "{log}"
        );
        let (passed, log) = options(&tree, "rw,rdma=required");
        assert_eq!(passed, "rw,rdma");
        assert!(
            log.contains("over RDMA: required, not probed") && log.contains(why),
            "{log}"
        );
    }
}

#[test]
fn names() {
    let tree = host();
    tree.write(
        "commands/getent ahosts files.example",
        "fd09::2 STREAM files.example\nfd09::2 DGRAM\n10.9.0.2 STREAM\n",
    )
    .write(
        "commands/probe fd09::2",
        &failed("connect", "refused", 111, "reject_reason 28\n"),
    );
    let of = |spec: &str, options: &str| {
        let plan = try_plan(&tree, &[spec, "/mnt", "-o", options]).unwrap();
        plan.arguments[3].to_str().unwrap().to_owned()
    };
    // the address that takes RDMA is not the one that mount.cifs would begin with
    assert_eq!(of("//files.example/share", "rw"), "rw,rdma,ip=10.9.0.2");
    assert_eq!(of("//other/share", "ip=10.9.0.2"), "ip=10.9.0.2,rdma");
    assert_eq!(of(r"\\10.9.0.2\share", "rw"), "rw,rdma");
    // a name without an address is mount.cifs's to complain about
    assert_eq!(of("//nowhere/share", "rw"), "rw");
    for bad in [
        "/10.9.0.2/share",
        "//10.9.0.2",
        "//10.9.0.2/",
        "///share",
        "10.9.0.2:/share",
        "",
    ] {
        assert_eq!(
            try_plan(&tree, &[bad, "/mnt"]).unwrap_err().1,
            mount::USAGE,
            "{bad}"
        );
    }
}

#[test]
fn secrets() {
    let tree = host();
    let secret = "hunter2";
    for given in [
        "username=me,password=hunter2",
        "rdma=auto,user=me%hunter2",
        "password=hunter2,,rdma=off,rdma=required",
        "credentials=/etc/hunter2",
    ] {
        let (passed, log) = options(&tree, given);
        assert!(passed.contains(secret), "{passed}");
        assert!(!log.is_empty() && !log.contains(secret), "{log}");
    }
    let plan = try_plan(&tree, &["//me:hunter2@10.9.0.2/share", "/mnt"]).unwrap();
    assert!(!plan.log.unwrap().contains(secret));
    let (why, _) = try_plan(&tree, &["me:hunter2@10.9.0.2/share", "/mnt"]).unwrap_err();
    assert!(!why.contains(secret), "{why}");
    let bad = [SPEC, "/mnt", "-o", "password=hunter2,rdma=hunter2"];
    assert!(!try_plan(&tree, &bad).unwrap_err().0.contains(secret));
}

#[test]
fn commas() {
    let take = |text: &str| {
        let (wish, rest) = Options::take(text.as_bytes()).unwrap();
        (wish, String::from_utf8(rest.into_bytes()).unwrap())
    };
    for (text, wish, rest) in [
        ("", Wish::Auto, ""),
        (",,rdma=off,,", Wish::Off, ""),
        (
            "password=a,,rdma=off,rw",
            Wish::Auto,
            "password=a,,rdma=off,rw",
        ),
        ("password=a,,,rdma=off", Wish::Off, "password=a,,"),
        (
            r#"context="a,rdma=off",rw"#,
            Wish::Auto,
            r#"context="a,rdma=off",rw"#,
        ),
        (r#"password="a,rdma=off"#, Wish::Off, r#"password="a"#),
        (r#"password="a"b,rdma=off"#, Wish::Off, r#"password="a"b"#),
        ("password=,rdma=off", Wish::Off, "password="),
        (
            "nordmax,rdmax,rdma=required",
            Wish::Required,
            "nordmax,rdmax",
        ),
    ] {
        assert_eq!(take(text), (wish, rest.to_owned()), "{text}");
    }
    // bytes that are no text stay as they are
    let (_, rest) = Options::take(b"username=\xff,rdma,rw").unwrap();
    assert_eq!(rest.into_bytes(), b"username=\xff,rw");
}

/// As mount(8) calls it.
#[test]
fn calls() {
    let tree = host();
    let line = |arguments: &[&str]| {
        let plan = try_plan(&tree, arguments).unwrap();
        (
            plan.arguments.join(" ".as_ref()).into_string().unwrap(),
            plan.log,
        )
    };
    assert_eq!(line(&[SPEC, "/mnt"]).0, format!("{SPEC} /mnt -o rdma"));
    assert_eq!(
        line(&[SPEC, "/mnt", "-sv", "-n", "-o", "rw", "-t", "smbdirect.x"]).0,
        format!("{SPEC} /mnt -s -v -n -o rw,rdma")
    );
    assert_eq!(
        line(&["-orw", "-o", "ro", SPEC, "--", "/mnt"]).0,
        format!("{SPEC} /mnt -o rw,ro,rdma")
    );
    // nothing is tried with -f
    tree.remove(PROBE);
    assert_eq!(
        line(&[SPEC, "/mnt", "-f", "-o", "rdma"]),
        (format!("{SPEC} /mnt -f -o rdma"), None)
    );
    assert_eq!(
        line(&[SPEC, "/mnt", "-f"]),
        (format!("{SPEC} /mnt -f"), None)
    );
    // off says it when asked
    assert!(line(&[SPEC, "/mnt", "-v", "-o", "rdma=off"]).1.is_some());
    for bad in [
        &["-o"][..],
        &[SPEC],
        &[SPEC, "/mnt", "more"],
        &[SPEC, "/mnt", "-N", "1"],
        &[SPEC, "/mnt", "-x"],
        &[],
    ] {
        assert_eq!(try_plan(&tree, bad).unwrap_err().1, mount::USAGE, "{bad:?}");
    }
    for word in ["-h", "--help", "-V", "--version"] {
        let text = plan(&tree.root(), [word].iter().map(Into::into))
            .unwrap()
            .unwrap_err();
        assert!(text.contains("mount.smbdirect"), "{text}");
    }
}

#[test]
fn it_is_called() {
    let tree = host();
    let plan = try_plan(&tree, &[SPEC, "/mnt/a b", "-n", "-o", "username=me"]).unwrap();
    assert_eq!(plan.program, tree.path().join("usr/sbin/mount.cifs"));
    // what mount.cifs ends with is what it ends with
    assert_eq!(plan.command().status().unwrap().code(), Some(32));
    let got = fs::read_to_string(tree.path().join("arguments")).unwrap();
    assert_eq!(got, format!("{SPEC}\n/mnt/a b\n-n\n-o\nusername=me,rdma\n"));
    mount::say(&tree.root(), &plan.log.unwrap());
    let log = fs::read_to_string(tree.path().join("dev/kmsg")).unwrap();
    assert!(log.starts_with("<13>mount.smbdirect: //10.9.0.2/share on /mnt/a b: over RDMA: "));
    assert_eq!(log.lines().count(), 1);
}

/// Without cifs-utils the kernel is asked, which takes no names and no file of credentials.
#[test]
fn without_mount_cifs() {
    let tree = host();
    tree.remove("usr/sbin/mount.cifs")
        .write("usr/bin/mount", "")
        .write("commands/getent ahosts files", "10.9.0.2 STREAM files\n");
    let plan = try_plan(&tree, &["//files/share", "/mnt", "-o", "username=me"]).unwrap();
    assert_eq!(plan.program, tree.path().join("usr/bin/mount"));
    let line = plan.arguments.join(" ".as_ref());
    assert_eq!(
        line.to_str().unwrap(),
        "-i -t cifs //files/share /mnt -o username=me,rdma,ip=10.9.0.2"
    );
    let (why, exit) = stopped(&tree, "credentials=/etc/secret");
    assert_eq!(exit, mount::SYSTEM);
    assert!(why.contains("cifs-utils"), "{why}");
    let plan = try_plan(&tree, &["//files/share", "/mnt", "-o", "rdma=off"]).unwrap();
    let line = plan.arguments.join(" ".as_ref());
    assert!(line.to_str().unwrap().ends_with("/mnt -o ip=10.9.0.2"));
    tree.remove("usr/bin/mount");
    assert_eq!(stopped(&tree, "rw").1, mount::SYSTEM);
}
