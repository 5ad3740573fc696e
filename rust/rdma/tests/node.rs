// SPDX-License-Identifier: GPL-2.0

//! The owner of an endpoint, as small as it can be, and pairs of them that are connected.

use crate::{
    addr::SockAddr,
    client,
    cm::{CmHandler, CmId, ConnParam, ConnectRequest, Event, EventKind},
    memory::MEMORY,
    net::Net,
    recv_pool::Received,
    verbs::QueueSizes,
    Endpoint, Fault, Owner,
};
use kernel::{
    prelude::*,
    sync::{
        atomic::{Acquire, Atomic, AtomicFlag, Full, Relaxed, Release},
        Arc, ArcBorrow, SetOnce,
    },
};
use smbdirect_kext::{
    bindings,
    ctx::ProcessCtx,
    ensure,
    gate::Gated,
    tests::{in_softirq, until, Probe, Tally},
};

/// Bytes of a slot.
pub(super) const SIZE: usize = 512;
/// Patience of the CM for address and route.
const RESOLVE_MS: u32 = 20_000;

/// Ports of listeners, one after the other, so that no case meets what another one left.
static PORT: Atomic<i32> = Atomic::new(20_000);

// Structures of the kernel, by pointer: what is in them does not matter.
#[allow(improper_ctypes)]
extern "C" {
    fn smbd_test_net() -> *mut bindings::net;
    fn smbd_test_address(
        dev: *mut bindings::ib_device,
        port: u16,
        addr: *mut bindings::sockaddr_in,
    ) -> bool;
}

/// What a node gets.
#[derive(Clone, Copy)]
pub(super) struct Plan {
    pub(super) sizes: QueueSizes,
    /// Send slots: at first, and at most.
    pub(super) send: (u16, u16),
    /// Receives that are posted.
    pub(super) recv: u16,
    /// Posts each receive again; otherwise it is parked for good.
    pub(super) repost: bool,
    /// Regions: at first, and at most.
    pub(super) mrs: (usize, usize),
    /// For RDMA reads and writes of its own.
    pub(super) rw: bool,
}

impl Plan {
    pub(super) const fn small() -> Self {
        Self {
            sizes: QueueSizes {
                recv: 40,
                send: 16,
                rw: 16,
                rw_mrs: 4,
                mrs: 4,
            },
            send: (8, 16),
            recv: 32,
            repost: true,
            mrs: (2, 4),
            rw: true,
        }
    }
}

/// Owner of an endpoint: counts what it is told.
#[pin_data]
pub(super) struct Node {
    #[pin]
    pub(super) gate: Gated<Endpoint<Node>>,
    plan: Plan,
    /// Of a listener: the last connection it got.
    child: SetOnce<Arc<Node>>,
    pub(super) established: Atomic<i32>,
    pub(super) ended: Atomic<i32>,
    pub(super) failed: Atomic<i32>,
    pub(super) received: Atomic<i32>,
    pub(super) bytes: Atomic<i32>,
    pub(super) faults: Atomic<i32>,
    pub(super) flushes: Atomic<i32>,
    pub(super) space: Atomic<i32>,
    /// The number in the last message.
    pub(super) number: Atomic<u32>,
    pub(super) invalidated: Atomic<u32>,
    /// Messages out of order, callbacks in a wrong context.
    pub(super) wrong: Atomic<i32>,
    /// Callbacks that came when the endpoint was gone.
    pub(super) late: Atomic<i32>,
    gone: AtomicFlag,
    probe: Probe,
}

impl Node {
    fn new(plan: Plan, tally: &Arc<Tally>) -> Result<Arc<Self>> {
        let probe = Tally::probe(tally);
        Arc::pin_init(
            pin_init!(Self {
                gate <- Gated::new(),
                plan,
                child: SetOnce::new(),
                established: Atomic::new(0),
                ended: Atomic::new(0),
                failed: Atomic::new(0),
                received: Atomic::new(0),
                bytes: Atomic::new(0),
                faults: Atomic::new(0),
                flushes: Atomic::new(0),
                space: Atomic::new(0),
                number: Atomic::new(0),
                invalidated: Atomic::new(0),
                wrong: Atomic::new(0),
                late: Atomic::new(0),
                gone: AtomicFlag::new(false),
                probe,
            }),
            GFP_KERNEL,
        )
    }

    /// A node that has its cm_id, and nothing else.
    pub(super) fn with_id(ctx: &ProcessCtx, plan: Plan, tally: &Arc<Tally>) -> Result<Arc<Self>> {
        let this = Self::new(plan, tally)?;
        // SAFETY: The initial namespace lives for ever.
        let net = unsafe { Net::from_raw(smbd_test_net()) };
        let cm = CmId::new(ctx, net, this.clone())?;
        this.gate.open(Endpoint::new(cm)).map_err(|_| EALREADY)?;
        Ok(this)
    }

