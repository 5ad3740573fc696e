// SPDX-License-Identifier: GPL-2.0

//! The RDMA devices of the host, and which network devices they serve.

use crate::device::{node_type, Device, DeviceId};
use core::ptr::NonNull;
use kernel::{
    error::to_result,
    ffi::{c_int, c_void},
    global_lock,
    prelude::*,
    sync::SetOnce,
    types::Opaque,
};
use smbdirect_kext::{bindings, list::take_first, name::Name};

global_lock! {
    // SAFETY: Initialised by `Registration::new`, which runs before any use.
    unsafe(uninit) static DEVICES: Mutex<KVec<Entry>> = KVec::new();
}

/// A capable device, between our add and remove callbacks.
struct Entry(NonNull<bindings::ib_device>);

// SAFETY: Devices may be used from every thread.
unsafe impl Send for Entry {}

/// Who is told of devices that can carry SMB Direct. Process context, without a lock of this crate.
pub trait Watcher: Sync {
    /// A device appeared. If this fails, the device is not used.
    fn added(&self, device: Device<'_>) -> Result;

    /// It goes away. New connections may still arrive for a moment; rdma_cm ends those.
    fn removed(&self, id: DeviceId);
}

static WATCHER: SetOnce<&'static dyn Watcher> = SetOnce::new();

/// Our `ib_client`. While it exists, `DEVICES` lists the devices that can carry SMB Direct.
///
/// On removal of a device the watcher ends the connections over it. What arrives after that is ended by rdma_cm, which is told after us.
///
/// # Invariants
///
/// The client is registered and pinned.
#[pin_data(PinnedDrop)]
pub struct Registration {
    #[pin]
    client: Opaque<bindings::ib_client>,
}

// SAFETY: The registration is only a token; the RDMA core locks the client.
unsafe impl Send for Registration {}
// SAFETY: As above.
unsafe impl Sync for Registration {}

impl Registration {
    /// Registers; the add callback runs for every device that exists. Sleeps. Once per module.
    pub fn new(watcher: &'static dyn Watcher) -> impl PinInit<Self, Error> {
        WATCHER.populate(watcher);
        // SAFETY: Called once, from module initialisation, before anything uses the list.
        unsafe { DEVICES.init() };
        try_pin_init!(Self {
            client <- Opaque::try_ffi_init(|slot: *mut bindings::ib_client| {
                // SAFETY: `slot` is valid for writes.
                unsafe {
                    slot.write(bindings::ib_client {
                        name: c"smbdirect_ib_client".as_char_ptr(),
                        add: Some(add),
                        remove: Some(remove),
                        ..Default::default()
                    });
                    to_result(bindings::ib_register_client(slot))
                }
            }),
        })
    }
}

#[pinned_drop]
impl PinnedDrop for Registration {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: Registered, by the type invariant. Waits for running callbacks.
        unsafe { bindings::ib_unregister_client(self.client.get()) }
    }
}

/// A device appeared. Process context.
///
/// # Safety
///
/// Called by the RDMA core with a registered device.
unsafe extern "C" fn add(raw: *mut bindings::ib_device) -> c_int {
    let Some(raw) = NonNull::new(raw) else {
        return 0;
    };
    // SAFETY: The core keeps the device registered until our remove callback has returned.
    let device = unsafe { Device::from_raw(raw) };
    if !device.is_capable() {
        pr_info!(
            "device {}: not usable for SMB Direct (node type {}, FRWR {})\n",
            device.name(),
            device.node_type(),
            device.frwr_supported()
        );
        return 0;
    }
    let family = match device.node_type() {
        node_type::RNIC => "iWARP",
        _ => "InfiniBand/RoCE",
    };
    pr_info!(
        "device {}: {} with FRWR, up to {} pages a registration\n",
        device.name(),
        family,
        device.max_fast_reg_pages()
    );
    if let Some(Err(error)) = WATCHER.as_ref().map(|watcher| watcher.added(device)) {
        return error.to_errno();
    }
    match DEVICES.lock().push(Entry(raw), GFP_KERNEL) {
        Ok(()) => 0,
        Err(_) => {
            if let Some(watcher) = WATCHER.as_ref() {
                watcher.removed(device.id());
            }
            -(bindings::ENOMEM as c_int)
        }
    }
}

/// A device goes away. Process context.
///
/// # Safety
///
/// Called by the RDMA core for a device that `add` was called with.
unsafe extern "C" fn remove(raw: *mut bindings::ib_device, _data: *mut c_void) {
    let _ = take_first(&mut DEVICES.lock(), |entry| entry.0.as_ptr() == raw);
    if let (Some(raw), Some(watcher)) = (NonNull::new(raw), WATCHER.as_ref()) {
        // SAFETY: The core keeps the device registered until this returns.
        watcher.removed(unsafe { Device::from_raw(raw) }.id());
    }
}

/// A network device that a C caller holds.
#[derive(Clone, Copy)]
pub struct NetDevice(NonNull<bindings::net_device>);

impl NetDevice {
    /// Wraps a network device; `None` for a null pointer.
    ///
    /// # Safety
    ///
    /// The device is held for the lifetime of the value.
    pub unsafe fn from_raw(raw: *mut bindings::net_device) -> Option<Self> {
        NonNull::new(raw).map(Self)
    }

