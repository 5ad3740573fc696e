// SPDX-License-Identifier: GPL-2.0

//! Connection-manager ids.
//!
//! C header: [`include/rdma/rdma_cm.h`](srctree/include/rdma/rdma_cm.h)

use crate::{
    addr::{Host, SockAddr},
    device::Device,
    net::Net,
};
use core::{marker::PhantomData, ptr::NonNull};
use kernel::{
    error::{from_err_ptr, to_result},
    ffi::{c_int, c_void},
    prelude::*,
    sync::{Arc, ArcBorrow},
};
use smbdirect_kext::{bindings, ctx::ProcessCtx, name::Name};

/// What gets the events of a [`CmId`].
///
/// All methods run in process context with the id's handler mutex held: they may sleep, must not wait for other events of the same
/// id, and cannot destroy the id (they are given no [`CmId`] by value).
pub trait CmHandler: Send + Sync + 'static {
    /// Anything but a connect request.
    fn event(this: ArcBorrow<'_, Self>, event: &Event<'_>);

    /// A peer wants to connect to this listening id. A request that is not adopted is rejected.
    fn connect_request(this: ArcBorrow<'_, Self>, request: ConnectRequest<'_>);
}

/// Kinds of events (`enum rdma_cm_event_type`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum EventKind {
    AddrResolved,
    AddrError,
    RouteResolved,
    RouteError,
    ConnectRequest,
    ConnectResponse,
    ConnectError,
    Unreachable,
    Rejected,
    Established,
    Disconnected,
    DeviceRemoval,
    AddrChange,
    TimewaitExit,
    /// A value this code does not know.
    Other(u32),
}

impl From<u32> for EventKind {
    fn from(raw: u32) -> Self {
        use bindings as b;
        match raw {
            b::rdma_cm_event_type_RDMA_CM_EVENT_ADDR_RESOLVED => Self::AddrResolved,
            b::rdma_cm_event_type_RDMA_CM_EVENT_ADDR_ERROR => Self::AddrError,
            b::rdma_cm_event_type_RDMA_CM_EVENT_ROUTE_RESOLVED => Self::RouteResolved,
            b::rdma_cm_event_type_RDMA_CM_EVENT_ROUTE_ERROR => Self::RouteError,
            b::rdma_cm_event_type_RDMA_CM_EVENT_CONNECT_REQUEST => Self::ConnectRequest,
            b::rdma_cm_event_type_RDMA_CM_EVENT_CONNECT_RESPONSE => Self::ConnectResponse,
            b::rdma_cm_event_type_RDMA_CM_EVENT_CONNECT_ERROR => Self::ConnectError,
            b::rdma_cm_event_type_RDMA_CM_EVENT_UNREACHABLE => Self::Unreachable,
            b::rdma_cm_event_type_RDMA_CM_EVENT_REJECTED => Self::Rejected,
            b::rdma_cm_event_type_RDMA_CM_EVENT_ESTABLISHED => Self::Established,
            b::rdma_cm_event_type_RDMA_CM_EVENT_DISCONNECTED => Self::Disconnected,
            b::rdma_cm_event_type_RDMA_CM_EVENT_DEVICE_REMOVAL => Self::DeviceRemoval,
            b::rdma_cm_event_type_RDMA_CM_EVENT_ADDR_CHANGE => Self::AddrChange,
            b::rdma_cm_event_type_RDMA_CM_EVENT_TIMEWAIT_EXIT => Self::TimewaitExit,
            other => Self::Other(other),
        }
    }
}

/// An event, alive for the handler call.
///
/// # Invariants
///
/// `raw` is the event that rdma_cm passed to the handler.
pub struct Event<'e> {
    raw: &'e bindings::rdma_cm_event,
}

