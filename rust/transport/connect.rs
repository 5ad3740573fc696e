// SPDX-License-Identifier: GPL-2.0

//! The client's side of a connection, up to negotiation.
#![forbid(unsafe_code)]

use super::{
    accept::{negotiate_depths, queue_sizes},
    cause::Cause,
    negotiate::FIRST_RECV,
    socket::{Role, Socket},
};
use kernel::{
    prelude::*,
    sync::{atomic::Relaxed, ArcBorrow},
};
use smbdirect_core::lifecycle::{Event, Status};
use smbdirect_kext::{
    ctx::ProcessCtx,
    log::{class, Level},
    time::jiffies,
    trace,
    wait::{Mode, Outcome},
};
use smbdirect_rdma::{
    addr::SockAddr,
    cm::{self, ConnParam},
};

/// The two words of an iWARP connection without RFC 6581: what the sender serves, what it issues (MS-SMBD 6.2).
pub(super) fn legacy_bytes(words: [u32; 2]) -> [u8; 8] {
    let [a, b] = words.map(u32::to_be_bytes);
    [a[0], a[1], a[2], a[3], b[0], b[1], b[2], b[3]]
}

/// The peer's depths from the legacy header, if it sent one that says something else than the CM (contract §5). Values are clamped to 255: some old clients
/// sent the words in the wrong byte order.
pub(super) fn legacy_depths(
    private: &[u8],
    event_serves: u8,
    event_issues: u8,
) -> Option<(u8, u8)> {
    let &[a0, a1, a2, a3, b0, b1, b2, b3] = private else {
        return None;
    };
    let serves = u32::from_be_bytes([a0, a1, a2, a3]);
    let issues = u32::from_be_bytes([b0, b1, b2, b3]);
    if serves == u32::from(event_serves) && issues == u32::from(event_issues) {
        return None;
    }
    Some((serves.min(255) as u8, issues.min(255) as u8))
}

impl Socket {
    /// Starts to connect (contract §2.10). Returns at once; [`wait_connected`](Self::wait_connected) waits. Errors of the first step are returned and not
    /// recorded: the caller releases the socket.
    pub(crate) fn connect(this: ArcBorrow<'_, Self>, dst: &SockAddr) -> Result {
        if this.status.first_error().is_some() {
            return Err(ENOTCONN);
        }
        if this.status.status() != Status::Created {
            return Err(EALREADY);
        }
        let params = this.params.get();
        params.local().validate().map_err(|why| {
            this.log(
                Level::Err,
                class::OUTGOING,
                format_args!("cannot connect: {why}"),
            );
            EINVAL
        })?;
        this.set_role(Role::Client);
        this.peer.populate(*dst);
        trace::Connect::emit(|| trace::Connect {
            conn: this.id,
            addr: *dst.raw(),
        });
        let endpoint = this.enter()?;
        this.status.advance(Event::Connect)?;
        this.status.advance(Event::Begin)?;
        endpoint
            .cm()
            .resolve_addr(dst, params.resolve_addr_timeout_msec)
            .inspect_err(|error| {
                let cause = match Cause::of(*error) {
                    Cause::Other => Cause::Unreachable,
                    cause => cause,
                };
                this.book_end(this.status.status(), cause);
            })
    }

    /// Waits until connected, at most the negotiate timeout (contract §2.12). Returns the first error otherwise. Sleeps, interruptibly.
    pub(crate) fn wait_connected(this: ArcBorrow<'_, Self>, ctx: &ProcessCtx) -> Result {
        let timeout = jiffies(u64::from(this.params.get().negotiate_timeout_msec));
        let outcome = this
            .events
            .wait(ctx, Mode::Interruptible, Some(timeout), || {
                (this.status.is_connected() || this.status.first_error().is_some()).then_some(())
            });
        match outcome {
            Outcome::Ready(()) => {}
            Outcome::TimedOut => Self::fail_for(this, ETIMEDOUT, Cause::HandshakeTimeout),
            Outcome::Interrupted => Self::fail(this, ERESTARTSYS),
        }
        if this.status.is_connected() {
            return Ok(());
        }
        Err(this.status.first_error().unwrap_or(ENOTCONN))
    }

