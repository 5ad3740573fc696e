// SPDX-License-Identifier: GPL-2.0

//! The 28 functions of `include/linux/smbdirect.h`, as unmodified ksmbd and cifs call them.
//!
//! Pointer conversion and argument checks only; `Documentation/abi.md` describes what each does. Every signature is compared with the kernel's header at
//! compile time ([`signature`]), and `exports.c` exports them with the prototypes of that header.

#![allow(unreachable_pub)] // Exported by name: `pub` is for the linker.

mod batch;
mod data;
mod lifecycle;
mod memory;
mod params;
mod policy;

use crate::transport::Socket;
use kernel::{
    ffi::c_int,
    prelude::*,
    sync::{rcu, Arc, ArcBorrow},
};
use smbdirect_kext::bindings;

/// The handle that C knows.
type Handle = bindings::smbdirect_socket;

/// Fails to compile if a function's type differs from its prototype in the kernel header.
macro_rules! signature {
    ($($name:ident),* $(,)?) => {
        $(const _: () = {
            let _ = if true { smbdirect_kext::bindings::$name } else { $name };
        };)*
    };
}
use signature;

/// Gives a socket to C, which owns one reference until it calls `smbdirect_socket_release`.
fn into_handle(socket: Arc<Socket>) -> *mut Handle {
    Arc::into_raw(socket).cast_mut().cast()
}

/// A reference for the time of a call.
///
/// # Safety
///
/// `sc` came from [`into_handle`], and it was not released before the read section in here has begun (a release that comes afterwards is fine: the
/// socket's memory outlives an RCU grace period after it).
unsafe fn hold(sc: *mut Handle) -> Arc<Socket> {
    let _rcu = rcu::read_lock();
    // SAFETY: By the safety requirement the memory is valid, and the reaper still has its reference: it drops it after a grace period that this read
    // section delays.
    unsafe { ArcBorrow::<Socket>::from_raw(sc.cast_const().cast()) }.into()
}

/// 0 or a negative errno.
fn errno(result: Result) -> c_int {
    match result {
        Ok(()) => 0,
        Err(error) => error.to_errno(),
    }
}
