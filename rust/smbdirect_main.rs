// SPDX-License-Identifier: GPL-2.0

//! SMB Direct (MS-SMBD) for the kernel's SMB server and client: `smbdirect.ko`.
//!
//! Start with `Documentation/architecture.md`. This file only puts the parts together.

#[path = "abi/abi.rs"]
mod abi;
#[path = "admin/configfs.rs"]
mod configfs;
#[path = "admin/debugfs.rs"]
mod debugfs;
#[path = "admin/probes.rs"]
mod probes;
#[path = "admin/snapshot.rs"]
mod snapshot;
#[path = "admin/sysfs.rs"]
mod sysfs;
#[path = "transport/transport.rs"]
mod transport;

use kernel::{configfs::Subsystem, debugfs::Scope, global_lock, prelude::*, sync::Arc};
use smbdirect_kext::work::{Installed, WorkQueue};
use transport::{
    devices::{DeviceStats, Devices, OBSERVER},
    policy::{InForce, Policy},
    probe::{Farewell, Left},
    Socket,
};

module! {
    type: Module,
    name: "smbdirect",
    authors: ["The smbdirect-rs authors"],
    description: "SMB Direct (MS-SMBD): SMB3 over RDMA, in Rust",
    license: "GPL",
    alias: ["smbdirect-rust"],
    params: {
        max_connections: u32 {
            default: 4096,
            description: "Server connections at once, over all peers, those in the handshake included; 0: no limit (4096)",
        },
        max_connections_per_address: u32 {
            default: 512,
            description: "Server connections at once from one IPv4 address or IPv6 /64 prefix; 0: no limit (512)",
        },
    },
}

global_lock! {
    // SAFETY: Initialised by `Module::init`, before anything can make a socket.
    pub(crate) unsafe(uninit) static SOCKETS: Mutex<KVec<Arc<Socket>>> = KVec::new();
}

global_lock! {
    // SAFETY: As above.
    pub(crate) unsafe(uninit) static DEVICES: Mutex<KVec<Arc<DeviceStats>>> = KVec::new();
}

global_lock! {
    // SAFETY: As above.
    pub(crate) unsafe(uninit) static SHOWN: Mutex<sysfs::Shown> = sysfs::Shown::new();
}

global_lock! {
    // SAFETY: As above.
    pub(crate) unsafe(uninit) static LEFT: Mutex<Left> = Left::new();
}

global_lock! {
    // SAFETY: As above.
    pub(crate) unsafe(uninit) static CHANGES: Mutex<()> = ();
}

global_lock! {
    // SAFETY: As above.
    pub(crate) unsafe(uninit) static IN_FORCE: SpinLockIrq<Option<Arc<Policy>>> = None;
}

/// The module. Fields are dropped in this order: first what administrators write to, what probes have left and what developers see, then the RDMA client, then the queues, which run what is still on them, then what
/// administrators see.
#[pin_data]
struct Module {
    #[pin]
    config: Subsystem<configfs::Root>,
    farewell: Farewell,
    #[pin]
    files: Scope<debugfs::Files>,
    #[pin]
    client: smbdirect_rdma::client::Registration,
    work: Installed,
    cleanup: Installed,
    admin: Installed,
    tree: sysfs::Tree,
    in_force: InForce,
}

impl kernel::InPlaceModule for Module {
    fn init(_module: &'static ThisModule) -> impl PinInit<Self, Error> {
        // SAFETY: Called once, before anything uses it.
        unsafe { SOCKETS.init() };
        // SAFETY: As above.
        unsafe { DEVICES.init() };
        // SAFETY: As above.
        unsafe { SHOWN.init() };
        // SAFETY: As above.
        unsafe { LEFT.init() };
        // SAFETY: As above.
        unsafe { CHANGES.init() };
        // SAFETY: As above.
        unsafe { IN_FORCE.init() };
        try_pin_init!(Self {
            in_force: InForce,
            farewell: Farewell,
            tree: sysfs::Tree::new()?,
            // SAFETY: Dropped at module exit after the other queues, whose items are the only ones to queue on it.
            admin: unsafe { transport::ADMIN.install(WorkQueue::background(c"smbdirect-admin")?) },
            // SAFETY: Dropped at module exit, when no consumer has the module and no socket is left but those whose last work item is queued here.
            cleanup: unsafe { transport::CLEANUP.install(WorkQueue::new(c"smbdirect-cleanup")?) },
            // SAFETY: As above.
            work: unsafe { transport::WORK.install(WorkQueue::new(c"smbdirect")?) },
            _: { OBSERVER.populate(&sysfs::Publisher); },
            client <- smbdirect_rdma::client::Registration::new(&Devices),
            files <- debugfs::Files::new(),
            // Last: from here on drafts can be made, which count the module, so nothing may fail any more. That it fails itself (no memory, or another module's directory
            // of this name) is more than the kernel crate's `Subsystem` can take.
            config <- configfs::Root::register(),
        })
    }
}
