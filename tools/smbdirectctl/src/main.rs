// SPDX-License-Identifier: GPL-2.0

//! The program; all of it is in the library, for the tests.

use smbdirectctl::{cli, root::Root, run};
use std::process::ExitCode;

fn main() -> ExitCode {
    let matches = cli::command().get_matches();
    cli::action(&matches)
        .map_or(cli::USAGE, |action| run::run(&Root::live(), &action))
        .into()
}
