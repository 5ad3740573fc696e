// SPDX-License-Identifier: GPL-2.0

//! Receive slots: DMA-mapped once, posted in chains, handed over when the hardware has filled them.

use crate::{
    chunk::{self, Chunk, Direction},
    cqe::{wc_cqe, wc_result, WcError},
    endpoint::{Fault, Owner},
    memory::Charge,
    verbs::Verbs,
};
use core::{cell::UnsafeCell, mem::ManuallyDrop, num::NonZeroUsize};
use kernel::{
    container_of,
    prelude::*,
    sync::{
        atomic::{Atomic, Full, Relaxed, Release},
        Mutex, SetOnce,
    },
};
use smbdirect_kext::{bindings, ctx::ProcessCtx, new_mutex, trace};

/// Pages of a chunk: 32 KiB.
const CHUNK_ORDER: u32 = 3;
/// Most slots posted with one call.
const BATCH: usize = 16;

/// States of a slot.
const FREE: i32 = 0;
const HELD: i32 = 1;
const POSTED: i32 = 2;
const PARKED: i32 = 3;

/// Bookkeeping of a slot. The plain fields belong to whoever holds the slot.
#[repr(C)]
struct Meta<O: Owner> {
    cqe: bindings::ib_cqe,
    pool: *const RecvPool<O>,
    wr: bindings::ib_recv_wr,
    sge: bindings::ib_sge,
    state: Atomic<i32>,
    index: u16,
}

type Block<O> = chunk::Block<Meta<O>>;

/// The receive slots of a connection.
///
/// # Invariants
///
/// * A slot in state HELD has exactly one [`RecvSlot`]; POSTED belongs to the hardware; PARKED and FREE belong to nobody and become HELD only by a
///   compare-and-exchange.
/// * Blocks are only added; metadata does not move.
/// * The pool is dropped only after the QP was destroyed, and `verbs` points to the endpoint's `Verbs`, which outlives every post.
#[pin_data]
pub struct RecvPool<O: Owner> {
    #[pin]
    grow: Mutex<usize>,
    blocks: KVec<SetOnce<Block<O>>>,
    verbs: *const Verbs<O>,
    size: usize,
    per_block: NonZeroUsize,
    max: usize,
    total: Atomic<i32>,
    /// Where the search for a free slot begins.
    hint: Atomic<i32>,
    /// Number of the first slot in traces.
    base: u32,
    charge: Charge,
}

// SAFETY: Slots are handed out exclusively (type invariants).
unsafe impl<O: Owner> Send for RecvPool<O> {}
// SAFETY: As above.
unsafe impl<O: Owner> Sync for RecvPool<O> {}

/// Exclusive use of a slot by the CPU. Dropping it leaves the slot free (not posted).
///
/// # Invariants
///
/// The slot `index` of `pool` is HELD, and this is its only handle.
pub struct RecvSlot<'a, O: Owner> {
    pool: &'a RecvPool<O>,
    index: u16,
}

impl<O: Owner> RecvPool<O> {
    /// An empty pool of up to `max` slots of `size` bytes, which are numbered from `base` in traces.
    ///
    /// # Safety
    ///
    /// `verbs` outlives every use of the pool but its drop, and the pool is dropped after the QP was destroyed.
    pub(crate) unsafe fn new(
        verbs: *const Verbs<O>,
        size: usize,
        max: u16,
        base: u32,
    ) -> Result<Pin<KBox<Self>>> {
        let stride = crate::chunk::stride(size);
        let per_block = NonZeroUsize::new(crate::chunk::slots_in(CHUNK_ORDER, stride))
            .unwrap_or(NonZeroUsize::MIN);
        let count = usize::from(max) / per_block + 2;
        let mut blocks = KVec::with_capacity(count, GFP_KERNEL)?;
        for _ in 0..count {
            blocks.push(SetOnce::new(), GFP_KERNEL)?;
        }
        KBox::pin_init(
            pin_init!(Self {
                grow <- new_mutex!(0, "smbdirect::RecvPool::grow"),
                blocks,
                verbs,
                size,
                per_block,
                max: usize::from(max),
                total: Atomic::new(0),
                hint: Atomic::new(0),
                base,
                charge: Charge::of::<Self>().and(Charge::array::<SetOnce<Block<O>>>(count)),
            }),
            GFP_KERNEL,
        )
    }

