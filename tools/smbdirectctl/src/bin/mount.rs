// SPDX-License-Identifier: GPL-2.0

//! The mount helper; all of it is in the library, for the tests.

use smbdirectctl::{mount, root::Root};
use std::{
    env,
    io::{self, Write},
    os::unix::process::CommandExt,
    process::ExitCode,
};

fn main() -> ExitCode {
    let root = Root::live();
    let (why, exit) = match mount::plan(&root, env::args_os().skip(1)) {
        Ok(Ok(plan)) => {
            if let Some(line) = &plan.log {
                mount::say(&root, line);
            }
            // returns only if it cannot be run
            let error = plan.command().exec();
            (
                format!("{}: {error}", plan.program.display()),
                mount::SYSTEM,
            )
        }
        Ok(Err(text)) => {
            let written = io::stdout().write_all(text.as_bytes());
            return ExitCode::from(if written.is_ok() { 0 } else { mount::SYSTEM });
        }
        Err(stop) => stop,
    };
    mount::say(&root, &why);
    exit.into()
}
