// SPDX-License-Identifier: GPL-2.0

//! Send slots: DMA-mapped buffers that messages are copied into, recycled in the order of the send queue.
//!
//! Here are the ring and its slots; [`chain`] posts those that are filled.

mod chain;

pub use chain::Chain;

use crate::{
    chunk::{self, Chunk, Direction},
    cqe::{set_invalidate, wc_result, Ticket},
    endpoint::{Fault, Owner},
    memory::Charge,
    verbs::Verbs,
};
use core::{cell::UnsafeCell, mem::ManuallyDrop, num::NonZeroU16};
use kernel::{
    container_of,
    prelude::*,
    sync::{Mutex, SetOnce, SpinLockIrq},
};
use smbdirect_kext::{bindings, ctx::ProcessCtx, new_mutex, new_spinlock_irq};

/// Slots added at once, beyond the first chunk.
const CHUNK_ORDER: u32 = 3;
/// "No slot" in the lists.
const NONE: u16 = u16::MAX;

/// Bookkeeping of a slot. Who may touch it follows the slot: its [`SendSlot`] handle, or the ring's lock while it is free or in flight.
#[repr(C)]
struct Meta<O: Owner> {
    ticket: Ticket,
    ring: *const SendRing<O>,
    wr: bindings::ib_send_wr,
    sge: bindings::ib_sge,
    /// Next in the free list or in the list of those in flight.
    next: u16,
    index: u16,
    /// Held by nobody, to be taken back with `unpark`.
    parked: bool,
}

type Block<O> = chunk::Block<Meta<O>>;

/// Lists of slots by index.
struct Lists {
    free: u16,
    free_count: u16,
    flight_head: u16,
    flight_tail: u16,
    total: u16,
}

/// The send slots of a connection.
///
/// # Invariants
///
/// * A slot is either free, or held by exactly one [`SendSlot`], or in flight; the first and the last are in `lists`.
/// * Blocks are only added; their metadata does not move.
/// * The ring is dropped only after the QP was destroyed, and `verbs` points to the endpoint's `Verbs`, which outlives every post.
#[pin_data]
pub struct SendRing<O: Owner> {
    #[pin]
    lists: SpinLockIrq<Lists>,
    #[pin]
    grow: Mutex<()>,
    blocks: [SetOnce<Block<O>>; MAX_BLOCKS],
    verbs: *const Verbs<O>,
    size: usize,
    max: u16,
    per_block: NonZeroU16,
    charge: Charge,
}

/// Blocks a ring can have.
const MAX_BLOCKS: usize = 16;

// SAFETY: Slots are handed out exclusively (type invariants), lists are locked.
unsafe impl<O: Owner> Send for SendRing<O> {}
// SAFETY: As above.
unsafe impl<O: Owner> Sync for SendRing<O> {}

/// Exclusive use of a free slot. Dropping it gives the slot back.
///
/// # Invariants
///
/// `index` is a slot of `ring` that is in no list and has no other handle.
pub struct SendSlot<'a, O: Owner> {
    ring: &'a SendRing<O>,
    index: u16,
}

impl<O: Owner> SendRing<O> {
    /// An empty ring of up to `max` slots of `size` bytes.
    ///
    /// # Safety
    ///
    /// `verbs` outlives every use of the ring but its drop, and the ring is dropped after the QP was destroyed.
    pub(crate) unsafe fn new(
        verbs: *const Verbs<O>,
        size: usize,
        max: u16,
    ) -> Result<Pin<KBox<Self>>> {
        let stride = crate::chunk::stride(size);
        let per_block = crate::chunk::slots_in(CHUNK_ORDER, stride);
        KBox::pin_init(
            pin_init!(Self {
                lists <- new_spinlock_irq!(
                    Lists { free: NONE, free_count: 0, flight_head: NONE, flight_tail: NONE, total: 0 },
                    "smbdirect::SendRing::lists"
                ),
                grow <- new_mutex!((), "smbdirect::SendRing::grow"),
                blocks: [const { SetOnce::new() }; MAX_BLOCKS],
                verbs,
                size,
                max: max.min(u16::try_from(per_block.saturating_mul(MAX_BLOCKS)).unwrap_or(u16::MAX - 1)),
                per_block: NonZeroU16::new(u16::try_from(per_block).unwrap_or(u16::MAX)).unwrap_or(NonZeroU16::MIN),
                charge: Charge::of::<Self>(),
            }),
            GFP_KERNEL,
        )
    }

    fn verbs(&self) -> &Verbs<O> {
        // SAFETY: By the type invariants.
        unsafe { &*self.verbs }
    }