impl Event<'_> {
    /// The kind of event.
    pub fn kind(&self) -> EventKind {
        EventKind::from(self.raw.event)
    }

    /// The event's number (`enum rdma_cm_event_type`).
    pub fn number(&self) -> u32 {
        self.raw.event
    }

    /// The status: 0, a negative errno, or a provider's positive reject reason.
    pub fn status(&self) -> i32 {
        self.raw.status
    }

    /// RDMA reads the other side will have outstanding (`initiator_depth`) and serve (`responder_resources`), as the event says them.
    /// Meaningful for connect requests and establishment.
    pub fn depths(&self) -> (u8, u8) {
        // SAFETY: Every connection event of an RC id fills `param.conn`, and all bit patterns of its integers are valid.
        let conn = unsafe { self.raw.param.conn.as_ref() };
        (conn.initiator_depth, conn.responder_resources)
    }

    /// The private data of a connect request, response or rejection; empty if there is none.
    pub fn private_data(&self) -> &[u8] {
        // SAFETY: As in `depths`.
        let conn = unsafe { self.raw.param.conn.as_ref() };
        if conn.private_data.is_null() {
            return &[];
        }
        // SAFETY: rdma_cm passes `private_data_len` readable bytes that live as long as the event.
        unsafe {
            core::slice::from_raw_parts(
                conn.private_data.cast(),
                usize::from(conn.private_data_len),
            )
        }
    }
}

/// Parameters of `rdma_connect` and `rdma_accept`.
#[derive(Clone, Copy, Default)]
pub struct ConnParam {
    /// RDMA reads we will have outstanding.
    pub initiator_depth: u8,
    /// RDMA reads we serve.
    pub responder_resources: u8,
    /// The two words of the legacy iWARP header (MS-SMBD 6), if it is to be sent.
    pub legacy: Option<[u8; 8]>,
}

impl ConnParam {
    fn with_raw<R>(&self, call: impl FnOnce(*mut bindings::rdma_conn_param) -> R) -> R {
        let legacy = self.legacy.unwrap_or_default();
        let mut raw = bindings::rdma_conn_param {
            initiator_depth: self.initiator_depth,
            responder_resources: self.responder_resources,
            retry_count: 6,
            // What we tell the peer about *our* receives: they are posted before they are granted, so it never has to retry.
            rnr_retry_count: 0,
            ..Default::default()
        };
        if self.legacy.is_some() {
            raw.private_data = legacy.as_ptr().cast();
            raw.private_data_len = legacy.len() as u8;
        }
        call(&mut raw)
    }
}

/// An `rdma_cm_id` whose events go to an `H`.
///
/// Pins the device it is bound to. Dropping it waits for a running handler, and no handler runs afterwards.
///
/// # Invariants
///
/// `id` is valid; its `context` is an `Arc<H>` given away with `Arc::into_raw`, which belongs to the id until it is destroyed; its
/// handler is `cm_event::<H>`.
pub struct CmId<H: CmHandler> {
    id: NonNull<bindings::rdma_cm_id>,
    _handler: PhantomData<Arc<H>>,
}

// SAFETY: rdma_cm locks its ids itself; the context is `Send + Sync`.
unsafe impl<H: CmHandler> Send for CmId<H> {}
// SAFETY: As above.
unsafe impl<H: CmHandler> Sync for CmId<H> {}

impl<H: CmHandler> CmId<H> {
    /// Creates an id for reliable connections in `net`, with IPv4 and IPv6 kept apart. Sleeps.
    pub fn new(_ctx: &ProcessCtx, net: Net<'_>, handler: Arc<H>) -> Result<Self> {
        let context = Arc::into_raw(handler);
        // SAFETY: `net` is alive; `cm_event::<H>` expects exactly this context.
        let id = from_err_ptr(unsafe {
            bindings::__rdma_create_kernel_id(
                net.as_ptr(),
                Some(cm_event::<H>),
                context.cast_mut().cast(),
                bindings::rdma_ucm_port_space_RDMA_PS_TCP,
                bindings::ib_qp_type_IB_QPT_RC,
                c"smbdirect".as_char_ptr(),
            )
        });
        let id = match id {
            Ok(id) => id,
            Err(err) => {
                // SAFETY: No id was created, so the reference is still ours.
                drop(unsafe { Arc::from_raw(context) });
                return Err(err);
            }
        };
        // INVARIANT: Created above with this context and handler.
        let this = Self {
            id: NonNull::new(id).ok_or(ENOMEM)?,
            _handler: PhantomData,
        };
        // SAFETY: The id is valid and not bound yet.
        to_result(unsafe { bindings::rdma_set_afonly(this.as_ptr(), 1) })?;
        Ok(this)
    }

