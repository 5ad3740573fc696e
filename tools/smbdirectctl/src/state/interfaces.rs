// SPDX-License-Identifier: GPL-2.0

//! Network interfaces, and which of them RDMA devices stand behind.

use super::devices::Device;
use crate::root::Root;
use serde_json::Value;
use std::net::IpAddr;

const CLASS: &str = "sys/class/net";
/// `IFF_UP` and `IFF_LOOPBACK` of the file `flags`.
const UP: u32 = 0x1;
const LOOPBACK: u32 = 0x8;
/// How many interfaces may lie on top of each other: a VLAN on a bridge on a bond on a port, and some more.
const DEEP: usize = 8;

/// An interface.
#[derive(Clone, Debug)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Whether it is switched on.
    pub up: bool,
    /// Whether it has a carrier.
    pub carrier: bool,
    /// Largest packet.
    pub mtu: Option<u32>,
    /// Mb/s; `None`: it does not say.
    pub speed: Option<u32>,
    /// Its addresses; `None`: they could not be read.
    pub addresses: Option<Vec<IpAddr>>,
    /// The RDMA devices of it, or of an interface below it (VLAN, bridge).
    pub devices: Vec<String>,
}

impl Interface {
    /// Whether it has an address of IPv4.
    pub fn has_ipv4(&self) -> Option<bool> {
        let addresses = self.addresses.as_ref()?;
        Some(addresses.iter().any(IpAddr::is_ipv4))
    }
}

/// `ip -j address show`, by interface.
fn addresses(root: &Root) -> Option<Value> {
    let text = root.output(&["ip", "-j", "address", "show"]).ok()?;
    serde_json::from_str(&text).ok()
}

fn addresses_of(all: &Value, name: &str) -> Vec<IpAddr> {
    let array = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let is = |i: &Value| i.get("ifname").and_then(Value::as_str) == Some(name);
    array(all)
        .iter()
        .filter(|i| is(i))
        .flat_map(|i| array(i.get("addr_info").unwrap_or(&Value::Null)))
        .filter_map(|a| a.get("local")?.as_str()?.parse().ok())
        .collect()
}

/// The RDMA devices of an interface and of those below it.
fn devices_of(root: &Root, devices: &[Device], name: &str, deep: usize) -> Vec<String> {
    let mut found: Vec<String> = devices
        .iter()
        .filter(|d| d.netdevs().any(|n| n == name))
        .map(|d| d.name.clone())
        .collect();
    if let Some(deep) = deep.checked_sub(1) {
        for entry in root.names(&format!("{CLASS}/{name}")) {
            if let Some(lower) = entry.strip_prefix("lower_") {
                found.extend(devices_of(root, devices, lower, deep));
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

/// All but loopback.
pub fn read(root: &Root, devices: &[Device]) -> Vec<Interface> {
    let all = addresses(root);
    root.names(CLASS)
        .into_iter()
        .filter_map(|name| {
            let of = |file: &str| root.word(&format!("{CLASS}/{name}/{file}"));
            let flags = of("flags")?;
            let flags = u32::from_str_radix(flags.trim_start_matches("0x"), 16).ok()?;
            if flags & LOOPBACK != 0 {
                return None;
            }
            Some(Interface {
                up: flags & UP != 0,
                // cannot be read while the interface is off
                carrier: of("carrier").as_deref() == Some("1"),
                mtu: of("mtu").and_then(|t| t.parse().ok()),
                // -1 while it is unknown
                speed: of("speed").and_then(|t| t.parse().ok()),
                addresses: all.as_ref().map(|all| addresses_of(all, &name)),
                devices: devices_of(root, devices, &name, DEEP),
                name,
            })
        })
        .collect()
}
