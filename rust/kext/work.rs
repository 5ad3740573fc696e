// SPDX-License-Identifier: GPL-2.0

//! Owned work queues, and work items that can be disabled.
//!
//! C header: [`include/linux/workqueue.h`](srctree/include/linux/workqueue.h)

use crate::{bindings, ctx::ProcessCtx};
use core::{
    mem::ManuallyDrop,
    ops::Deref,
    ptr::NonNull,
    sync::atomic::{AtomicPtr, Ordering},
};
use kernel::{
    prelude::*,
    sync::Arc,
    time::Jiffies,
    workqueue::{HasDelayedWork, HasWork, Queue, Work, WorkItem},
};

/// A work queue of our own; dropping it runs what is queued and then destroys it (sleeps).
///
/// # Invariants
///
/// The pointer came from `alloc_workqueue` and is destroyed only by `drop`.
pub struct WorkQueue(NonNull<bindings::workqueue_struct>);

// SAFETY: Work queues may be used from every thread.
unsafe impl Send for WorkQueue {}
// SAFETY: As above.
unsafe impl Sync for WorkQueue {}

impl WorkQueue {
    /// An unbound queue that makes progress under memory pressure (it has a rescuer), as the writeback path needs.
    pub fn new(name: &'static CStr) -> Result<Self> {
        Self::with_flags(
            name,
            bindings::wq_flags_WQ_MEM_RECLAIM | bindings::wq_flags_WQ_SYSFS,
        )
    }

    /// An unbound queue for what nobody waits for: its items may wait for memory, and so for writeback.
    pub fn background(name: &'static CStr) -> Result<Self> {
        Self::with_flags(name, 0)
    }

    fn with_flags(name: &'static CStr, flags: u32) -> Result<Self> {
        let flags = bindings::wq_flags_WQ_UNBOUND | flags;
        // SAFETY: The name is used as a format without conversions; it lives for ever.
        let raw = unsafe { bindings::alloc_workqueue_noprof(name.as_char_ptr(), flags, 0) };
        // INVARIANT: Fresh from `alloc_workqueue`.
        Ok(Self(NonNull::new(raw).ok_or(ENOMEM)?))
    }
}

impl Deref for WorkQueue {
    type Target = Queue;

    fn deref(&self) -> &Queue {
        // SAFETY: By the type invariant the queue is valid while `self` is.
        unsafe { Queue::from_raw(self.0.as_ptr()) }
    }
}

impl Drop for WorkQueue {
    fn drop(&mut self) {
        // SAFETY: By the type invariant; `&mut self` means nobody queues through us any more.
        unsafe { bindings::destroy_workqueue(self.0.as_ptr()) }
    }
}

/// A static place for a [`WorkQueue`] that work items are queued on from anywhere.
///
/// # Invariants
///
/// Non-null while the [`Installed`] guard of the queue exists.
pub struct QueueSlot(AtomicPtr<bindings::workqueue_struct>);

/// Keeps the queue of a [`QueueSlot`]; dropping it runs what is queued, and destroys the queue.
pub struct Installed {
    slot: &'static QueueSlot,
    queue: ManuallyDrop<WorkQueue>,
}

impl Default for QueueSlot {
    fn default() -> Self {
        Self::new()
    }
}

impl QueueSlot {
    /// An empty slot.
    pub const fn new() -> Self {
        Self(AtomicPtr::new(core::ptr::null_mut()))
    }

    /// Puts a queue in.
    ///
    /// # Safety
    ///
    /// The guard is dropped only when nobody outside the queue's own items can queue on it any more (at module exit).
    pub unsafe fn install(&'static self, queue: WorkQueue) -> Installed {
        self.0.store(queue.0.as_ptr(), Ordering::Release);
        Installed {
            slot: self,
            queue: ManuallyDrop::new(queue),
        }
    }

    fn get(&self) -> &Queue {
        let raw = self.0.load(Ordering::Acquire);
        if raw.is_null() {
            return kernel::workqueue::system_unbound();
        }
        // SAFETY: By the invariant, and by the contract of `install` the guard outlives every caller.
        unsafe { Queue::from_raw(raw) }
    }

    /// Queues an item; returns whether it was not queued already. Any context.
    pub fn enqueue<T, const ID: u64>(&self, item: Arc<T>) -> bool
    where
        T: WorkItem<ID, Pointer = Arc<T>> + HasWork<T, ID> + Send + Sync + 'static,
    {
        self.get().enqueue::<Arc<T>, ID>(item).is_ok()
    }

    /// Queues a delayed item; returns whether it was not queued already. Any context.
    pub fn enqueue_delayed<T, const ID: u64>(&self, item: Arc<T>, delay: Jiffies) -> bool
    where
        T: WorkItem<ID, Pointer = Arc<T>> + HasDelayedWork<T, ID> + Send + Sync + 'static,
    {
        self.get()
            .enqueue_delayed::<Arc<T>, ID>(item, delay)
            .is_ok()
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        // Items that run now may still queue others, so the queue is destroyed (which drains it) before the slot forgets it.
        // SAFETY: Dropped once, here.
        unsafe { ManuallyDrop::drop(&mut self.queue) };
        self.slot.0.store(core::ptr::null_mut(), Ordering::Release);
    }
}

/// Disables a work item for good: a queued one is taken back (its reference is dropped), a running one is waited for, later attempts to queue it
/// fail. Must not be called from the item itself. Sleeps.
pub fn disable<T, const ID: u64>(_ctx: &ProcessCtx, item: &Arc<T>)
where
    T: WorkItem<ID, Pointer = Arc<T>> + HasWork<T, ID>,
{
    let object = Arc::as_ptr(item).cast_mut();
    // SAFETY: The `Arc` keeps the object alive; `raw_get_work` and `raw_get` only compute addresses in it.
    let work = unsafe { Work::raw_get(T::raw_get_work(object)) };
    // SAFETY: The item was initialised when the object was made.
    if unsafe { bindings::disable_work_sync(work) } {
        // SAFETY: It was pending, so the queue owned one reference, made by `Arc::into_raw` when it was queued; the function pointer will
        // not be called for it, so the reference is ours.
        drop(unsafe { Arc::from_raw(object.cast_const()) });
    }
}

/// Like [`disable`], for a delayed work item.
pub fn disable_delayed<T, const ID: u64>(_ctx: &ProcessCtx, item: &Arc<T>)
where
    T: WorkItem<ID, Pointer = Arc<T>> + HasDelayedWork<T, ID>,
{
    let object = Arc::as_ptr(item).cast_mut();
    // SAFETY: The `Arc` keeps the object alive; these only compute addresses in it.
    let work = unsafe { Work::raw_get(T::raw_get_work(object)) };
    // SAFETY: `HasDelayedWork` promises that this `work_struct` is the `work` field of a `delayed_work`.
    let delayed = unsafe { kernel::container_of!(work, bindings::delayed_work, work) };
    // SAFETY: The item was initialised when the object was made.
    if unsafe { bindings::disable_delayed_work_sync(delayed) } {
        // SAFETY: As in `disable`.
        drop(unsafe { Arc::from_raw(object.cast_const()) });
    }
}