    /// Adds about `wanted` slots. Fails with `-ENOSPC` when the ring has its maximum. Sleeps.
    pub fn grow(&self, _ctx: &ProcessCtx, wanted: u16) -> Result {
        let _one = self.grow.lock();
        let total = self.lists.lock().total;
        let wanted = wanted
            .min(self.max.saturating_sub(total))
            .min(self.per_block.get());
        if wanted == 0 {
            return Err(ENOSPC);
        }
        // The index of a slot names its block only if all blocks but the first of a ring have the same number of slots; so blocks are
        // numbered by a fixed stride and a short block leaves its tail unused.
        let number = self
            .blocks
            .iter()
            .position(|b| b.as_ref().is_none())
            .ok_or(ENOSPC)?;
        let base = u16::try_from(number)
            .map_err(|_| ENOSPC)?
            .saturating_mul(self.per_block.get());
        // SAFETY: The device is pinned by the endpoint's cm_id, which outlives the ring.
        let memory = unsafe {
            Chunk::new(
                self.verbs().device(),
                self.size,
                usize::from(wanted),
                CHUNK_ORDER,
                Direction::ToDevice,
            )?
        };
        let slots = memory.slots().min(usize::from(self.per_block.get()));
        let mut metas = KVec::with_capacity(slots, GFP_KERNEL)?;
        for i in 0..slots {
            let sge = bindings::ib_sge {
                addr: memory.slot_dma(i),
                length: 0,
                lkey: self.verbs().lkey(),
            };
            metas.push(
                UnsafeCell::new(Meta {
                    ticket: Ticket::new(sent::<O>),
                    ring: self,
                    wr: bindings::ib_send_wr {
                        num_sge: 1,
                        ..Default::default()
                    },
                    sge,
                    next: NONE,
                    index: base + i as u16,
                    parked: false,
                }),
                GFP_KERNEL,
            )?;
        }
        let block = self.blocks.get(number).ok_or(ENOSPC)?;
        block.populate(Block::new(memory, metas));
        let mut lists = self.lists.lock();
        for i in (0..slots).rev() {
            let index = base + i as u16;
            // SAFETY: New slots have no handle; the list lock is held.
            unsafe { (*self.meta(index)).next = lists.free };
            lists.free = index;
        }
        lists.free_count += slots as u16;
        lists.total += slots as u16;
        Ok(())
    }

    /// Address of the metadata of a slot that exists.
    fn meta(&self, index: u16) -> *mut Meta<O> {
        let (block, at) = self.locate(index);
        match block.and_then(|b| b.metas.get(at)) {
            Some(meta) => meta.get(),
            None => core::ptr::null_mut(),
        }
    }

    fn locate(&self, index: u16) -> (Option<&Block<O>>, usize) {
        let number = usize::from(index / self.per_block);
        (
            self.blocks.get(number).and_then(|b| b.as_ref()),
            usize::from(index % self.per_block),
        )
    }