    pub(crate) fn as_ptr(&self) -> *mut bindings::rdma_cm_id {
        self.id.as_ptr()
    }

    /// Limits the id to devices of one node type; only before bind and resolve (`-EALREADY` afterwards).
    pub fn restrict_node_type(&self, node_type: u8) -> Result {
        // SAFETY: By the type invariants.
        to_result(unsafe { bindings::rdma_restrict_node_type(self.as_ptr(), node_type) })
    }

    /// Binds to a local address.
    pub fn bind(&self, addr: &SockAddr) -> Result {
        let mut addr = *addr;
        // SAFETY: The address is copied during the call.
        to_result(unsafe { bindings::rdma_bind_addr(self.as_ptr(), addr.as_mut_ptr()) })
    }

    /// Listens. Succeeds on a wildcard address without any device; devices that appear later are included by rdma_cm.
    pub fn listen(&self, backlog: i32) -> Result {
        // SAFETY: By the type invariants.
        to_result(unsafe { bindings::rdma_listen(self.as_ptr(), backlog) })
    }

    /// Starts address resolution; an event follows.
    pub fn resolve_addr(&self, dst: &SockAddr, timeout_ms: u32) -> Result {
        let dst = *dst;
        // SAFETY: The address is copied during the call.
        to_result(unsafe {
            bindings::rdma_resolve_addr(
                self.as_ptr(),
                core::ptr::null_mut(),
                dst.as_ptr(),
                timeout_ms as usize,
            )
        })
    }

    /// Starts route resolution; an event follows.
    pub fn resolve_route(&self, timeout_ms: u32) -> Result {
        // SAFETY: By the type invariants.
        to_result(unsafe { bindings::rdma_resolve_route(self.as_ptr(), timeout_ms as usize) })
    }

    /// Fixes the QP's ACK timeout (4.096 us << `exponent`), which the peer could choose otherwise.
    pub fn set_ack_timeout(&self, exponent: u8) -> Result {
        // SAFETY: By the type invariants.
        to_result(unsafe { bindings::rdma_set_ack_timeout(self.as_ptr(), exponent) })
    }

    /// Sends the connection request; only from this id's own event handler (which holds the handler mutex).
    pub fn connect_in_handler(&self, param: &ConnParam) -> Result {
        param.with_raw(|raw| {
            // SAFETY: By the type invariants; the parameters are copied.
            to_result(unsafe { bindings::rdma_connect_locked(self.as_ptr(), raw) })
        })
    }

    /// Accepts the connection request this id was made for; only from the handler of that request.
    pub fn accept_in_handler(&self, param: &ConnParam) -> Result {
        param.with_raw(|raw| {
            // SAFETY: By the type invariants; the parameters are copied; the handler mutex is held in a handler.
            to_result(unsafe { bindings::rdma_accept(self.as_ptr(), raw) })
        })
    }

    /// Tells the CM that data arrived although the last message of its handshake did not (`IB_EVENT_COMM_EST`). Process context: the CM takes its lock, which it
    /// also holds over locks that softirq may interrupt.
    pub(crate) fn notify_established(&self) {
        // SAFETY: By the type invariants; the function takes no sleeping locks.
        let _ = unsafe {
            bindings::rdma_notify(self.as_ptr(), bindings::ib_event_type_IB_EVENT_COMM_EST)
        };
    }

