// SPDX-License-Identifier: GPL-2.0

//! The commands that look and change nothing: their arguments, and what runs them.

use crate::{
    cli::{self, json},
    metrics,
    root::Root,
    state::State,
    status,
};
use clap::{value_parser, Arg, ArgMatches, Command};
use std::{
    io::{self, Write},
    path::PathBuf,
    time::Duration,
};

/// One of these commands.
#[derive(Debug)]
pub struct View {
    root: Root,
    what: What,
}

#[derive(Debug)]
enum What {
    Status { json: bool, watch: Option<Duration> },
    Metrics { output: Option<PathBuf> },
}

/// Another machine's files instead of this one: for tests and support.
fn root() -> Arg {
    Arg::new("root")
        .long("root")
        .value_parser(value_parser!(PathBuf))
        .value_name("DIRECTORY")
        .hide(true)
}

/// Seconds between two looks.
fn seconds() -> clap::builder::RangedI64ValueParser<u32> {
    value_parser!(u32).range(1..=3600)
}

/// Their command lines.
pub fn commands() -> Vec<Command> {
    let status = Command::new("status")
        .about("Say whether RDMA is in use, and show devices, interfaces, connections and shares")
        .long_about("Say whether RDMA is in use, and show devices, interfaces, connections and shares. A server counts RDMA reads (SMB writes) and RDMA writes (SMB reads); a client only knows which memory it lent ('registered'). The exit status is 0 if RDMA is in use, 1 if not.")
        .arg(json())
        .arg(
            Arg::new("watch")
                .long("watch")
                .short('w')
                .value_name("SECONDS")
                .num_args(0..=1)
                .default_missing_value("2")
                .value_parser(seconds())
                .help("Again and again, with rates; every 2 seconds, or as many as given"),
        )
        .arg(root());
    let metrics = Command::new("metrics")
        .about("Print all counters for Prometheus")
        .long_about("Print all counters in Prometheus' text format 0.0.4. For node_exporter's textfile collector, a timer runs 'smbdirectctl metrics --output DIRECTORY/smbdirect.prom'.")
        .arg(
            Arg::new("output")
                .long("output")
                .short('o')
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help("Into a file, which is replaced as a whole"),
        )
        .arg(root());
    vec![status, metrics]
}

/// What the arguments ask for.
pub fn view(name: &str, args: &ArgMatches) -> Option<View> {
    let root = args
        .get_one::<PathBuf>("root")
        .map_or_else(Root::live, Root::at);
    let what = match name {
        "status" => What::Status {
            json: args.get_flag("json"),
            watch: args
                .get_one::<u32>("watch")
                .map(|s| Duration::from_secs((*s).into())),
        },
        "metrics" => What::Metrics {
            output: args.get_one::<PathBuf>("output").cloned(),
        },
        _ => return None,
    };
    Some(View { root, what })
}

impl View {
    /// Does it; the exit status, or why it cannot be done and the exit status for that.
    pub fn run(&self) -> Result<u8, (String, u8)> {
        match &self.what {
            What::Status { json, watch } => Ok(if status::run(&self.root, *json, *watch) {
                cli::OK
            } else {
                cli::NOT_IN_USE
            }),
            What::Metrics { output } => {
                let text = metrics::render(&State::read(&self.root));
                match output {
                    None => {
                        let _ = io::stdout().write_all(text.as_bytes());
                    }
                    Some(path) => metrics::write(path, &text).map_err(|e| {
                        (
                            format!("cannot write {}: {e}", path.display()),
                            cli::UNREADABLE,
                        )
                    })?,
                }
                Ok(cli::OK)
            }
        }
    }
}
