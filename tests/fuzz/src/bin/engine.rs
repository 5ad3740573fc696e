// SPDX-License-Identifier: GPL-2.0

//! The coverage-guided fuzzer: libFuzzer, for the target that `FUZZ_TARGET` names. Its options are
//! those of libFuzzer; `scripts/fuzz` builds it with the flags that instrument the code.

#![no_main]

use libfuzzer_sys::fuzz_target;
use smbdirect_fuzz::Target;
use std::sync::OnceLock;

static TARGET: OnceLock<Target> = OnceLock::new();

fn chosen() -> Target {
    let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
    match smbdirect_fuzz::target(&name) {
        Some(target) => target,
        None => {
            eprintln!("FUZZ_TARGET={name} is not a target");
            std::process::exit(2)
        }
    }
}

fuzz_target!(|bytes: &[u8]| TARGET.get_or_init(chosen)(bytes));
