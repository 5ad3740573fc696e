// SPDX-License-Identifier: GPL-2.0

//! The beginning and the end of a registration: REG_MR, LOCAL_INV, and what the peer says that it has invalidated.

use super::{hardware::Hardware, Mr, MrPool};
use crate::{
    chunk::Direction,
    cqe::{set_cqe, set_invalidate},
    endpoint::{Fault, Owner},
    verbs::Signal,
};
use kernel::{
    prelude::*,
    sync::{
        atomic::{Acquire, Full, Relaxed, Release},
        Arc,
    },
};
use smbdirect_kext::{
    bindings,
    ctx::{NofsScope, ProcessCtx},
    time, trace,
    wait::{Mode, Outcome},
};

/// Longest wait for an invalidation, which can only be stuck behind sends that the peer's hardware does not acknowledge.
const INVALIDATE_MS: u64 = 10_000;

/// Why no region could be registered.
pub enum RegisterError {
    /// The iterator needs more pages than a region has.
    TooManyPages(usize),
    /// No region became free in time, or a signal arrived.
    Interrupted,
    /// The connection is gone or broke.
    Failed(Error),
    /// The same, and the peer may have the key: the caller ends the connection and waits with [`Mr::wait_gone`] before the memory is used otherwise.
    Live(Error, Arc<Mr>),
}

impl<O: Owner> MrPool<O> {
    /// Registers the rest of a kernel iterator for the peer to read from (`ToDevice`) or write to (`FromDevice`), and advances it to its end.
    /// The registration is ordered before every later post. `waits` is called if it has to wait for a region. Sleeps.
    ///
    /// # Safety
    ///
    /// `iter` is a valid iterator over kernel pages that stay allocated until the peer cannot reach them: [`deregister`](Self::deregister) of the result, or after
    /// its failure (or [`RegisterError::Live`]) [`Mr::wait_gone`], has returned, or the region has become a shell and nobody calls these.
    pub unsafe fn register(
        &self,
        ctx: &ProcessCtx,
        iter: *mut bindings::iov_iter,
        direction: Direction,
        timeout: kernel::time::Jiffies,
        alive: impl FnMut() -> bool,
        waits: impl FnMut(),
    ) -> core::result::Result<Arc<Mr>, RegisterError> {
        let limit = self.pages as usize;
        // SAFETY: A valid iterator.
        let pages = unsafe {
            bindings::iov_iter_npages(iter, i32::try_from(limit + 1).unwrap_or(i32::MAX))
        };
        let pages = usize::try_from(pages).unwrap_or(0);
        if pages > limit {
            return Err(RegisterError::TooManyPages(pages));
        }
        if pages == 0 {
            return Err(RegisterError::Failed(EINVAL));
        }
        let mr = self.get(ctx, timeout, alive, waits)?;
        // SAFETY: As required of our caller.
        match unsafe { self.register_with(&mr, iter, pages, direction) } {
            Ok(()) => Ok(mr),
            Err(err) => {
                let live = match (*mr.hw.lock()).as_mut() {
                    Some(hw) => {
                        if !hw.live {
                            hw.drop_copy();
                        }
                        hw.live
                    }
                    None => false,
                };
                if live {
                    return Err(RegisterError::Live(err, mr));
                }
                self.put(mr);
                Err(RegisterError::Failed(err))
            }
        }
    }

    /// Registers the memory with a region that was free.
    ///
    /// # Safety
    ///
    /// As for [`register`](Self::register).
    unsafe fn register_with(
        &self,
        mr: &Mr,
        iter: *mut bindings::iov_iter,
        pages: usize,
        direction: Direction,
    ) -> Result {
        let mut guard = mr.hw.lock();
        let hw = (*guard).as_mut().ok_or(ENOTCONN)?;
        let _nofs = NofsScope::enter();
        hw.reserve(pages)?;
        mr.charge_list(hw);
        // SAFETY: As required of our caller; the region was free, so nothing is mapped.
        let holes = unsafe { hw.describe(iter, pages, direction, self.copies())? };
        mr.copied.store(holes, Relaxed);
        // SAFETY: The device is registered, and that of all regions of the connection; the list was described just now; the region was free.
        let remote = unsafe { hw.map(self.verbs().device(), direction)? };
        let access = bindings::ib_access_flags_IB_ACCESS_LOCAL_WRITE
            | match direction {
                Direction::ToDevice => bindings::ib_access_flags_IB_ACCESS_REMOTE_READ,
                Direction::FromDevice => bindings::ib_access_flags_IB_ACCESS_REMOTE_WRITE,
            };
        mr.invalidated.store(false, Relaxed);
        mr.inv.store(0, Relaxed);
        let wr = mr.reg_wr.get();
        // SAFETY: The mutex is held and no work request of this region is in flight.
        unsafe {
            *wr = bindings::ib_reg_wr::default();
            (*wr).wr.opcode = bindings::ib_wr_opcode_IB_WR_REG_MR;
            set_cqe(wr.cast(), mr.ticket.get());
            (*wr).mr = hw.mr();
            (*wr).key = remote.token;
            (*wr).access = access as i32;
            *mr.remote.get() = remote;
        }
        // Published before the post: the peer can only learn the key later.
        mr.key.store(remote.token, Release);
        hw.live = true;
        trace::Reg::emit(|| trace::Reg {
            conn: mr.conn,
            key: remote.token,
            iova: remote.offset,
            length: remote.length,
            writable: direction == Direction::FromDevice,
        });
        let first = wr.cast::<bindings::ib_send_wr>();
        // SAFETY: One work request; the region stays in the pool's list until the QP is destroyed.
        let posted = unsafe {
            // Never: the ticket is that of the next invalidation, too. As many as there are regions can follow each other without a send, and fit.
            self.verbs().post(
                (first, first, 1),
                Signal::Never,
                |seq| (*mr.ticket.get()).seq = seq,
                |_| {},
            )
        };
        if let Err(refused) = posted {
            if refused.posted == 0 {
                hw.live = false;
                mr.trace_unmap(false);
                mr.key.store(0, Relaxed);
                self.unmap(hw);
            }
            return Err(refused.error);
        }
        Ok(())
    }