    /// Disconnects; moves the QP to the error state where the CM still knows the connection. Sleeps.
    pub fn disconnect(&self, _ctx: &ProcessCtx) -> Result {
        // SAFETY: By the type invariants.
        to_result(unsafe { bindings::rdma_disconnect(self.as_ptr()) })
    }

    /// The device the id is bound to, once it is.
    pub fn device(&self) -> Option<Device<'_>> {
        // SAFETY: By the type invariants; rdma_cm sets the device before the event that tells us, and keeps it while the id lives.
        let raw = unsafe { (*self.as_ptr()).device };
        // SAFETY: A bound id pins the device (`cma_process_remove` waits for the id to be destroyed).
        NonNull::new(raw).map(|raw| unsafe { Device::from_raw(raw) })
    }

    /// The port of the device.
    pub fn port(&self) -> u32 {
        // SAFETY: By the type invariants.
        unsafe { (*self.as_ptr()).port_num }
    }

    /// The peer's address, if it is IPv4 or IPv6.
    pub fn peer_addr(&self) -> Option<SockAddr> {
        // SAFETY: By the type invariants; the address storage is inside the id.
        unsafe {
            let addr = core::ptr::addr_of!((*self.as_ptr()).route.addr.dst_addr);
            SockAddr::copy_from(addr.cast())
        }
    }

    /// Our own address, if it is known, and IPv4 or IPv6.
    pub fn local_addr(&self) -> Option<SockAddr> {
        // SAFETY: By the type invariants; the address storage is inside the id.
        unsafe {
            let addr = core::ptr::addr_of!((*self.as_ptr()).route.addr.src_addr);
            SockAddr::copy_from(addr.cast())
        }
    }
}

impl<H: CmHandler> Drop for CmId<H> {
    fn drop(&mut self) {
        kernel::task::might_sleep();
        // SAFETY: By the type invariants; not called from a handler of this id, since handlers get no `CmId` by value.
        let context = unsafe { (*self.as_ptr()).context };
        // SAFETY: As above. No handler runs after this returns.
        unsafe { bindings::rdma_destroy_id(self.as_ptr()) };
        // SAFETY: The id's reference, by the type invariants.
        drop(unsafe { Arc::<H>::from_raw(context.cast_const().cast()) });
    }
}

/// A connect request that nobody has adopted yet. Dropping it makes rdma_cm reject it and destroy its id.
///
/// # Invariants
///
/// `id` is the new id that rdma_cm passed to the handler, whose handler mutex is held; `adopted` tells the trampoline who owns it.
pub struct ConnectRequest<'e> {
    id: NonNull<bindings::rdma_cm_id>,
    event: Event<'e>,
    adopted: &'e mut bool,
}

