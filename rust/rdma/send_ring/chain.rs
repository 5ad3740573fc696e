// SPDX-License-Identifier: GPL-2.0

//! Chains of filled slots: how messages are posted, and what becomes of the slots.

use super::{Meta, SendRing, SendSlot, NONE};
use crate::{cqe::set_cqe, endpoint::Owner, verbs::Signal};
use core::mem::ManuallyDrop;
use kernel::prelude::*;
use smbdirect_kext::bindings;

/// Most slots in a chain.
const CHAIN: usize = 16;

/// Filled slots in order, to be posted together.
///
/// # Invariants
///
/// The first `len` indices are slots of `ring` that no list and no handle has.
pub struct Chain<'a, O: Owner> {
    ring: &'a SendRing<O>,
    slots: [u16; CHAIN],
    len: usize,
}

impl<'a, O: Owner> Chain<'a, O> {
    /// Most slots in a chain.
    pub const MAX: usize = CHAIN;

    /// An empty chain.
    pub fn new(ring: &'a SendRing<O>) -> Self {
        Self {
            ring,
            slots: [NONE; CHAIN],
            len: 0,
        }
    }

    /// How many slots it has.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether it can take no more.
    pub fn is_full(&self) -> bool {
        self.len == Self::MAX
    }

    /// Posts the slots in order, as one chain of work requests; the chain is empty afterwards. Any context.
    ///
    /// The slots go back to the ring when the hardware is done with them, or at once if they were not posted. `signal` asks for a completion of the
    /// last one, so that the ring is known to be empty soon.
    pub fn post(&mut self, signal: bool) -> Result {
        self.ring.post(self, signal)
    }

    /// Appends a slot whose first `len` bytes are a message. A slot pushed onto a full chain is dropped (callers test [`is_full`](Self::is_full)), and so is
    /// one of another ring.
    pub fn push(&mut self, mut slot: SendSlot<'a, O>, len: usize, invalidate: Option<u32>) {
        if !core::ptr::eq(slot.ring, self.ring) {
            return;
        }
        slot.seal(len, invalidate);
        if let Some(place) = self.slots.get_mut(self.len) {
            // INVARIANT: The handle is forgotten, the index is ours.
            *place = ManuallyDrop::new(slot).index;
            self.len += 1;
        }
    }
}

impl<O: Owner> Drop for Chain<'_, O> {
    fn drop(&mut self) {
        let mut lists = self.ring.lists.lock();
        for &index in self.slots.iter().take(self.len) {
            self.ring.push_free(&mut lists, index);
        }
    }
}

impl<O: Owner> SendRing<O> {
    /// See [`Chain::post`].
    fn post(&self, chain: &mut Chain<'_, O>, signal: bool) -> Result {
        let count = chain.len;
        if count == 0 {
            return Ok(());
        }
        let total = u32::from(self.lists.lock().total);
        let mut large = false;
        let indices = chain.slots;
        let mut previous: *mut Meta<O> = core::ptr::null_mut();
        for &index in indices.iter().take(count) {
            let meta = self.meta(index);
            // SAFETY: The chain holds the slots exclusively.
            unsafe {
                (*meta).wr.next = core::ptr::null_mut();
                (*meta).wr.sg_list = core::ptr::addr_of_mut!((*meta).sge);
                set_cqe(
                    core::ptr::addr_of_mut!((*meta).wr),
                    core::ptr::addr_of_mut!((*meta).ticket),
                );
                // siw sends unsignalled messages of a page or more without copying them, and reports later ones done while TCP
                // still refers to the page: so all of these are signalled, wherever in the chain they are.
                let long = (*meta).sge.length as usize >= kernel::page::PAGE_SIZE;
                (*meta).wr.send_flags = if long {
                    bindings::ib_send_flags_IB_SEND_SIGNALED
                } else {
                    0
                };
                large |= long;
                if !previous.is_null() {
                    (*previous).wr.next = core::ptr::addr_of_mut!((*meta).wr);
                }
            }
            previous = meta;
        }
        // From here on the slots belong to the lists again.
        chain.len = 0;
        let indices = indices.get(..count).unwrap_or(&[]);
        let first = self.meta(chain.slots[0]);
        let signal = if signal || large {
            Signal::Always
        } else {
            // With half of the slots in flight unsignalled, a full ring still has one whose completion comes.
            Signal::Every((total / 2).max(1))
        };
        // SAFETY: The chain is well-formed; its slots stay in the ring, which outlives the QP.
        let result = unsafe {
            self.verbs().post(
                (
                    core::ptr::addr_of_mut!((*first).wr),
                    core::ptr::addr_of_mut!((*previous).wr),
                    count as u32,
                ),
                signal,
                |last| self.launch(indices, last),
                |posted| self.unlaunch(indices, posted as usize),
            )
        };
        result.map_err(|refused| {
            if !refused.launched {
                let mut lists = self.lists.lock();
                for &index in indices {
                    self.push_free(&mut lists, index);
                }
            }
            refused.error
        })
    }

    /// Enters slots into the list of those in flight; `last` is the sequence number of the last.
    fn launch(&self, indices: &[u16], last: u32) {
        let mut lists = self.lists.lock();
        let count = indices.len() as u32;
        for (i, &index) in (1u32..).zip(indices) {
            let tail = lists.flight_tail;
            // SAFETY: In no list and without a handle; the lock is held.
            unsafe {
                (*self.meta(index)).next = NONE;
                (*self.meta(index)).ticket.seq = last.wrapping_sub(count - i);
            }
            if tail == NONE {
                lists.flight_head = index;
            } else {
                // SAFETY: A slot in flight; the lock is held.
                unsafe { (*self.meta(tail)).next = index };
            }
            lists.flight_tail = index;
        }
    }

    /// Frees the slots of a chain of which only the first `posted` were posted. With the lock of the ledger held, so they are the newest in flight.
    fn unlaunch(&self, indices: &[u16], posted: usize) {
        let mut lists = self.lists.lock();
        let Some(&first_bad) = indices.get(posted) else {
            return;
        };
        // Cut the list behind the last posted one.
        let mut before = NONE;
        let mut at = lists.flight_head;
        while at != NONE && at != first_bad {
            before = at;
            // SAFETY: A slot in flight; the lock is held.
            at = unsafe { (*self.meta(at)).next };
        }
        lists.flight_tail = before;
        if before == NONE {
            lists.flight_head = NONE;
        } else {
            // SAFETY: As above.
            unsafe { (*self.meta(before)).next = NONE };
        }
        for &index in indices.iter().skip(posted) {
            self.push_free(&mut lists, index);
        }
    }
}