    /// A free slot, or `None`; if `wait` is set the owner is told when one may be free. Any context.
    #[inline]
    pub fn alloc(&self, wait: bool) -> Option<SendSlot<'_, O>> {
        let mut lists = self.lists.lock();
        if lists.free == NONE {
            self.land(&mut lists);
        }
        if lists.free == NONE && wait {
            // The lock of the ledger comes before that of the lists.
            drop(lists);
            self.verbs().want_slot();
            lists = self.lists.lock();
            self.land(&mut lists);
        }
        let index = lists.free;
        if index == NONE {
            return None;
        }
        // SAFETY: A free slot's metadata belongs to the lists, whose lock is held.
        lists.free = unsafe { (*self.meta(index)).next };
        lists.free_count -= 1;
        // INVARIANT: Just taken out of the free list.
        Some(SendSlot { ring: self, index })
    }

    /// Takes back a slot that was parked. `None` if it is not.
    pub fn unpark(&self, index: u16) -> Option<SendSlot<'_, O>> {
        let _lists = self.lists.lock();
        let meta = self.meta(index);
        if meta.is_null() {
            return None;
        }
        // SAFETY: The flag is only accessed with the lock held.
        let parked = unsafe { core::mem::take(&mut (*meta).parked) };
        // (not `then_some`: the handle that it would not return would free the slot, under the lock that is held here)
        if !parked {
            return None;
        }
        // INVARIANT: A parked slot is in no list and its handle was given up by `park`; the flag was cleared under the lock.
        Some(SendSlot { ring: self, index })
    }

    /// Slots that exist, and those that are free.
    pub fn counts(&self) -> (u16, u16) {
        let lists = self.lists.lock();
        (lists.total, lists.free_count)
    }

    /// Whether a slot is free; if not, the owner is told when something finishes.
    pub fn poll_free(&self) -> bool {
        if self.land_now() {
            return true;
        }
        self.verbs().want_slot();
        self.land_now()
    }

    fn land_now(&self) -> bool {
        let mut lists = self.lists.lock();
        self.land(&mut lists);
        lists.free != NONE
    }

    /// Slots that the hardware has, or that are being filled.
    pub fn in_flight(&self) -> u16 {
        let mut lists = self.lists.lock();
        self.land(&mut lists);
        lists.total - lists.free_count
    }

    /// Bytes of memory that the ring holds.
    pub(crate) fn memory(&self) -> usize {
        let blocks = self.blocks.iter().filter_map(|b| b.as_ref());
        self.charge.bytes() + blocks.map(Block::bytes).sum::<usize>()
    }

    /// Whether the ring may still grow.
    pub fn can_grow(&self) -> bool {
        self.lists.lock().total < self.max && self.blocks.iter().any(|b| b.as_ref().is_none())
    }

    fn push_free(&self, lists: &mut Lists, index: u16) {
        // SAFETY: The slot was just taken out of the other list or its handle is being dropped; the lock is held.
        unsafe { (*self.meta(index)).next = lists.free };
        lists.free = index;
        lists.free_count += 1;
    }

    /// Frees the slots in flight that the hardware is done with. Done when slots are needed, not in completions.
    fn land(&self, lists: &mut Lists) {
        let finished = self.verbs().finished();
        while lists.flight_head != NONE {
            let index = lists.flight_head;
            // SAFETY: A slot in flight; the lock is held.
            let (seq, next) = unsafe { ((*self.meta(index)).ticket.seq, (*self.meta(index)).next) };
            if (finished.wrapping_sub(seq) as i32) < 0 {
                break;
            }
            lists.flight_head = next;
            if next == NONE {
                lists.flight_tail = NONE;
            }
            self.push_free(lists, index);
        }
    }
}

impl<'a, O: Owner> SendSlot<'a, O> {
    /// The slot's memory.
    #[inline]
    pub fn buffer(&mut self) -> &mut [u8] {
        let (block, at) = self.ring.locate(self.index);
        match block {
            // SAFETY: By the type invariants nobody else touches the slot; `size` bytes are in the chunk.
            Some(block) => unsafe {
                core::slice::from_raw_parts_mut(block.memory.slot(at), self.ring.size)
            },
            None => &mut [],
        }
    }

    /// Gives the handle up but not the slot: [`SendRing::unpark`] with the returned number takes it back.
    pub fn park(self) -> u16 {
        let this = ManuallyDrop::new(self);
        let _lists = this.ring.lists.lock();
        // SAFETY: The slot is ours; the flag is only accessed with the lock held.
        unsafe { (*this.ring.meta(this.index)).parked = true };
        this.index
    }

    /// Makes the slot a message of its first `len` bytes, to be sent with invalidation of `invalidate` at the peer if given.
    #[inline]
    fn seal(&mut self, len: usize, invalidate: Option<u32>) {
        let len = len.min(self.ring.size);
        let meta = self.ring.meta(self.index);
        // SAFETY: By the type invariants the metadata is ours.
        unsafe {
            (*meta).sge.length = len as u32;
            match invalidate {
                Some(key) => {
                    (*meta).wr.opcode = bindings::ib_wr_opcode_IB_WR_SEND_WITH_INV;
                    set_invalidate(core::ptr::addr_of_mut!((*meta).wr), key);
                }
                None => (*meta).wr.opcode = bindings::ib_wr_opcode_IB_WR_SEND,
            }
        }
        if let (Some(block), at) = self.ring.locate(self.index) {
            block.memory.sync_for_device(at, len);
        }
    }
}

impl<O: Owner> Drop for SendSlot<'_, O> {
    fn drop(&mut self) {
        let mut lists = self.ring.lists.lock();
        self.ring.push_free(&mut lists, self.index);
    }
}

/// A send completed (or, signalled or not, failed). Softirq.
///
/// # Safety
///
/// `ticket` is that of a slot's metadata.
unsafe fn sent<O: Owner>(ticket: *mut Ticket, wc: &bindings::ib_wc) {
    // SAFETY: By the safety requirement. The ring outlives the QP.
    let (ring, seq) = unsafe {
        let meta: *mut Meta<O> = container_of!(ticket, Meta<O>, ticket);
        (&*(*meta).ring, (*ticket).seq)
    };
    ring.verbs().trace_done(seq, wc);
    ring.verbs().finish(seq);
    if let Err(error) = wc_result(wc) {
        ring.verbs().fault(Fault::Send(error));
    }
}
