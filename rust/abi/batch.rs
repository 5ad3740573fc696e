// SPDX-License-Identifier: GPL-2.0

//! The batch interface that cifs sends with (contract §3.3 to §3.7).

use super::{errno, hold, signature, Handle};
use crate::transport::{send::Outgoing, Socket};
use core::mem::{align_of, size_of};
use kernel::{
    ffi::{c_int, c_uint},
    iov::IovIterSource,
    prelude::*,
};
use smbdirect_kext::{bindings, ctx::ProcessCtx};

signature!(
    smbdirect_init_send_batch_storage,
    smbdirect_connection_send_single_iter,
    smbdirect_connection_send_batch_flush,
    smbdirect_connection_send_wait_zero_pending,
);

type Batch = bindings::smbdirect_send_batch;

// The caller's 40 bytes hold our plain data; nothing is owned by them that a forgotten batch would leak but the message token, which cifs always gives back.
const _: () = {
    assert!(size_of::<Outgoing>() <= size_of::<bindings::smbdirect_send_batch_storage>());
    assert!(align_of::<Outgoing>() <= align_of::<bindings::smbdirect_send_batch_storage>());
};

/// Prepares the caller's memory for a batch. Any context.
///
/// # Safety
///
/// `storage` is valid for writes.
#[no_mangle]
pub unsafe extern "C" fn smbdirect_init_send_batch_storage(
    storage: *mut bindings::smbdirect_send_batch_storage,
    need_invalidate_rkey: bool,
    remote_key: c_uint,
) -> *mut Batch {
    let out = Outgoing {
        invalidate: need_invalidate_rkey.then_some(remote_key),
        ..Outgoing::default()
    };
    // SAFETY: By the safety requirement; size and alignment fit (above).
    unsafe { storage.cast::<Outgoing>().write(out) };
    storage.cast()
}

/// Adds an iterator to the message under way, or sends an empty message. Returns how many bytes were taken. Sleeps, interruptibly before a message's first
/// fragment. Contract §3.4.
///
/// # Safety
///
/// `sc` is a socket of the caller; `batch` is null or was prepared for it; `iter` is null or a source iterator.
#[no_mangle]
pub unsafe extern "C" fn smbdirect_connection_send_single_iter(
    sc: *mut Handle,
    batch: *mut Batch,
    iter: *mut bindings::iov_iter,
    flags: c_uint,
    remaining_data_length: u32,
) -> c_int {
    // SAFETY: By the safety requirement.
    let socket = unsafe { hold(sc) };
    let mut own = Outgoing::default();
    // SAFETY: By the safety requirement; a batch is used by one sender at a time.
    let out = unsafe { batch.cast::<Outgoing>().as_mut() }.unwrap_or(&mut own);
    // SAFETY: By the safety requirement.
    let result = unsafe { send_single(&socket, out, iter, flags, remaining_data_length) };
    // Nothing has been sent: cifs gives up the request for EINTR, and the whole connection for anything else.
    let result = result.map_err(|error| match error {
        error if error == ERESTARTSYS && !out.begun => EINTR,
        error => error,
    });
    let result = match (batch.is_null(), result) {
        (false, Err(error)) => {
            // cifs flushes after an error, but the token must not wait for that.
            let _ = Socket::send_flush(socket.as_arc_borrow(), out, true);
            Err(error)
        }
        (false, result) => result,
        (true, result) => {
            let flushed = Socket::send_flush(socket.as_arc_borrow(), out, true);
            result.and_then(|sent| flushed.map(|()| sent))
        }
    };
    result.map_or_else(
        |error| error.to_errno(),
        |sent| c_int::try_from(sent).unwrap_or(c_int::MAX),
    )
}

/// # Safety
///
/// `iter` is null or valid.
unsafe fn send_single(
    socket: &kernel::sync::Arc<Socket>,
    out: &mut Outgoing,
    iter: *mut bindings::iov_iter,
    flags: c_uint,
    remaining: u32,
) -> Result<usize> {
    if flags != 0 {
        return Err(EINVAL);
    }
    let ctx = ProcessCtx::enter();
    if iter.is_null() {
        if remaining != 0 {
            return Err(EINVAL);
        }
        return Socket::send_empty(socket.as_arc_borrow(), &ctx, out).map(|()| 0);
    }
    // SAFETY: By the safety requirement.
    let (is_source, count) = unsafe { ((*iter).data_source, bindings::smbd_iov_count(iter)) };
    if !is_source || remaining == 0 || count > remaining as usize {
        return Err(EINVAL);
    }
    // SAFETY: A source iterator (checked); it is ours for the call.
    let source = unsafe { IovIterSource::from_raw(iter) };
    Socket::send_part(socket.as_arc_borrow(), &ctx, out, source, remaining)
}

/// Ends a batch, if `is_last`. What was added to it is posted already. Never sleeps. Contract §3.5.
///
/// # Safety
///
/// `sc` is a socket of the caller; `batch` was prepared for it.
#[no_mangle]
pub unsafe extern "C" fn smbdirect_connection_send_batch_flush(
    sc: *mut Handle,
    batch: *mut Batch,
    is_last: bool,
) -> c_int {
    // SAFETY: By the safety requirement.
    let (socket, out) = unsafe { (hold(sc), &mut *batch.cast::<Outgoing>()) };
    errno(Socket::send_flush(socket.as_arc_borrow(), out, is_last))
}

/// Nothing of the caller's is ever pending, because sends copy; so this only says whether the connection lives. Contract §3.6.
///
/// # Safety
///
/// `sc` is a socket of the caller.
#[no_mangle]
pub unsafe extern "C" fn smbdirect_connection_send_wait_zero_pending(sc: *mut Handle) -> c_int {
    // SAFETY: By the safety requirement.
    match unsafe { hold(sc) }.status.is_connected() {
        true => 0,
        false => ENOTCONN.to_errno(),
    }
}
