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
    check::{check, fault::Fault, Outcome},
    root::Root,
};
use std::{collections::BTreeSet, process::Command};
use tree::{check::*, Tree};

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
        .contains("Not reached: interface, address, MTU, QP 1, ksmbd"));
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
