// SPDX-License-Identifier: GPL-2.0

//! Steps: the kernel, the RDMA core, the smbdirect module.

use super::{fault::Fault, Machine, Outcome};
use crate::state::module::{self, Owner};
use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::Path,
};

/// What the RDMA connection manager needs.
const OPTIONS: [&str; 2] = ["CONFIG_INFINIBAND", "CONFIG_INFINIBAND_ADDR_TRANS"];
/// The end of a signed module's file.
const SIGNED: &[u8] = b"~Module signature appended~\n";

pub(super) fn kernel(m: &mut Machine<'_>) -> Outcome {
    if m.release.is_empty() {
        return Outcome::unknown("/proc is not there");
    }
    let Ok(config) = m.root.read(&format!("boot/config-{}", m.release)) else {
        return if module::loaded(m.root, "ib_core") {
            Outcome::good(&m.release)
        } else {
            Outcome::unknown(format!(
                "{}: no /boot/config-{0} to see what it was built with",
                m.release
            ))
        };
    };
    let set = |option: &&&str| {
        config.lines().any(|line| {
            line.strip_prefix(**option)
                .is_some_and(|rest| rest == "=y" || rest == "=m")
        })
    };
    match OPTIONS.iter().find(|option| !set(option)) {
        Some(option) => {
            Outcome::fault(Fault::Kernel, format!("{}: {option} is not set", m.release))
        }
        None => Outcome::good(&m.release),
    }
}

/// The file of a module, below `/lib/modules/RELEASE`, and the modules that it needs.
fn installed(m: &Machine<'_>, name: &str) -> Option<(String, String)> {
    let list = m
        .root
        .read(&format!("lib/modules/{}/modules.dep", m.release))
        .ok()?;
    list.lines().find_map(|line| {
        let (file, needs) = line.split_once(':')?;
        is_file_of(file, name).then(|| (file.into(), needs.into()))
    })
}

fn is_file_of(path: &str, name: &str) -> bool {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.split_once(".ko")
        .is_some_and(|(stem, _)| stem.replace('-', "_") == name)
}

/// Whether the module that would be loaded under a name needs smbdirect; `None`: there is none.
pub(super) fn would_use_smbdirect(m: &Machine<'_>, name: &str) -> Option<bool> {
    let (_, needs) = installed(m, name)?;
    Some(needs.split_whitespace().any(|n| is_file_of(n, "smbdirect")))
}

pub(super) fn rdma_core(m: &mut Machine<'_>) -> Outcome {
    // "O": out of tree
    let taint = m.root.word("sys/module/ib_core/taint").unwrap_or_default();
    if taint.contains('O') {
        return Outcome::fault(
            Fault::RdmaCore,
            "the loaded ib_core was built out of the kernel's tree",
        );
    }
    match installed(m, "ib_core") {
        Some((file, _)) if !file.starts_with("kernel/") => Outcome::fault(
            Fault::RdmaCore,
            format!("ib_core is /lib/modules/{}/{file}", m.release),
        ),
        Some(_) => Outcome::good("the kernel's own"),
        None if module::loaded(m.root, "ib_core") => Outcome::good("loaded"),
        None => Outcome::unknown("no ib_core in /lib/modules; is it built in?"),
    }
}

pub(super) fn module(m: &mut Machine<'_>) -> Outcome {
    match m.state.modules.smbdirect {
        Owner::Ours => match m.state.modules.format.as_deref() {
            Some(module::FORMAT) | None => Outcome::good("loaded"),
            Some(other) => Outcome::note(format!(
                "loaded; its files have format {other}, this program knows {}",
                module::FORMAT
            )),
        },
        Owner::Foreign => Outcome::fault(
            Fault::ModuleForeign,
            "smbdirect is loaded, but there is no /sys/kernel/smbdirect",
        ),
        Owner::Nobody => absent(m),
    }
}

/// Why it may not be loaded.
fn absent(m: &Machine<'_>) -> Outcome {
    let Some((file, _)) = installed(m, "smbdirect") else {
        let others = m.root.names("lib/modules");
        let other = others.iter().find(|release| {
            let list = m.root.read(&format!("lib/modules/{release}/modules.dep"));
            list.is_ok_and(|list| {
                list.lines()
                    .filter_map(|line| line.split_once(':'))
                    .any(|(file, _)| is_file_of(file, "smbdirect"))
            })
        });
        return match other {
            Some(other) => Outcome::fault(
                Fault::ModuleOtherKernel,
                format!("smbdirect is there for {other}; {} runs", m.release),
            ),
            None => Outcome::fault(
                Fault::ModuleMissing,
                format!("no smbdirect below /lib/modules/{}", m.release),
            ),
        };
    };
    let path = format!("lib/modules/{}/{file}", m.release);
    if signed_only(m) && signed(&m.root.path(&path)) == Some(false) {
        return Outcome::fault(Fault::ModuleUnsigned, format!("/{path} has no signature"));
    }
    Outcome::fault(
        Fault::ModuleNotLoaded,
        format!("/{path} is there and not loaded"),
    )
}

/// Whether the kernel refuses modules that are not signed.
fn signed_only(m: &Machine<'_>) -> bool {
    let enforced = m.root.word("sys/module/module/parameters/sig_enforce");
    let lockdown = m.root.word("sys/kernel/security/lockdown");
    enforced.as_deref() == Some("Y")
        || lockdown
            .is_some_and(|text| text.contains("[integrity]") || text.contains("[confidentiality]"))
}

/// Whether a module's file is signed; `None`: it cannot be told, since it is compressed, or not read.
fn signed(path: &Path) -> Option<bool> {
    if path.extension()? != "ko" {
        return None;
    }
    let mut file = File::open(path).ok()?;
    let length = i64::try_from(SIGNED.len()).ok()?;
    if file.seek(SeekFrom::End(length.checked_neg()?)).is_err() {
        // shorter than that
        return Some(false);
    }
    let mut end = Vec::new();
    file.read_to_end(&mut end).ok()?;
    Some(end == SIGNED)
}
