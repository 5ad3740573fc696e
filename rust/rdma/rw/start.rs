// SPDX-License-Identifier: GPL-2.0

//! How a batch is made: slices are mapped within the budget, chained, and posted.

use super::{
    batch::{Slice, POSTED},
    Batch, Local, RwEngine, Transfer,
};
use crate::{
    chunk::Direction,
    cqe::{set_cqe, Ticket},
    endpoint::{Fault, Owner},
    verbs::Signal,
};
use kernel::{
    ffi::c_void,
    prelude::*,
    sync::{
        atomic::{Relaxed, Release},
        Arc,
    },
};
use smbdirect_kext::{bindings, ctx::ProcessCtx, trace};

/// Most slices of a batch.
const BATCH_SLICES: usize = 16;

impl<O: Owner> RwEngine<O> {
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
        let batch = Batch::new(self.verbs, direction)?;
        // SAFETY: Nobody else has the batch yet.
        let slices = unsafe { &mut *batch.slices.get() };
        let (mut entries, mut mrs, mut bytes) = (0, 0, 0);
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
            let more = u32::from(slices.is_empty() && self.by_proof(direction));
            match self.map(local, direction, transfer, more) {
                Ok(Some((slice, cost, cost_mrs))) => {
                    entries += cost;
                    mrs += cost_mrs;
                    bytes += transfer.len as u64;
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
        batch.slice_count.store(slices.len() as u32, Relaxed);
        batch.slice_bytes.store(bytes, Relaxed);
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

    /// Maps one transfer, with its share of the budget and `more` entries. `None` if the budget does not allow it now.
    fn map(
        &self,
        local: Local<'_>,
        direction: Direction,
        t: Transfer,
        more: u32,
    ) -> Result<Option<(KBox<Slice>, u32, u32)>> {
        if t.len == 0 || t.local.checked_add(t.len).is_none_or(|end| end > local.len) {
            return Err(EINVAL);
        }
        // SAFETY: In bounds by the check above.
        let start = unsafe { local.start.as_ptr().add(t.local) }.cast::<c_void>();
        // SAFETY: Kernel memory, by the invariant of `Local`.
        let bound = unsafe { bindings::smbd_sg_bound(start, t.len, self.longest) };
        let mut sg: KVVec<bindings::scatterlist> =
            KVVec::with_capacity(bound as usize, GFP_KERNEL)?;
        for _ in 0..bound {
            sg.push(bindings::scatterlist::default(), GFP_KERNEL)?;
        }
        // SAFETY: The list has `bound` entries; the memory is valid.
        let nents = unsafe {
            bindings::smbd_sg_from_buf(sg.as_mut_ptr(), bound, start, t.len, self.longest)
        };
        let nents = u32::try_from(nents).map_err(|_| EINVAL)?;
        let (write_sge, read_sge) = self.verbs().max_sge();
        let (cost, cost_mrs) = match direction {
            // REG, READ and, should a key have to be invalidated apart, an INV before the next use plus the INV that ends it.
            Direction::FromDevice if self.by_mr(direction) => (4, 1),
            Direction::FromDevice => (nents.div_ceil(read_sge), 0),
            Direction::ToDevice => (nents.div_ceil(write_sge), 0),
        };
        let cost = cost + more;
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
            let mut batches = self.batches.lock();
            if batches.live.push_within_capacity(batch.clone()).is_err() {
                drop(batches);
                self.release(batch);
                return Err(EBUSY);
            }
        }
        // SAFETY: State BUILDING: the batch is ours.
        let slices = unsafe { &mut *batch.slices.get() };
        let qp = self.verbs().qp();
        let cqe = Ticket::cqe(batch.ticket.get());
        // Outlives the post; afterwards nobody follows the chain.
        let mut last = self.by_proof(batch.direction).then(proof);
        let mut first = core::ptr::null_mut();
        if let Some(last) = &mut last {
            let whole: *mut bindings::ib_rdma_wr = last;
            // SAFETY: A field of a local variable.
            unsafe {
                first = core::ptr::addr_of_mut!((*whole).wr);
                set_cqe(first, batch.ticket.get());
            }
        }
        for slice in slices.iter_mut().rev() {
            // SAFETY: An initialised context; the budget guarantees that its entries fit, so the chain will be posted and the key changes this makes
            // are not lost. Only the chain's last entry gets the ticket.
            first = unsafe {
                bindings::rdma_rw_ctx_wrs(&mut slice.ctx, qp, self.verbs().port(), cqe, first)
            };
        }
        let (mut tail, mut count) = (first, 1u32);
        // SAFETY: A well-formed chain.
        unsafe {
            while !(*tail).next.is_null() {
                if self.read_mr_pages == 0 {
                    set_cqe(tail, batch.failure.get());
                }
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
        // SAFETY: The chain belongs to the batch, which the engine keeps until its completion or the drain; but for `last`, which refers to nothing, and which lasts for
        // the call: providers copy work requests.
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
                self.take_out(batch);
                self.release(batch);
                Err(refused.error)
            }
            Err(refused) => {
                // Half-posted: it stays among the live ones until the QP has been drained; the connection cannot go on.
                self.verbs().fault(Fault::Post(refused.error));
                Err(refused.error)
            }
        }
    }
}

/// A work request that comes after reads: an RDMA write of no bytes, for which the peer's adapter looks at no key (IBTA C9-88).
///
/// Where the completion of a read proves nothing ([`Device::reads_may_lie`](crate::device::Device::reads_may_lie)), reads are not signalled, and this is. A send queue
/// completes in order, and an entry after one that failed, whatever the provider said of that, is flushed.
fn proof() -> bindings::ib_rdma_wr {
    let mut write = bindings::ib_rdma_wr::default();
    write.wr.opcode = bindings::ib_wr_opcode_IB_WR_RDMA_WRITE;
    write
}
