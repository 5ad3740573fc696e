// SPDX-License-Identifier: GPL-2.0

//! The commands.

use crate::{
    cli::{self, Action},
    config::{self, Config},
    diagnostics::Diagnostics,
    kernel::{self, Problem},
    root::Root,
    state::module,
    text,
};
use serde_json::json;
use std::{
    fs::File,
    io::{self, Read, Write},
    path::Path,
};

/// Larger files are none of ksmbd's.
const MAX_FILE: u64 = 4 << 20;

/// Ends a command early: what is said, and the exit status.
struct Stop(String, u8);

impl From<(String, u8)> for Stop {
    fn from((why, status): (String, u8)) -> Self {
        Self(why, status)
    }
}

impl From<Problem> for Stop {
    fn from(problem: Problem) -> Self {
        match problem {
            Problem::NoModule(why) => Self(why, cli::NO_MODULE),
            Problem::Unreadable(why) => Self(why, cli::UNREADABLE),
            Problem::Refused(why) => Self(why, cli::KERNEL_REFUSED),
        }
    }
}

fn load(path: &Path) -> Result<Vec<u8>, Stop> {
    let stop =
        |why: &dyn std::fmt::Display| Stop(format!("{}: {why}", path.display()), cli::UNREADABLE);
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| {
            file.take(MAX_FILE.saturating_add(1))
                .read_to_end(&mut bytes)
        })
        .map_err(|e| stop(&e))?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(stop(&"longer than 4 MiB"));
    }
    Ok(bytes)
}

/// Says something on standard error.
fn say(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}

/// Writes to standard output. That its reader has gone is no fault; that a disk is full is one, and its exit status comes with it.
pub(crate) fn print(text: &str) -> Result<(), (String, u8)> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => {
            Err((format!("standard output: {e}"), cli::UNREADABLE))
        }
        _ => Ok(()),
    }
}

fn report(path: &Path, diagnostics: &Diagnostics) {
    for diagnostic in diagnostics.iter() {
        say(&format!("{}:{diagnostic}\n", path.display()));
    }
    if diagnostics.more() != 0 {
        say(&format!(
            "{}: {} more messages\n",
            path.display(),
            diagnostics.more()
        ));
    }
}

/// A file that is right; its warnings are printed.
fn good(path: &Path) -> Result<Config, Stop> {
    let mut diagnostics = Diagnostics::default();
    let config = config::read(&load(path)?, &mut diagnostics);
    report(path, &diagnostics);
    if diagnostics.refused() {
        return Err(Stop(
            format!("{}: refused, nothing was done", path.display()),
            cli::REFUSED,
        ));
    }
    Ok(config)
}

fn check(path: &Path, json: bool) -> Result<u8, Stop> {
    let mut diagnostics = Diagnostics::default();
    config::read(&load(path)?, &mut diagnostics);
    if json {
        let list: Vec<_> = diagnostics
            .iter()
            .map(|d| json!({"line": d.line, "severity": d.severity.name(), "message": d.message}))
            .collect();
        let all = json!({"format": text::FORMAT, "file": path.display().to_string(), "refused": diagnostics.refused(), "messages": list, "more": diagnostics.more()});
        print(&format!("{all:#}\n"))?;
    } else {
        report(path, &diagnostics);
    }
    Ok(if diagnostics.refused() {
        cli::REFUSED
    } else {
        cli::OK
    })
}

fn apply(root: &Root, path: &Path, unenforced: bool) -> Result<u8, Stop> {
    let config = good(path)?;
    let enforced = module::enforced(root);
    if enforced.is_none() {
        let why = "note: ksmbd is not loaded; the file is in force when it is\n";
        say(why);
    }
    if config.needs_enforcement() && enforced == Some(false) {
        let why = "the loaded ksmbd does not enforce the policy of shares: it was built without the hook (Documentation/steering.md, 6)";
        if !unenforced {
            return Err(Stop(
                format!("{why}; nothing was done, --unenforced applies the rest"),
                cli::NOT_ENFORCED,
            ));
        }
        say(&format!("warning: {why}\n"));
    }
    kernel::apply(root, &config)?;
    Ok(cli::OK)
}

fn act(root: &Root, action: &Action) -> Result<u8, Stop> {
    match action {
        Action::Check { file, json } => check(file, *json),
        Action::View(view) => Ok(view.run()?),
        Action::Show { file, all, json } => {
            let config = match file {
                Some(file) => good(file)?,
                None => kernel::read(root)?,
            };
            let out = if *json {
                format!("{:#}\n", text::to_json(&config))
            } else {
                text::sections(&config, *all)
            };
            print(&out)?;
            Ok(cli::OK)
        }
        Action::Diff { file, other } => {
            let new = good(file)?;
            let old = match other {
                Some(other) => good(other)?,
                None => kernel::read(root)?,
            };
            let difference = text::difference(&old, &new);
            print(&difference)?;
            Ok(if difference.is_empty() {
                cli::OK
            } else {
                cli::DIFFERENT
            })
        }
        Action::Apply { file, unenforced } => apply(root, file, *unenforced),
    }
}

/// Does what is asked for, configurations on the machine of that root; the exit status.
pub fn run(root: &Root, action: &Action) -> u8 {
    match act(root, action) {
        Ok(status) => status,
        Err(Stop(why, status)) => {
            say(&format!("smbdirectctl: {why}\n"));
            status
        }
    }
}