    /// The address is resolved, so the device is known. In the id's handler.
    pub(super) fn addr_resolved(this: ArcBorrow<'_, Self>) -> Result {
        this.status.advance(Event::AddrResolved)?;
        this.status.advance(Event::Begin)?;
        let endpoint = this.enter()?;
        if let Some(device) = endpoint.cm().device() {
            // One that cannot be used is looked at when the route is known.
            let _ = this.use_device(device.id());
        }
        endpoint
            .cm()
            .resolve_route(this.params.get().resolve_route_timeout_msec)
    }

    /// The route is resolved: make the queue pair and ask for the connection. In the id's handler.
    pub(super) fn route_resolved(this: ArcBorrow<'_, Self>) -> Result {
        let ctx = ProcessCtx::enter();
        let endpoint = this.enter()?;
        let device = endpoint.cm().device().ok_or(ENODEV)?;
        let port = endpoint.cm().port();
        let mut params = this.params.get();
        Self::check_device(&params, device, port).inspect_err(|_| {
            this.log(
                Level::Err,
                class::OUTGOING,
                format_args!(
                    "device {:?} cannot do what the port asks for",
                    device.name()
                ),
            );
        })?;
        this.device.as_ref().ok_or(ENODEV)?;
        params.responder_resources = params
            .responder_resources
            .min(u16::try_from(device.max_qp_rd_atom()).unwrap_or(u16::MAX));
        // One page less than the device takes: see `region_pages`.
        params.max_frmr_depth = params
            .max_frmr_depth
            .min(device.max_fast_reg_pages().saturating_sub(1));
        this.params.set(&params);
        let sizes = queue_sizes(&params, device, port, true);
        let _ = endpoint.cm().set_ack_timeout(18);
        endpoint.make_verbs(&ctx, this.into(), sizes, FIRST_RECV)?;
        this.status.advance(Event::RouteResolved)?;
        this.status.advance(Event::Begin)?;
        Self::start_timer(this, u64::from(params.rdma_connect_timeout_msec));
        let words = [
            u32::from(params.responder_resources),
            u32::from(params.initiator_depth),
        ];
        endpoint.cm().connect_in_handler(&ConnParam {
            initiator_depth: params.initiator_depth as u8,
            responder_resources: params.responder_resources as u8,
            legacy: device.is_iwarp(port).then(|| legacy_bytes(words)),
        })
    }

    /// The RDMA connection exists, for either role. In the id's handler.
    pub(super) fn cm_established(this: ArcBorrow<'_, Self>, event: &cm::Event<'_>) -> Result {
        this.status.advance(Event::Established)?;
        this.state.lock().established = true;
        if this.role() == Role::Server {
            // The request may have come first.
            Self::kick(this);
            return Ok(());
        }
        let ctx = ProcessCtx::enter();
        let endpoint = this.enter()?;
        let device = endpoint.cm().device().ok_or(ENODEV)?;
        let iwarp = device.is_iwarp(endpoint.cm().port());
        let (initiator, responder) = event.depths();
        // On the active side iWARP providers report the values the other way round.
        let (mut serves, mut issues) = if iwarp {
            (responder, initiator)
        } else {
            (initiator, responder)
        };
        if iwarp {
            if let Some(legacy) = legacy_depths(event.private_data(), serves, issues) {
                (serves, issues) = legacy;
            }
        }
        let mut params = this.params.get();
        negotiate_depths(&mut params, serves, issues);
        this.params.set(&params);
        this.read_depth
            .store(u32::from(params.initiator_depth), Relaxed);
        this.set_deadline(u64::from(params.negotiate_timeout_msec));
        Self::send_request(this, &ctx, &endpoint)
    }
}
