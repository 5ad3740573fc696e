// SPDX-License-Identifier: GPL-2.0

//! A batch: slices that are posted together, its states, and its completion.
//!
//! ```text
//! BUILDING ──► POSTED ──► DONE ──► POSTED ──► DONE      (the keys are invalidated apart)
//!                     └─► FAILED          └─► FAILED
//! ```

use super::RwEngine;
use crate::{
    chunk::Direction,
    cqe::{wc_result, Ticket},
    endpoint::{Fault, Owner},
    verbs::Verbs,
};
use core::cell::UnsafeCell;
use kernel::{
    container_of,
    prelude::*,
    sync::{
        atomic::{Atomic, AtomicFlag, Relaxed, Release},
        Arc, ArcBorrow,
    },
};
use smbdirect_kext::{bindings, new_wait_queue, wait::WaitQueue};

/// A mapped slice. Boxed and never moved: the context of a single work request points into itself.
pub(super) struct Slice {
    pub(super) ctx: bindings::rdma_rw_ctx,
    pub(super) sg: KVVec<bindings::scatterlist>,
    pub(super) nents: u32,
}

/// States of a batch: the caller's own,
pub(super) const BUILDING: i32 = 0;
/// the hardware's,
pub(super) const POSTED: i32 = 1;
/// done with, and done with by an error. Larger than the others: see `settle`. One that failed stays so.
pub(super) const DONE: i32 = 2;
pub(super) const FAILED: i32 = 3;

/// Slices posted together.
#[pin_data]
pub struct Batch<O: Owner> {
    pub(super) verbs: *const Verbs<O>,
    pub(super) direction: Direction,
    pub(super) state: Atomic<i32>,
    #[pin]
    pub(super) waiters: WaitQueue,
    pub(super) ticket: UnsafeCell<Ticket>,
    /// Of the entries before the last, which are reported only if they fail, and before it. Not over iWARP, where a read may be reported after what follows it.
    pub(super) failure: UnsafeCell<Ticket>,
    pub(super) slices: UnsafeCell<KVec<KBox<Slice>>>,
    pub(super) inv: UnsafeCell<KVec<bindings::ib_send_wr>>,
    /// What it had has been given back, or is about to be by whoever set this.
    pub(super) released: AtomicFlag,
    /// Send-queue entries taken, to be given back to the budget.
    pub(super) entries: Atomic<u32>,
    pub(super) mrs: Atomic<u32>,
    /// How many slices were posted, and their length together in bytes.
    pub(super) slice_count: Atomic<u32>,
    pub(super) slice_bytes: Atomic<u64>,
    /// Keys that had to be invalidated apart.
    pub(super) invalidated: Atomic<u32>,
}

impl<O: Owner> Batch<O> {
    /// One without slices.
    pub(super) fn new(verbs: *const Verbs<O>, direction: Direction) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                verbs,
                direction,
                state: Atomic::new(BUILDING),
                waiters <- new_wait_queue!("smbdirect::Batch::waiters"),
                ticket: UnsafeCell::new(Ticket::new(transferred::<O>)),
                failure: UnsafeCell::new(Ticket::new(failed::<O>)),
                slices: UnsafeCell::new(KVec::new()),
                inv: UnsafeCell::new(KVec::new()),
                released: AtomicFlag::new(false),
                entries: Atomic::new(0),
                mrs: Atomic::new(0),
                slice_count: Atomic::new(0),
                slice_bytes: Atomic::new(0),
                invalidated: Atomic::new(0),
            }),
            GFP_KERNEL,
        )
    }

    /// Sequence number of its last work request.
    pub(super) fn seq(&self) -> u32 {
        // SAFETY: Written before the work request is posted, by whoever has the batch; this is called when it has completed.
        unsafe { (*self.ticket.get()).seq }
    }

    /// How many slices it has, and their length together in bytes.
    pub fn work(&self) -> (u32, u64) {
        (
            self.slice_count.load(Relaxed),
            self.slice_bytes.load(Relaxed),
        )
    }

    /// How many regions were registered for it, and how many of their keys were invalidated by work requests of their own.
    pub fn keys(&self) -> (u32, u32) {
        (self.mrs.load(Relaxed), self.invalidated.load(Relaxed))
    }
}

// SAFETY: The cells are written only by the caller that builds the batch (state BUILDING, `start.rs`) and by the one that releases it (after DONE, FAILED or quiesce,
// `finish.rs`).
unsafe impl<O: Owner> Send for Batch<O> {}
// SAFETY: As above.
unsafe impl<O: Owner> Sync for Batch<O> {}

impl<O: Owner> RwEngine<O> {
    /// Calls `f` for each region of a batch that is ours: being built, or done and not released.
    pub(super) fn each_region(&self, batch: &Batch<O>, f: impl Fn(u64, &bindings::ib_mr)) {
        if !self.by_mr(batch.direction) {
            return;
        }
        // SAFETY: The batch is the caller's.
        let slices = unsafe { &*batch.slices.get() };
        for slice in slices.iter() {
            for i in 0..slice.ctx.nr_ops as usize {
                // SAFETY: iWARP reads always use MRs, so the context is of that kind with `nr_ops` entries, whose MRs belong to it.
                f(self.verbs().conn(), unsafe {
                    &*(*(*slice.ctx.__bindgen_anon_1.reg.as_ref()).add(i)).mr
                });
            }
        }
    }
}

/// A batch's last work request completed, or one of them failed. Softirq. siw calls this twice for a read that it flushes before it has sent it.
///
/// # Safety
///
/// `ticket` is that of a [`Batch`].
unsafe fn transferred<O: Owner>(ticket: *mut Ticket, wc: &bindings::ib_wc) {
    // SAFETY: By the safety requirement; the engine keeps the batch until its state says that it is done, and as long as it may complete again (invariants of
    // `RwEngine`). `UnsafeCell<Ticket>` is laid out as `Ticket`. Afterwards its owner may drop it before we have woken anybody, so a reference of our own is taken
    // (the drop of the last one frees plain memory).
    let (batch, seq): (Arc<Batch<O>>, u32) = unsafe {
        let batch: *const Batch<O> =
            container_of!(ticket.cast::<UnsafeCell<Ticket>>(), Batch<O>, ticket);
        (ArcBorrow::from_raw(batch).into(), (*ticket).seq)
    };
    // SAFETY: The endpoint's `Verbs` exists while completions come.
    let verbs = unsafe { &*batch.verbs };
    verbs.trace_done(seq, wc);
    let state = match wc_result(wc) {
        Ok(()) => {
            verbs.finish(seq);
            DONE
        }
        Err(error) => {
            verbs.fault(Fault::Transfer(error));
            FAILED
        }
    };
    batch.state.store(state, Release);
    batch.waiters.wake_all();
}

/// An entry before the last has failed. The last one will be flushed. Softirq.
///
/// # Safety
///
/// `ticket` is the `failure` of a [`Batch`] whose last work request has not completed.
unsafe fn failed<O: Owner>(ticket: *mut Ticket, wc: &bindings::ib_wc) {
    // SAFETY: By the safety requirement, and since the engine keeps the batch until its last work request has completed. `UnsafeCell<Ticket>` is laid out as `Ticket`.
    let (verbs, seq) = unsafe {
        let batch: *const Batch<O> =
            container_of!(ticket.cast::<UnsafeCell<Ticket>>(), Batch<O>, failure);
        (&*(*batch).verbs, (*(*batch).ticket.get()).seq)
    };
    verbs.trace_done(seq, wc);
    if let Err(error) = wc_result(wc) {
        verbs.fault(Fault::Transfer(error));
    }
}
