// SPDX-License-Identifier: GPL-2.0
//! The connection manager: from an address to an identifier that can connect.

use std::ffi::c_void;
use std::io;
use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::ptr::{null, null_mut, NonNull};
use std::time::Instant;

use super::ffi::*;
use super::library::Library;
use super::plain::Port;

/// An `rdma_cm_id` with an event channel of its own.
pub(super) struct Id {
    id: NonNull<CmId>,
    channel: NonNull<EventChannel>,
    library: &'static Library,
}

/// An event channel that never blocks.
fn channel(library: &'static Library) -> io::Result<NonNull<EventChannel>> {
    // SAFETY: no arguments, no conditions; then a file descriptor of ours.
    unsafe {
        let channel =
            NonNull::new((library.create_event_channel)()).ok_or_else(io::Error::last_os_error)?;
        let fd = channel.as_ref().fd;
        let flags = libc::fcntl(fd, libc::F_GETFL);
        libc::fcntl(fd, libc::F_SETFL, flags | libc::O_NONBLOCK);
        Ok(channel)
    }
}

impl Id {
    pub(super) fn create(library: &'static Library) -> io::Result<Self> {
        let channel = channel(library)?;
        let mut id = null_mut();
        // SAFETY: the channel is open, `id` takes the result.
        let failed = unsafe { (library.create_id)(channel.as_ptr(), &mut id, null_mut(), PS_TCP) };
        let error = io::Error::last_os_error();
        let Some(id) = NonNull::new(id).filter(|_| failed == 0) else {
            // SAFETY: nothing uses the channel.
            unsafe { (library.destroy_event_channel)(channel.as_ptr()) };
            return Err(error);
        };
        Ok(Id {
            id,
            channel,
            library,
        })
    }

    /// The identifier of a connection request, with a channel of its own.
    fn adopt(library: &'static Library, id: NonNull<CmId>) -> io::Result<Self> {
        let channel = match channel(library) {
            Ok(channel) => channel,
            Err(e) => {
                // SAFETY: ours, and nobody else knows it; that refuses the request.
                unsafe { (library.destroy_id)(id.as_ptr()) };
                return Err(e);
            }
        };
        let this = Id {
            id,
            channel,
            library,
        };
        // SAFETY: both are there, and all events of the id are acknowledged.
        match unsafe { (library.migrate_id)(id.as_ptr(), channel.as_ptr()) } {
            0 => Ok(this),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// A connection request, and how many RDMA reads the other side serves.
    pub(super) fn request(&self) -> io::Result<Option<(Id, u8)>> {
        let mut raw = null_mut();
        // SAFETY: `raw` takes an event, which is acknowledged before it is forgotten;
        // the id of a request outlives it.
        let (kind, id, reads) = unsafe {
            if (self.library.get_cm_event)(self.channel.as_ptr(), &mut raw) != 0 {
                let e = io::Error::last_os_error();
                return if e.kind() == io::ErrorKind::WouldBlock {
                    Ok(None)
                } else {
                    Err(e)
                };
            }
            let found = ((*raw).event, (*raw).id, (*raw).conn.responder_resources);
            (self.library.ack_cm_event)(raw);
            found
        };
        match NonNull::new(id) {
            Some(id) if kind == event::CONNECT_REQUEST => {
                Ok(Some((Id::adopt(self.library, id)?, reads)))
            }
            _ => Ok(None),
        }
    }

    /// Listen at an address and a port.
    pub(super) fn listen(&self, mut at: SocketAddr, port: u16) -> io::Result<()> {
        at.set_port(port);
        let address = RawAddress::new(at);
        // SAFETY: the address is a complete sockaddr of its family.
        unsafe {
            if (self.library.bind_addr)(self.raw(), address.as_ptr()) != 0
                || (self.library.listen)(self.raw(), 16) != 0
            {
                return Err(io::Error::last_os_error());
            }
        }
        Ok(())
    }

    /// An identifier with a device and a route to `to`.
    pub fn resolve(
        library: &'static Library,
        to: SocketAddr,
        port: Port,
        deadline: Instant,
    ) -> io::Result<Self> {
        let first = match port {
            Port::Number(n) => n,
            Port::ByDevice => 445,
        };
        let id = Self::resolve_once(library, to, first, deadline)?;
        if port != Port::ByDevice || !id.is_iwarp() {
            return Ok(id);
        }
        drop(id);
        Self::resolve_once(library, to, 5445, deadline)
    }

    fn resolve_once(
        library: &'static Library,
        mut to: SocketAddr,
        port: u16,
        deadline: Instant,
    ) -> io::Result<Self> {
        to.set_port(port);
        let id = Self::create(library)?;
        let address = RawAddress::new(to);
        // SAFETY: the address is a complete sockaddr of its family.
        let failed = unsafe { (library.resolve_addr)(id.raw(), null(), address.as_ptr(), 5000) };
        if failed != 0 {
            return Err(io::Error::last_os_error());
        }
        id.expect(event::ADDR_RESOLVED, deadline)?;
        // SAFETY: the id has an address.
        if unsafe { (library.resolve_route)(id.raw(), 5000) } != 0 {
            return Err(io::Error::last_os_error());
        }
        id.expect(event::ROUTE_RESOLVED, deadline)?;
        Ok(id)
    }

    pub fn raw(&self) -> *mut CmId {
        self.id.as_ptr()
    }

    pub fn fd(&self) -> RawFd {
        // SAFETY: open as long as `self` is there.
        unsafe { self.channel.as_ref().fd }
    }

    /// The device's context; only after `resolve`.
    pub fn verbs(&self) -> *mut Context {
        // SAFETY: the id is there as long as `self` is.
        unsafe { self.id.as_ref().verbs }
    }

    /// Only after `resolve`, or with a device.
    pub fn is_iwarp(&self) -> bool {
        // SAFETY: a resolved id has a device, which stays.
        unsafe { (*(*self.verbs()).device).transport_type == TRANSPORT_IWARP }
    }

    pub(super) fn has_device(&self) -> bool {
        !self.verbs().is_null()
    }

    /// The next event of the connection manager, if there is one.
    pub fn event(&self) -> io::Result<Option<(i32, i32)>> {
        let mut raw = null_mut();
        // SAFETY: `raw` takes an event, which is acknowledged before it is forgotten.
        unsafe {
            if (self.library.get_cm_event)(self.channel.as_ptr(), &mut raw) != 0 {
                let e = io::Error::last_os_error();
                return if e.kind() == io::ErrorKind::WouldBlock {
                    Ok(None)
                } else {
                    Err(e)
                };
            }
            let found = ((*raw).event, (*raw).status);
            (self.library.ack_cm_event)(raw);
            Ok(Some(found))
        }
    }

    /// Wait for one event; any other is an error.
    pub fn expect(&self, want: i32, deadline: Instant) -> io::Result<()> {
        loop {
            if let Some((got, status)) = self.event()? {
                if got == want {
                    return Ok(());
                }
                return Err(io::Error::other(format!(
                    "waiting for '{}', the connection manager said '{}' ({status})",
                    event::name(want),
                    event::name(got),
                )));
            }
            if !wait_readable(&[self.fd()], deadline)? {
                return Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    format!("waited in vain for '{}'", event::name(want)),
                ));
            }
        }
    }
}