    fn verbs(&self) -> &Verbs<O> {
        // SAFETY: By the type invariants.
        unsafe { &*self.verbs }
    }

    /// How many slots one step of growth adds, at most; at least 1.
    pub fn slots_per_block(&self) -> usize {
        self.per_block.get()
    }

    /// Slots that exist.
    pub fn total(&self) -> usize {
        self.total.load(Relaxed) as usize
    }

    /// Bytes of memory that the pool holds.
    pub(crate) fn memory(&self) -> usize {
        let blocks = self.blocks.iter().filter_map(|b| b.as_ref());
        self.charge.bytes() + blocks.map(Block::bytes).sum::<usize>()
    }

    /// Whether the pool may still grow.
    pub fn can_grow(&self) -> bool {
        self.total() < self.max
    }

    /// Adds one chunk with at most `wanted` slots, all free. Returns how many. Sleeps.
    pub fn grow(&self, _ctx: &ProcessCtx, wanted: usize) -> Result<usize> {
        let mut used = self.grow.lock();
        let wanted = wanted
            .min(self.max.saturating_sub(self.total()))
            .min(self.per_block.get());
        let Some(place) = self.blocks.get(*used).filter(|_| wanted > 0) else {
            return Err(ENOSPC);
        };
        // SAFETY: The device is pinned by the endpoint's cm_id, which outlives the pool.
        let memory = unsafe {
            Chunk::new(
                self.verbs().device(),
                self.size,
                wanted,
                CHUNK_ORDER,
                Direction::FromDevice,
            )?
        };
        let slots = memory.slots().min(self.per_block.get());
        let base = *used * self.per_block.get();
        let mut metas = KVec::with_capacity(slots, GFP_KERNEL)?;
        for i in 0..slots {
            metas.push(
                UnsafeCell::new(Meta {
                    cqe: bindings::ib_cqe {
                        done: Some(received::<O>),
                    },
                    pool: self,
                    wr: bindings::ib_recv_wr {
                        num_sge: 1,
                        ..Default::default()
                    },
                    sge: bindings::ib_sge {
                        addr: memory.slot_dma(i),
                        length: self.size as u32,
                        lkey: self.verbs().lkey(),
                    },
                    state: Atomic::new(FREE),
                    index: u16::try_from(base + i).map_err(|_| ENOSPC)?,
                }),
                GFP_KERNEL,
            )?;
        }
        place.populate(Block::new(memory, metas));
        *used += 1;
        self.total.add(slots as i32, Relaxed);
        Ok(slots)
    }

    fn locate(&self, index: u16) -> Option<(&Block<O>, usize)> {
        let index = usize::from(index);
        let block = self.blocks.get(index / self.per_block)?.as_ref()?;
        let at = index % self.per_block;
        (at < block.metas.len()).then_some((block, at))
    }

    fn meta(&self, index: u16) -> Option<*mut Meta<O>> {
        let (block, at) = self.locate(index)?;
        block.metas.get(at).map(UnsafeCell::get)
    }

    fn state(&self, index: u16) -> Option<&Atomic<i32>> {
        // SAFETY: Metadata lives as long as the pool; the state is only accessed atomically.
        self.meta(index).map(|meta| unsafe { &(*meta).state })
    }

