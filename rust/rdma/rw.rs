// SPDX-License-Identifier: GPL-2.0

//! RDMA read and write of local memory to and from the peer's, with the core's `rdma_rw` API.
//!
//! C header: [`include/rdma/rw.h`](srctree/include/rdma/rw.h)
//!
//! A [`Batch`] is a few slices posted as one chain with one completion. It belongs to the endpoint while the hardware has it, so a caller may give up
//! waiting only when the endpoint has quiesced.
//!
//! Here are what a caller has to say ([`Local`], [`Transfer`]) and the budget of a connection. [`batch`] is the batch and its completion, [`start`] makes and
//! posts one, [`finish`] waits for it, ends its keys and releases it.

mod batch;
mod finish;
mod start;

pub use batch::Batch;

use crate::{chunk::Direction, device::Device, endpoint::Owner, memory::Charge, verbs::Verbs};
use batch::FAILED;
use core::{marker::PhantomData, ptr::NonNull};
use kernel::{
    prelude::*,
    sync::{atomic::Relaxed, Arc, SpinLockIrq},
};
use smbdirect_kext::{
    ctx::ProcessCtx,
    new_spinlock_irq, new_wait_queue,
    wait::{Mode, Outcome, WaitQueue},
};

/// Memory of a C caller, in the linear map or in vmalloc space, that stays allocated for `'a`.
#[derive(Clone, Copy)]
pub struct Local<'a> {
    start: NonNull<u8>,
    len: usize,
    _memory: PhantomData<&'a ()>,
}

impl Local<'_> {
    /// Wraps `len` bytes at `start`.
    ///
    /// # Safety
    ///
    /// The memory is kernel memory, mapped in the linear map or by vmalloc, that nobody frees, reads or writes for the lifetime of the value.
    pub unsafe fn new(start: NonNull<u8>, len: usize) -> Self {
        Self {
            start,
            len,
            _memory: PhantomData,
        }
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// One contiguous transfer: `len` bytes at `local` of the buffer, to or from `remote` under `rkey`.
#[derive(Clone, Copy)]
pub struct Transfer {
    /// Offset in the local buffer.
    pub local: usize,
    /// Length in bytes, at least 1.
    pub len: usize,
    /// The peer's address.
    pub remote: u64,
    /// The peer's key.
    pub rkey: u32,
}

/// What is left of the entries and MRs that RDMA reads and writes may use.
struct Budget {
    entries: u32,
    mrs: u32,
}

/// Batches whose tickets completions still come for.
///
/// siw has a read twice while it is about to send it: as what it sends, and in its queue of outbound reads, lest an answer come first. If the QP then goes to
/// the error state, both are flushed (`siw_sq_flush`). A peer that answers before it is asked has the first of the two succeed. siw sends in order and one
/// at a time: once a work request posted later has succeeded, an earlier read is complete only in the queue.
struct Batches<O: Owner> {
    /// Those that the hardware has, and those that failed. At most [`MAX_LIVE`], which a connection that has failed may reach; it posts no more then.
    live: KVec<Arc<Batch<O>>>,
    /// The one of those that have succeeded, and are released, that was posted last.
    last: Option<Arc<Batch<O>>>,
}

/// RDMA reads and writes of a connection.
///
/// # Invariants
///
/// * `verbs` is the endpoint's, which outlives every use.
/// * A batch that is posted, or half-posted, is among the [`Batches`], and so is one that may complete once more, until the QP is gone: after an error any,
///   after success the one over iWARP that was posted last ([`Batches`] says why).
#[pin_data]
pub struct RwEngine<O: Owner> {
    verbs: *const Verbs<O>,
    #[pin]
    budget: SpinLockIrq<Budget>,
    #[pin]
    batches: SpinLockIrq<Batches<O>>,
    #[pin]
    waiters: WaitQueue,
    total: u32,
    /// Longest piece of memory that can be mapped, in bytes.
    longest: usize,
    /// Reads need an MR each (iWARP), which must be invalidated before the memory is given back. It has this many pages at most; 0 if they need none.
    read_mr_pages: u32,
    /// What [`Device::reads_may_lie`] says.
    reads_may_lie: bool,
    charge: Charge,
}

// SAFETY: Everything in it is locked or constant.
unsafe impl<O: Owner> Send for RwEngine<O> {}
// SAFETY: As above.
unsafe impl<O: Owner> Sync for RwEngine<O> {}

/// The turn of one that waited for budget, to call [`RwEngine::start`]. When it is dropped the next has its turn with what is left.
#[must_use]
pub struct Turn<'a, O: Owner>(&'a RwEngine<O>);

impl<O: Owner> Drop for Turn<'_, O> {
    fn drop(&mut self) {
        self.0.give_back(0, 0);
    }
}

/// Most pages of a slice that is read by an MR. `rdma_rw` makes its MRs of 256, or of what the device can do.
const READ_MR_PAGES: u32 = 128;

/// Most batches in flight at once: each has at least one of the budget's entries, so that the list never overflows.
const MAX_LIVE: usize = crate::verbs::MAX_RW_ENTRIES as usize;