impl Drop for Id {
    fn drop(&mut self) {
        // SAFETY: the endpoint has taken its queue pair away before; all events
        // have been acknowledged.
        unsafe {
            (self.library.destroy_id)(self.id.as_ptr());
            (self.library.destroy_event_channel)(self.channel.as_ptr());
        }
    }
}

/// Wait until one of `fds` can be read: false when the deadline comes first.
pub(super) fn wait_readable(fds: &[RawFd], deadline: Instant) -> io::Result<bool> {
    let mut polled: Vec<libc::pollfd> = fds
        .iter()
        .map(|&fd| libc::pollfd {
            fd,
            events: libc::POLLIN,
            revents: 0,
        })
        .collect();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let ms = i32::try_from(left.as_micros().div_ceil(1000)).unwrap_or(i32::MAX);
        // SAFETY: `polled` has as many entries as said.
        let n = unsafe { libc::poll(polled.as_mut_ptr(), polled.len() as libc::nfds_t, ms) };
        if n > 0 {
            return Ok(true);
        }
        let e = io::Error::last_os_error();
        if n < 0 && e.kind() != io::ErrorKind::Interrupted {
            return Err(e);
        }
        if Instant::now() >= deadline {
            return Ok(false);
        }
    }
}

/// A `sockaddr` of either family.
enum RawAddress {
    V4(libc::sockaddr_in),
    V6(libc::sockaddr_in6),
}

impl RawAddress {
    fn new(address: SocketAddr) -> Self {
        match address {
            SocketAddr::V4(a) => RawAddress::V4(libc::sockaddr_in {
                sin_family: libc::AF_INET as libc::sa_family_t,
                sin_port: a.port().to_be(),
                sin_addr: libc::in_addr {
                    s_addr: u32::from(*a.ip()).to_be(),
                },
                sin_zero: [0; 8],
            }),
            SocketAddr::V6(a) => RawAddress::V6(libc::sockaddr_in6 {
                sin6_family: libc::AF_INET6 as libc::sa_family_t,
                sin6_port: a.port().to_be(),
                sin6_flowinfo: a.flowinfo(),
                sin6_addr: libc::in6_addr {
                    s6_addr: a.ip().octets(),
                },
                sin6_scope_id: a.scope_id(),
            }),
        }
    }

    fn as_ptr(&self) -> *const c_void {
        match self {
            RawAddress::V4(a) => std::ptr::from_ref(a).cast(),
            RawAddress::V6(a) => std::ptr::from_ref(a).cast(),
        }
    }
}
