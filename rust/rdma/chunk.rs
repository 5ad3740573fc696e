// SPDX-License-Identifier: GPL-2.0

//! DMA-mapped memory, cut into slots.

use crate::memory::{rounded, Charge};
use core::{cell::UnsafeCell, ptr::NonNull};
use kernel::prelude::*;
use smbdirect_kext::bindings;

/// Slots begin at multiples of this, so that no two share a cache line.
const ALIGN: usize = 64;

/// `__GFP_NORETRY`, which the kernel crate does not name.
const NORETRY: bindings::gfp_t = 1 << bindings::___GFP_NORETRY_BIT;

/// Which way the data goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The device reads memory.
    ToDevice,
    /// The device writes memory.
    FromDevice,
}

impl Direction {
    pub(crate) fn raw(self) -> i32 {
        match self {
            Self::ToDevice => 1,
            Self::FromDevice => 2,
        }
    }
}

/// One cache line, to have memory aligned to.
#[derive(Clone)]
#[repr(C, align(64))]
struct Line([u8; ALIGN]);

/// Physically contiguous memory.
enum Memory {
    /// Less than half a page, of a kmalloc cache.
    Small(KVec<Line>),
    /// `1 << order` pages.
    Pages { start: NonNull<u8>, order: u32 },
}

impl Memory {
    /// Zeroed memory for at least one and at most `wanted` slots of `stride` bytes, of at most `1 << max_order` pages.
    fn new(stride: usize, wanted: usize, max_order: u32) -> Result<Self> {
        let page = kernel::page::PAGE_SIZE;
        let bytes = stride.saturating_mul(wanted.max(1));
        if bytes <= page / 2 {
            let lines = KVec::from_elem(Line([0; ALIGN]), bytes.div_ceil(ALIGN), GFP_KERNEL)?;
            return Ok(Self::Small(lines));
        }
        let mut order = 0u32;
        while (page << order) < bytes && order < max_order {
            order += 1;
        }
        while (page << order) < stride {
            order += 1;
        }
        // Larger blocks are a luxury: without direct reclaim, then the smallest that holds a slot, with it.
        loop {
            let smallest = order == 0 || (page << (order - 1)) < stride;
            let gfp = if smallest {
                bindings::GFP_KERNEL
            } else {
                bindings::GFP_KERNEL | NORETRY | bindings::__GFP_NOWARN
            };
            // SAFETY: Allocation has no preconditions.
            let start = unsafe { bindings::get_free_pages_noprof(gfp, order) } as *mut u8;
            match NonNull::new(start) {
                Some(start) => {
                    // SAFETY: That long; zeroing keeps stale kernel memory from ever reaching a peer.
                    unsafe { core::ptr::write_bytes(start.as_ptr(), 0, page << order) };
                    return Ok(Self::Pages { start, order });
                }
                None if smallest => return Err(ENOMEM),
                None => order -= 1,
            }
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Small(lines) => lines.len() * ALIGN,
            Self::Pages { order, .. } => kernel::page::PAGE_SIZE << order,
        }
    }

    fn start(&mut self) -> NonNull<u8> {
        match self {
            Self::Small(lines) => NonNull::from(&mut **lines).cast(),
            Self::Pages { start, .. } => *start,
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if let Self::Pages { start, order } = self {
            // SAFETY: Allocated with this order, dropped once.
            unsafe { bindings::free_pages(start.as_ptr() as usize, *order) };
        }
    }
}

/// Physically contiguous memory, mapped for one device once, for its life.
///
/// # Invariants
///
/// `start` is that of `memory`, which is mapped at `dma` and at least `slots * stride` bytes long; `device` outlives the chunk (its owner frees chunks before
/// it lets go of the cm_id that pins the device).
pub(crate) struct Chunk {
    memory: Memory,
    start: NonNull<u8>,
    dma: u64,
    stride: usize,
    slots: usize,
    device: *mut bindings::ib_device,
    direction: Direction,
    charge: Charge,
}

// SAFETY: A chunk is plain memory and a device pointer that may be used from every thread; who may touch which slot is the owner's business.
unsafe impl Send for Chunk {}
// SAFETY: As above.
unsafe impl Sync for Chunk {}

/// The distance between slots of at least `size` bytes.
pub(crate) fn stride(size: usize) -> usize {
    size.next_multiple_of(ALIGN)
}

/// How many slots at `stride` a chunk of `1 << order` pages has; at least 1.
pub(crate) fn slots_in(order: u32, stride: usize) -> usize {
    slots_of(kernel::page::PAGE_SIZE << order, stride)
}

fn slots_of(bytes: usize, stride: usize) -> usize {
    bytes.checked_div(stride).unwrap_or(1).max(1)
}

/// One allocation of slots, each with its bookkeeping `M`.
pub(crate) struct Block<M> {
    pub(crate) memory: Chunk,
    pub(crate) metas: KVec<UnsafeCell<M>>,
    charge: Charge,
}

impl<M> Block<M> {
    pub(crate) fn new(memory: Chunk, metas: KVec<UnsafeCell<M>>) -> Self {
        let charge = Charge::array::<M>(metas.len());
        Self {
            memory,
            metas,
            charge,
        }
    }

