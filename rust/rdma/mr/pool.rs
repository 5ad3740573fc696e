// SPDX-License-Identifier: GPL-2.0

//! The regions of a connection: the list of all and that of the free ones; how they are made, waited for, and end with the connection.

use super::{hardware::Hardware, Mr, RegisterError};
use crate::{
    device::Device,
    endpoint::Owner,
    memory::Charge,
    verbs::{Pd, Verbs},
};
use core::ptr::NonNull;
use kernel::{
    error::from_err_ptr,
    prelude::*,
    sync::{
        atomic::{Relaxed, Release},
        Arc, Mutex, SpinLockIrq,
    },
};
use smbdirect_kext::{
    bindings,
    ctx::{NofsScope, ProcessCtx},
    new_mutex, new_spinlock_irq, new_wait_queue,
    wait::{Mode, Outcome, WaitQueue},
};

/// See [`MrPool`].
pub(super) struct Lists {
    /// Every region, until the pool is dropped.
    pub(super) all: KVec<Arc<Mr>>,
    /// Those that nobody has.
    free: KVec<Arc<Mr>>,
}

/// The regions of a connection.
///
/// # Invariants
///
/// Dropped after the QP was destroyed; `verbs` is the endpoint's, which outlives every post.
#[pin_data]
pub struct MrPool<O: Owner> {
    verbs: *const Verbs<O>,
    #[pin]
    pub(super) lists: SpinLockIrq<Lists>,
    #[pin]
    grow: Mutex<()>,
    #[pin]
    waiters: WaitQueue,
    max: usize,
    pub(super) pages: u32,
    /// The adapter can register memory with holes.
    takes_holes: bool,
    /// The longest piece of a copy of memory with holes.
    longest: usize,
    charge: Charge,
    /// The regions' protection domain, which therefore outlives them.
    pd: Arc<Pd>,
}

// SAFETY: Everything in it is locked or constant.
unsafe impl<O: Owner> Send for MrPool<O> {}
// SAFETY: As above.
unsafe impl<O: Owner> Sync for MrPool<O> {}

impl<O: Owner> MrPool<O> {
    /// A pool of at most `max` regions of `pages` pages, none of which exists yet. Sleeps.
    ///
    /// # Safety
    ///
    /// `verbs` outlives every use of the pool but its drop, and the pool is dropped after the QP was destroyed.
    pub(crate) unsafe fn new(
        verbs: *const Verbs<O>,
        max: usize,
        pages: u32,
    ) -> Result<Pin<KBox<Self>>> {
        // SAFETY: By the safety requirement.
        let pd = unsafe { (*verbs).pd().clone() };
        let device = NonNull::new(pd.device()).ok_or(EINVAL)?;
        // SAFETY: The endpoint's device is registered, and pinned by its cm_id.
        let device = unsafe { Device::from_raw(device) };
        let (takes_holes, longest) = (device.supports_sg_gaps(), device.longest_piece());
        let lists = Lists {
            all: KVec::with_capacity(max, GFP_KERNEL)?,
            free: KVec::with_capacity(max, GFP_KERNEL)?,
        };
        let charge = Charge::of::<Self>()
            .and(Charge::array::<Arc<Mr>>(max))
            .and(Charge::array::<Arc<Mr>>(max));
        KBox::pin_init(
            pin_init!(Self {
                verbs,
                lists <- new_spinlock_irq!(lists, "smbdirect::MrPool::lists"),
                grow <- new_mutex!((), "smbdirect::MrPool::grow"),
                waiters <- new_wait_queue!("smbdirect::MrPool::waiters"),
                max,
                pages,
                charge,
                takes_holes,
                longest,
                pd,
            }),
            GFP_KERNEL,
        )
    }

    /// Makes `n` regions (as many as it may have, at most). If that fails in the middle, those that exist stay, for [`destroy_all`](Self::destroy_all). Sleeps.
    pub(crate) fn grow(&self, ctx: &ProcessCtx, n: usize) -> Result {
        for _ in 0..n.min(self.max) {
            let mr = self.make(ctx)?;
            let _ = self.lists.lock().free.push_within_capacity(mr);
        }
        Ok(())
    }

    /// What becomes of memory with holes: a copy in pieces of this length at most, or nothing if the adapter takes it.
    pub(super) fn copies(&self) -> Option<usize> {
        (!self.takes_holes).then_some(self.longest)
    }

    pub(super) fn verbs(&self) -> &Verbs<O> {
        // SAFETY: By the type invariants.
        unsafe { &*self.verbs }
    }

