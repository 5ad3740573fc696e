// SPDX-License-Identifier: GPL-2.0

//! Network namespaces, for as long as a call needs them.

use core::{marker::PhantomData, ptr::NonNull};
use kernel::prelude::*;
use smbdirect_kext::{bindings, ctx::ProcessCtx};

/// The network namespace a C caller named, for the time of that call.
#[derive(Clone, Copy)]
pub struct Net<'a>(*mut bindings::net, PhantomData<&'a ()>);

impl Net<'_> {
    /// Wraps a `struct net`.
    ///
    /// # Safety
    ///
    /// The namespace is alive for the lifetime of the value.
    pub unsafe fn from_raw(raw: *mut bindings::net) -> Self {
        Self(raw, PhantomData)
    }

    pub(crate) fn as_ptr(&self) -> *mut bindings::net {
        self.0
    }
}

/// The network namespace that a system call came from, which stays while this lives.
///
/// # Invariants
///
/// A reference of the namespace is ours.
pub struct CallersNet(NonNull<bindings::net>);

impl CallersNet {
    /// That of the current task, which is not exiting: `_ctx` says that there is one.
    pub fn get(_ctx: &ProcessCtx) -> Result<Self> {
        // SAFETY: A task that can sleep has its namespaces: it loses them when it exits.
        let raw = unsafe { bindings::smbd_current_net() };
        // INVARIANT: The reference just taken.
        NonNull::new(raw).map(Self).ok_or(EINVAL)
    }

    /// For calls.
    pub fn net(&self) -> Net<'_> {
        // SAFETY: By the type invariant it lives as long as `self`.
        unsafe { Net::from_raw(self.0.as_ptr()) }
    }
}

impl Drop for CallersNet {
    fn drop(&mut self) {
        // SAFETY: Our reference, by the type invariant.
        unsafe { bindings::smbd_net_put(self.0.as_ptr()) }
    }
}