    /// The node type of the RDMA device behind it: [`node_type::IB_CA`], [`node_type::RNIC`] or [`node_type::UNSPECIFIED`] (which is not 0).
    ///
    /// Looks through VLANs, bridges, bonds, teams and macvlans, at any depth: traffic to an address of the upper device can arrive through the capable
    /// lower one. IPoIB counts as InfiniBand. Process context; the caller holds rtnl, and nothing here waits for it.
    pub fn rdma_node_type(self) -> u8 {
        let own = direct(self.0.as_ptr());
        if own != node_type::UNSPECIFIED {
            return own;
        }
        let mut found = node_type::UNSPECIFIED;
        // SAFETY: The device is held; the callback gets a pointer to `found`, which outlives the call.
        unsafe {
            bindings::smbd_netdev_any_lower(
                self.0.as_ptr(),
                Some(lower),
                core::ptr::addr_of_mut!(found).cast(),
            );
        }
        if found != node_type::UNSPECIFIED {
            return found;
        }
        // SAFETY: The device is held.
        if unsafe { bindings::smbd_netdev_is_ipoib(self.0.as_ptr()) } {
            return node_type::IB_CA;
        }
        node_type::UNSPECIFIED
    }

    /// Its name.
    pub fn name(self) -> Name {
        // SAFETY: The device is held; `size` bytes may be written.
        Name::written(|to, size| unsafe { bindings::smbd_netdev_name(self.0.as_ptr(), to, size) })
    }

    /// The name of the RDMA device that says it is on this network device itself; empty if none does.
    pub fn rdma_name(self) -> Name {
        of_netdev(self.0.as_ptr(), |device| device.short_name()).unwrap_or(Name::EMPTY)
    }

    /// Calls `f` with each of its addresses, IPv4 in the v4-mapped form. `f` runs under RCU and must not sleep.
    pub fn each_addr<F: FnMut([u8; 16])>(self, mut f: F) {
        // SAFETY: The device is held; the callback gets a pointer to `f`, which outlives the call.
        unsafe {
            bindings::smbd_netdev_each_addr(
                self.0.as_ptr(),
                Some(one_addr::<F>),
                core::ptr::addr_of_mut!(f).cast(),
            );
        }
    }
}

/// Called for each address of a device.
///
/// # Safety
///
/// `addr` points to 16 bytes, `f` to an `F` that nobody else uses.
unsafe extern "C" fn one_addr<F: FnMut([u8; 16])>(addr: *const u8, f: *mut c_void) {
    // SAFETY: By the safety requirement.
    unsafe { (*f.cast::<F>())(addr.cast::<[u8; 16]>().read()) }
}

/// Called under RCU for each lower device.
///
/// # Safety
///
/// `netdev` is valid in the RCU read section; `found` points to a `u8`.
unsafe extern "C" fn lower(netdev: *mut bindings::net_device, found: *mut c_void) -> bool {
    let kind = by_netdev(netdev);
    if kind == node_type::UNSPECIFIED {
        return false;
    }
    // SAFETY: `rdma_node_type` passed a pointer to its `u8`.
    unsafe { found.cast::<u8>().write(kind) };
    true
}

/// Looks at the device that names this netdev as its own in the RDMA core's table. Any context.
fn of_netdev<R>(netdev: *mut bindings::net_device, f: impl FnOnce(Device<'_>) -> R) -> Option<R> {
    // SAFETY: The caller holds the netdev; a device found is returned with a reference, which is dropped below.
    let raw = unsafe {
        bindings::ib_device_get_by_netdev(netdev, bindings::rdma_driver_id_RDMA_DRIVER_UNKNOWN)
    };
    let raw = NonNull::new(raw)?;
    // SAFETY: The reference keeps it registered.
    let result = f(unsafe { Device::from_raw(raw) });
    // SAFETY: Our reference.
    unsafe { bindings::ib_device_put(raw.as_ptr()) };
    Some(result)
}

/// What that device is, if it can carry SMB Direct.
fn by_netdev(netdev: *mut bindings::net_device) -> u8 {
    of_netdev(netdev, |device| {
        device.is_capable().then(|| device.node_type())
    })
    .flatten()
    .unwrap_or(node_type::UNSPECIFIED)
}

/// A netdev itself: the core's table, then every port of the devices we know (some drivers only answer when asked by port).
fn direct(netdev: *mut bindings::net_device) -> u8 {
    let kind = by_netdev(netdev);
    if kind != node_type::UNSPECIFIED {
        return kind;
    }
    for entry in DEVICES.lock().iter() {
        // SAFETY: In the list: our remove callback, which takes the same lock, has not run.
        let device = unsafe { Device::from_raw(entry.0) };
        for port in 1..=device.ports() {
            // SAFETY: As above; a netdev found is returned with a reference.
            let of_port = unsafe { bindings::ib_device_get_netdev(device.as_ptr(), port) };
            if of_port.is_null() {
                continue;
            }
            // SAFETY: Our reference.
            unsafe { bindings::smbd_netdev_put(of_port) };
            if of_port == netdev {
                return device.node_type();
            }
        }
    }
    node_type::UNSPECIFIED
}

/// A device for the KUnit suites, which nobody removes while they run.
#[cfg(smbdirect_kunit)]
pub(crate) fn first_for_tests() -> Option<*mut bindings::ib_device> {
    DEVICES.lock().first().map(|entry| entry.0.as_ptr())
}
