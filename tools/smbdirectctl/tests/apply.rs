// SPDX-License-Identifier: GPL-2.0

//! `config apply` and what is read back, against a directory that stands for the machine's `/`. Unlike configfs it keeps a draft whose files were written,
//! because a directory that is not empty cannot be removed: so one can see what was in it. The guest case `policy/configfs` does the same with the kernel.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)] // a test that panics has failed

use smbdirectctl::{
    cli::{self, Action},
    config::Config,
    diagnostics::Diagnostics,
    kernel::{self, Problem},
    root::Root,
    run,
};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// A directory that goes away with the value.
struct Sys(PathBuf);

impl Drop for Sys {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Sys {
    fn new(test: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("smbdirectctl-{}-{test}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(dir.join("sys/kernel/config/smbdirect")).unwrap();
        Self(dir)
    }

    fn root(&self) -> Root {
        Root::at(&self.0)
    }

    fn configfs(&self) -> PathBuf {
        self.0.join("sys/kernel/config/smbdirect")
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.0.join("sys").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn drafts(&self) -> Vec<PathBuf> {
        let dirs = fs::read_dir(self.configfs())
            .unwrap()
            .map(|e| e.unwrap().path());
        dirs.filter(|path| path.is_dir()).collect()
    }

    fn apply(&self, file: &str, unenforced: bool) -> u8 {
        self.write("file.conf", file);
        let file = self.0.join("sys/file.conf");
        run::run(&self.root(), &Action::Apply { file, unenforced })
    }
}

fn good(text: &str) -> Config {
    let mut diagnostics = Diagnostics::default();
    let config = smbdirectctl::config::read(text.as_bytes(), &mut diagnostics);
    assert!(!diagnostics.refused(), "{diagnostics:?}");
    config
}

/// Files below a directory, with what is in them.
fn content(dir: &Path) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            for (below, text) in content(&path) {
                out.insert(format!("{name}/{below}"), text);
            }
        } else {
            out.insert(name, fs::read_to_string(&path).unwrap());
        }
    }
    out
}

const FILE: &str = "[global]
smb direct = off
server multi channel support = yes
smb direct interfaces = eth1, !10.9.0.0/16 \"rxe0;capability=RDMA\"
smb direct max connections = 100
smb direct max send size = 4K
[Data Base]
smb direct = required
[plain]
";

#[test]
fn everything_is_in_the_draft_and_is_committed() {
    let sys = Sys::new("draft");
    kernel::apply(&sys.root(), &good(FILE)).unwrap();
    let drafts = sys.drafts();
    assert_eq!(drafts.len(), 1);
    let want = [
        ("smb_direct", "off"),
        ("interfaces", "eth1 !10.9.0.0/16 rxe0"),
        ("capabilities", "rxe0=rdma"),
        ("max_connections", "100"),
        ("max_send_size", "4096"),
        ("shares/Data Base/smb_direct", "required"),
        ("shares/plain/smb_direct", "default"),
        ("commit", "1"),
    ];
    let want: BTreeMap<String, String> = want.map(|(a, b)| (a.into(), b.into())).into();
    assert_eq!(content(&drafts[0]), want);
}

