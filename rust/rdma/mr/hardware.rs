// SPDX-License-Identifier: GPL-2.0

//! What a region has of the adapter: the MR, the list of the memory it stands for, and the DMA mapping of that.
//!
//! In place of memory with holes that the adapter cannot register there is a [`Bounce`]; what the peer wrote to it is [`Left`] for the owner.

use super::RemoteBuffer;
use crate::{
    bounce::{has_holes, Bounce},
    chunk::Direction,
    memory::{rounded, Charge},
};
use core::ptr::NonNull;
use kernel::prelude::*;
use smbdirect_kext::bindings;

/// Scatterlist entries kept with an MR between uses; a larger list is freed after use.
const KEEP_SG: usize = 64;

/// The hardware half of a region.
///
/// # Invariants
///
/// * `mr` is allocated until [`destroy`](Self::destroy).
/// * While `mapped` is not 0, what [`list`](Self::list) gives is mapped, with `direction`. Nothing changes the lists then: who would, looks at `mapped`.
pub(super) struct Hardware {
    mr: NonNull<bindings::ib_mr>,
    /// The key is (or may be) valid.
    pub(super) live: bool,
    sg: KVVec<bindings::scatterlist>,
    /// For `sg`.
    charge: Charge,
    /// How many entries of `sg` describe the caller's memory.
    parts: usize,
    /// What is registered in place of the caller's memory, if that has holes.
    bounce: Option<Bounce>,
    /// Entries that were given to the DMA mapping, of the bounce buffer's list or of `sg`; 0 = not mapped.
    mapped: i32,
    direction: Direction,
}

// SAFETY: MRs and mapped lists may be used from every thread, one at a time (they are behind a mutex).
unsafe impl Send for Hardware {}

impl Hardware {
    /// Around an MR that was just allocated.
    ///
    /// # Safety
    ///
    /// `mr` is allocated, and freed by [`destroy`](Self::destroy) or after this is gone.
    pub(super) unsafe fn new(mr: NonNull<bindings::ib_mr>) -> Self {
        // INVARIANT: By the safety requirement; nothing is mapped.
        Self {
            mr,
            live: false,
            sg: KVVec::new(),
            charge: Charge::new(0),
            parts: 0,
            bounce: None,
            mapped: 0,
            direction: Direction::ToDevice,
        }
    }

    /// The MR, for work requests.
    pub(super) fn mr(&self) -> *mut bindings::ib_mr {
        self.mr.as_ptr()
    }

    /// The MR's key now.
    pub(super) fn key(&self) -> u32 {
        // SAFETY: By the type invariants.
        unsafe { (*self.mr.as_ptr()).rkey }
    }

    /// Makes the list long enough for `pages` entries. Sleeps.
    pub(super) fn reserve(&mut self, pages: usize) -> Result {
        if self.mapped != 0 {
            return Err(EBUSY);
        }
        while self.sg.len() < pages {
            self.sg.push(bindings::scatterlist::default(), GFP_KERNEL)?;
        }
        Ok(())
    }

    /// Books what the list takes, and returns it if that has changed.
    pub(super) fn charge_list(&mut self) -> Option<usize> {
        let bytes = rounded(self.sg.capacity() * core::mem::size_of::<bindings::scatterlist>());
        if bytes == self.charge.bytes() {
            return None;
        }
        self.charge.resize(bytes);
        Some(bytes)
    }

    /// Frees a list that is larger than what is kept between uses. Returns whether it did.
    pub(super) fn trim(&mut self) -> bool {
        let large = self.mapped == 0 && self.sg.len() > KEEP_SG;
        if large {
            self.sg = KVVec::new();
        }
        large
    }

    /// Enters the rest of an iterator into the list, and advances it to its end. Memory with holes that the MR does not take is replaced by a copy, in pieces of
    /// at most `copies` bytes; whether that was so is returned. Sleeps.
    ///
    /// # Safety
    ///
    /// `iter` is a valid iterator over kernel pages that stay allocated as `MrPool::register` demands. Nothing is mapped, and [`reserve`](Self::reserve) has
    /// made room for `pages` entries.
    pub(super) unsafe fn describe(
        &mut self,
        iter: *mut bindings::iov_iter,
        pages: usize,
        direction: Direction,
        copies: Option<usize>,
    ) -> Result<bool> {
        let mut table = bindings::sg_table {
            sgl: self.sg.as_mut_ptr(),
            nents: 0,
            orig_nents: 0,
        };
        // SAFETY: The list has at least `pages` entries.
        unsafe { bindings::sg_init_table(table.sgl, pages as u32) };
        // SAFETY: A valid iterator.
        let want = unsafe { bindings::smbd_iov_count(iter) };
        // SAFETY: A valid iterator over kernel pages (nothing is pinned); the table has room for `pages` entries.
        let got = unsafe { bindings::extract_iter_to_sg(iter, want, &mut table, pages as u32, 0) };
        if got < 0 || got as usize != want || table.nents == 0 {
            return Err(EIO);
        }
        // SAFETY: `nents` entries were filled.
        unsafe { bindings::smbd_sg_mark_end(table.sgl, table.nents) };
        self.parts = table.nents as usize;
        let parts = self.sg.get_mut(..self.parts).ok_or(EIO)?;
        let Some(longest) = copies.filter(|_| has_holes(parts)) else {
            return Ok(false);
        };
        // SAFETY: The list of the caller's `want` bytes, which ends with its last entry.
        self.bounce = Some(unsafe { Bounce::new(parts, want, direction, longest)? });
        Ok(true)
    }

