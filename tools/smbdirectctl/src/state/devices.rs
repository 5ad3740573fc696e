// SPDX-License-Identifier: GPL-2.0

//! RDMA devices: what the RDMA core shows of them, and what our module does.

use super::{counters::Counters, SYSFS};
use crate::root::Root;
use serde_json::Value;

const CLASS: &str = "sys/class/infiniband";

/// A port of a device.
#[derive(Clone, Debug)]
pub struct Port {
    /// Its number, from 1.
    pub number: u32,
    /// `ACTIVE`, `DOWN`, ...
    pub state: String,
    /// `LinkUp`, `Disabled`, ...
    pub physical: String,
    /// `Ethernet` or `InfiniBand`.
    pub layer: String,
    /// As the RDMA core says it: `100 Gb/sec (4X EDR)`.
    pub rate: String,
    /// Its network interface.
    pub netdev: Option<String>,
}

impl Port {
    /// Whether it carries traffic.
    pub fn is_active(&self) -> bool {
        self.state == "ACTIVE"
    }
}

/// A device.
#[derive(Clone, Debug)]
pub struct Device {
    /// Its name; one that was renamed is there twice: as it is, and without ports under the name by which the module shows it.
    pub name: String,
    /// Whether it speaks iWARP rather than InfiniBand or RoCE.
    pub iwarp: bool,
    /// Its ports.
    pub ports: Vec<Port>,
    /// Whether our module serves it.
    pub shown: bool,
    /// Sums over its connections.
    pub stats: Counters,
    /// How connections and attempts ended.
    pub failures: Counters,
    /// Rules that peers broke.
    pub protocol_errors: Counters,
}

impl Device {
    /// The kind of network, in a word.
    pub fn kind(&self) -> &'static str {
        let layer = |layer: &str| self.ports.iter().any(|p| p.layer == layer);
        if self.iwarp {
            "iWARP"
        } else if layer("InfiniBand") {
            "InfiniBand"
        } else if self.ports.is_empty() {
            "InfiniBand or RoCE"
        } else {
            "RoCE"
        }
    }

    /// The port of ksmbd for devices of this kind.
    pub fn smb_port(&self) -> u16 {
        if self.iwarp {
            5445
        } else {
            445
        }
    }

    /// Whether a port carries traffic.
    pub fn is_active(&self) -> bool {
        self.ports.iter().any(Port::is_active)
    }

    /// The network interfaces of its ports.
    pub fn netdevs(&self) -> impl Iterator<Item = &str> {
        self.ports.iter().filter_map(|p| p.netdev.as_deref())
    }
}

/// `4: ACTIVE` without the number.
fn after_colon(text: Option<String>) -> String {
    let text = text.unwrap_or_else(|| "-".into());
    text.split_once(": ")
        .map_or(text.clone(), |(_, name)| name.into())
}

/// What `rdma -j link show` says of the network interface of a port.
fn linked(links: &Value, device: &str, port: u32) -> Option<String> {
    let is = |link: &&Value| {
        link.get("ifname").and_then(Value::as_str) == Some(device)
            && link.get("port").and_then(Value::as_u64) == Some(port.into())
    };
    let netdev = links.as_array()?.iter().find(is)?.get("netdev")?;
    netdev.as_str().map(Into::into)
}

fn netdev(root: &Root, links: &Value, device: &str, port: u32) -> Option<String> {
    let dir = format!("{CLASS}/{device}");
    let gids = format!("{dir}/ports/{port}/gid_attrs/ndevs");
    linked(links, device, port)
        .or_else(|| {
            root.names(&gids)
                .iter()
                .find_map(|n| root.word(&format!("{gids}/{n}")))
        })
        .or_else(|| root.word(&format!("{dir}/parent")))
        .or_else(|| of_adapter(root, &format!("{dir}/device/net"), port))
}

/// The interface of an adapter that belongs to a port; interfaces count ports from 0.
fn of_adapter(root: &Root, dir: &str, port: u32) -> Option<String> {
    let names = root.names(dir);
    let is = |name: &&String| {
        let of = root.word(&format!("{dir}/{name}/dev_port"));
        of.and_then(|n| n.parse().ok()) == port.checked_sub(1)
    };
    names.iter().find(is).or(names.first()).cloned()
}

fn port(root: &Root, links: &Value, device: &str, number: u32) -> Port {
    let of = |file: &str| root.word(&format!("{CLASS}/{device}/ports/{number}/{file}"));
    Port {
        number,
        state: after_colon(of("state")),
        physical: after_colon(of("phys_state")),
        layer: of("link_layer").unwrap_or_else(|| "-".into()),
        rate: of("rate").unwrap_or_else(|| "-".into()),
        netdev: netdev(root, links, device, number),
    }
}

/// All.
pub fn read(root: &Root) -> Vec<Device> {
    let mut names = root.names(CLASS);
    let links = if names.is_empty() {
        None
    } else {
        root.output(&["rdma", "-j", "link", "show"]).ok()
    };
    let links = links
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or(Value::Null);
    names.extend(root.names(&format!("{SYSFS}/devices")));
    names.sort();
    names.dedup();
    names
        .into_iter()
        .map(|name| {
            let ports = root.names(&format!("{CLASS}/{name}/ports"));
            let mut ports: Vec<Port> = ports
                .iter()
                .filter_map(|n| n.parse().ok())
                .map(|n| port(root, &links, &name, n))
                .collect();
            ports.sort_by_key(|p| p.number);
            let shown = format!("{SYSFS}/devices/{name}");
            let counters = |file: &str| Counters::read(root, &format!("{shown}/{file}"));
            // "4: RNIC" is the RDMA core's word for iWARP; our module has its own
            let node = after_colon(root.word(&format!("{CLASS}/{name}/node_type")));
            let family = root.word(&format!("{shown}/family"));
            Device {
                iwarp: family.as_deref().map_or(node == "RNIC", |f| f == "iwarp"),
                ports,
                shown: root.exists(&shown),
                stats: counters("stats"),
                failures: counters("failures"),
                protocol_errors: counters("protocol_errors"),
                name,
            }
        })
        .collect()
}