#[test]
fn what_is_in_force_is_read_back() {
    let sys = Sys::new("read");
    for number in smbdirect_core::settings::Number::ALL {
        let name = number.spec().attribute;
        sys.write(&format!("kernel/config/smbdirect/{name}"), "default\n");
    }
    for (name, text) in [
        ("smb_direct", "off"),
        ("interfaces", "eth1 !10.9.0.0/16 rxe0"),
        ("capabilities", "rxe0=rdma"),
        ("max_connections", "100"),
        ("max_send_size", "4096"),
        (
            "shares",
            "* off 7 0 0\nData Base required 0 3 1\nplain default 0 0 0",
        ),
    ] {
        sys.write(
            &format!("kernel/config/smbdirect/{name}"),
            &format!("{text}\n"),
        );
    }
    assert_eq!(kernel::read(&sys.root()).unwrap(), good(FILE));
    // A part of the shares is not taken for all.
    sys.write(
        "kernel/config/smbdirect/shares",
        "* off 7 0 0\nplain default 0 0 0\nand 3 more\n",
    );
    assert!(
        matches!(kernel::read(&sys.root()), Err(Problem::Unreadable(why)) if why.contains("3 shares"))
    );
    // All of them, if there is debugfs.
    sys.write(
        "kernel/debug/smbdirect/shares",
        "* off 0 0 0\na b c auto 1 2 3\n",
    );
    let config = kernel::read(&sys.root()).unwrap();
    assert_eq!(config.shares.len(), 1);
    assert_eq!(config.shares[0].name, "a b c");
    // What no table has is said, not guessed.
    for word in ["rxe0=maybe", "rxe0"] {
        sys.write(
            "kernel/config/smbdirect/capabilities",
            &format!("eth1=none {word}\n"),
        );
        assert!(
            matches!(kernel::read(&sys.root()), Err(Problem::Unreadable(why)) if why.contains(&format!("'{word}'")))
        );
    }
    sys.write("kernel/config/smbdirect/capabilities", "eth1=none\n");
    let config = kernel::read(&sys.root()).unwrap();
    assert_eq!(config.capabilities, [("eth1".into(), false)]);
    sys.write("kernel/config/smbdirect/max_connections", "many\n");
    assert!(
        matches!(kernel::read(&sys.root()), Err(Problem::Unreadable(why)) if why.contains("'many'"))
    );
}

#[test]
fn without_the_hook_only_what_needs_none() {
    let sys = Sys::new("hook");
    sys.write("module/ksmbd/parameters/other", "1");
    assert_eq!(sys.apply(FILE, false), cli::NOT_ENFORCED);
    assert!(sys.drafts().is_empty(), "nothing was to be done");
    assert_eq!(
        sys.apply("[global]\nsmb direct max half open = 10\n[data]\n", false),
        cli::OK
    );
    assert_eq!(sys.drafts().len(), 1);
    fs::remove_dir_all(&sys.drafts()[0]).unwrap();
    assert_eq!(sys.apply(FILE, true), cli::OK);
    fs::remove_dir_all(&sys.drafts()[0]).unwrap();
    sys.write("module/ksmbd/parameters/smbdirect_policy", "1");
    assert_eq!(sys.apply(FILE, false), cli::OK);
}

#[test]
fn without_ksmbd_or_the_module() {
    let sys = Sys::new("module");
    assert_eq!(sys.apply(FILE, false), cli::OK);
    fs::remove_dir_all(sys.configfs()).unwrap();
    assert_eq!(sys.apply(FILE, false), cli::NO_MODULE);
}

#[test]
fn drafts_that_others_left_are_not_touched() {
    let sys = Sys::new("left");
    let own = format!("apply.{}", std::process::id());
    for n in 0..8 {
        let name = if n == 0 {
            own.clone()
        } else {
            format!("{own}.{n}")
        };
        if n == 7 {
            kernel::apply(&sys.root(), &Config::default()).unwrap();
            assert_eq!(
                content(&sys.configfs().join(&name)).get("commit").unwrap(),
                "1"
            );
        } else {
            fs::create_dir(sys.configfs().join(name)).unwrap();
        }
    }
    match kernel::apply(&sys.root(), &Config::default()) {
        Err(Problem::Refused(why)) => assert!(why.contains("rmdir"), "{why}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(sys.drafts().len(), 8);
}

#[test]
fn names_that_are_no_directories() {
    let sys = Sys::new("names");
    for name in ["..", ".", "a/b", "../../smbdirect"] {
        match kernel::apply(&sys.root(), &good(&format!("[{name}]\n"))) {
            Err(Problem::Refused(why)) => assert!(why.contains(name), "{why}"),
            other => panic!("{name}: {other:?}"),
        }
        assert!(sys.drafts().is_empty(), "the draft was to be removed");
    }
}
