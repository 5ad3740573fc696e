// SPDX-License-Identifier: GPL-2.0

//! The server's side of a connection, from its arrival to `accept`.
//!
//! Two stages: on arrival only a socket, a queue pair and one receive; everything else after a valid negotiate request.
#![forbid(unsafe_code)]

use super::{
    cause::{Cause, Refusal},
    connect::legacy_depths,
    devices, limits,
    listen::Listener,
    negotiate::FIRST_RECV,
    params::Params,
    policy,
    socket::{Role, Socket},
    stats,
};
use kernel::{
    prelude::*,
    sync::{atomic::Relaxed, Arc, ArcBorrow},
    time::Jiffies,
};
use smbdirect_core::{
    lifecycle::{Event, Status},
    settings::Number,
};
use smbdirect_kext::{
    ctx::{awaits_stop, ProcessCtx},
    log::{class, Level},
    time::jiffies,
    trace,
    wait::{Mode, Outcome},
};
use smbdirect_rdma::{
    cm::{ConnParam, ConnectRequest},
    device::Device,
    verbs::QueueSizes,
    Endpoint,
};

/// How long a thread that waited at a listener which was shut down stays for whoever stops it.
const STOP_MS: u64 = 1000;

/// Send slots of a connection, at most.
pub(super) const SEND_SLOTS: u16 = 64;
/// Send-queue entries for RDMA reads and writes of a server connection.
const RW_ENTRIES: u32 = smbdirect_rdma::verbs::MAX_RW_ENTRIES;
/// MRs for RDMA reads on iWARP, which cannot do without.
const RW_MRS: u32 = 16;

/// What a peer is told of that finds too many others in the handshake.
const CROWDED: &str = "too many connections are in the handshake";

/// Where the peer's view of depths is in a CM event (contract §5): what it serves, and what it will have outstanding.
pub(super) fn negotiate_depths(params: &mut Params, peer_serves: u8, peer_issues: u8) {
    if peer_serves != 0 {
        params.initiator_depth = params.initiator_depth.min(u16::from(peer_serves));
    }
    if peer_issues != 0 {
        params.responder_resources = params.responder_resources.min(u16::from(peer_issues));
    }
}

/// Most registrations of a client at once: twice what the server can read at once, and as many again for those that a consumer loses; each takes two entries
/// of the send queue, which is to stay below 256.
pub(super) fn max_mrs(params: &Params) -> u32 {
    (u32::from(params.responder_resources.max(1)) * 4).min(RW_ENTRIES / 2)
}

/// Pages of a client's registration: as many as the largest transfer has, and one more, for one that begins in the middle of a page. (cifs limits its
/// transfers by size, and by `max_frmr_depth` folios, which may have several pages.)
pub(super) fn region_pages(params: &Params) -> u32 {
    params.max_frmr_depth.saturating_add(1)
}

/// Queue sizes of a connection, within what the device can do.
pub(super) fn queue_sizes(
    params: &Params,
    device: Device<'_>,
    port: u32,
    client: bool,
) -> QueueSizes {
    let mrs = if client { max_mrs(params) } else { 0 };
    QueueSizes {
        recv: u32::from(params.recv_credit_max) + 1,
        send: u32::from(SEND_SLOTS),
        rw: if client { 0 } else { RW_ENTRIES },
        // Elsewhere `rdma_rw` would use them only to save entries, and does without.
        rw_mrs: if !client && device.is_iwarp(port) {
            RW_MRS
        } else {
            0
        },
        mrs,
    }
}