    /// Maps the memory that was described, and has the MR refer to it with its next key. Says what the peer needs to reach it once that is registered.
    ///
    /// # Safety
    ///
    /// `device` is registered, and the MR's. The list was described for this registration, nothing is mapped, and the MR is idle.
    pub(super) unsafe fn map(
        &mut self,
        device: *mut bindings::ib_device,
        direction: Direction,
    ) -> Result<RemoteBuffer> {
        let (list, nents) = self.list();
        // SAFETY: A filled list; the device is registered.
        let mapped = unsafe { bindings::smbd_dma_map_sg(device, list, nents, direction.raw()) };
        if mapped <= 0 {
            return Err(EIO);
        }
        // INVARIANT: Mapped with this list and direction.
        self.mapped = nents;
        self.direction = direction;
        let raw = self.mr();
        // SAFETY: A mapped list; the MR is idle.
        let entries = unsafe {
            bindings::ib_map_mr_sg(
                raw,
                list,
                mapped,
                core::ptr::null_mut(),
                kernel::page::PAGE_SIZE as u32,
            )
        };
        if entries != mapped {
            // SAFETY: Mapped above for this device; the MR's key is not valid.
            unsafe { self.unmap(device) };
            return Err(EIO);
        }
        // SAFETY: The MR is idle.
        unsafe { bindings::smbd_mr_next_key(raw) };
        // SAFETY: As above.
        let (rkey, iova, length) = unsafe { ((*raw).rkey, (*raw).iova, (*raw).length) };
        let Ok(length) = u32::try_from(length) else {
            // SAFETY: Mapped above for this device; the key was not registered yet.
            unsafe { self.unmap(device) };
            return Err(EINVAL);
        };
        Ok(RemoteBuffer {
            offset: iova,
            token: rkey,
            length,
        })
    }

    /// What is mapped: the bounce buffer's list, or the caller's.
    fn list(&mut self) -> (*mut bindings::scatterlist, i32) {
        match &mut self.bounce {
            Some(bounce) => bounce.list(),
            None => (self.sg.as_mut_ptr(), self.parts as i32),
        }
    }

    /// Releases the mapping, if there is one.
    ///
    /// # Safety
    ///
    /// `device` is the one it was mapped for. The adapter does not use the memory any more: the MR's key is dead.
    pub(super) unsafe fn unmap(&mut self, device: *mut bindings::ib_device) {
        if self.mapped > 0 {
            let (list, _) = self.list();
            // SAFETY: Mapped with the same list and direction, by the type invariant, and the same device, by the safety requirement.
            unsafe { bindings::smbd_dma_unmap_sg(device, list, self.mapped, self.direction.raw()) };
            self.mapped = 0;
        }
    }

    /// Frees the bounce buffer of a registration that came to nothing.
    pub(super) fn drop_copy(&mut self) {
        if self.mapped == 0 {
            self.bounce = None;
        }
    }

    /// What is in the bounce buffer, if there is one and the peer may have written to it. The region was registered, and is not mapped any more.
    pub(super) fn leave(&mut self) -> Option<Left> {
        if self.mapped != 0 {
            return None;
        }
        let bounce = self.bounce.take()?;
        if self.direction == Direction::ToDevice {
            return None;
        }
        Some(Left {
            bounce,
            sg: core::mem::replace(&mut self.sg, KVVec::new()),
            parts: self.parts,
        })
    }

    /// Ends it with its connection: deregisters the MR and releases the mapping.
    ///
    /// # Safety
    ///
    /// No work request refers to the MR: the QP is destroyed. `device` is the one it was mapped for.
    pub(super) unsafe fn destroy(mut self, device: *mut bindings::ib_device) -> Option<Left> {
        // SAFETY: By the type invariants and the safety requirement. `self` ends here.
        unsafe { bindings::ib_dereg_mr_user(self.mr(), core::ptr::null_mut()) };
        // SAFETY: By the safety requirement; the key went with the MR.
        unsafe { self.unmap(device) };
        self.leave()
    }
}

/// What the peer wrote for the owner of a registration of memory with holes.
///
/// Only the owner's `deregister` delivers it: an owner may lose a registration and use its memory for something else.
pub(super) struct Left {
    bounce: Bounce,
    sg: KVVec<bindings::scatterlist>,
    parts: usize,
}

// SAFETY: Plain memory, used by one thread at a time.
unsafe impl Send for Left {}

impl Left {
    /// Copies it to where it belongs, for the owner of the registration. Sleeps.
    pub(super) fn deliver(mut self) {
        if let Some(parts) = self.sg.get_mut(..self.parts) {
            // SAFETY: Its list. The memory is the caller's until `deregister` returns, as `MrPool::register` demands.
            unsafe { self.bounce.deliver(parts) };
        }
    }
}