    fn hold(&self, index: u16, from: i32) -> Option<RecvSlot<'_, O>> {
        self.state(index)?.cmpxchg(from, HELD, Full).ok()?;
        // INVARIANT: The exchange made the slot HELD, for us alone.
        Some(RecvSlot { pool: self, index })
    }

    /// Takes back a parked slot. `None` if it is not parked.
    #[inline]
    pub fn unpark(&self, index: u16) -> Option<RecvSlot<'_, O>> {
        self.hold(index, PARKED)
    }

    /// Takes a free slot, if there is one. Any context; at most one round over the pool.
    pub fn take_free(&self) -> Option<RecvSlot<'_, O>> {
        let blocks = self.blocks.iter().filter_map(|b| b.as_ref()).count();
        let span = blocks * self.per_block.get();
        let start = self.hint.load(Relaxed) as usize;
        for step in 0..span {
            let index = start + step;
            let index = if index < span { index } else { index - span };
            let Ok(number) = u16::try_from(index) else {
                break;
            };
            if self.state(number).is_none_or(|s| s.load(Relaxed) != FREE) {
                continue;
            }
            if let Some(slot) = self.hold(number, FREE) {
                self.hint.store(index as i32, Relaxed);
                return Some(slot);
            }
        }
        None
    }

    /// Posts slots in one chain (at most 16 of those offered). Returns how many were posted; those that were not, and slots of another pool, are
    /// free again. Any context.
    pub fn post<'a>(&'a self, slots: &mut dyn Iterator<Item = RecvSlot<'a, O>>) -> Result<usize> {
        let mut first: *mut bindings::ib_recv_wr = core::ptr::null_mut();
        let mut previous: *mut bindings::ib_recv_wr = core::ptr::null_mut();
        let mut metas = [core::ptr::null_mut::<Meta<O>>(); BATCH];
        let mut count = 0;
        while count < BATCH {
            let Some(slot) = slots.next() else { break };
            if !core::ptr::eq(slot.pool, self) {
                // Of another pool, where its drop leaves it free: here, its number means another slot.
                continue;
            }
            let (Some(meta), Some((block, at))) = (self.meta(slot.index), self.locate(slot.index))
            else {
                continue;
            };
            let slot = ManuallyDrop::new(slot);
            trace::PostRecv::emit(|| trace::PostRecv {
                conn: self.verbs().conn(),
                slot: self.base + u32::from(slot.index),
            });
            block.memory.sync_for_device(at, self.size);
            // SAFETY: HELD: the metadata is ours.
            unsafe {
                (*meta).wr.next = core::ptr::null_mut();
                (*meta).wr.sg_list = core::ptr::addr_of_mut!((*meta).sge);
                *(*meta).wr.__bindgen_anon_1.wr_cqe.as_mut() = core::ptr::addr_of_mut!((*meta).cqe);
                // The hardware may complete it before the call below returns.
                (*meta).state.store(POSTED, Release);
                let wr = core::ptr::addr_of_mut!((*meta).wr);
                if previous.is_null() {
                    first = wr;
                } else {
                    (*previous).next = wr;
                }
                previous = wr;
            }
            if let Some(place) = metas.get_mut(count) {
                *place = meta;
            }
            count += 1;
        }
        if count == 0 {
            return Ok(0);
        }
        let mut bad: *const bindings::ib_recv_wr = core::ptr::null();
        // SAFETY: A well-formed chain of slots of this pool, which outlives the QP.
        let ret = unsafe { bindings::smbd_post_recv(self.verbs().qp(), first, &mut bad) };
        if ret == 0 {
            return Ok(count);
        }
        if bad.is_null() {
            // The provider did not say: all of them may be posted, and stay so until the QP is gone.
            return Err(Error::from_errno(ret));
        }
        let mut refused = false;
        for &meta in metas.iter().take(count) {
            // SAFETY: One of the slots above.
            unsafe {
                refused |= core::ptr::eq(core::ptr::addr_of!((*meta).wr), bad);
                if refused {
                    let slot = self.base + u32::from((*meta).index);
                    trace::PostRecvErr::emit(|| trace::PostRecvErr {
                        conn: self.verbs().conn(),
                        slot,
                        error: ret,
                    });
                    (*meta).state.store(FREE, Release);
                }
            }
        }
        Err(Error::from_errno(ret))
    }
}