    /// One that is bound to the device: it can have queues.
    pub(super) fn bound(ctx: &ProcessCtx, plan: Plan, tally: &Arc<Tally>) -> Result<Arc<Self>> {
        let this = Self::with_id(ctx, plan, tally)?;
        let bind = || -> Result {
            let endpoint = this.gate.enter().ok_or(ENOTCONN)?;
            endpoint.cm().bind(&address(0)?)?;
            ensure!(endpoint.cm().device().is_some());
            Ok(())
        };
        match bind() {
            Ok(()) => Ok(this),
            Err(err) => {
                this.end(ctx);
                Err(err)
            }
        }
    }

    /// Everything that the plan says.
    pub(super) fn equip(this: ArcBorrow<'_, Self>, ctx: &ProcessCtx) -> Result {
        let plan = this.plan;
        let endpoint = this.gate.enter().ok_or(ENOTCONN)?;
        endpoint.make_verbs(ctx, this.into(), plan.sizes, SIZE)?;
        endpoint.make_send(ctx, SIZE, plan.send.0, plan.send.1)?;
        if plan.recv > 0 {
            endpoint.make_recv(ctx, SIZE, plan.recv)?;
            let pool = endpoint.recv().ok_or(EINVAL)?;
            while pool.can_grow() {
                pool.grow(ctx, usize::from(plan.recv))?;
            }
            while pool.post(&mut core::iter::from_fn(|| pool.take_free()))? > 0 {}
        }
        if plan.mrs.1 > 0 {
            endpoint.make_mrs(ctx, plan.mrs.0, plan.mrs.1, 16)?;
        }
        if plan.rw {
            endpoint.make_rw(ctx)?;
        }
        Ok(())
    }

    /// Ends it: nobody may call afterwards.
    pub(super) fn end(&self, ctx: &ProcessCtx) {
        self.gate.close();
        drop(self.gate.take(ctx));
        self.gone.store(true, Release);
    }

    fn note(&self) {
        if self.gone.load(Acquire) {
            self.late.add(1, Relaxed);
        }
    }

    /// Sends messages with one number each; whether all of them were posted.
    pub(super) fn send(&self, numbers: core::ops::Range<u32>, signal: bool) -> Result {
        let endpoint = self.gate.enter().ok_or(ENOTCONN)?;
        let ring = endpoint.send().ok_or(EINVAL)?;
        let mut chain = crate::send_ring::Chain::new(ring);
        for number in numbers {
            let mut slot = ring.alloc(false).ok_or(ENOSPC)?;
            let bytes = slot.buffer().get_mut(..4).ok_or(EINVAL)?;
            bytes.copy_from_slice(&number.to_le_bytes());
            chain.push(slot, 4, None);
        }
        chain.post(signal)
    }

    /// Whether nothing was reported that should not be.
    pub(super) fn fine(&self) -> Result {
        ensure!(self.wrong.load(Relaxed) == 0);
        ensure!(self.late.load(Relaxed) == 0);
        Ok(())
    }
}

impl CmHandler for Node {
    fn event(this: ArcBorrow<'_, Self>, event: &Event<'_>) {
        this.note();
        let ctx = ProcessCtx::enter();
        let result = match event.kind() {
            EventKind::AddrResolved => match this.gate.enter() {
                Some(endpoint) => endpoint.cm().resolve_route(RESOLVE_MS),
                None => Err(ENOTCONN),
            },
            EventKind::RouteResolved => Self::equip(this, &ctx).and_then(|()| {
                let endpoint = this.gate.enter().ok_or(ENOTCONN)?;
                endpoint.cm().connect_in_handler(&depths())
            }),
            EventKind::Established => {
                this.established.add(1, Relaxed);
                Ok(())
            }
            EventKind::Disconnected => {
                this.ended.add(1, Relaxed);
                Ok(())
            }
            EventKind::TimewaitExit | EventKind::AddrChange => Ok(()),
            other => {
                pr_err!("    # CM event {:?}, status {}\n", other, event.status());
                Err(EIO)
            }
        };
        if result.is_err() {
            this.failed.add(1, Relaxed);
        }
    }

    fn connect_request(this: ArcBorrow<'_, Self>, request: ConnectRequest<'_>) {
        this.note();
        let ctx = ProcessCtx::enter();
        let accept = || -> Result {
            let child = Self::new(this.plan, this.probe.tally())?;
            let cm = request.adopt(child.clone());
            let opened = child.gate.open(Endpoint::new(cm));
            // A fresh gate opens; and the id must not be dropped here.
            core::mem::forget(opened);
            this.child.populate(child.clone());
            Self::equip(child.as_arc_borrow(), &ctx)?;
            let endpoint = child.gate.enter().ok_or(ENOTCONN)?;
            endpoint.cm().accept_in_handler(&depths())
        };
        if accept().is_err() {
            this.failed.add(1, Relaxed);
        }
    }
}

fn depths() -> ConnParam {
    ConnParam {
        initiator_depth: 4,
        responder_resources: 4,
        legacy: None,
    }
}

impl Owner for Node {
    fn id(&self) -> u64 {
        0
    }