impl Socket {
    /// A peer wants to connect. In the handler of the listening id; the request is rejected unless it is adopted.
    pub(super) fn arrival(this: ArcBorrow<'_, Self>, request: ConnectRequest<'_>) {
        let ctx = ProcessCtx::enter();
        let (peer, source) = (request.peer_addr(), request.source());
        let explain = |text: &str| {
            this.log_about(
                peer.as_ref(),
                source,
                Level::Err,
                class::INCOMING,
                format_args!("connection request refused: {text}"),
            );
        };
        let (Some(listener), Some(device)) = (this.listener.as_ref(), request.device()) else {
            return;
        };
        let id = device.id();
        let refuse = |why: Refusal, text: &str| {
            stats::refused(devices::find(id).as_ref(), why);
            trace::Refused::emit(|| trace::Refused {
                conn: this.id,
                addr: peer.map_or([0; 28], |peer| *peer.raw()),
                why: why.name(),
            });
            explain(text);
        };
        // One arrival is judged by one configuration, whatever is put into force meanwhile.
        let policy = policy::current();
        let set = |number| policy.as_ref().and_then(|p| p.settings.numbers.get(number));
        if !policy.as_ref().is_none_or(|p| p.takes(&request, device)) {
            return refuse(
                Refusal::Interface,
                "no connections are taken on this interface (smb direct interfaces)",
            );
        }
        if listener.is_full(source) {
            return refuse(Refusal::HalfOpen, CROWDED);
        }
        if let Some((why, text)) = limits::exceeded(source, set) {
            return refuse(why, text);
        }
        let mut params = this.params.get();
        if let Some(policy) = &policy {
            policy.adjust(&mut params);
        }
        if Self::check_device(&params, device, request.port()).is_err() {
            return refuse(
                Refusal::Device,
                "the device cannot do what the port asks for",
            );
        }
        if devices::find(id).is_none() {
            return refuse(Refusal::Device, "the device is being removed");
        }
        let (initiator, responder) = request.event().depths();
        let (mut peer_serves, mut peer_issues) = (initiator, responder);
        let mut answer = None;
        if device.is_iwarp(request.port()) {
            if let Some((serves, issues)) =
                legacy_depths(request.event().private_data(), initiator, responder)
            {
                (peer_serves, peer_issues) = (serves, issues);
                answer = Some(());
            }
        }
        params.initiator_depth = params
            .initiator_depth
            .min(u16::try_from(device.max_qp_init_rd_atom()).unwrap_or(u16::MAX));
        negotiate_depths(&mut params, peer_serves, peer_issues);
        let sizes = queue_sizes(&params, device, request.port(), false);

        let config = *this.config.lock();
        let Ok(child) = Self::allocate(&ctx, Role::Server, config) else {
            return refuse(Refusal::Memory, "out of memory");
        };
        child.params.set(&params);
        if let Some(size) = set(Number::MaxFragmentedSize) {
            child.fragmented_size.populate(size);
        }
        child.listener.populate(listener.clone());
        if let Some(source) = source {
            child.source.populate(source);
        }
        if let Some(addr) = peer {
            child.peer.populate(addr);
        }
        child
            .read_depth
            .store(u32::from(params.initiator_depth), Relaxed);
        let local = (request.local_addr()).map_or([0; 28], |addr| *addr.raw());
        // Nobody ends the child yet, for want of a device and of a listener that has it, so its gate opens; from here on its own teardown takes care of the id,
        // which rejects the request if it was not accepted.
        let _ = child
            .endpoint
            .open(Endpoint::new(request.adopt(child.clone())));
        if child.use_device(id).is_err() {
            return Self::fail_for(child.as_arc_borrow(), ENETDOWN, Cause::Device);
        }
        if let Some(addr) = peer {
            trace::Arrival::emit(|| trace::Arrival {
                conn: child.id,
                addr: *addr.raw(),
                device: child.device_name(),
                local,
            });
        }
        if let Err(error) = listener.enter(&child, set(Number::MaxHalfOpen)) {
            if error == EBUSY {
                explain(CROWDED);
                Self::fail_for(child.as_arc_borrow(), error, Cause::Crowded);
            } else {
                Self::fail(child.as_arc_borrow(), error);
            }
            return;
        }
        Self::begin_accept(child.as_arc_borrow(), &ctx, sizes, answer.is_some());
    }