impl<O: Owner> RecvSlot<'_, O> {
    /// The slot's memory.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        match self.pool.locate(self.index) {
            // SAFETY: HELD: neither the hardware nor another handle touches it; `size` bytes are in the chunk.
            Some((block, at)) => unsafe {
                core::slice::from_raw_parts(block.memory.slot(at), self.pool.size)
            },
            None => &[],
        }
    }

    /// Leaves the slot's content for later; [`RecvPool::unpark`] with the returned index takes it back.
    #[inline]
    pub fn park(self) -> u16 {
        let this = ManuallyDrop::new(self);
        if let Some(state) = this.pool.state(this.index) {
            state.store(PARKED, Release);
        }
        this.index
    }

    /// The slot's number.
    pub fn index(&self) -> u16 {
        self.index
    }
}

impl<O: Owner> Drop for RecvSlot<'_, O> {
    fn drop(&mut self) {
        if let Some(state) = self.pool.state(self.index) {
            state.store(FREE, Release);
        }
    }
}

/// What a receive brought.
pub struct Received<'a, O: Owner> {
    /// The filled slot.
    pub slot: RecvSlot<'a, O>,
    /// Length of the message in it; never more than the slot.
    pub len: usize,
    /// The key that the peer invalidated with it, if it said so.
    pub invalidated: Option<u32>,
}

/// A receive completed. Softirq.
///
/// # Safety
///
/// Called by the CQ for a receive that a `RecvPool<O>` posted.
unsafe extern "C" fn received<O: Owner>(_cq: *mut bindings::ib_cq, wc: *mut bindings::ib_wc) {
    // SAFETY: The CQ passes a valid completion; its `wr_cqe` is that of a slot's metadata, since only `RecvPool::post` uses this function.
    let (wc, meta) = unsafe {
        let meta: *mut Meta<O> = container_of!(wc_cqe(&*wc), Meta<O>, cqe);
        (&*wc, meta)
    };
    // SAFETY: The pool outlives the QP; `index` does not change.
    let (pool, index) = unsafe { (&*(*meta).pool, (*meta).index) };
    let verbs = pool.verbs();
    trace::WcRecv::emit(|| trace::WcRecv {
        conn: verbs.conn(),
        slot: pool.base + u32::from(index),
        status: wc.status,
        length: if wc.status == bindings::ib_wc_status_IB_WC_SUCCESS {
            wc.byte_len
        } else {
            0
        },
    });
    let Some(slot) = pool.hold(index, POSTED) else {
        verbs.fault(Fault::Receive(WcError::Status(wc.status)));
        return;
    };
    if let Err(error) = wc_result(wc) {
        drop(slot);
        verbs.fault(Fault::Receive(error));
        return;
    }
    // A write-with-immediate consumes a receive too, and then the length is not that of the buffer.
    if wc.opcode != bindings::ib_wc_opcode_IB_WC_RECV || wc.byte_len as usize > pool.size {
        drop(slot);
        verbs.fault(Fault::UnexpectedOpcode(wc.opcode));
        return;
    }
    let len = wc.byte_len as usize;
    if let Some((block, at)) = pool.locate(index) {
        block.memory.sync_for_cpu(at, len);
    }
    let invalidated = if wc.wc_flags & bindings::ib_wc_flags_IB_WC_WITH_INVALIDATE as i32 != 0 {
        // SAFETY: The flag says which member of the union is meant.
        Some(unsafe { *wc.ex.invalidate_rkey.as_ref() })
    } else {
        None
    };
    O::received(
        verbs.owner.as_arc_borrow(),
        Received {
            slot,
            len,
            invalidated,
        },
    );
}
