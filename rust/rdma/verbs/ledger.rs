// SPDX-License-Identifier: GPL-2.0

//! The accounts of a send queue: what fits, what must be signalled, what has finished. No hardware here; the lock around it is [`Verbs`](super::Verbs)'.

/// The ledger of the send queue: what is posted, and up to where the hardware has finished.
///
/// Sequence numbers wrap; only differences are used.
pub(super) struct Ledger {
    depth: u32,
    posted: u32,
    pub(super) finished: u32,
    pub(super) signalled: u32,
    /// Somebody waits for a send slot.
    pub(super) slot_wanted: bool,
}

impl Ledger {
    /// Of an empty queue of `depth` entries.
    pub(super) fn new(depth: u32) -> Self {
        Self {
            depth,
            posted: 0,
            finished: 0,
            signalled: 0,
            slot_wanted: false,
        }
    }

    fn in_flight(&self) -> u32 {
        self.posted.wrapping_sub(self.finished)
    }

    /// Whether `n` more entries fit.
    pub(super) fn fits(&self, n: u32) -> bool {
        n <= self.depth.saturating_sub(self.in_flight())
    }

    /// Whether the next `n` entries must end signalled, lest too much of the queue (or of a resource with `every` entries) wait for a completion that
    /// nobody asked for.
    pub(super) fn must_signal(&self, n: u32, every: u32) -> bool {
        let unsignalled = self.posted.wrapping_sub(self.signalled).saturating_add(n);
        unsignalled >= every.min(self.depth / 4).max(1)
    }

    /// Takes `n` entries; returns the sequence number of the last.
    pub(super) fn take(&mut self, n: u32, signalled: bool) -> u32 {
        self.posted = self.posted.wrapping_add(n);
        if signalled {
            self.signalled = self.posted;
        }
        self.posted
    }

    /// Gives back the last `n` entries, which were refused by the driver, and with them the signal that was taken with the chain; `signalled` is the last one
    /// before it.
    pub(super) fn untake(&mut self, n: u32, signalled: u32) {
        self.posted = self.posted.wrapping_sub(n);
        self.signalled = signalled;
    }

    /// Everything up to `seq` has finished: the send queue completes in order.
    pub(super) fn finish(&mut self, seq: u32) {
        if (seq.wrapping_sub(self.finished) as i32) > 0 {
            self.finished = seq;
        }
    }
}

#[cfg(smbdirect_kunit)]
#[path = "../tests/ledger.rs"]
mod tests;
