// SPDX-License-Identifier: GPL-2.0

//! The commands that look and change nothing: their arguments, and what runs them.

use crate::{
    check,
    cli::{self, flag, json},
    metrics,
    root::Root,
    run::print,
    state::State,
    status, top, trace,
};
use clap::{value_parser, Arg, ArgMatches, Command};
use std::{path::PathBuf, time::Duration};

/// One of these commands.
#[derive(Debug)]
pub struct View {
    root: Root,
    what: What,
}

#[derive(Debug)]
enum What {
    Status {
        json: bool,
        watch: Option<Duration>,
    },
    Metrics {
        output: Option<PathBuf>,
    },
    Top {
        every: Duration,
        latency: bool,
    },
    Check {
        server: Option<String>,
        json: bool,
        hints: bool,
        within: Duration,
    },
    Trace(Box<trace::Options>),
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
        .long_about("Say whether RDMA is in use, and show devices, interfaces, connections and shares. A server counts RDMA reads (SMB writes) and RDMA writes (SMB reads); a client only knows which memory it lent ('registered'). The exit status is 0 if RDMA is in use, 1 if not or if it cannot be told.")
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
    let check = Command::new("check")
        .about("Walk the chain from the kernel to the peer and name the first fault")
        .long_about("Walk the chain from the kernel to the peer and name the first fault, its cause and its remedy. Without SERVER this machine is looked at as a server, with it as a client of SERVER. The server is asked over TCP whether it speaks SMB 3, and the module makes one RDMA connection to it, negotiates and ends it; nothing else is changed. Best run as root: others cannot see rules of the firewall and who holds a port, nor have the module connect, and are told so. Each fault has an exit status of its own.")
        .arg(
            Arg::new("server")
                .value_name("SERVER")
                .help("A server that this machine is a client of: name or address"),
        )
        .arg(flag("fix-hints", "Also the commands that remedy it"))
        .arg(
            Arg::new("timeout")
                .long("timeout")
                .value_name("SECONDS")
                .default_value("60")
                .value_parser(value_parser!(u32).range(1..=600))
                .help("Time for all of it; what is not looked at by then is said"),
        )
        .arg(json())
        .arg(root());
    let top = Command::new("top")
        .about("Watch connections at work, on the whole terminal")
        .long_about("Watch connections at work, on the whole terminal: throughput, operations and waits in a second, with a graph of all and of the selected one; and how long RDMA took in the last 10 seconds, by powers of two from 1 µs to 16 s: of a server its RDMA reads and writes, of a client the time from the registration of memory for a request until its key is invalidated. Tracepoints of the module are recorded for that, which needs root and costs some time for each transfer as long as it is shown; l and --no-latency switch it off. Keys: q quit, s next order, r reverse, p pause, l latency, up and down select.")
        .arg(
            Arg::new("interval")
                .long("interval")
                .short('i')
                .value_name("SECONDS")
                .default_value("1")
                .value_parser(seconds())
                .help("Time between two looks"),
        )
        .arg(flag("no-latency", "Begin without latencies, and without recording tracepoints"))
        .arg(root());
    vec![
        status,
        check,
        top,
        trace::args::command().arg(root()),
        metrics,
    ]
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
        "top" => What::Top {
            every: Duration::from_secs((*args.get_one::<u32>("interval")?).into()),
            latency: !args.get_flag("no-latency"),
        },
        "check" => What::Check {
            server: args.get_one::<String>("server").cloned(),
            json: args.get_flag("json"),
            hints: args.get_flag("fix-hints"),
            within: Duration::from_secs((*args.get_one::<u32>("timeout")?).into()),
        },
        "trace" => What::Trace(Box::new(trace::args::options(args))),
        _ => return None,
    };
    Some(View { root, what })
}

impl View {
    /// Does it; the exit status, or why it cannot be done and the exit status for that.
    pub fn run(&self) -> Result<u8, (String, u8)> {
        match &self.what {
            What::Status { json, watch } => Ok(if status::run(&self.root, *json, *watch)? {
                cli::OK
            } else {
                cli::NOT_IN_USE
            }),
            What::Check {
                server,
                json,
                hints,
                within,
            } => {
                let root = self.root.clone().within(*within);
                let report = check::check(&root, server.as_deref());
                let text = if *json {
                    format!("{:#}\n", report.json())
                } else {
                    report.text(*hints)
                };
                print(&text)?;
                Ok(report.fault().map_or(cli::OK, |fault| fault.about().exit))
            }
            What::Trace(options) => trace::run(&self.root, options),
            What::Top { every, latency } => top::run(&self.root, *every, *latency)
                .map(|()| cli::OK)
                .map_err(|e| (format!("the terminal: {e}"), cli::UNREADABLE)),
            What::Metrics { output } => {
                let text = metrics::render(&State::read(&self.root));
                match output {
                    None => print(&text)?,
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