    fn received(this: ArcBorrow<'_, Self>, received: Received<'_, Self>) {
        this.note();
        let bytes = received.slot.bytes().get(..received.len);
        let number = bytes.and_then(|b| b.first_chunk()).copied();
        match number.map(u32::from_le_bytes) {
            Some(number) if number == this.number.load(Relaxed).wrapping_add(1) => {
                this.number.store(number, Relaxed);
            }
            _ => this.wrong.add(1, Relaxed),
        }
        if !in_softirq() {
            this.wrong.add(1, Relaxed);
        }
        if let Some(key) = received.invalidated {
            this.invalidated.store(key, Relaxed);
        }
        this.bytes.add(received.len as i32, Relaxed);
        let slot = received.slot;
        if this.plan.repost {
            // The first one is of another pool than the rest, and becomes free.
            if let Some(endpoint) = this.gate.enter() {
                if let Some(pool) = endpoint.recv() {
                    let _ = pool.post(&mut core::iter::once(slot));
                }
            }
        } else {
            slot.park();
        }
        this.received.fetch_add(1, Full);
    }

    fn send_space(this: ArcBorrow<'_, Self>) {
        this.note();
        if !in_softirq() {
            this.wrong.add(1, Relaxed);
        }
        this.space.fetch_add(1, Full);
    }

    fn fault(this: ArcBorrow<'_, Self>, fault: Fault) {
        this.note();
        if fault.is_flush() {
            this.flushes.fetch_add(1, Full);
        } else {
            this.faults.fetch_add(1, Full);
        }
    }

    fn data_before_established(this: ArcBorrow<'_, Self>) {
        this.note();
    }
}

/// An address of the device, with a port.
pub(super) fn address(port: u16) -> Result<SockAddr> {
    let device = client::first_for_tests().ok_or(ENODEV)?;
    let mut raw = bindings::sockaddr_in::default();
    // SAFETY: The lab keeps the device for the time of the tests.
    if !unsafe { smbd_test_address(device, port, &mut raw) } {
        pr_err!("    # the device has no IPv4 address\n");
        return Err(ENODEV);
    }
    // SAFETY: A whole IPv4 address.
    unsafe { SockAddr::copy_from(core::ptr::addr_of!(raw).cast()) }.ok_or(EINVAL)
}

/// Two connected nodes, and what they must give back.
pub(super) struct Pair {
    pub(super) client: Arc<Node>,
    pub(super) server: Arc<Node>,
}

/// Runs a case that makes nodes, and looks whether all of their memory comes back.
pub(super) fn with_nodes(case: impl FnOnce(&ProcessCtx, &Arc<Tally>) -> Result) -> Result {
    let ctx = ProcessCtx::enter();
    let tally = Tally::new()?;
    let before = MEMORY.load(Relaxed);
    let result = case(&ctx, &tally);
    until("all nodes to go", || tally.alive() == 0)?;
    result?;
    ensure!(MEMORY.load(Relaxed) == before);
    Ok(())
}

/// Runs a case with two connected nodes, and ends them, whatever it says.
pub(super) fn with_pair(
    client: Plan,
    server: Plan,
    case: impl FnOnce(&ProcessCtx, &Pair) -> Result,
) -> Result {
    with_nodes(|ctx, tally| {
        let listener = Node::with_id(ctx, server, tally)?;
        let connector = Node::with_id(ctx, client, tally);
        let result = connector.and_then(|node| {
            let result = connect(&listener, &node).and_then(|pair| {
                let result = case(ctx, &pair);
                pair.server.end(ctx);
                pair.client.end(ctx);
                result?;
                pair.server.fine()?;
                pair.client.fine()
            });
            node.end(ctx);
            result
        });
        listener.end(ctx);
        if let Some(child) = listener.child.as_ref() {
            child.end(ctx);
        }
        result?;
        listener.fine()
    })
}

fn connect(listener: &Arc<Node>, client: &Arc<Node>) -> Result<Pair> {
    let port = PORT.fetch_add(1, Relaxed) as u16;
    let addr = address(port)?;
    {
        let endpoint = listener.gate.enter().ok_or(ENOTCONN)?;
        endpoint.cm().bind(&addr)?;
        endpoint.cm().listen(4)?;
    }
    {
        let endpoint = client.gate.enter().ok_or(ENOTCONN)?;
        endpoint.cm().resolve_addr(&addr, RESOLVE_MS)?;
    }
    until("both sides to be established", || {
        let server = listener.child.as_ref();
        client.failed.load(Relaxed) + listener.failed.load(Relaxed) > 0
            || client.established.load(Relaxed) > 0
                && server.is_some_and(|s| s.established.load(Relaxed) > 0)
    })?;
    ensure!(client.failed.load(Relaxed) == 0 && listener.failed.load(Relaxed) == 0);
    let server = listener.child.as_ref().ok_or(ENOTCONN)?.clone();
    Ok(Pair {
        client: client.clone(),
        server,
    })
}
