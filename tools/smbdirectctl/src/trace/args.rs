// SPDX-License-Identifier: GPL-2.0

//! The command line of `smbdirectctl trace`.

use super::{
    events::{self, Names},
    filter::{Peer, Wanted},
    Options,
};
use crate::cli::{flag, json};
use clap::{value_parser, Arg, ArgAction, ArgMatches, Command};
use std::{path::PathBuf, time::Duration};

/// Longest recording by `--duration`, in seconds: a week.
const LONGEST: i64 = 604_800;
/// Buffers, in KiB for each processor.
const BUFFERS: std::ops::RangeInclusive<i64> = 64..=1_048_576;

fn list(name: &'static str, short: char, value: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .short(short)
        .value_name(value)
        .value_delimiter(',')
        .action(ArgAction::Append)
        .help(help)
}

fn path(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .value_name("FILE")
        .value_parser(value_parser!(PathBuf))
        .help(help)
}

fn peer(text: &str) -> Result<Peer, String> {
    Peer::parse(text).ok_or_else(|| "no address; 10.9.0.1, 10.9.0.1:445, [fd09::1]:445".into())
}

/// The command.
pub fn command() -> Command {
    Command::new("trace")
        .about("Show what SMB Direct does, message by message")
        .long_about("Show what SMB Direct does, message by message: the module's tracepoints as a ladder between here and the peer, in the words of MS-SMBD, or as JSON; messages also as a capture for Wireshark, which no adapter's traffic can be captured for otherwise. A line has the seconds since the first one, the number of the connection as status shows it, and an arrow: '-->' messages, '==>' RDMA reads and writes, '. >' the connection manager, '*' what happens here only. Needs root. Only the machine's own end is seen, and never the payload. Others who trace are not disturbed. By default all events are shown but those of single work requests, posted receives and memory that is its owner's again.")
        .arg(list("connection", 'c', "NUMBER", "Only this connection").value_parser(value_parser!(u64)))
        .arg(list("peer", 'p', "ADDRESS[:PORT]", "Only connections with this peer").value_parser(peer))
        .arg(list("device", 'd', "NAME", "Only connections over this RDMA device"))
        .arg(list("events", 'e', "NAME", "Only these events, with or without 'smbd_', or groups: connection, refusals, messages, credits, work, registrations, rdma; all").value_parser(events::meant))
        .arg(
            Arg::new("duration")
                .long("duration")
                .short('t')
                .value_name("SECONDS")
                .value_parser(value_parser!(u32).range(1..=LONGEST))
                .conflicts_with("read")
                .help("End after so many seconds"),
        )
        .arg(
            Arg::new("count")
                .long("count")
                .short('n')
                .value_name("NUMBER")
                .value_parser(value_parser!(u64).range(1..))
                .help("End after so many events"),
        )
        .arg(path("pcapng", "Also write messages, without payload, into a capture for Wireshark; '-': only that, to standard output"))
        .arg(path("save", "Also write the kernel's lines as they are, for --read").conflicts_with("read"))
        .arg(path("read", "Read a recording instead: what --save, the kernel's trace file or 'trace-cmd report' has; '-': standard input"))
        .arg(
            Arg::new("buffer")
                .long("buffer")
                .value_name("KIB")
                .value_parser(value_parser!(u32).range(BUFFERS))
                .conflicts_with("read")
                .help("Size of the kernel's buffer for each processor, if events are lost"),
        )
        .arg(flag("quiet", "No ladder").short('q').conflicts_with("json"))
        .arg(json().help("Print a JSON object a line, for programs"))
}

/// What the arguments ask for.
pub fn options(args: &ArgMatches) -> Options {
    let path = |name| args.get_one::<PathBuf>(name).cloned();
    let pcapng = path("pcapng");
    let to_stdout = pcapng.as_ref().is_some_and(|p| p.as_os_str() == "-");
    let named = args.get_many::<Names>("events");
    Options {
        wanted: Wanted {
            events: named.map_or_else(events::usual, |all| all.flatten().copied().collect()),
            connections: args
                .get_many("connection")
                .map_or_else(Vec::new, |all| all.copied().collect()),
            peers: args
                .get_many("peer")
                .map_or_else(Vec::new, |all| all.copied().collect()),
            devices: args
                .get_many("device")
                .map_or_else(Vec::new, |all| all.cloned().collect()),
        },
        read: path("read"),
        save: path("save"),
        duration: args
            .get_one::<u32>("duration")
            .map(|s| Duration::from_secs((*s).into())),
        count: args.get_one("count").copied(),
        buffer: args.get_one("buffer").copied(),
        json: args.get_flag("json") && !to_stdout,
        quiet: args.get_flag("quiet") || to_stdout,
        pcapng,
    }
}
