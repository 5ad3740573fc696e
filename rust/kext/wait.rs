// SPDX-License-Identifier: GPL-2.0

//! Wait queues with a condition, a deadline and a choice of signal handling.
//!
//! C header: [`include/linux/wait.h`](srctree/include/linux/wait.h)

use crate::{bindings, ctx::ProcessCtx};
use core::mem::MaybeUninit;
use kernel::{
    ffi::c_long,
    prelude::*,
    sync::{barrier, LockClassKey},
    time::Jiffies,
    types::Opaque,
};

/// Whether a signal ends the wait.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A pending signal (or `kthread_stop`) ends the wait.
    Interruptible,
    /// Only the condition or the deadline ends the wait.
    Uninterruptible,
}

/// How a wait ended.
pub enum Outcome<R> {
    /// The condition held and returned this.
    Ready(R),
    /// The deadline passed first.
    TimedOut,
    /// A signal arrived first.
    Interrupted,
}

/// A wait queue.
///
/// # Invariants
///
/// `head` is an initialised `wait_queue_head` that is never moved.
#[pin_data]
pub struct WaitQueue {
    #[pin]
    head: Opaque<bindings::wait_queue_head>,
}

// SAFETY: A wait queue head is protected by its own spinlock and made for use from every context.
unsafe impl Send for WaitQueue {}
// SAFETY: As above.
unsafe impl Sync for WaitQueue {}

/// Creates a [`WaitQueue`] initialiser with its own lock class.
#[macro_export]
macro_rules! new_wait_queue {
    ($name:literal) => {
        $crate::wait::WaitQueue::new($crate::lock_name!($name), kernel::static_lock_class!())
    };
}

impl WaitQueue {
    /// Initialiser; use [`new_wait_queue!`](crate::new_wait_queue).
    pub fn new(name: &'static CStr, key: Pin<&'static LockClassKey>) -> impl PinInit<Self> {
        pin_init!(Self {
            head <- Opaque::ffi_init(|slot: *mut bindings::wait_queue_head| {
                // SAFETY: `slot` is valid for writes; name and key live for ever.
                unsafe { bindings::__init_waitqueue_head(slot, name.as_char_ptr(), key.as_ptr()) }
            }),
        })
    }

    /// Sleeps until `condition` returns something, `timeout` passes, or (if `mode` says so) a signal arrives.
    ///
    /// The condition is tested before the first sleep and after every wake-up; a condition that holds wins over a signal and over
    /// the deadline. It may take spinlocks but must not sleep.
    pub fn wait<R>(
        &self,
        ctx: &ProcessCtx,
        mode: Mode,
        timeout: Option<Jiffies>,
        condition: impl FnMut() -> Option<R>,
    ) -> Outcome<R> {
        self.wait_as(ctx, 0, mode, timeout, condition)
    }

    /// As [`wait`](Self::wait), in a line: [`wake_one`](Self::wake_one) wakes the first only. Whoever comes back with [`Outcome::Ready`] may have been
    /// woken instead of another, and calls `wake_one` when it has taken its share, or wants none any more.
    pub fn wait_in_line<R>(
        &self,
        ctx: &ProcessCtx,
        mode: Mode,
        condition: impl FnMut() -> Option<R>,
    ) -> Outcome<R> {
        self.wait_as(ctx, bindings::WQ_FLAG_EXCLUSIVE, mode, None, condition)
    }

    fn wait_as<R>(
        &self,
        _ctx: &ProcessCtx,
        flags: u32,
        mode: Mode,
        timeout: Option<Jiffies>,
        mut condition: impl FnMut() -> Option<R>,
    ) -> Outcome<R> {
        if let Some(result) = condition() {
            return Outcome::Ready(result);
        }
        let state = match mode {
            Mode::Interruptible => bindings::TASK_INTERRUPTIBLE,
            Mode::Uninterruptible => bindings::TASK_UNINTERRUPTIBLE,
        };
        let mut left: c_long = match timeout {
            Some(t) => c_long::try_from(t).unwrap_or(c_long::MAX),
            None => c_long::MAX,
        };
        let mut entry = MaybeUninit::<bindings::wait_queue_entry>::uninit();
        // SAFETY: `entry` is valid for writes; it stays on this stack frame until `finish_wait`.
        unsafe { bindings::init_wait_entry(entry.as_mut_ptr(), flags as i32) };
        let outcome = loop {
            // SAFETY: By the type invariant the head is initialised; `entry` was initialised above.
            let signal = unsafe {
                bindings::prepare_to_wait_event(self.head.get(), entry.as_mut_ptr(), state as i32)
            };
            if let Some(result) = condition() {
                break Outcome::Ready(result);
            }
            if signal != 0 {
                break Outcome::Interrupted;
            }
            if left == 0 {
                break Outcome::TimedOut;
            }
            // SAFETY: Process context (the token says so), task state set by `prepare_to_wait_event`.
            left = unsafe { bindings::schedule_timeout(left) };
        };
        // SAFETY: As for `prepare_to_wait_event`; this removes `entry`, so nothing refers to the frame any more.
        unsafe { bindings::finish_wait(self.head.get(), entry.as_mut_ptr()) };
        outcome
    }

    /// Wakes every waiter so that it tests its condition again. Any context. Cheap when nobody waits.
    ///
    /// The caller has made its change visible before (under a lock or with an atomic); the full barrier here pairs with the one in
    /// `prepare_to_wait_event`, so either we see the waiter or it sees the change.
    #[inline]
    pub fn wake_all(&self) {
        self.wake(0);
    }

    /// Wakes the first of those that [wait in line](Self::wait_in_line), and everybody else. As [`wake_all`](Self::wake_all).
    #[inline]
    pub fn wake_one(&self) {
        self.wake(1);
    }

    /// `exclusive`: how many of those in line, 0 for all.
    #[inline]
    fn wake(&self, exclusive: i32) {
        barrier::smp_mb(barrier::Full);
        let head = self.head.get();
        // SAFETY: By the type invariant `head` is initialised. Reading `next` races with list changes under the queue's lock by
        // design (`waitqueue_active`): a torn decision is impossible because the load is a single aligned word.
        let active = unsafe {
            core::ptr::addr_of!((*head).head.next)
                .read_volatile()
                .cast_const()
                != core::ptr::addr_of!((*head).head)
        };
        if active {
            // SAFETY: As above.
            unsafe {
                bindings::__wake_up(
                    head,
                    bindings::TASK_NORMAL,
                    exclusive,
                    core::ptr::null_mut(),
                )
            };
        }
    }
}
