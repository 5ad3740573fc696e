// SPDX-License-Identifier: GPL-2.0

//! The command line.

use crate::view;
use clap::{value_parser, Arg, ArgAction, ArgMatches, Command};
use std::path::PathBuf;

/// Exit status: all is well.
pub const OK: u8 = 0;
/// Exit status of `config diff`: there are differences.
pub const DIFFERENT: u8 = 1;
/// Exit status of `status`: RDMA is not in use, or it cannot be told.
pub const NOT_IN_USE: u8 = 1;
/// Exit status: wrong arguments.
pub const USAGE: u8 = 2;
/// Exit status: the file is refused.
pub const REFUSED: u8 = 3;
/// Exit status: a file cannot be read or written, or the terminal cannot be used.
pub const UNREADABLE: u8 = 4;
/// Exit status: the kernel module is not there, or is not this one.
pub const NO_MODULE: u8 = 5;
/// Exit status: the kernel refused the configuration; what was in force still is.
pub const KERNEL_REFUSED: u8 = 6;
/// Exit status: the file asks for a policy of shares that the loaded ksmbd does not enforce.
pub const NOT_ENFORCED: u8 = 7;

const EXIT_STATUS: &str = "Exit status: 0 all is well; 1 there are differences (config diff), RDMA is not in use, or it cannot be told (status); 2 wrong arguments; 3 the file is refused; \
4 a file cannot be read or written; 5 the kernel module is not there, or is another one; 6 the kernel refused; 7 the loaded ksmbd does not enforce the policy of shares; from 10 on a fault that check has named.";

/// What to do.
#[derive(Debug)]
pub enum Action {
    /// `config check`
    Check {
        /// The file.
        file: PathBuf,
        /// Messages as JSON.
        json: bool,
    },
    /// `config show`
    Show {
        /// The file; without one, what is in force.
        file: Option<PathBuf>,
        /// Also what is not set.
        all: bool,
        /// As JSON.
        json: bool,
    },
    /// `config diff`
    Diff {
        /// The file.
        file: PathBuf,
        /// Compare with this one instead of the kernel.
        other: Option<PathBuf>,
    },
    /// `config apply`
    Apply {
        /// The file.
        file: PathBuf,
        /// Also without enforcement.
        unenforced: bool,
    },
    /// What does not concern a configuration.
    View(view::View),
}

fn file(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .value_parser(value_parser!(PathBuf))
        .value_name("FILE")
        .help(help)
}

pub(crate) fn flag(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .action(ArgAction::SetTrue)
        .help(help)
}

pub(crate) fn json() -> Arg {
    flag("json", "Print JSON, for programs")
}

/// The command line as clap sees it, also for man pages and completion.
pub fn command() -> Command {
    let check = Command::new("check")
        .about("Say what is wrong with a file; nothing, if nothing is")
        .long_about("Say what is wrong with a file; nothing, if nothing is. The file is read as ksmbd reads it. A parameter that ksmbd would ignore because it is misspelt is found here.")
        .arg(file("file", "The file, as a rule /etc/ksmbd/ksmbd.conf").required(true))
        .arg(json());
    let show = Command::new("show")
        .about("Print what a file says, in a uniform way")
        .arg(file(
            "file",
            "The file; without one, what is in force in the kernel",
        ))
        .arg(flag("all", "Also what is not set, with its default"))
        .arg(json());
    let diff = Command::new("diff")
        .about("Print in what a file differs from what is in force in the kernel, or from another file")
        .arg(file("file", "The file").required(true))
        .arg(file("other", "Compare with this file instead"));
    let apply = Command::new("apply")
        .about("Put a file into force: all of it, or nothing if anything is wrong")
        .long_about("Put a file into force: all of it, or nothing if anything is wrong. What the file does not set becomes unset. New connections and new requests see it at once.")
        .arg(file("file", "The file").required(true))
        .arg(flag("unenforced", "Also if the loaded ksmbd does not enforce the policy of shares"));
    let config = Command::new("config")
        .about("The parameters 'smb direct ...' in ksmbd's configuration file")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands([check, show, diff, apply]);
    Command::new("smbdirectctl")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Shows and steers SMB Direct (SMB3 over RDMA) of the kernel's SMB server and client")
        .after_help(EXIT_STATUS)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands(view::commands())
        .subcommands([config])
}

/// What the arguments ask for; `None` does not happen with what [`command`] accepts.
pub fn action(matches: &ArgMatches) -> Option<Action> {
    let config = match matches.subcommand()? {
        ("config", config) => config,
        (name, args) => return view::view(name, args).map(Action::View),
    };
    let (name, args) = config.subcommand()?;
    let path = |id| args.get_one::<PathBuf>(id).cloned();
    let file = path("file");
    match name {
        "check" => Some(Action::Check {
            file: file?,
            json: args.get_flag("json"),
        }),
        "show" => Some(Action::Show {
            file,
            all: args.get_flag("all"),
            json: args.get_flag("json"),
        }),
        "diff" => Some(Action::Diff {
            file: file?,
            other: path("other"),
        }),
        "apply" => Some(Action::Apply {
            file: file?,
            unenforced: args.get_flag("unenforced"),
        }),
        _ => None,
    }
}
