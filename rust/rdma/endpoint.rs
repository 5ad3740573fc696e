// SPDX-License-Identifier: GPL-2.0

//! Everything a connection owns in hardware and buffers: [`Endpoint`].

use crate::{
    cm::{CmHandler, CmId},
    cqe::WcError,
    mr::MrPool,
    recv_pool::{Received, RecvPool},
    rw::RwEngine,
    send_ring::SendRing,
    verbs::{QueueSizes, Verbs},
};
use core::fmt;
use kernel::{
    prelude::*,
    sync::{
        atomic::{AtomicFlag, Full, Release},
        Arc, ArcBorrow, SetOnce,
    },
};
use smbdirect_kext::ctx::ProcessCtx;

/// What went wrong below.
#[derive(Clone, Copy)]
pub enum Fault {
    /// A send failed.
    Send(WcError),
    /// A receive failed.
    Receive(WcError),
    /// An RDMA read or write failed.
    Transfer(WcError),
    /// A memory registration or invalidation failed.
    Registration(WcError),
    /// The provider refused a work request.
    Post(Error),
    /// A receive completed with another opcode than a send, or claims more bytes than its buffer has: the peer used an operation that SMB Direct
    /// does not have (such as a write with immediate data).
    UnexpectedOpcode(u32),
    /// Something posted did not complete in time.
    Stuck,
    /// An asynchronous QP or device event.
    QpEvent(u32),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, error) = match self {
            Self::Send(e) => ("send", e),
            Self::Receive(e) => ("receive", e),
            Self::Transfer(e) => ("RDMA read/write", e),
            Self::Registration(e) => ("memory registration", e),
            Self::Post(e) => {
                return write!(f, "posting a work request failed (errno {})", e.to_errno())
            }
            Self::UnexpectedOpcode(op) => {
                return write!(f, "receive completed with unexpected opcode {op}")
            }
            Self::Stuck => return f.write_str("a work request does not complete"),
            Self::QpEvent(event) => return write!(f, "QP event {event}"),
        };
        match error {
            WcError::Flushed => write!(f, "{what} flushed: the connection ended"),
            WcError::Status(status) => {
                write!(f, "{what} failed with work completion status {status}")
            }
        }
    }
}

impl Fault {
    /// A consequence of a connection that had already ended.
    pub fn is_flush(&self) -> bool {
        matches!(
            self,
            Self::Send(WcError::Flushed)
                | Self::Receive(WcError::Flushed)
                | Self::Transfer(WcError::Flushed)
                | Self::Registration(WcError::Flushed)
        )
    }
}

/// The object that an endpoint works for.
///
/// Everything here is called from softirq (or, for [`fault`](Self::fault) and [`data_before_established`](Self::data_before_established), from any
/// context, possibly hard IRQ) and must not sleep.
pub trait Owner: CmHandler {
    /// The number of the connection, for traces.
    fn id(&self) -> u64;

    /// A message arrived. In order of arrival, one at a time.
    fn received(this: ArcBorrow<'_, Self>, received: Received<'_, Self>)
    where
        Self: Sized;