impl<O: Owner> RwEngine<O> {
    /// # Safety
    ///
    /// `verbs` outlives every use of the engine but its drop.
    pub(crate) unsafe fn new(verbs: *const Verbs<O>) -> Result<Pin<KBox<Self>>> {
        // SAFETY: By the safety requirement.
        let v = unsafe { &*verbs };
        let sizes = v.sizes();
        let device = NonNull::new(v.device()).ok_or(EINVAL)?;
        // SAFETY: The endpoint's device is registered, and pinned by its cm_id.
        let device = unsafe { Device::from_raw(device) };
        let read_mr_pages = if device.is_iwarp(v.port()) {
            device.max_fast_reg_pages().clamp(2, READ_MR_PAGES)
        } else {
            0
        };
        let live = KVec::with_capacity(MAX_LIVE, GFP_KERNEL)?;
        KBox::pin_init(
            pin_init!(Self {
                verbs,
                budget <- new_spinlock_irq!(
                    Budget { entries: sizes.rw, mrs: sizes.rw_mrs },
                    "smbdirect::RwEngine::budget"
                ),
                batches <- new_spinlock_irq!(
                    Batches { live, last: None },
                    "smbdirect::RwEngine::batches"
                ),
                waiters <- new_wait_queue!("smbdirect::RwEngine::waiters"),
                total: sizes.rw,
                longest: device.longest_piece(),
                read_mr_pages,
                reads_may_lie: device.reads_may_lie(),
                charge: Charge::of::<Self>().and(Charge::array::<Arc<Batch<O>>>(MAX_LIVE)),
            }),
            GFP_KERNEL,
        )
    }

    fn verbs(&self) -> &Verbs<O> {
        // SAFETY: By the type invariants.
        unsafe { &*self.verbs }
    }

    /// Longest slice, in bytes: one that surely fits in half the budget whatever its pages look like.
    pub fn max_slice(&self, direction: Direction) -> u32 {
        let (write_sge, read_sge) = self.verbs().max_sge();
        let page = kernel::page::PAGE_SIZE as u32;
        let pages = match direction {
            Direction::FromDevice if self.by_mr(direction) => self.read_mr_pages,
            Direction::FromDevice => (self.total / 2)
                .saturating_sub(u32::from(self.by_proof(direction)))
                .saturating_mul(read_sge),
            Direction::ToDevice => (self.total / 2).saturating_mul(write_sge),
        };
        pages.saturating_sub(1).clamp(1, 1024).saturating_mul(page)
    }

    /// Whether transfers in this direction have regions.
    fn by_mr(&self, direction: Direction) -> bool {
        direction == Direction::FromDevice && self.read_mr_pages != 0
    }

    /// Whether a batch in this direction has an entry after its transfers, which proves that they are done.
    fn by_proof(&self, direction: Direction) -> bool {
        direction == Direction::FromDevice && self.reads_may_lie
    }

    /// Bytes of memory that it holds, without batches.
    pub(crate) fn memory(&self) -> usize {
        self.charge.bytes()
    }

    /// Wakes those who wait for budget, so that they see the connection's end. Any context.
    pub fn wake_all(&self) {
        self.waiters.wake_all();
    }

    fn reserve(&self, entries: u32, mrs: u32) -> bool {
        let mut budget = self.budget.lock();
        if budget.entries < entries || budget.mrs < mrs {
            return false;
        }
        budget.entries -= entries;
        budget.mrs -= mrs;
        true
    }

    fn give_back(&self, entries: u32, mrs: u32) {
        let mut budget = self.budget.lock();
        budget.entries += entries;
        budget.mrs += mrs;
        let room = self.has_room(&budget);
        drop(budget);
        if room {
            self.waiters.wake_one();
        }
    }

    /// Whether there is enough for the longest slice.
    fn has_room(&self, budget: &Budget) -> bool {
        budget.entries >= self.total / 2 && (self.read_mr_pages == 0 || budget.mrs > 0)
    }

    /// Waits in line until the budget may allow a slice again, or `alive` says no. It is the caller's turn then, until it drops it. Sleeps, interruptibly;
    /// `-ERESTARTSYS` on a signal.
    pub fn wait_budget(
        &self,
        ctx: &ProcessCtx,
        mut alive: impl FnMut() -> bool,
    ) -> Result<Turn<'_, O>> {
        match self.waiters.wait_in_line(ctx, Mode::Interruptible, || {
            let room = self.has_room(&self.budget.lock());
            (room || !alive()).then_some(())
        }) {
            Outcome::Ready(()) => Ok(Turn(self)),
            _ => Err(ERESTARTSYS),
        }
    }

    /// Batches that the hardware has (diagnostics).
    pub fn live(&self) -> usize {
        let batches = self.batches.lock();
        let failed = |b: &&Arc<Batch<O>>| b.state.load(Relaxed) == FAILED;
        batches.live.len() - batches.live.iter().filter(failed).count()
    }
}
