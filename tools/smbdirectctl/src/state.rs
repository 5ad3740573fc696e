// SPDX-License-Identifier: GPL-2.0

//! What there is to see of SMB Direct on a machine, at one moment.

pub mod connections;
pub mod counters;
pub mod devices;
pub mod interfaces;
pub mod module;
pub mod shares;

use crate::root::Root;
use connections::Connection;
use counters::Counters;
use devices::Device;
use interfaces::Interface;
use module::Modules;
use shares::Shares;

/// Where the module shows itself (`Documentation/observability.md`).
pub const SYSFS: &str = "sys/kernel/smbdirect";
/// Where it is steered (`Documentation/steering.md`, 5).
pub const CONFIGFS: &str = "sys/kernel/config/smbdirect";
/// What stands there for a value that is not set.
pub const UNSET: &str = "default";

/// One look at a machine. The parts are read one after the other, so a connection may have ended meanwhile.
#[derive(Debug)]
pub struct State {
    /// Kernel modules.
    pub modules: Modules,
    /// RDMA devices.
    pub devices: Vec<Device>,
    /// Network interfaces.
    pub interfaces: Vec<Interface>,
    /// Connections, by their numbers.
    pub connections: Vec<Connection>,
    /// Sums over all connections.
    pub stats: Counters,
    /// How connections and attempts ended.
    pub failures: Counters,
    /// Rules that peers broke.
    pub protocol_errors: Counters,
    /// Shares and their policy.
    pub shares: Shares,
}

impl State {
    /// Looks.
    pub fn read(root: &Root) -> Self {
        let devices = devices::read(root);
        Self {
            modules: Modules::read(root),
            interfaces: interfaces::read(root, &devices),
            connections: connections::read(root),
            stats: Counters::read(root, &format!("{SYSFS}/stats")),
            failures: Counters::read(root, &format!("{SYSFS}/failures")),
            protocol_errors: Counters::read(root, &format!("{SYSFS}/protocol_errors")),
            shares: Shares::read(root),
            devices,
        }
    }

    /// The connections that are established.
    pub fn connected(&self) -> impl Iterator<Item = &Connection> {
        self.connections.iter().filter(|c| c.is_connected())
    }
}