    /// Gives an adopted id its queue pair and accepts it in the CM. What fails here ends the child, not the listener.
    pub(super) fn begin_accept(
        child: ArcBorrow<'_, Self>,
        ctx: &ProcessCtx,
        sizes: QueueSizes,
        legacy: bool,
    ) {
        let params = child.params.get();
        let result = (|| {
            let endpoint = child.enter()?;
            // The peer may not choose how long we wait for its acknowledgements: 4.096 us << 18 is about a second.
            let _ = endpoint.cm().set_ack_timeout(18);
            child.status.advance(Event::Arrived)?;
            endpoint.make_verbs(ctx, child.into(), sizes, FIRST_RECV)?;
            child.status.advance(Event::Begin)?;
            Self::start_timer(child, u64::from(params.negotiate_timeout_msec));
            let words = [
                u32::from(params.responder_resources),
                u32::from(params.initiator_depth),
            ];
            endpoint.cm().accept_in_handler(&ConnParam {
                initiator_depth: params.initiator_depth as u8,
                responder_resources: params.responder_resources as u8,
                legacy: legacy.then(|| super::connect::legacy_bytes(words)),
            })
        })();
        if let Err(error) = result {
            child.log(
                Level::Err,
                class::INCOMING,
                format_args!("accepting a connection failed (errno {})", error.to_errno()),
            );
            let cause = match Cause::of(error) {
                // The queues are too short, or the adapter has no more of them.
                Cause::Other => Cause::Device,
                cause => cause,
            };
            Self::fail_for(child, error, cause);
        }
    }

    /// Waits for a connection whose negotiate request was valid, at most `timeout` jiffies, and answers it (contract §2.9). Returns it and whether there
    /// are no more. Sleeps, interruptibly.
    ///
    /// `-EINVAL`: this is no listening socket, or no longer. `-EAGAIN`: `timeout` is 0 and nobody is there. `-ETIMEDOUT`, `-ERESTARTSYS`.
    pub(crate) fn accept(&self, ctx: &ProcessCtx, timeout: Jiffies) -> Result<(Arc<Socket>, bool)> {
        let listener: &Arc<Listener> = match self.role() {
            Role::Listener => self.listener.as_ref().ok_or(EINVAL)?,
            _ => return Err(EINVAL),
        };
        let start = smbdirect_kext::time::now_ms();
        loop {
            if self.status.status() != Status::Listening || self.status.first_error().is_some() {
                // A thread that returns for this, as ksmbd's does, may be freed before its owner, who has just shut the listener down, comes to stop it.
                listener
                    .waiters()
                    .wait(ctx, Mode::Uninterruptible, Some(jiffies(STOP_MS)), || {
                        (!awaits_stop(ctx)).then_some(())
                    });
                return Err(EINVAL);
            }
            if let Some((child, more)) = listener.take_ready() {
                match Self::answer(child.as_arc_borrow(), ctx) {
                    Ok(()) => {
                        listener.forget(&child);
                        return Ok((child, !more));
                    }
                    Err(error) => {
                        // It failed meanwhile; the listener has it until its teardown ends.
                        Self::fail(child.as_arc_borrow(), error);
                        continue;
                    }
                }
            }
            if timeout == 0 {
                return Err(EAGAIN);
            }
            let waited = jiffies(smbdirect_kext::time::now_ms().saturating_sub(start)) - 1;
            let left = if timeout >= isize::MAX as Jiffies {
                None
            } else {
                Some(timeout.saturating_sub(waited))
            };
            if left == Some(0) {
                return Err(ETIMEDOUT);
            }
            match listener.waiters().wait(ctx, Mode::Interruptible, left, || {
                (self.status.first_error().is_some() || listener.poll_ready()).then_some(())
            }) {
                Outcome::Ready(()) => {}
                Outcome::TimedOut => return Err(ETIMEDOUT),
                Outcome::Interrupted => return Err(ERESTARTSYS),
            }
        }
    }
}