    /// Releases the mapping of a region of ours whose key is dead, or was never valid.
    fn unmap(&self, hw: &mut Hardware) {
        // SAFETY: `register_with` mapped it, for the same device; the callers have seen to the key.
        unsafe { hw.unmap(self.verbs().device()) };
    }

    fn trace_remote(&self, key: u32, ok: bool) {
        trace::RemoteInv::emit(|| trace::RemoteInv {
            conn: self.verbs().conn(),
            key,
            ok,
        });
    }

    /// The peer invalidated `key`. Returns whether it was one of ours that was valid. Softirq.
    pub fn remote_invalidated(&self, key: u32) -> bool {
        let lists = self.lists.lock();
        for mr in lists.all.iter() {
            if key != 0 && mr.key.load(Relaxed) == key {
                let ok = !mr.invalidated.xchg(true, Full);
                self.trace_remote(key, ok);
                return ok;
            }
        }
        self.trace_remote(key, false);
        false
    }

    /// Ends a registration: afterwards the peer cannot reach the memory, and for reads the CPU sees the data. Returns whether a work request of our own
    /// invalidated the key. Sleeps, uninterruptibly.
    ///
    /// Fails if the key could not be proven dead here; the caller then waits for
    /// [`Mr::wait_gone`] without holding on to the endpoint.
    pub fn deregister(&self, ctx: &ProcessCtx, mr: &Arc<Mr>) -> Result<bool> {
        let mut guard = mr.hw.lock();
        let Some(hw) = (*guard).as_mut() else {
            mr.collect();
            return Ok(false);
        };
        if !self.has(mr) {
            // Of another connection, whose queue the invalidation would have to go to.
            return Err(EINVAL);
        }
        let local = hw.live && !mr.invalidated.load(Acquire);
        if local {
            let done = self.local_invalidate(ctx, mr, hw);
            trace::LocalInv::emit(|| trace::LocalInv {
                conn: mr.conn,
                key: mr.key.load(Relaxed),
                ok: done.is_ok(),
            });
            done?;
        }
        hw.live = false;
        mr.trace_unmap(true);
        mr.key.store(0, Relaxed);
        self.unmap(hw);
        if let Some(left) = hw.leave() {
            left.deliver();
            mr.charge_list(hw);
        }
        if hw.trim() {
            mr.charge_list(hw);
        }
        drop(guard);
        self.put(mr.clone());
        Ok(local)
    }

    /// Kills the key with a work request, and waits for that.
    fn local_invalidate(&self, ctx: &ProcessCtx, mr: &Mr, hw: &mut Hardware) -> Result {
        let wr = mr.inv_wr.get();
        mr.inv.store(1, Relaxed);
        // SAFETY: The mutex is held; the REG of this region is the only other user of the ticket, and its `seq` only grows.
        let posted = unsafe {
            *wr = bindings::ib_send_wr::default();
            (*wr).opcode = bindings::ib_wr_opcode_IB_WR_LOCAL_INV;
            set_cqe(wr, mr.ticket.get());
            set_invalidate(wr, hw.key());
            self.verbs().post(
                (wr, wr, 1),
                Signal::Always,
                |seq| (*mr.ticket.get()).seq = seq,
                |_| {},
            )
        };
        if let Err(refused) = posted {
            return Err(refused.error);
        }
        let done = mr.waiters.wait(
            ctx,
            Mode::Uninterruptible,
            Some(time::jiffies(INVALIDATE_MS)),
            || (mr.inv.load(Acquire) >= 2).then_some(()),
        );
        match done {
            Outcome::Ready(()) if mr.inv.load(Acquire) == 2 => Ok(()),
            Outcome::Ready(()) => Err(ENOTCONN),
            _ => {
                self.verbs().fault(Fault::Stuck);
                Err(ETIMEDOUT)
            }
        }
    }
}