    /// A send slot became free after somebody asked for one.
    fn send_space(this: ArcBorrow<'_, Self>);

    /// The connection is broken.
    fn fault(this: ArcBorrow<'_, Self>, fault: Fault);

    /// Data arrived before the CM's handshake was complete.
    fn data_before_established(this: ArcBorrow<'_, Self>);
}

/// The number of the first receive in traces, which is none of the pool's.
const FIRST_SLOT: u32 = 1 << 16;

/// A connection's hardware and buffers, made in stages.
///
/// Dropping it (process context, sleeps) quiesces the hardware in this order: QP to ERROR, drain, release of half-posted transfers, QP and CQ and PD,
/// regions, buffers, cm_id.
pub struct Endpoint<O: Owner> {
    rw: SetOnce<Pin<KBox<RwEngine<O>>>>,
    mrs: SetOnce<Pin<KBox<MrPool<O>>>>,
    send: SetOnce<Pin<KBox<SendRing<O>>>>,
    recv: SetOnce<Pin<KBox<RecvPool<O>>>>,
    /// The one receive of the handshake.
    first_recv: SetOnce<Pin<KBox<RecvPool<O>>>>,
    verbs: SetOnce<Pin<KBox<Verbs<O>>>>,
    /// Somebody makes the queue pair, or has made it: the cm_id has place for one.
    claimed: AtomicFlag,
    /// Last: everything above refers to its device.
    cm: CmId<O>,
}

impl<O: Owner> Endpoint<O> {
    /// An endpoint that only has its cm_id.
    pub fn new(cm: CmId<O>) -> Self {
        Self {
            rw: SetOnce::new(),
            mrs: SetOnce::new(),
            send: SetOnce::new(),
            recv: SetOnce::new(),
            first_recv: SetOnce::new(),
            verbs: SetOnce::new(),
            claimed: AtomicFlag::new(false),
            cm,
        }
    }

    /// The cm_id.
    pub fn cm(&self) -> &CmId<O> {
        &self.cm
    }

    /// Makes PD, CQ and QP, and posts one receive of `first_recv` bytes for the negotiate message. Once (`-EALREADY`). Sleeps.
    pub fn make_verbs(
        &self,
        ctx: &ProcessCtx,
        owner: Arc<O>,
        sizes: QueueSizes,
        first_recv: usize,
    ) -> Result {
        if self.claimed.xchg(true, Full) {
            return Err(EALREADY);
        }
        let verbs = Verbs::new(ctx, &self.cm, owner, sizes)
            .inspect_err(|_| self.claimed.store(false, Release))?;
        let raw: *const Verbs<O> = &*verbs;
        if !self.verbs.populate(verbs) {
            return Err(EALREADY);
        }
        // SAFETY: `verbs` is in `self` now, boxed and pinned; `Drop` below drops the pool after it has destroyed the QP.
        let pool = unsafe { RecvPool::new(raw, first_recv, 1, FIRST_SLOT)? };
        pool.grow(ctx, 1)?;
        self.first_recv.populate(pool);
        let pool = self.first_recv.as_ref().ok_or(EINVAL)?;
        let slot = pool.take_free().ok_or(ENOMEM)?;
        pool.post(&mut core::iter::once(slot))?;
        Ok(())
    }

    /// Makes the send ring, with `initial` of at most `max` slots of `size` bytes. Sleeps.
    pub fn make_send(&self, ctx: &ProcessCtx, size: usize, initial: u16, max: u16) -> Result {
        let raw: *const Verbs<O> = self.verbs().ok_or(EINVAL)?;
        // SAFETY: As in `make_verbs`.
        let ring = unsafe { SendRing::new(raw, size, max)? };
        self.send.populate(ring);
        self.send().ok_or(EINVAL)?.grow(ctx, initial)
    }

    /// Makes the receive pool of at most `max` slots of `size` bytes. Sleeps.
    pub fn make_recv(&self, _ctx: &ProcessCtx, size: usize, max: u16) -> Result {
        let raw: *const Verbs<O> = self.verbs().ok_or(EINVAL)?;
        // SAFETY: As in `make_verbs`.
        let pool = unsafe { RecvPool::new(raw, size, max, 0)? };
        self.recv.populate(pool);
        Ok(())
    }

    /// Makes the pool of regions. Sleeps.
    pub fn make_mrs(&self, ctx: &ProcessCtx, initial: usize, max: usize, pages: u32) -> Result {
        let raw: *const Verbs<O> = self.verbs().ok_or(EINVAL)?;
        // SAFETY: As in `make_verbs`.
        let pool = unsafe { MrPool::new(raw, max, pages)? };
        // First where our `Drop` finds it: a region has no destructor of its own.
        self.mrs.populate(pool);
        self.mrs().ok_or(EINVAL)?.grow(ctx, initial)
    }

    /// Makes the engine for RDMA reads and writes. Sleeps.
    pub fn make_rw(&self, _ctx: &ProcessCtx) -> Result {
        let raw: *const Verbs<O> = self.verbs().ok_or(EINVAL)?;
        // SAFETY: As in `make_verbs`.
        let engine = unsafe { RwEngine::new(raw)? };
        self.rw.populate(engine);
        Ok(())
    }

    /// PD, CQ and QP, once made.
    #[inline]
    pub fn verbs(&self) -> Option<&Verbs<O>> {
        self.verbs.as_ref().map(|v| &**v)
    }

    /// The send ring, once made.
    #[inline]
    pub fn send(&self) -> Option<&SendRing<O>> {
        self.send.as_ref().map(|v| &**v)
    }

    /// The receive pool, once made.
    #[inline]
    pub fn recv(&self) -> Option<&RecvPool<O>> {
        self.recv.as_ref().map(|v| &**v)
    }

    /// The pool of regions, once made.
    #[inline]
    pub fn mrs(&self) -> Option<&MrPool<O>> {
        self.mrs.as_ref().map(|v| &**v)
    }

    /// The engine for RDMA reads and writes, once made.
    #[inline]
    pub fn rw(&self) -> Option<&RwEngine<O>> {
        self.rw.as_ref().map(|v| &**v)
    }

    /// Bytes of memory that it holds outside of itself.
    pub fn memory(&self) -> usize {
        self.verbs().map_or(0, Verbs::memory)
            + self.first_recv.as_ref().map_or(0, |pool| pool.memory())
            + self.recv().map_or(0, RecvPool::memory)
            + self.send().map_or(0, SendRing::memory)
            + self.mrs().map_or(0, MrPool::memory)
            + self.rw().map_or(0, RwEngine::memory)
    }

    /// Tells the CM that the connection is in use although the last message of its handshake has not arrived. Process context.
    pub fn notify_established(&self) {
        self.cm.notify_established();
    }

    /// See [`Verbs::nudge`]. Any context.
    pub fn nudge(&self, read: bool) {
        if let Some(verbs) = self.verbs() {
            verbs.nudge(read);
        }
    }

    /// Ends the connection so that everything posted flushes: first the QP, since some providers lose outstanding reads when they are
    /// disconnected in a working state, then the CM. Sleeps.
    ///
    /// The CM only if it is `established`: over iWARP `rdma_disconnect` must not run beside an attempt to connect, which may still be in the provider and
    /// frees the provider's id when it fails. An attempt ends when the id is destroyed.
    pub fn disconnect(&self, ctx: &ProcessCtx, established: bool) {
        if let Some(verbs) = self.verbs() {
            verbs.set_error(ctx);
        }
        if established {
            let _ = self.cm.disconnect(ctx);
        }
    }
}

impl<O: Owner> Drop for Endpoint<O> {
    fn drop(&mut self) {
        let ctx = ProcessCtx::enter();
        if let Some(verbs) = self.verbs() {
            verbs.set_error(&ctx);
            verbs.drain(&ctx);
        }
        if let Some(rw) = self.rw() {
            rw.release_all(&ctx);
        }
        // The QP is destroyed here: no completion comes any more, and no buffer is in use.
        drop(core::mem::replace(&mut self.verbs, SetOnce::new()));
        if let Some(mrs) = self.mrs() {
            // SAFETY: Just destroyed.
            unsafe { mrs.destroy_all(&ctx) };
        }
    }
}
