// SPDX-License-Identifier: GPL-2.0

//! Memory with holes, made whole for a registration.
//!
//! Most adapters can only register memory whose pieces meet at page borders. netfs asks for others, for instance when a page is read of which a part has
//! been written (`netfs_read_gaps`). Such memory is copied to or from a buffer in between.

use crate::chunk::Direction;
use kernel::prelude::*;
use smbdirect_kext::bindings;

/// Whether pieces do not meet at page borders.
pub(crate) fn has_holes(parts: &[bindings::scatterlist]) -> bool {
    let page = kernel::page::PAGE_SIZE as u32;
    parts.iter().zip(parts.iter().skip(1)).any(|(this, next)| {
        this.offset.wrapping_add(this.length) % page != 0 || next.offset % page != 0
    })
}

/// A buffer in place of memory with holes.
///
/// # Invariants
///
/// `list` describes `data`, with `nents` entries.
pub(crate) struct Bounce {
    data: KVVec<u8>,
    list: KVVec<bindings::scatterlist>,
    nents: u32,
}

impl Bounce {
    /// A buffer of `len` zeros, in pieces of at most `longest` bytes; if the device is to read it (`ToDevice`), with what `parts` has. Sleeps.
    ///
    /// # Safety
    ///
    /// `parts` is a list that ends with its last entry, of kernel pages with `len` bytes in all.
    pub(crate) unsafe fn new(
        parts: &mut [bindings::scatterlist],
        len: usize,
        direction: Direction,
        longest: usize,
    ) -> Result<Self> {
        let mut data = KVVec::from_elem(0u8, len, GFP_KERNEL)?;
        let start = data.as_mut_ptr().cast();
        // SAFETY: Kernel memory from kvmalloc.
        let bound = unsafe { bindings::smbd_sg_bound(start, len, longest) };
        let mut list =
            KVVec::from_elem(bindings::scatterlist::default(), bound as usize, GFP_KERNEL)?;
        // SAFETY: The list has `bound` entries; the memory is valid.
        let nents =
            unsafe { bindings::smbd_sg_from_buf(list.as_mut_ptr(), bound, start, len, longest) };
        let nents = u32::try_from(nents).map_err(|_| EINVAL)?;
        // INVARIANT: Filled above.
        let mut this = Self { data, list, nents };
        if direction == Direction::ToDevice {
            // SAFETY: As required of our caller.
            unsafe { this.copy(parts, true) };
        }
        Ok(this)
    }

    /// The list to map in place of the caller's.
    pub(crate) fn list(&mut self) -> (*mut bindings::scatterlist, i32) {
        (self.list.as_mut_ptr(), self.nents as i32)
    }

    /// Copies what the device wrote to where it belongs. Sleeps.
    ///
    /// # Safety
    ///
    /// `parts` is the list the buffer was made for, and its memory is still the caller's.
    pub(crate) unsafe fn deliver(mut self, parts: &mut [bindings::scatterlist]) {
        // SAFETY: As required of our caller.
        unsafe { self.copy(parts, false) };
    }

    /// # Safety
    ///
    /// As for [`new`](Self::new).
    unsafe fn copy(&mut self, parts: &mut [bindings::scatterlist], gather: bool) {
        // SAFETY: A valid list of kernel pages; it stops at the end of whichever is shorter.
        unsafe {
            bindings::sg_copy_buffer(
                parts.as_mut_ptr(),
                parts.len() as u32,
                self.data.as_mut_ptr().cast(),
                self.data.len(),
                0,
                gather,
            )
        };
    }
}
