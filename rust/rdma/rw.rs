// SPDX-License-Identifier: GPL-2.0

//! RDMA read and write of local memory to and from the peer's, with the core's `rdma_rw` API.
//!
//! C header: [`include/rdma/rw.h`](srctree/include/rdma/rw.h)
//!
//! A [`Batch`] is a few slices posted as one chain with one completion. It belongs to the endpoint while the hardware has it, so a caller may give up
//! waiting only when the endpoint has quiesced.

use crate::{
    chunk::Direction,
    cqe::{set_cqe, set_invalidate, wc_result, Ticket},
    endpoint::{Fault, Owner},
    memory::Charge,
    verbs::{Signal, Verbs},
};
use core::{cell::UnsafeCell, marker::PhantomData, ptr::NonNull};
use kernel::{
    container_of,
    ffi::c_void,
    new_spinlock_irq,
    prelude::*,
    sync::{
        atomic::{Acquire, Atomic, Relaxed, Release},
        Arc, ArcBorrow, SpinLockIrq,
    },
};
use smbdirect_kext::{
    bindings,
    ctx::ProcessCtx,
    new_wait_queue, time, trace,
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

/// A mapped slice. Boxed and never moved: the context of a single work request points into itself.
struct Slice {
    ctx: bindings::rdma_rw_ctx,
    sg: KVVec<bindings::scatterlist>,
    nents: u32,
}

/// States of a batch.
const BUILDING: i32 = 0;
const POSTED: i32 = 1;
const DONE: i32 = 2;
const FAILED: i32 = 3;

/// Slices posted together.
#[pin_data]
pub struct Batch<O: Owner> {
    verbs: *const Verbs<O>,
    direction: Direction,
    state: Atomic<i32>,
    #[pin]
    waiters: WaitQueue,
    ticket: UnsafeCell<Ticket>,
    slices: UnsafeCell<KVec<KBox<Slice>>>,
    inv: UnsafeCell<KVec<bindings::ib_send_wr>>,
    /// Send-queue entries taken, to be given back to the budget.
    entries: Atomic<u32>,
    mrs: Atomic<u32>,
    /// Keys that had to be invalidated apart.
    invalidated: Atomic<u32>,
}

impl<O: Owner> Batch<O> {
    /// How many regions were registered for it, and how many of their keys were invalidated by work requests of their own.
    pub fn keys(&self) -> (u32, u32) {
        (self.mrs.load(Relaxed), self.invalidated.load(Relaxed))
    }
}

// SAFETY: The cells are written only by the caller that builds the batch (state BUILDING) and by the one that releases it (after DONE, FAILED or quiesce).
unsafe impl<O: Owner> Send for Batch<O> {}
// SAFETY: As above.
unsafe impl<O: Owner> Sync for Batch<O> {}

/// What is left of the entries and MRs that RDMA reads and writes may use.
struct Budget {
    entries: u32,
    mrs: u32,
}

/// RDMA reads and writes of a connection.
///
/// # Invariants
///
/// `verbs` is the endpoint's, which outlives every use. A batch in `live` is posted, or half-posted and waiting for the QP to be drained.
#[pin_data]
pub struct RwEngine<O: Owner> {
    verbs: *const Verbs<O>,
    #[pin]
    budget: SpinLockIrq<Budget>,
    #[pin]
    live: SpinLockIrq<KVec<Arc<Batch<O>>>>,
    #[pin]
    waiters: WaitQueue,
    total: u32,
    /// Reads need an MR each (iWARP), which must be invalidated before the memory is given back.
    reads_by_mr: bool,
    charge: Charge,
}

// SAFETY: Everything in it is locked or constant.
unsafe impl<O: Owner> Send for RwEngine<O> {}
// SAFETY: As above.
unsafe impl<O: Owner> Sync for RwEngine<O> {}

/// How long a flush may take after the connection ended, before we stop waiting for it and rely on the destruction of the QP.
const FLUSH_MS: u64 = 3_000;
/// How often a waiter looks at the connection.
const STEP_MS: u64 = 1_000;

/// Most slices of a batch.
const BATCH_SLICES: usize = 16;
/// Most batches in flight at once: each has at least one of the budget's entries, so that the list never overflows.
const MAX_LIVE: usize = crate::verbs::MAX_RW_ENTRIES as usize;

impl<O: Owner> RwEngine<O> {
    /// # Safety
    ///
    /// `verbs` outlives every use of the engine but its drop.
    pub(crate) unsafe fn new(verbs: *const Verbs<O>) -> Result<Pin<KBox<Self>>> {
        // SAFETY: By the safety requirement.
        let (sizes, iwarp) = unsafe {
            let v = &*verbs;
            (
                v.sizes(),
                bindings::smbd_port_is_iwarp(v.device(), v.port()),
            )
        };
        let live = KVec::with_capacity(MAX_LIVE, GFP_KERNEL)?;
        KBox::pin_init(
            pin_init!(Self {
                verbs,
                budget <- new_spinlock_irq!(
                    Budget { entries: sizes.rw, mrs: sizes.rw_mrs },
                    "smbdirect::RwEngine::budget"
                ),
                live <- new_spinlock_irq!(live, "smbdirect::RwEngine::live"),
                waiters <- new_wait_queue!("smbdirect::RwEngine::waiters"),
                total: sizes.rw,
                reads_by_mr: iwarp,
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
            Direction::FromDevice if self.reads_by_mr => 128,
            Direction::FromDevice => (self.total / 2).saturating_mul(read_sge),
            Direction::ToDevice => (self.total / 2).saturating_mul(write_sge),
        };
        pages.saturating_sub(1).clamp(1, 1024).saturating_mul(page)
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
        drop(budget);
        self.waiters.wake_all();
    }

    /// Builds and posts a batch from the front of `transfers`.
    ///
    /// Returns `Ok(None)` if the budget does not allow even the first slice now: wait for a batch of one's own, or with [`wait_budget`](Self::wait_budget).
    /// Sleeps (allocations, DMA mapping).
    pub fn start(
        &self,
        ctx: &ProcessCtx,
        local: Local<'_>,
        direction: Direction,
        transfers: &mut core::iter::Peekable<impl Iterator<Item = Transfer>>,
    ) -> Result<Option<Arc<Batch<O>>>> {
        let batch = Arc::pin_init(
            pin_init!(Batch {
                verbs: self.verbs,
                direction,
                state: Atomic::new(BUILDING),
                waiters <- new_wait_queue!("smbdirect::Batch::waiters"),
                ticket: UnsafeCell::new(Ticket::new(transferred::<O>)),
                slices: UnsafeCell::new(KVec::new()),
                inv: UnsafeCell::new(KVec::new()),
                entries: Atomic::new(0),
                mrs: Atomic::new(0),
                invalidated: Atomic::new(0),
            }),
            GFP_KERNEL,
        )?;
        // SAFETY: Nobody else has the batch yet.
        let slices = unsafe { &mut *batch.slices.get() };
        let (mut entries, mut mrs) = (0, 0);
        let result = loop {
            let Some(&transfer) = transfers.peek() else {
                break Ok(());
            };
            if slices.len() == BATCH_SLICES || entries >= self.total / 4 {
                break Ok(());
            }
            if let Err(err) = slices.reserve(1, GFP_KERNEL) {
                break Err(err.into());
            }
            match self.map(local, direction, transfer) {
                Ok(Some((slice, cost, cost_mrs))) => {
                    entries += cost;
                    mrs += cost_mrs;
                    // Room was reserved.
                    let _ = slices.push_within_capacity(slice);
                    transfers.next();
                }
                Ok(None) => break Ok(()),
                Err(err) => break Err(err),
            }
        };
        batch.entries.store(entries, Relaxed);
        batch.mrs.store(mrs, Relaxed);
        if let Err(err) = result {
            self.release(&batch);
            return Err(err);
        }
        if slices.is_empty() {
            return Ok(None);
        }
        self.launch(ctx, &batch)?;
        Ok(Some(batch))
    }

    /// Maps one transfer, with its share of the budget. `None` if the budget does not allow it now.
    fn map(
        &self,
        local: Local<'_>,
        direction: Direction,
        t: Transfer,
    ) -> Result<Option<(KBox<Slice>, u32, u32)>> {
        if t.len == 0 || t.local.checked_add(t.len).is_none_or(|end| end > local.len) {
            return Err(EINVAL);
        }
        // SAFETY: In bounds by the check above.
        let start = unsafe { local.start.as_ptr().add(t.local) }.cast::<c_void>();
        // SAFETY: Kernel memory, by the invariant of `Local`.
        let bound = unsafe { bindings::smbd_sg_bound(start, t.len) };
        let mut sg: KVVec<bindings::scatterlist> =
            KVVec::with_capacity(bound as usize, GFP_KERNEL)?;
        for _ in 0..bound {
            sg.push(bindings::scatterlist::default(), GFP_KERNEL)?;
        }
        // SAFETY: The list has `bound` entries; the memory is valid.
        let nents = unsafe { bindings::smbd_sg_from_buf(sg.as_mut_ptr(), bound, start, t.len) };
        let nents = u32::try_from(nents).map_err(|_| EINVAL)?;
        let (write_sge, read_sge) = self.verbs().max_sge();
        let by_mr = self.reads_by_mr && direction == Direction::FromDevice;
        let (cost, cost_mrs) = match direction {
            // REG, READ and, should a key have to be invalidated apart, an INV before the next use plus the INV that ends it.
            Direction::FromDevice if by_mr => (4, 1),
            Direction::FromDevice => (nents.div_ceil(read_sge), 0),
            Direction::ToDevice => (nents.div_ceil(write_sge), 0),
        };
        if !self.reserve(cost, cost_mrs) {
            return Ok(None);
        }
        let mut slice = match KBox::new(
            Slice {
                ctx: bindings::rdma_rw_ctx::default(),
                sg,
                nents,
            },
            GFP_KERNEL,
        ) {
            Ok(slice) => slice,
            Err(err) => {
                self.give_back(cost, cost_mrs);
                return Err(err.into());
            }
        };
        let raw_direction = match direction {
            Direction::ToDevice => bindings::dma_data_direction::DMA_TO_DEVICE,
            Direction::FromDevice => bindings::dma_data_direction::DMA_FROM_DEVICE,
        };
        // SAFETY: A filled list over memory that stays valid while the slice exists (the caller waits for it); the QP is alive.
        let ret = unsafe {
            bindings::rdma_rw_ctx_init(
                &mut slice.ctx,
                self.verbs().qp(),
                self.verbs().port(),
                slice.sg.as_mut_ptr(),
                nents,
                0,
                t.remote,
                t.rkey,
                raw_direction,
            )
        };
        if ret < 0 {
            self.give_back(cost, cost_mrs);
            return Err(Error::from_errno(ret));
        }
        Ok(Some((slice, cost, cost_mrs)))
    }

    /// Chains the slices and posts them.
    fn launch(&self, _ctx: &ProcessCtx, batch: &Arc<Batch<O>>) -> Result {
        {
            let mut live = self.live.lock();
            if live.push_within_capacity(batch.clone()).is_err() {
                drop(live);
                self.release(batch);
                return Err(EBUSY);
            }
        }
        // SAFETY: State BUILDING: the batch is ours.
        let slices = unsafe { &mut *batch.slices.get() };
        let mut first: *mut bindings::ib_send_wr = core::ptr::null_mut();
        let qp = self.verbs().qp();
        for (i, slice) in slices.iter_mut().rev().enumerate() {
            let cqe = if i == 0 {
                Ticket::cqe(batch.ticket.get())
            } else {
                core::ptr::null_mut()
            };
            // SAFETY: An initialised context; the budget guarantees that its entries fit, so the chain will be posted and the key changes this makes
            // are not lost.
            first = unsafe {
                bindings::rdma_rw_ctx_wrs(&mut slice.ctx, qp, self.verbs().port(), cqe, first)
            };
        }
        let (mut tail, mut count) = (first, 1u32);
        // SAFETY: A well-formed chain.
        unsafe {
            while !(*tail).next.is_null() {
                tail = (*tail).next;
                count += 1;
            }
        }
        if trace::Reg::enabled() {
            self.each_region(batch, |conn, mr| {
                trace::Reg::emit(|| trace::Reg {
                    conn,
                    key: mr.lkey,
                    iova: mr.iova,
                    length: u32::try_from(mr.length).unwrap_or(u32::MAX),
                    writable: true,
                })
            });
        }
        batch.state.store(POSTED, Release);
        // SAFETY: The chain belongs to the batch, which `live` keeps until its completion or the drain.
        let posted = unsafe {
            self.verbs().post(
                (first, tail, count),
                Signal::Always,
                |seq| (*batch.ticket.get()).seq = seq,
                |_| {},
            )
        };
        match posted {
            Ok(()) => Ok(()),
            Err(refused) if refused.posted == 0 => {
                if refused.launched {
                    // The keys of its MRs have moved on without the hardware.
                    self.verbs().fault(Fault::Post(refused.error));
                }
                batch.state.store(FAILED, Release);
                self.retire(batch);
                Err(refused.error)
            }
            Err(refused) => {
                // Half-posted: it stays in `live` until the QP has been drained; the connection cannot go on.
                self.verbs().fault(Fault::Post(refused.error));
                Err(refused.error)
            }
        }
    }

    /// Waits for a batch to complete. `Ok` if all its data has arrived. Sleeps, uninterruptibly, but not for ever: when `until` (in milliseconds of
    /// [`time::now_ms`]) is over, the connection fails.
    ///
    /// After an error on a connection that is not `alive` the hardware may still use the memory: the caller must then wait until the endpoint has quiesced,
    /// without a permit for it.
    pub fn finish(
        &self,
        ctx: &ProcessCtx,
        batch: &Arc<Batch<O>>,
        until: u64,
        alive: &dyn Fn() -> bool,
    ) -> Result {
        if !core::ptr::eq(batch.verbs, self.verbs) {
            // Of another connection.
            return Err(EINVAL);
        }
        self.settle(ctx, batch, until, alive)?;
        let ok = batch.state.load(Acquire) == DONE;
        let result = if !ok {
            Err(EIO)
        } else if self.reads_by_mr && batch.direction == Direction::FromDevice {
            self.invalidate(ctx, batch, until, alive)
        } else {
            Ok(())
        };
        if ok && result.is_err() {
            return result;
        }
        if ok && trace::LocalInv::enabled() {
            self.each_region(batch, |conn, mr| {
                trace::LocalInv::emit(|| trace::LocalInv {
                    conn,
                    key: mr.lkey,
                    ok: true,
                })
            });
        }
        self.retire(batch);
        result
    }

    /// Calls `f` for each region of a batch that is ours: being built, or done and not released.
    fn each_region(&self, batch: &Batch<O>, f: impl Fn(u64, &bindings::ib_mr)) {
        if !self.reads_by_mr || batch.direction != Direction::FromDevice {
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

    /// Waits until a posted batch is done or failed. `-ETIMEDOUT` if it is neither although the connection ended a while ago: then only the destruction of
    /// the QP tells.
    fn settle(
        &self,
        ctx: &ProcessCtx,
        batch: &Batch<O>,
        until: u64,
        alive: &dyn Fn() -> bool,
    ) -> Result {
        let mut dead = 0;
        loop {
            if let Outcome::Ready(()) = batch.waiters.wait(
                ctx,
                Mode::Uninterruptible,
                Some(time::jiffies(STEP_MS)),
                || (batch.state.load(Acquire) >= DONE).then_some(()),
            ) {
                return Ok(());
            }
            if alive() && time::now_ms() >= until {
                self.verbs().fault(Fault::Stuck);
            }
            dead += if alive() { 0 } else { STEP_MS };
            if dead >= FLUSH_MS {
                return Err(ETIMEDOUT);
            }
        }
    }

    /// Kills the keys of an iWARP read's sinks, which the peer saw on the wire and which allow remote writes, before the memory is given back. Usually
    /// `rdma_rw` had the read itself do that, and nothing is left to do.
    fn invalidate(
        &self,
        ctx: &ProcessCtx,
        batch: &Arc<Batch<O>>,
        until: u64,
        alive: &dyn Fn() -> bool,
    ) -> Result {
        // SAFETY: State DONE and not retired: the batch is the caller's.
        let (slices, inv) = unsafe { (&mut *batch.slices.get(), &mut *batch.inv.get()) };
        for slice in slices.iter() {
            for i in 0..slice.ctx.nr_ops as usize {
                // SAFETY: iWARP reads always use MRs, so the context is of that kind with `nr_ops` entries.
                let mr = unsafe { (*(*slice.ctx.__bindgen_anon_1.reg.as_ref()).add(i)).mr };
                // SAFETY: The MR belongs to the context.
                if !unsafe { (*mr).need_inval } {
                    continue;
                }
                let mut wr = bindings::ib_send_wr {
                    opcode: bindings::ib_wr_opcode_IB_WR_LOCAL_INV,
                    ..Default::default()
                };
                // SAFETY: The MR belongs to the context.
                unsafe { set_invalidate(&mut wr, (*mr).lkey) };
                inv.push(wr, GFP_KERNEL)
                    .map_err(Error::from)
                    .inspect_err(|error| {
                        // A living key: the memory is the caller's again only after the end of the connection.
                        self.verbs().fault(Fault::Post(*error));
                    })?;
            }
        }
        let count = inv.len();
        let base = inv.as_mut_ptr();
        for i in 0..count.saturating_sub(1) {
            // SAFETY: In bounds.
            unsafe { (*base.add(i)).next = base.add(i + 1) };
        }
        if count == 0 {
            return Ok(());
        }
        batch.invalidated.store(count as u32, Relaxed);
        // SAFETY: In bounds.
        let tail = unsafe { base.add(count - 1) };
        // SAFETY: As above.
        unsafe { set_cqe(tail, batch.ticket.get()) };
        batch.state.store(POSTED, Release);
        // SAFETY: The chain belongs to the batch, which `live` keeps.
        let posted = unsafe {
            self.verbs().post(
                (base, tail, count as u32),
                Signal::Always,
                |seq| (*batch.ticket.get()).seq = seq,
                |_| {},
            )
        };
        if let Err(refused) = posted {
            self.verbs().fault(Fault::Post(refused.error));
            return Err(refused.error);
        }
        self.settle(ctx, batch, until, alive)?;
        if batch.state.load(Acquire) != DONE {
            return Err(EIO);
        }
        for slice in slices.iter() {
            for i in 0..slice.ctx.nr_ops as usize {
                // SAFETY: As above; the key is dead, so `rdma_rw` need not invalidate it before its next use.
                unsafe {
                    (*(*(*slice.ctx.__bindgen_anon_1.reg.as_ref()).add(i)).mr).need_inval = false
                };
            }
        }
        Ok(())
    }

    /// Waits until the budget may allow a slice again, or `alive` says no. Sleeps, interruptibly; `-ERESTARTSYS` on a signal.
    pub fn wait_budget(&self, ctx: &ProcessCtx, mut alive: impl FnMut() -> bool) -> Result {
        let half = self.total / 2;
        match self.waiters.wait(ctx, Mode::Interruptible, None, || {
            let budget = self.budget.lock();
            let some = budget.entries >= half && (!self.reads_by_mr || budget.mrs > 0);
            (some || !alive()).then_some(())
        }) {
            Outcome::Ready(()) => Ok(()),
            _ => Err(ERESTARTSYS),
        }
    }

    /// Takes a finished batch out of `live` and releases it.
    fn retire(&self, batch: &Arc<Batch<O>>) {
        let mut live = self.live.lock();
        let at = live.iter().position(|b| Arc::ptr_eq(b, batch));
        let taken = at.and_then(|at| {
            let last = live.len().checked_sub(1)?;
            live.swap(at, last);
            live.pop()
        });
        drop(live);
        if taken.is_some() {
            self.release(batch);
        }
    }

    /// Unmaps a batch that the hardware is done with and gives its budget back.
    fn release(&self, batch: &Batch<O>) {
        // SAFETY: The hardware is done with it (or never had it), and whoever calls this is the only one to: it was taken out of `live` or never in.
        let slices = unsafe { &mut *batch.slices.get() };
        let state = batch.state.load(Acquire);
        if state != BUILDING && trace::Unmap::enabled() {
            self.each_region(batch, |conn, mr| {
                trace::Unmap::emit(|| trace::Unmap {
                    conn,
                    key: mr.lkey,
                    ok: state == DONE && !mr.need_inval,
                })
            });
        }
        let raw_direction = match batch.direction {
            Direction::ToDevice => bindings::dma_data_direction::DMA_TO_DEVICE,
            Direction::FromDevice => bindings::dma_data_direction::DMA_FROM_DEVICE,
        };
        while let Some(mut slice) = slices.pop() {
            // SAFETY: Initialised with the same arguments.
            unsafe {
                bindings::rdma_rw_ctx_destroy(
                    &mut slice.ctx,
                    self.verbs().qp(),
                    self.verbs().port(),
                    slice.sg.as_mut_ptr(),
                    slice.nents,
                    raw_direction,
                )
            };
        }
        self.give_back(batch.entries.load(Relaxed), batch.mrs.load(Relaxed));
    }

    /// Releases what is left after the QP was drained. Sleeps.
    pub(crate) fn release_all(&self, _ctx: &ProcessCtx) {
        loop {
            let Some(batch) = self.live.lock().pop() else {
                break;
            };
            self.release(&batch);
        }
    }

    /// Batches that the hardware has (diagnostics).
    pub fn live(&self) -> usize {
        self.live.lock().len()
    }
}

/// A batch's last work request completed, or one of them failed. Softirq.
///
/// # Safety
///
/// `ticket` is that of a [`Batch`].
unsafe fn transferred<O: Owner>(ticket: *mut Ticket, wc: &bindings::ib_wc) {
    // SAFETY: By the safety requirement; `live` keeps the batch until its state says that it is done. `UnsafeCell<Ticket>` is laid out as `Ticket`. Afterwards its
    // owner may drop it before we have woken anybody, so a reference of our own is taken (the drop of the last one frees plain memory).
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
