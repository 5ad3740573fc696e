// SPDX-License-Identifier: GPL-2.0

//! RDMA devices as the counters know them, and who is told of devices and connections.
#![forbid(unsafe_code)]

use super::{
    cause::Cause,
    stats::{Events, Stats},
    Socket,
};
use kernel::{
    prelude::*,
    str::CString,
    sync::{atomic::Acquire, Arc, SetOnce},
};
use smbdirect_kext::{
    ctx::{NoioScope, ProcessCtx},
    list::take_first,
    log::{class, Level},
    name::Name,
    wait::Mode,
};
use smbdirect_rdma::{
    client::Watcher,
    device::{node_type, Device, DeviceId},
};

/// Counters of a device, from when it appeared until it goes away. Connections that outlive it keep them.
pub(crate) struct DeviceStats {
    id: DeviceId,
    /// The name that the device had when it appeared.
    pub(crate) name: CString,
    /// Whether it is iWARP.
    pub(crate) iwarp: bool,
    /// Sum over connections that have ended; changed with the lock of the list of sockets held.
    pub(crate) past: Stats,
    /// Beginnings and ends of its connections.
    pub(crate) events: Events,
}

/// Who shows devices and connections to administrators. All of it in process context; these may sleep.
pub(crate) trait Observer: Sync {
    /// A device appeared.
    fn device_added(&self, device: &Arc<DeviceStats>);

    /// A device is gone. Not called with any lock of ours held.
    fn device_removed(&self, device: &Arc<DeviceStats>);

    /// A connection is established. Not for one that has been given back meanwhile.
    fn connected(&self, socket: &Arc<Socket>);

    /// A connection that was is given back; its memory is freed when the observer does not hold it any more.
    fn released(&self, socket: &Socket);
}

/// The one observer, if there is one.
pub(crate) static OBSERVER: SetOnce<&'static dyn Observer> = SetOnce::new();

/// Is told of the devices that can carry SMB Direct.
pub(crate) struct Devices;

impl Watcher for Devices {
    fn added(&self, device: Device<'_>) -> Result {
        let device = Arc::new(
            DeviceStats {
                id: device.id(),
                name: CString::try_from_fmt(fmt!("{}", device.name()))?,
                iwarp: device.node_type() == node_type::RNIC,
                past: Stats::new(),
                events: Events::new(),
            },
            GFP_KERNEL,
        )?;
        {
            // A client that connects again takes this lock, and may be what memory reclaim waits for.
            let _noio = NoioScope::enter();
            crate::DEVICES.lock().push(device.clone(), GFP_KERNEL)?;
        }
        if let Some(observer) = OBSERVER.as_ref() {
            observer.device_added(&device);
        }
        Ok(())
    }

    fn removed(&self, id: DeviceId) {
        // From here on no connection begins over it.
        let gone = take_first(&mut crate::DEVICES.lock(), |device| device.id == id);
        end_all(id);
        if let (Some(device), Some(observer)) = (gone, OBSERVER.as_ref()) {
            observer.device_removed(&device);
        }
    }
}

/// Ends all connections over a device that is known no more, and waits until they are torn down. Sleeps.
///
/// rdma_cm would do it a moment later, but gives the device back before the GID that each of its ids holds (`cma_release_dev`): a thread that is held up
/// between the two puts the GID when the device is gone.
fn end_all(id: DeviceId) {
    let ctx = ProcessCtx::enter();
    let find = |wanted: fn(&Socket) -> bool| {
        let sockets = crate::SOCKETS.lock();
        let mut over = sockets
            .iter()
            .filter(|s| s.device.as_ref().is_some_and(|d| d.id == id) && wanted(s));
        over.next().cloned()
    };
    let end = |socket: &Arc<Socket>| {
        if socket.status.first_error().is_none() {
            // Teardown waits for the permit, and with it its consumer, whose log this is.
            if let Ok(_permit) = socket.enter() {
                socket.log(
                    Level::Err,
                    class::RDMA_EVENT,
                    format_args!("the device is removed"),
                );
            }
            Socket::fail_for(socket.as_arc_borrow(), ENETDOWN, Cause::Device);
        }
    };
    // All begin to end before the first is waited for.
    while let Some(socket) = find(|s| s.status.first_error().is_none()) {
        end(&socket);
    }
    while let Some(socket) = find(|_| true) {
        // One that was about to begin when the device was forgotten.
        end(&socket);
        socket.events.wait(&ctx, Mode::Uninterruptible, None, || {
            socket.torn_down.load(Acquire).then_some(())
        });
    }
}

fn find_in(devices: &[Arc<DeviceStats>], id: DeviceId) -> Option<Arc<DeviceStats>> {
    devices.iter().find(|device| device.id == id).cloned()
}

/// The counters of a device, unless it is going away.
pub(super) fn find(id: DeviceId) -> Option<Arc<DeviceStats>> {
    find_in(&crate::DEVICES.lock(), id)
}

impl Socket {
    /// Books the socket's events and traffic on a device from now on. `-ENODEV`: it is not one of ours, or going away.
    ///
    /// The gate must be open: the removal of the device ends the socket from now on.
    pub(super) fn use_device(&self, id: DeviceId) -> Result {
        // With the lock held: `removed` has taken the device away before, or finds the socket afterwards.
        let devices = crate::DEVICES.lock();
        self.device.populate(find_in(&devices, id).ok_or(ENODEV)?);
        Ok(())
    }

    /// The name of the socket's device; empty until there is one.
    pub(super) fn device_name(&self) -> Name {
        let device = self.device.as_ref();
        device.map_or(Name::EMPTY, |d| Name::new(d.name.to_bytes()))
    }
}
