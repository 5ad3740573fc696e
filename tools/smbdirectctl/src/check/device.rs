// SPDX-License-Identifier: GPL-2.0

//! Steps: RDMA devices, their ports, the network interfaces on top.

use super::{fault::Fault, Machine, Outcome};
use crate::state::{devices::Device, interfaces::Interface};
use serde_json::Value;

/// With a smaller MTU a packet of RoCE carries 1024 bytes or less, with this one 4096 and its headers.
const GOOD_MTU: u32 = 4200;

fn list<'t>(words: impl Iterator<Item = &'t str>) -> String {
    words.collect::<Vec<_>>().join(", ")
}

/// The devices with a port that carries traffic.
pub(super) fn active<'m>(m: &'m Machine<'_>) -> impl Iterator<Item = &'m Device> {
    m.state.devices.iter().filter(|d| d.is_active())
}

/// The interfaces of active ports and those above them.
pub(super) fn interfaces<'m>(m: &'m Machine<'_>) -> impl Iterator<Item = &'m Interface> {
    m.state
        .interfaces
        .iter()
        .filter(|i| active(m).any(|d| i.devices.contains(&d.name)))
}

/// Those of them that are up.
pub(super) fn usable<'m>(m: &'m Machine<'_>) -> impl Iterator<Item = &'m Interface> {
    interfaces(m).filter(|i| i.up && i.carrier)
}

pub(super) fn device(m: &mut Machine<'_>) -> Outcome {
    let devices = &m.state.devices;
    if devices.is_empty() {
        return Outcome::fault(Fault::NoDevice, "/sys/class/infiniband is empty");
    }
    let names: Vec<String> = devices
        .iter()
        .map(|d| format!("{} ({})", d.name, d.kind()))
        .collect();
    Outcome::good(names.join(", "))
}

pub(super) fn served(m: &mut Machine<'_>) -> Outcome {
    let served = || m.state.devices.iter().filter(|d| d.shown);
    if served().next().is_none() {
        return Outcome::fault(
            Fault::DeviceUnusable,
            "no device is in /sys/kernel/smbdirect/devices",
        );
    }
    Outcome::good(list(served().map(|d| d.name.as_str())))
}

pub(super) fn port(m: &mut Machine<'_>) -> Outcome {
    let ports: Vec<String> = m
        .state
        .devices
        .iter()
        .flat_map(|d| {
            d.ports
                .iter()
                .map(|p| format!("{}/{} {} ({})", d.name, p.number, p.state, p.physical))
        })
        .collect();
    let text = ports.join(", ");
    if active(m).next().is_none() {
        return Outcome::fault(Fault::PortDown, text);
    }
    Outcome::good(text)
}

pub(super) fn interface(m: &mut Machine<'_>) -> Outcome {
    if interfaces(m).next().is_none() {
        return Outcome::fault(
            Fault::NoInterface,
            format!(
                "no interface belongs to {}",
                list(active(m).map(|d| d.name.as_str()))
            ),
        );
    }
    if usable(m).next().is_none() {
        let states = interfaces(m).map(|i| {
            format!(
                "{} {}",
                i.name,
                if i.up { "has no carrier" } else { "is down" }
            )
        });
        return Outcome::fault(Fault::InterfaceDown, states.collect::<Vec<_>>().join(", "));
    }
    Outcome::good(list(usable(m).map(|i| i.name.as_str())))
}

pub(super) fn address(m: &mut Machine<'_>) -> Outcome {
    let names = list(usable(m).map(|i| i.name.as_str()));
    let known: Vec<_> = usable(m).filter_map(|i| i.addresses.as_ref()).collect();
    if known.is_empty() {
        return Outcome::unknown("`ip -j address show` gave no addresses: is iproute2 installed?");
    }
    let addresses: Vec<String> = known
        .iter()
        .copied()
        .flatten()
        .map(ToString::to_string)
        .collect();
    if addresses.is_empty() {
        return Outcome::fault(Fault::NoAddress, format!("{names}: none"));
    }
    let ipv4 = usable(m).any(|i| i.has_ipv4() == Some(true));
    if m.server.is_none() && !ipv4 {
        return Outcome::fault(
            Fault::NoIpv4,
            format!("{names}: only {}", addresses.join(", ")),
        );
    }
    Outcome::good(addresses.join(", "))
}

pub(super) fn mtu(m: &mut Machine<'_>) -> Outcome {
    let mtus: Vec<_> = usable(m).filter_map(|i| Some((&i.name, i.mtu?))).collect();
    let text: Vec<String> = mtus.iter().map(|(name, n)| format!("{name} {n}")).collect();
    let text = text.join(", ");
    let roce = active(m).any(|d| d.kind() == "RoCE");
    if roce && mtus.iter().all(|(_, n)| *n < GOOD_MTU) {
        return Outcome::note(format!(
            "{text}: works; with {GOOD_MTU} or more, on all machines and switches, packets of RoCE carry four times as much"
        ));
    }
    Outcome::good(text)
}

/// A text of an RDMA resource.
pub(super) fn field<'v>(object: &'v Value, name: &str) -> Option<&'v str> {
    object.get(name).and_then(Value::as_str)
}

/// QP 1, over which the CM of InfiniBand and RoCE makes connections. iWARP has none.
pub(super) fn management(m: &mut Machine<'_>) -> Outcome {
    let pairs = match m.root.rdma_resources("qp") {
        Ok(pairs) => pairs,
        Err(why) => return Outcome::unknown(why),
    };
    let states: Vec<(&str, &str)> = pairs
        .iter()
        .filter(|pair| field(pair, "type") == Some("GSI"))
        .filter_map(|pair| Some((field(pair, "ifname")?, field(pair, "state")?)))
        .filter(|(name, _)| active(m).any(|d| d.name == *name))
        .collect();
    if states.is_empty() {
        return Outcome::good("not needed");
    }
    let said: Vec<String> = states
        .iter()
        .map(|(name, state)| format!("{name} {state}"))
        .collect();
    if states.iter().any(|(_, state)| *state == "ERR") {
        return Outcome::fault(Fault::CmDead, said.join(", "));
    }
    Outcome::good(said.join(", "))
}
