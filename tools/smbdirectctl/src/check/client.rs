// SPDX-License-Identifier: GPL-2.0

//! Steps: cifs, the way to the server, and what it says.

use super::{
    fault::Fault,
    kernel::would_use_smbdirect,
    negotiate::{self, Answer},
    Machine, Outcome,
};
use crate::probe::{probe, Verdict};
use serde_json::Value;
use std::{net::IpAddr, time::Duration};

pub(super) fn cifs(m: &mut Machine<'_>) -> Outcome {
    let modules = &m.state.modules;
    if modules.cifs {
        return if modules.holds("cifs") {
            Outcome::good("loaded, uses smbdirect")
        } else {
            Outcome::fault(
                Fault::CifsWithoutRdma,
                "cifs is not among the users of smbdirect (/sys/module/smbdirect/holders)",
            )
        };
    }
    match would_use_smbdirect(m, "cifs") {
        Some(true) => Outcome::good("not loaded; the one that mount loads uses smbdirect"),
        Some(false) => Outcome::fault(
            Fault::CifsWithoutRdma,
            "not loaded, and the one that mount would load does not need smbdirect",
        ),
        None => Outcome::unknown("not loaded, and not in modules.dep"),
    }
}

pub(super) fn name(m: &mut Machine<'_>) -> Outcome {
    let server = m.server.unwrap_or_default();
    if let Ok(address) = server.parse() {
        m.address = Some(address);
        return Outcome::good(server);
    }
    // a name of a host is what resolvers take: no options, no blanks
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let plain = !server.is_empty() && !server.starts_with('-') && server.chars().all(word);
    let text = if plain {
        m.root.output(&["getent", "ahosts", server])
    } else {
        Err("that is no name of a host".into())
    };
    let addresses: Vec<IpAddr> = text
        .as_deref()
        .unwrap_or_default()
        .lines()
        .filter_map(|line| line.split_whitespace().next()?.parse().ok())
        .collect();
    m.address = addresses.first().copied();
    match (m.address, text) {
        (Some(address), _) => Outcome::good(address.to_string()),
        (None, Err(why)) => Outcome::fault(Fault::ServerUnknown, why),
        (None, Ok(_)) => Outcome::fault(Fault::ServerUnknown, "no address"),
    }
}

/// The interface that packets for an address leave by.
fn leaves_by(text: &str) -> Option<String> {
    let all: Value = serde_json::from_str(text).ok()?;
    let route = all.as_array()?.first()?;
    Some(route.get("dev")?.as_str()?.into())
}

pub(super) fn route(m: &mut Machine<'_>) -> Outcome {
    let Some(address) = m.address else {
        return Outcome::unknown("no address");
    };
    let words = ["ip", "-j", "route", "get", &address.to_string()];
    let name = match m.root.output(&words) {
        Err(why) if why.contains("not installed") => return Outcome::unknown(why),
        Err(why) => return Outcome::fault(Fault::WrongInterface, why),
        Ok(text) => match leaves_by(&text) {
            Some(name) => name,
            None => return Outcome::unknown("what `ip -j route get` prints is not understood"),
        },
    };
    if name == "lo" {
        // an own address: rdma_cm takes the device that has it
        let own =
            super::device::usable(m).find(|i| i.addresses.iter().flatten().any(|a| *a == address));
        return match own {
            Some(i) => Outcome::good(format!("this machine, {}", i.name)),
            None => Outcome::fault(
                Fault::WrongInterface,
                format!("{address} is an address of this machine, of an interface without RDMA"),
            ),
        };
    }
    let found = super::device::usable(m).find(|i| i.name == name);
    match found {
        Some(i) => Outcome::good(format!("{} ({})", i.name, i.devices.join(", "))),
        None => {
            let with: Vec<&str> = super::device::usable(m).map(|i| i.name.as_str()).collect();
            Outcome::fault(
                Fault::WrongInterface,
                format!("over {name}; RDMA is on {}", with.join(", ")),
            )
        }
    }
}

pub(super) fn smb(m: &mut Machine<'_>) -> Outcome {
    let Some(address) = m.address else {
        return Outcome::unknown("no address");
    };
    match negotiate::ask(m.root, address) {
        Err(why) => Outcome::fault(Fault::ServerUnreachable, why),
        Ok(Answer::Refused(status)) => Outcome::fault(
            Fault::ServerTooOld,
            format!("it refuses SMB 3 with status {status:#010x}"),
        ),
        Ok(Answer::Dialect {
            dialect,
            multichannel,
        }) => {
            let text = format!(
                "dialect {}.{}.{}",
                dialect >> 8,
                dialect >> 4 & 15,
                dialect & 15
            );
            if multichannel {
                Outcome::good(format!("{text}, offers multichannel"))
            } else {
                Outcome::note(format!(
                    "{text}, offers no multichannel: RDMA only with the mount option rdma"
                ))
            }
        }
    }
}

/// How long the module may try, in all.
const PATIENCE: Duration = Duration::from_secs(15);

pub(super) fn rdma(m: &mut Machine<'_>) -> Outcome {
    let Some(address) = m.address else {
        return Outcome::unknown("no address");
    };
    let facts = match probe(m.root, &address.to_string(), PATIENCE) {
        Ok(facts) => facts,
        Err(why) => return Outcome::unknown(format!("no RDMA connection was tried: {why}")),
    };
    let text = facts.text();
    let outcome = match facts.verdict() {
        Some(Verdict::Connected) => Outcome::good(text),
        Some(Verdict::NoDevice) => Outcome::fault(Fault::RdmaNoDevice, text),
        Some(Verdict::Unreachable) => Outcome::fault(Fault::RdmaUnreachable, text),
        Some(Verdict::NoListener) => Outcome::fault(Fault::RdmaNoListener, text),
        Some(Verdict::Rejected) => Outcome::fault(Fault::RdmaRejected, text),
        Some(Verdict::Refused) => Outcome::fault(Fault::NegotiateRefused, text),
        Some(Verdict::Silent) => Outcome::fault(Fault::NegotiateSilent, text),
        Some(Verdict::Failed) => Outcome::fault(Fault::RdmaFailed, text),
        None => Outcome::unknown("what the module says of its probe is not understood"),
    };
    m.probe = Some(facts);
    outcome
}
