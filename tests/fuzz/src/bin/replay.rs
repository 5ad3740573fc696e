// SPDX-License-Identifier: GPL-2.0

//! `replay TARGET FILE...`: runs a target over inputs, for instance one that the engine found. It
//! needs no engine; a finding panics with its place and a backtrace.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let name = args.next().unwrap_or_default();
    let Some(target) = smbdirect_fuzz::target(&name) else {
        let names = smbdirect_fuzz::TARGETS.map(|t| t.0).join(", ");
        eprintln!("usage: replay TARGET FILE...   (targets: {names})");
        return ExitCode::from(2);
    };
    for path in args {
        match std::fs::read(&path) {
            Ok(bytes) => target(&bytes),
            Err(e) => {
                eprintln!("{path}: {e}");
                return ExitCode::FAILURE;
            }
        }
        println!("{path}: good");
    }
    ExitCode::SUCCESS
}