impl<'e> ConnectRequest<'e> {
    /// The request's event.
    pub fn event(&self) -> &Event<'e> {
        &self.event
    }

    /// The device it arrived on.
    pub fn device(&self) -> Option<Device<'_>> {
        // SAFETY: By the invariants; a request's id is bound to a device, which it pins.
        let raw = unsafe { (*self.id.as_ptr()).device };
        // SAFETY: As above.
        NonNull::new(raw).map(|raw| unsafe { Device::from_raw(raw) })
    }

    /// The port it arrived on.
    pub fn port(&self) -> u32 {
        // SAFETY: By the invariants.
        unsafe { (*self.id.as_ptr()).port_num }
    }

    /// The peer's address.
    pub fn peer_addr(&self) -> Option<SockAddr> {
        // SAFETY: By the invariants; the address storage is inside the id.
        unsafe {
            let addr = core::ptr::addr_of!((*self.id.as_ptr()).route.addr.dst_addr);
            SockAddr::copy_from(addr.cast())
        }
    }

    /// Whom to charge for it. On InfiniBand and RoCE the request may name any address as the peer's: it is the GID that the CM answers to.
    pub fn source(&self) -> Option<Host> {
        let mut gid = [0u8; 16];
        // SAFETY: By the invariants; 16 bytes may be written.
        if unsafe { bindings::smbd_cm_peer_gid(self.id.as_ptr(), gid.as_mut_ptr()) } {
            let infiniband = self.device()?.is_infiniband(self.port());
            return Some(Host::of_gid(gid, infiniband));
        }
        self.peer_addr().as_ref().map(SockAddr::source)
    }

    /// The local address that it arrived at.
    pub fn local_addr(&self) -> Option<SockAddr> {
        // SAFETY: By the invariants; the address storage is inside the id.
        unsafe {
            let addr = core::ptr::addr_of!((*self.id.as_ptr()).route.addr.src_addr);
            SockAddr::copy_from(addr.cast())
        }
    }

    /// The network device that it came in on, if that is known.
    pub fn netdev_name(&self) -> Name {
        // SAFETY: By the invariants; `size` bytes may be written.
        Name::written(|to, size| unsafe {
            bindings::smbd_cm_netdev_name(self.id.as_ptr(), to, size);
        })
    }

    /// Takes the id over; its events go to `handler` from now on.
    ///
    /// The result must not be dropped inside the request's handler (the drop would wait for that handler): put it where teardown finds it.
    pub fn adopt<H: CmHandler>(self, handler: Arc<H>) -> CmId<H> {
        let id = self.id;
        // SAFETY: By the invariants nobody else uses the id now, and its handler mutex is held, so no event can be delivered in between.
        unsafe {
            (*id.as_ptr()).context = Arc::into_raw(handler).cast_mut().cast();
            (*id.as_ptr()).event_handler = Some(cm_event::<H>);
        }
        *self.adopted = true;
        // INVARIANT: Context and handler were set above, and the trampoline leaves the id to us.
        CmId {
            id,
            _handler: PhantomData,
        }
    }
}

impl<H: CmHandler> CmId<H> {
    /// Like [`ConnectRequest::adopt`], for an id that a C caller hands over inside a connect-request handler.
    ///
    /// # Safety
    ///
    /// `id` is an id delivered with a connect request that the caller's handler has not passed on, and the handler will return 0.
    pub unsafe fn from_raw(id: NonNull<bindings::rdma_cm_id>, handler: Arc<H>) -> Self {
        // SAFETY: By the safety requirement nobody else uses the id now.
        unsafe {
            (*id.as_ptr()).context = Arc::into_raw(handler).cast_mut().cast();
            (*id.as_ptr()).event_handler = Some(cm_event::<H>);
        }
        // INVARIANT: Set above.
        Self {
            id,
            _handler: PhantomData,
        }
    }
}

/// The handler of every id. Its return value says who destroys the id: always we, except for a request that was not adopted.
///
/// # Safety
///
/// Called by rdma_cm for an id whose context is an `Arc<H>` that belongs to the id (or, for a connect request, to the listening id).
unsafe extern "C" fn cm_event<H: CmHandler>(
    id: *mut bindings::rdma_cm_id,
    event: *mut bindings::rdma_cm_event,
) -> c_int {
    // SAFETY: rdma_cm passes a valid id and event.
    let (context, raw): (*mut c_void, &bindings::rdma_cm_event) =
        unsafe { ((*id).context, &*event) };
    // SAFETY: By the invariants of `CmId` the context is an `Arc<H>` owned by the id, and rdma_cm calls no handler after destroying an id. For a request
    // it is that of the listening id, which destroys the ids that it has for each device, and waits for their handlers, before itself.
    let handler = unsafe { ArcBorrow::<H>::from_raw(context.cast_const().cast()) };
    let event = Event { raw };
    if event.kind() != EventKind::ConnectRequest {
        H::event(handler, &event);
        return 0;
    }
    let mut adopted = false;
    if let Some(id) = NonNull::new(id) {
        // INVARIANT: The id of a connect request, in its handler.
        H::connect_request(
            handler,
            ConnectRequest {
                id,
                event,
                adopted: &mut adopted,
            },
        );
    }
    if adopted {
        0
    } else {
        -(bindings::ECONNREFUSED as c_int)
    }
}
