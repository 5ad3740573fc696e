// SPDX-License-Identifier: GPL-2.0

//! Execution-context tokens.

use core::marker::PhantomData;
use kernel::prelude::*;

/// Proof that the current code may sleep.
///
/// Everything in this project that sleeps takes a `&ProcessCtx`. Completion handlers are not given one and have no business
/// making one: [`ProcessCtx::enter`] runs the kernel's own check, so a call chain from softirq is reported at once under
/// `DEBUG_ATOMIC_SLEEP` whatever path it took.
pub struct ProcessCtx(PhantomData<*mut ()>);

impl ProcessCtx {
    /// Enters process context: asserts that sleeping is allowed here.
    #[inline]
    #[track_caller]
    pub fn enter() -> Self {
        kernel::task::might_sleep();
        Self(PhantomData)
    }
}

/// Keeps memory allocations of the current task from recursing into filesystems while it lives (`memalloc_nofs_save`).
///
/// cifs is a writeback target: a registration made for a dirty page must not wait for that page.
pub struct NofsScope(kernel::ffi::c_uint, PhantomData<*mut ()>);

impl NofsScope {
    /// Begins the scope.
    pub fn enter() -> Self {
        // SAFETY: Only sets a flag of the current task; `self` cannot leave the task (`*mut ()` is not `Send`).
        Self(unsafe { crate::bindings::smbd_nofs_save() }, PhantomData)
    }
}

impl Drop for NofsScope {
    fn drop(&mut self) {
        // SAFETY: The value came from `smbd_nofs_save` in this same task, and scopes nest as Rust scopes do.
        unsafe { crate::bindings::smbd_nofs_restore(self.0) }
    }
}

/// Keeps memory allocations of the current task from starting any I/O while it lives (`memalloc_noio_save`): for teardown, which cifs waits for in
/// the writeback path.
pub struct NoioScope(kernel::ffi::c_uint, PhantomData<*mut ()>);

impl NoioScope {
    /// Begins the scope.
    pub fn enter() -> Self {
        // SAFETY: Only sets a flag of the current task; `self` cannot leave the task.
        Self(unsafe { crate::bindings::smbd_noio_save() }, PhantomData)
    }
}

impl Drop for NoioScope {
    fn drop(&mut self) {
        // SAFETY: The value came from `smbd_noio_save` in this same task, and scopes nest as Rust scopes do.
        unsafe { crate::bindings::smbd_noio_restore(self.0) }
    }
}

/// Whether the current task is a kernel thread that `kthread_stop` may still be called for: not a worker of a queue, and not asked to stop yet.
pub fn awaits_stop(_ctx: &ProcessCtx) -> bool {
    // SAFETY: Looks at the current task only.
    unsafe { crate::bindings::smbd_awaits_stop() }
}

/// Maps an errno-style C result to `Result`.
#[inline]
pub fn check(ret: kernel::ffi::c_int) -> Result {
    kernel::error::to_result(ret)
}
