// SPDX-License-Identifier: GPL-2.0

//! Steps: what the configuration says about RDMA.

use super::{device, fault::Fault, Machine, Outcome};
use crate::{
    config,
    diagnostics::Diagnostics,
    kernel, smbconf,
    state::{
        shares::{Shares, ALL},
        CONFIGFS, UNSET,
    },
};
use smbdirect_core::{
    interfaces::{capability, verdict, Place, Verdict},
    settings::Mode,
};
use std::net::IpAddr;

const FILE: &str = "etc/ksmbd/ksmbd.conf";

pub(super) fn file(m: &mut Machine<'_>) -> Outcome {
    let text = match m.root.read(FILE) {
        Ok(text) => text,
        Err(e) => return Outcome::unknown(format!("/{FILE}: {e}")),
    };
    let mut diagnostics = Diagnostics::default();
    config::read(text.as_bytes(), &mut diagnostics);
    let worst = diagnostics.iter().find(|d| d.severity.name() == "error");
    match worst {
        Some(d) => Outcome::fault(Fault::ConfigRefused, format!("/{FILE}:{d}")),
        None => Outcome::good(format!("/{FILE}")),
    }
}

/// What `ksmbd.conf` says, in [global]; the first value that is not empty counts.
fn global(text: &str, key: &str) -> Option<String> {
    let sections = smbconf::parse(text.as_bytes(), &mut Diagnostics::default());
    let global = sections.iter().find(|s| s.is_global())?;
    let mut values = global
        .entries
        .iter()
        .filter(|e| e.key.eq_ignore_ascii_case(key))
        .map(|e| e.value().to_owned());
    values.find(|v| !v.is_empty())
}

pub(super) fn multichannel(m: &mut Machine<'_>) -> Outcome {
    const KEY: &str = "server multi channel support";
    let Ok(text) = m.root.read(FILE) else {
        return Outcome::unknown(format!("/{FILE} cannot be read"));
    };
    let value = global(&text, KEY);
    // the words that ksmbd-tools takes for yes
    match value.as_deref().map(str::to_ascii_lowercase).as_deref() {
        Some("yes" | "true" | "1" | "enable" | "on") => Outcome::good("offered"),
        Some(other) => Outcome::fault(Fault::MultichannelOff, format!("{KEY} = {other}")),
        None => Outcome::fault(
            Fault::MultichannelOff,
            format!("'{KEY}' is not in /{FILE}, and is off by itself"),
        ),
    }
}

pub(super) fn policy(m: &mut Machine<'_>) -> Outcome {
    if let Err(problem) = kernel::directory(m.root) {
        return Outcome::unknown(problem.text());
    }
    let Shares::Listed { list, left_off } = &m.state.shares else {
        return Outcome::unknown("the module does not say which shares there are");
    };
    if !m.state.shares.allow_rdma() {
        if *left_off != 0 {
            return Outcome::unknown(format!(
                "{left_off} shares more are listed in /{ALL} only: run it as root, with debugfs mounted"
            ));
        }
        return Outcome::fault(
            Fault::PolicyOff,
            "RDMA is not advertised: no share allows it",
        );
    }
    if !m.state.modules.enforced && list.iter().any(|s| s.mode != Mode::Auto) {
        return Outcome::note("the loaded ksmbd does not enforce it: built without the hook");
    }
    Outcome::good("RDMA is for some share")
}

fn mapped(addr: &IpAddr) -> [u8; 16] {
    match addr {
        IpAddr::V4(a) => a.to_ipv6_mapped().octets(),
        IpAddr::V6(a) => a.octets(),
    }
}

pub(super) fn interfaces(m: &mut Machine<'_>) -> Outcome {
    if let Err(problem) = kernel::directory(m.root) {
        return Outcome::unknown(problem.text());
    }
    let in_force = |name: &str| {
        let text = m.root.word(&format!("{CONFIGFS}/{name}"));
        text.filter(|t| t != UNSET).unwrap_or_default()
    };
    let (list, capabilities) = (in_force("interfaces"), in_force("capabilities"));
    let mut allowed = Vec::new();
    for i in device::usable(m) {
        for rdma in &i.devices {
            let place = |addr| Place {
                names: [Some(i.name.as_str()), Some(rdma.as_str())],
                addr,
            };
            // as the kernel looks at an interface: by its names, then by each address
            let places = i.addresses.iter().flatten().map(|a| Some(mapped(a)));
            let best = places
                .chain([None])
                .map(|addr| verdict(&list, &place(addr)))
                .max();
            let off = capability(&capabilities, &place(None)) == Some(false);
            if best == Some(Verdict::Taken) && !off {
                allowed.push(i.name.as_str());
            }
        }
    }
    if allowed.is_empty() {
        return Outcome::fault(
            Fault::InterfaceExcluded,
            format!("interfaces: '{list}', capabilities: '{capabilities}'"),
        );
    }
    allowed.dedup();
    Outcome::good(allowed.join(", "))
}
