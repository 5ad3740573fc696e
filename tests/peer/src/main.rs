// SPDX-License-Identifier: GPL-2.0
//! A peer that speaks raw SMB Direct over verbs, to try transports with.
//!
//! Layers, each using only those before it: `verbs` (connections, queues,
//! memory), `smbd` (SMB Direct, MS-SMBD), `smb2` (sessions and files as a client),
//! `server` (the same as a server), `cases` (of the server role), `client` (those of
//! the client role), `fuzz` and `talk`.

mod cases;
mod client;
mod fuzz;
mod patience;
mod report;
mod server;
mod smb2;
mod smbd;
mod stop;
mod talk;
mod transcript;
mod verbs;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::cases::{Case, Config};
use crate::patience::patience;
use crate::report::{Keep, Manner, Run, Verdict};
use crate::verbs::Port;

/// A peer that speaks raw SMB Direct, to try a server's transport with.
#[derive(Parser)]
#[command(version)]
struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show the cases: identifier and name in the Windows Protocol Test Suites
    List {
        /// Which: identifiers, groups, globs, or `all`
        #[arg(default_value = "all")]
        patterns: Vec<String>,
    },
    /// Run cases against a server
    Run(RunOptions),
    /// Send mutated messages to a server
    Fuzz(fuzz::Options),
    /// Have a session do what the lines of the standard input say
    Talk(talk::Options),
    /// Be a server, good or bad, for the kernel's client on this machine
    Client(ClientOptions),
}

#[derive(Args)]
struct RunOptions {
    /// Which: identifiers (N-01), groups (N), globs ('X-1*', '*Negotiate*'), or `all`
    #[arg(required = true)]
    patterns: Vec<String>,
    /// The server's address
    #[arg(long, short)]
    server: IpAddr,
    /// RDMA port; by default 5445 with iWARP and 445 otherwise
    #[arg(long)]
    port: Option<u16>,
    /// Another address of the server, on an interface without RDMA
    #[arg(long)]
    second: Option<IpAddr>,
    /// A share that guests may write to
    #[arg(long, default_value = "share")]
    share: String,
    /// User for all sessions; without, they are a guest's and not signed
    #[arg(long, requires = "password")]
    user: Option<String>,
    #[arg(long, requires = "user")]
    password: Option<String>,
    /// Cases at a time; those that wait for minutes run beside them anyway
    #[arg(long, value_name = "N", default_value_t = 1)]
    jobs: usize,
    /// Give up a case after so many seconds: it has failed then
    #[arg(long, value_name = "SECONDS")]
    limit: Option<u32>,
    #[command(flatten)]
    results: ResultOptions,
}

#[derive(Args)]
struct ClientOptions {
    /// Which: identifiers (L-01), groups (L), globs, or `all`
    #[arg(required = true)]
    patterns: Vec<String>,
    /// The address to listen at, of an RDMA device
    #[arg(long, short)]
    address: IpAddr,
    /// A directory to mount on
    #[arg(long, short)]
    mount: PathBuf,
    #[command(flatten)]
    results: ResultOptions,
}

#[derive(Args)]
struct ResultOptions {
    /// Write all results to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// NAME=VALUE to keep with the results
    #[arg(long, value_name = "NAME=VALUE")]
    label: Vec<String>,
    /// Show what the cases noted, and what they skip for
    #[arg(long, short)]
    verbose: bool,
    /// Keep the messages of cases that pass, too
    #[arg(long)]
    transcript: bool,
    /// Write every message of such a case to a file in this directory
    #[arg(long, value_name = "DIRECTORY")]
    messages: Option<PathBuf>,
}

impl ResultOptions {
    fn keep(&self) -> Keep {
        Keep {
            always: self.transcript,
            directory: self.messages.clone(),
        }
    }
}

fn selected(patterns: &[String], of: &[&'static Case]) -> Result<Vec<&'static Case>, String> {
    for p in patterns {
        if !of.iter().any(|c| cases::selects(p, c)) {
            return Err(format!("no case is meant by '{p}'; see smbd-peer list"));
        }
    }
    let wanted = |c: &&&Case| patterns.iter().any(|p| cases::selects(p, c));
    Ok(of.iter().filter(wanted).copied().collect())
}

fn list(patterns: &[String]) -> Result<ExitCode, String> {
    let all: Vec<_> = cases::all().chain(client::all()).collect();
    for case in selected(patterns, &all)? {
        println!(
            "{}  {}{}",
            case.id,
            case.name,
            if case.long { "  (minutes)" } else { "" }
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn run(options: RunOptions) -> Result<ExitCode, String> {
    let all: Vec<_> = cases::all().collect();
    let chosen = selected(&options.patterns, &all)?;
    let config = Config {
        server: options.server,
        port: options.port.map_or(Port::ByDevice, Port::Number),
        share: options.share,
        user: options.user.zip(options.password),
        second: options.second,
        mount: None,
    };
    let how = Manner {
        keep: options.results.keep(),
        jobs: options.jobs,
        limit: options
            .limit
            .map(|s| Duration::from_secs(s.into()) * patience()),
    };
    judge(&chosen, config, &how, options.results)
}

fn serve(options: ClientOptions) -> Result<ExitCode, String> {
    let all: Vec<_> = client::all().collect();
    let chosen = selected(&options.patterns, &all)?;
    let config = Config {
        server: options.address,
        port: Port::ByDevice,
        share: "share".into(),
        user: None,
        second: None,
        mount: Some(options.mount),
    };
    // one after the other always: they share a directory and the client
    let how = Manner {
        keep: options.results.keep(),
        jobs: 1,
        limit: None,
    };
    judge(&chosen, config, &how, options.results)
}

fn judge(
    chosen: &[&'static Case],
    config: Config,
    how: &Manner,
    options: ResultOptions,
) -> Result<ExitCode, String> {
    let labels: BTreeMap<String, String> = options
        .label
        .iter()
        .map(|x| {
            let (name, value) = x
                .split_once('=')
                .ok_or(format!("'{x}' is not NAME=VALUE"))?;
            Ok((name.to_string(), value.to_string()))
        })
        .collect::<Result<_, String>>()?;
    let config = Arc::new(config);
    let outcomes = report::run(chosen, &config, how, |o| {
        report::print(o, options.verbose);
    });
    let count = |v: Verdict| outcomes.iter().filter(|o| o.verdict == v).count();
    let (pass, fail, skip) = (
        count(Verdict::Pass),
        count(Verdict::Fail),
        count(Verdict::Skip),
    );
    if let Some(path) = &options.json {
        let all = Run {
            labels,
            cases: outcomes,
        };
        let text = serde_json::to_string_pretty(&all).map_err(|e| e.to_string())?;
        std::fs::write(path, text + "\n").map_err(|e| format!("{}: {e}", path.display()))?;
    }
    println!("{pass} passed, {fail} failed, {skip} skipped");
    Ok(ExitCode::from(u8::from(fail > 0)))
}

fn main() -> ExitCode {
    let result = match Options::parse().command {
        Command::List { patterns } => list(&patterns),
        Command::Run(options) => run(options),
        Command::Fuzz(options) => fuzz::run(&options).map(|good| ExitCode::from(u8::from(!good))),
        Command::Talk(options) => talk::run(options).map(|good| ExitCode::from(u8::from(!good))),
        Command::Client(options) => serve(options),
    };
    result.unwrap_or_else(|why| {
        eprintln!("smbd-peer: {why}");
        ExitCode::from(2)
    })
}