    /// Bytes of memory that it holds.
    pub(crate) fn bytes(&self) -> usize {
        self.memory.memory() + self.charge.bytes()
    }
}

impl Chunk {
    /// Allocates a chunk with room for at least one and at most `wanted` slots of `size` bytes, of at most `1 << max_order` pages.
    ///
    /// # Safety
    ///
    /// `device` is registered and outlives the chunk.
    pub(crate) unsafe fn new(
        device: *mut bindings::ib_device,
        size: usize,
        wanted: usize,
        max_order: u32,
        direction: Direction,
    ) -> Result<Self> {
        let stride = stride(size);
        let mut memory = Memory::new(stride, wanted, max_order)?;
        let (start, bytes) = (memory.start(), memory.len());
        // SAFETY: The memory belongs to us; the device is valid by the safety requirement.
        let dma = unsafe {
            bindings::smbd_dma_map_single(device, start.as_ptr().cast(), bytes, direction.raw())
        };
        // SAFETY: As above.
        if unsafe { bindings::smbd_dma_mapping_error(device, dma) } != 0 {
            return Err(EIO);
        }
        let slots = slots_of(bytes, stride);
        // INVARIANT: Allocated and mapped above.
        Ok(Self {
            memory,
            start,
            dma,
            stride,
            slots: slots.min(wanted.max(1)),
            device,
            direction,
            charge: Charge::new(rounded(bytes)),
        })
    }

    /// Bytes of memory that it holds.
    pub(crate) fn memory(&self) -> usize {
        self.charge.bytes()
    }

    /// How many slots the chunk has.
    pub(crate) fn slots(&self) -> usize {
        self.slots
    }

    /// Address of slot `index`, which must be below [`slots`](Self::slots).
    pub(crate) fn slot(&self, index: usize) -> *mut u8 {
        debug_assert!(index < self.slots);
        // SAFETY: In bounds of the allocation, as `slots * stride` fits in it.
        unsafe { self.start.as_ptr().add(index * self.stride) }
    }

    /// Bus address of slot `index`.
    pub(crate) fn slot_dma(&self, index: usize) -> u64 {
        self.dma + (index * self.stride) as u64
    }

    /// Makes what the device wrote to the first `len` bytes of slot `index` visible to the CPU. Any context.
    #[inline]
    pub(crate) fn sync_for_cpu(&self, index: usize, len: usize) {
        // SAFETY: By the type invariants the range is mapped for the device.
        unsafe {
            bindings::smbd_dma_sync_for_cpu(
                self.device,
                self.slot_dma(index),
                len,
                self.direction.raw(),
            )
        }
    }

    /// Makes what the CPU wrote to the first `len` bytes of slot `index` visible to the device. Any context.
    #[inline]
    pub(crate) fn sync_for_device(&self, index: usize, len: usize) {
        // SAFETY: By the type invariants the range is mapped for the device.
        unsafe {
            bindings::smbd_dma_sync_for_device(
                self.device,
                self.slot_dma(index),
                len,
                self.direction.raw(),
            )
        }
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        // SAFETY: By the type invariants: mapped once, unmapped here, before the memory is freed.
        unsafe {
            bindings::smbd_dma_unmap_single(
                self.device,
                self.dma,
                self.memory.len(),
                self.direction.raw(),
            );
        }
    }
}
