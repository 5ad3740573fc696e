// SPDX-License-Identifier: GPL-2.0

//! The way into the send queue, and what its completions give back: all under the ledger's lock.

use super::Verbs;
use crate::endpoint::Owner;
use kernel::{
    prelude::*,
    sync::atomic::{Acquire, Release},
};
use smbdirect_kext::{bindings, trace};

/// Whether the last entry of a chain is to be reported when it is done. Others are only reported if they fail.
#[derive(Clone, Copy)]
pub(crate) enum Signal {
    /// Yes.
    Always,
    /// No: the entries are few, and others follow that are.
    Never,
    /// If so many entries, or a quarter of the queue, would otherwise go unreported.
    Every(u32),
}

/// A chain that was not posted, or not wholly.
pub struct Refused {
    /// How many of its first entries the driver took.
    pub posted: u32,
    /// Whether the driver was asked at all.
    pub launched: bool,
    /// Why it took no more; `-EAGAIN` if the ledger refused before the driver was asked.
    pub error: Error,
}

impl<O: Owner> Verbs<O> {
    /// Posts a chain of work requests, given by its first one, its tail, and their number, under the ledger. Any context.
    ///
    /// `assign` is called with the sequence number of the *last* entry before the driver sees the chain, and `undo` with how many entries the driver took if it
    /// did not take all; both with the ledger's lock held.
    ///
    /// # Safety
    ///
    /// The chain is well-formed, ends in its tail after that number of entries, and everything it refers to stays alive until its completion or the
    /// destruction of the QP. The tail's `wr_cqe` points into a `Ticket`.
    pub(crate) unsafe fn post(
        &self,
        (first, tail, n): (*mut bindings::ib_send_wr, *mut bindings::ib_send_wr, u32),
        signal: Signal,
        assign: impl FnOnce(u32),
        undo: impl FnOnce(u32),
    ) -> core::result::Result<(), Refused> {
        let mut sq = self.sq.lock();
        if !sq.fits(n) {
            return Err(Refused {
                posted: 0,
                launched: false,
                error: EAGAIN,
            });
        }
        let signalled = match signal {
            Signal::Always => true,
            Signal::Never => false,
            Signal::Every(every) => sq.must_signal(n, every),
        };
        // SAFETY: `tail` is valid by the safety requirement.
        unsafe {
            if signalled {
                (*tail).send_flags |= bindings::ib_send_flags_IB_SEND_SIGNALED;
            } else {
                (*tail).send_flags &= !bindings::ib_send_flags_IB_SEND_SIGNALED;
            }
        }
        let before = sq.signalled;
        let seq = sq.take(n, signalled);
        assign(seq);
        let traced = |count, error| {
            trace::PostSend::emit(|| trace::PostSend {
                conn: self.conn(),
                seq,
                count,
                // SAFETY: The chain is valid by the safety requirement.
                opcode: unsafe { (*first).opcode },
                signalled,
                error,
            });
        };
        traced(n, 0);
        let mut bad: *const bindings::ib_send_wr = core::ptr::null();
        // SAFETY: By the safety requirement; `bad` is always passed, so a half-posted chain is told apart.
        let ret = unsafe { bindings::smbd_post_send(self.qp, first, &mut bad) };
        if ret == 0 {
            return Ok(());
        }
        let mut posted = n;
        // If the provider does not say which entry it refused, everything may have been posted.
        if !bad.is_null() {
            posted = 0;
            let mut wr = first.cast_const();
            while posted < n && !wr.is_null() && wr != bad {
                posted += 1;
                // SAFETY: Still a member of the chain.
                wr = unsafe { (*wr).next };
            }
            sq.untake(n - posted, before);
            undo(posted);
        }
        traced(posted, ret);
        Err(Refused {
            posted,
            launched: true,
            error: Error::from_errno(ret),
        })
    }

    /// Records that everything up to `seq` finished: the send queue works in order. (On iWARP a read may still be outstanding when a send posted after
    /// it is reported; reads are therefore never released by this, only by their own completion.) Softirq.
    #[inline]
    pub(crate) fn finish(&self, seq: u32) {
        let wanted = {
            let mut sq = self.sq.lock();
            sq.finish(seq);
            self.finished.store(sq.finished, Release);
            core::mem::take(&mut sq.slot_wanted)
        };
        if wanted {
            O::send_space(self.owner.as_arc_borrow());
        }
    }

    /// Up to where everything has finished.
    #[inline]
    pub(crate) fn finished(&self) -> u32 {
        self.finished.load(Acquire)
    }

    /// Has the owner told when something finishes. Under the lock, so either that completion sees the wish, or what it finished is seen after this.
    pub(crate) fn want_slot(&self) {
        self.sq.lock().slot_wanted = true;
    }
}