    /// Whether a region is of this connection.
    pub(super) fn has(&self, mr: &Mr) -> bool {
        core::ptr::eq(mr.verbs, self.verbs.cast())
    }

    /// Regions that exist, and those that are free.
    pub fn counts(&self) -> (usize, usize) {
        let lists = self.lists.lock();
        (lists.all.len(), lists.free.len())
    }

    /// Bytes of memory that the pool and its regions hold.
    pub(crate) fn memory(&self) -> usize {
        let lists = self.lists.lock();
        self.charge.bytes() + lists.all.iter().map(|mr| mr.memory()).sum::<usize>()
    }

    /// Makes a region and enters it into the list of all. Sleeps.
    fn make(&self, _ctx: &ProcessCtx) -> Result<Arc<Mr>> {
        let _one = self.grow.lock();
        if self.lists.lock().all.len() >= self.max {
            return Err(ENOSPC);
        }
        let _nofs = NofsScope::enter();
        let kind = if self.takes_holes {
            bindings::ib_mr_type_IB_MR_TYPE_SG_GAPS
        } else {
            bindings::ib_mr_type_IB_MR_TYPE_MEM_REG
        };
        // SAFETY: We hold the PD.
        let raw = unsafe { bindings::ib_alloc_mr(self.pd.as_ptr(), kind, self.pages) };
        let raw = from_err_ptr(raw)?;
        let guard = kernel::types::ScopeGuard::new_with_data(raw, |raw| {
            // SAFETY: Allocated above, unused.
            unsafe { bindings::ib_dereg_mr_user(raw, core::ptr::null_mut()) };
        });
        // SAFETY: Allocated above. If it does not come into the list of all, `hw` is gone before the guard frees it; else `destroy_all` will.
        let hw = unsafe { Hardware::new(NonNull::new(raw).ok_or(ENOMEM)?) };
        let mr = Mr::new(hw, self.verbs, self.verbs().conn())?;
        guard.dismiss();
        let _ = self.lists.lock().all.push_within_capacity(mr.clone());
        Ok(mr)
    }

    /// A free region: from the list, a new one, or one that somebody gives back while we wait (interruptibly, at most `timeout`). Sleeps.
    pub(super) fn get(
        &self,
        ctx: &ProcessCtx,
        timeout: kernel::time::Jiffies,
        mut alive: impl FnMut() -> bool,
        mut waits: impl FnMut(),
    ) -> core::result::Result<Arc<Mr>, RegisterError> {
        if let Some(mr) = self.lists.lock().free.pop() {
            return Ok(mr);
        }
        if let Ok(mr) = self.make(ctx) {
            return Ok(mr);
        }
        waits();
        match self
            .waiters
            .wait(ctx, Mode::Interruptible, Some(timeout), || {
                if !alive() {
                    return Some(None);
                }
                self.lists.lock().free.pop().map(Some)
            }) {
            Outcome::Ready(Some(mr)) => Ok(mr),
            Outcome::Ready(None) => Err(RegisterError::Failed(ENOTCONN)),
            Outcome::TimedOut | Outcome::Interrupted => Err(RegisterError::Interrupted),
        }
    }

    /// Wakes those who wait for a region, so that they see the connection's end. Any context.
    pub fn wake_all(&self) {
        self.waiters.wake_all();
    }

    /// Takes a region back that is not registered any more.
    pub(super) fn put(&self, mr: Arc<Mr>) {
        // Capacity was reserved for all regions.
        let _ = self.lists.lock().free.push_within_capacity(mr);
        self.waiters.wake_all();
    }

    /// Turns every region into a shell: deregisters it and releases its mapping. Sleeps.
    ///
    /// # Safety
    ///
    /// The QP is destroyed.
    pub(crate) unsafe fn destroy_all(&self, _ctx: &ProcessCtx) {
        // The list keeps the regions themselves until the pool is dropped.
        let mut at = 0;
        loop {
            let Some(mr) = self.lists.lock().all.get(at).cloned() else {
                break;
            };
            at += 1;
            {
                // Held until what was left is there: an owner that finds no hardware half collects it.
                let mut guard = mr.hw.lock();
                if let Some(hw) = (*guard).take() {
                    // SAFETY: No work request refers to it: the QP is gone. The device of the PD that region and QP have in common is the one it was mapped for.
                    if let Some(left) = unsafe { hw.destroy(self.pd.device()) } {
                        *mr.left.lock() = Some(left);
                    }
                }
            }
            mr.trace_unmap(mr.invalidated.load(Relaxed));
            mr.key.store(0, Relaxed);
            mr.gone.store(true, Release);
            mr.waiters.wake_all();
        }
        self.lists.lock().free.clear();
    }
}
