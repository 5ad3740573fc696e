// SPDX-License-Identifier: GPL-2.0

//! `mount.smbdirect`: the helper that mount(8) calls for the type `smbdirect`. It mounts as `mount.cifs` does, over RDMA if a probe says that the server takes it.
//!
//! What is to be done is made up first, as a [`Plan`]; the program then becomes `mount.cifs`.

pub mod arguments;
pub mod decision;
pub mod options;

use crate::{root::Root, table::plain};
use arguments::{Arguments, Call};
use decision::{Decision, Way};
use options::{Options, Wish};
use std::{
    ffi::{OsStr, OsString},
    fs::OpenOptions,
    io::{self, Write},
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::PathBuf,
    process::Command,
    time::Duration,
};

/// Exit statuses of mount(8): wrong call.
pub const USAGE: u8 = 1;
/// A program cannot be run.
pub const SYSTEM: u8 = 2;
/// The mount failed.
pub const FAILED: u8 = 32;

/// How long may be looked for a way, in all.
const PATIENCE: Duration = Duration::from_secs(25);
/// Priority of lines in the kernel log: of a program, worth a notice.
const PRIORITY: &str = "<13>";
/// What the options of a file of credentials are called; only `mount.cifs` reads it.
const CREDENTIALS: [&str; 2] = ["credentials", "cred"];

/// Why it is not mounted, and the exit status.
pub type Stop = (String, u8);

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub struct Plan {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// What is said about it, without anything that is secret.
    pub log: Option<String>,
}

impl Plan {
    /// As a command.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments);
        command
    }
}

/// `//server/share` for a log line: nothing that could be a password before an `@`, and nothing that a terminal or a log would obey.
fn shown(text: &OsStr) -> String {
    const MOST: usize = 200;
    let text = text.to_string_lossy();
    let text = match text.rsplit_once('@') {
        Some((_, rest)) => format!("//{rest}"),
        None => text.into_owned(),
    };
    plain(&text).chars().take(MOST).collect()
}

/// The program that mounts, and what comes first on its command line.
fn mounter(root: &Root, options: &Options) -> Result<(PathBuf, Vec<OsString>, bool), Stop> {
    if let Some(program) = root.program("mount.cifs") {
        return Ok((program, Vec::new(), true));
    }
    let missing = "mount.cifs is not installed (package cifs-utils)";
    if let Some(name) = CREDENTIALS.iter().find(|name| options.has(name)) {
        return Err((format!("{missing}; the option '{name}' needs it"), SYSTEM));
    }
    let program = root
        .program("mount")
        .ok_or_else(|| (missing.to_owned(), SYSTEM))?;
    let first = ["-i", "-t", "cifs"].map(OsString::from).to_vec();
    Ok((program, first, false))
}

fn plan_mount(root: &Root, arguments: Arguments) -> Result<Plan, Stop> {
    let usage = |why: String| (why, USAGE);
    let (wish, mut options) = Options::take(&arguments.options).map_err(usage)?;
    let (program, mut line, is_helper) = mounter(root, &options)?;
    let server = decision::server(&arguments.spec)
        .ok_or_else(|| usage(format!("'{}' is no //SERVER/SHARE", shown(&arguments.spec))))?;
    // with -f nothing is to happen, so nothing is tried
    let decision = if arguments.fake {
        Decision::untried(wish)
    } else {
        decision::decide(root, wish, &server, &options)?
    };
    if decision.way == Way::Rdma {
        options.add("rdma");
    }
    let address = decision.address.as_ref();
    if let Some(address) = address.filter(|_| !options.has("ip") && !options.has("addr")) {
        // the kernel takes no names; mount.cifs would try the addresses in its own order
        if !is_helper || decision.other_than_first {
            options.add(&format!("ip={address}"));
        }
    }
    line.push(arguments.spec.clone());
    line.push(arguments.dir.clone());
    line.extend(arguments.flags.iter().cloned());
    if !options.is_empty() {
        line.push("-o".into());
        line.push(OsString::from_vec(options.into_bytes()));
    }
    let silent = arguments.fake || (wish == Wish::Off && !arguments.verbose);
    let log = (!silent).then(|| {
        format!(
            "{} on {}: {}",
            shown(&arguments.spec),
            plain(&arguments.dir.to_string_lossy()),
            decision.text()
        )
    });
    Ok(Plan {
        program,
        arguments: line,
        log,
    })
}

/// What the command line asks for: a plan, or a text to print.
pub fn plan(
    root: &Root,
    arguments: impl Iterator<Item = OsString>,
) -> Result<Result<Plan, &'static str>, Stop> {
    match arguments::parse(arguments).map_err(|why| (why, USAGE))? {
        Call::Help => Ok(Err(arguments::HELP)),
        Call::Version => Ok(Err(concat!(
            "mount.smbdirect ",
            env!("CARGO_PKG_VERSION"),
            "\n"
        ))),
        Call::Mount(arguments) => {
            let root = root.clone().within(PATIENCE);
            plan_mount(&root, *arguments).map(Ok)
        }
    }
}

/// Says a line on standard error, and in the kernel log if that may be written.
pub fn say(root: &Root, text: &str) {
    let line = format!("mount.smbdirect: {text}\n");
    let _ = io::stderr().write_all(line.as_bytes());
    if let Ok(mut log) = OpenOptions::new().append(true).open(root.path("dev/kmsg")) {
        // one write is one line there
        let _ = log.write_all(format!("{PRIORITY}{line}").as_bytes());
    }
}

/// The bytes of an argument.
fn bytes(text: &OsStr) -> &[u8] {
    text.as_bytes()
}
