// SPDX-License-Identifier: GPL-2.0

//! How a batch ends: waiting for it, killing its keys, and giving back what it had.

use super::{
    batch::{BUILDING, DONE, POSTED},
    Batch, RwEngine,
};
use crate::{
    chunk::Direction,
    cqe::{set_cqe, set_invalidate},
    endpoint::{Fault, Owner},
    verbs::Signal,
};
use kernel::{
    prelude::*,
    sync::{
        atomic::{Acquire, Relaxed, Release},
        Arc,
    },
};
use smbdirect_kext::{
    bindings,
    ctx::ProcessCtx,
    time, trace,
    wait::{Mode, Outcome},
};

/// How long a flush may take after the connection ended, before we stop waiting for it and rely on the destruction of the QP.
const FLUSH_MS: u64 = 3_000;
/// How often a waiter looks at the connection.
const STEP_MS: u64 = 1_000;

impl<O: Owner> RwEngine<O> {
    /// Waits for a batch to complete. `Ok` if all its data has arrived. Sleeps, uninterruptibly, but not for ever: when `until` (in milliseconds of
    /// [`time::now_ms`]; asked again every second, so it may move on) is over, the connection fails.
    ///
    /// After an error on a connection that is not `alive` the hardware may still use the memory: the caller must then wait until the endpoint has quiesced,
    /// without a permit for it.
    pub fn finish(
        &self,
        ctx: &ProcessCtx,
        batch: &Arc<Batch<O>>,
        until: &dyn Fn() -> u64,
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
        } else if self.by_mr(batch.direction) {
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

    /// Waits until a posted batch is done or failed. `-ETIMEDOUT` if it is neither although the connection ended a while ago: then only the destruction of
    /// the QP tells.
    fn settle(
        &self,
        ctx: &ProcessCtx,
        batch: &Batch<O>,
        until: &dyn Fn() -> u64,
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
            if alive() && time::now_ms() >= until() {
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
        until: &dyn Fn() -> u64,
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
        // SAFETY: The chain belongs to the batch, which the engine keeps.
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

    /// Releases a finished batch, and keeps it as long as it may complete once more.
    fn retire(&self, batch: &Arc<Batch<O>>) {
        // Otherwise it stays where it is until the QP is gone.
        if batch.state.load(Acquire) == DONE {
            let taken = self.take_out(batch);
            if self.by_mr(batch.direction) {
                drop(taken.and_then(|batch| self.keep_last(batch)));
            }
        }
        self.release(batch);
    }

    /// Takes a batch out of the live ones.
    pub(super) fn take_out(&self, batch: &Arc<Batch<O>>) -> Option<Arc<Batch<O>>> {
        let live = &mut self.batches.lock().live;
        let at = live.iter().position(|b| Arc::ptr_eq(b, batch))?;
        let last = live.len().checked_sub(1)?;
        live.swap(at, last);
        live.pop()
    }

    /// Keeps `batch` or the one kept before, whichever was posted later; the other is returned.
    fn keep_last(&self, batch: Arc<Batch<O>>) -> Option<Arc<Batch<O>>> {
        let last = &mut self.batches.lock().last;
        match last {
            Some(kept) if (batch.seq().wrapping_sub(kept.seq()) as i32) < 0 => Some(batch),
            _ => last.replace(batch),
        }
    }

    /// Unmaps a batch that the hardware is done with and gives its budget back, if that has not been done.
    pub(super) fn release(&self, batch: &Batch<O>) {
        if batch.released.xchg(true, Acquire) {
            return;
        }
        // SAFETY: The hardware is done with it (or never had it), and only one gets here.
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

    /// Releases what is left after the QP was drained: `rdma_rw` wants its MRs back before the QP is destroyed. The batches themselves stay until the engine is
    /// dropped, after the QP, since a drain that failed says nothing and completions may still come. Sleeps.
    pub(crate) fn release_all(&self, _ctx: &ProcessCtx) {
        // Nobody has a permit: the list does not change meanwhile.
        let live = core::mem::take(&mut self.batches.lock().live);
        for batch in &live {
            self.release(batch);
        }
        self.batches.lock().live = live;
    }
}
