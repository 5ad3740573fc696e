// SPDX-License-Identifier: GPL-2.0

//! Whole messages in both directions, and RDMA transfers (contract §3.1, §3.2, §3.8).

use super::{hold, signature, Handle};
use crate::transport::Socket;
use core::ptr::NonNull;
use kernel::{
    ffi::{c_int, c_uint, c_void},
    iov::{IovIterDest, IovIterSource},
    prelude::*,
    sync::Arc,
};
use smbdirect_kext::{bindings, ctx::ProcessCtx};
use smbdirect_rdma::{chunk::Direction, rw::Local};

signature!(
    smbdirect_connection_recvmsg,
    smbdirect_connection_send_iter,
    smbdirect_connection_rdma_xmit,
);

/// Length of the prefix with which the SMB stacks hand over messages.
const PREFIX: usize = 4;

/// Reads from the stream of messages. Sleeps, interruptibly. Contract §3.1.
///
/// # Safety
///
/// `sc` is a socket of the caller; `msg` has a valid iterator that is the caller's.
#[no_mangle]
pub unsafe extern "C" fn smbdirect_connection_recvmsg(
    sc: *mut Handle,
    msg: *mut bindings::msghdr,
    flags: c_uint,
) -> c_int {
    // SAFETY: By the safety requirement.
    let (socket, iter) = unsafe { (hold(sc), core::ptr::addr_of_mut!((*msg).msg_iter)) };
    // SAFETY: By the safety requirement.
    if flags != 0 || unsafe { (*iter).data_source } {
        return EINVAL.to_errno();
    }
    // SAFETY: A destination iterator (checked).
    let dest = unsafe { IovIterDest::from_raw(iter) };
    match Socket::recv(socket.as_arc_borrow(), &ProcessCtx::enter(), dest) {
        Ok(got) => c_int::try_from(got).unwrap_or(c_int::MAX),
        Err(error) => error.to_errno(),
    }
}

/// Sends one message, which begins with its length in 4 big-endian bytes that are not sent. Returns the original length of the iterator. Sleeps. Contract §3.2.
///
/// # Safety
///
/// `sc` is a socket of the caller; `iter` is a valid iterator that is the caller's.
#[no_mangle]
pub unsafe extern "C" fn smbdirect_connection_send_iter(
    sc: *mut Handle,
    iter: *mut bindings::iov_iter,
    flags: c_uint,
    need_invalidate: bool,
    remote_key: c_uint,
) -> c_int {
    // SAFETY: By the safety requirement.
    let socket = unsafe { hold(sc) };
    // SAFETY: By the safety requirement.
    if flags != 0 || !unsafe { (*iter).data_source } {
        return EINVAL.to_errno();
    }
    // SAFETY: A source iterator (checked).
    let source = unsafe { IovIterSource::from_raw(iter) };
    let total = source.len();
    match send_prefixed(&socket, source, need_invalidate.then_some(remote_key)) {
        Ok(()) => c_int::try_from(total).unwrap_or(c_int::MAX),
        Err(error) => error.to_errno(),
    }
}

fn send_prefixed(
    socket: &Arc<Socket>,
    source: &mut IovIterSource<'_>,
    invalidate: Option<u32>,
) -> Result {
    if !socket.status.is_connected() {
        return Err(ENOTCONN);
    }
    let length = source
        .len()
        .checked_sub(PREFIX)
        .filter(|length| *length > 0)
        .ok_or(EINVAL)?;
    let mut prefix = [0; PREFIX];
    if source.copy_from_iter(&mut prefix) != PREFIX {
        return Err(EFAULT);
    }
    let length = u32::try_from(length).map_err(|_| EINVAL)?;
    if u32::from_be_bytes(prefix) != length {
        return Err(EINVAL);
    }
    Socket::send_message(
        socket.as_arc_borrow(),
        &ProcessCtx::enter(),
        source,
        length,
        invalidate,
    )
}

/// Reads or writes the peer's memory. Returns when the transfer is complete. Sleeps. Contract §3.8; the descriptors are not modified.
///
/// # Safety
///
/// `sc` is a socket of the caller; `buf` is kernel memory of `buf_len` bytes that is the caller's, `desc` is readable for `desc_len` bytes.
#[no_mangle]
pub unsafe extern "C" fn smbdirect_connection_rdma_xmit(
    sc: *mut Handle,
    buf: *mut c_void,
    buf_len: usize,
    desc: *mut bindings::smbdirect_buffer_descriptor_v1,
    desc_len: usize,
    is_read: bool,
) -> c_int {
    // SAFETY: By the safety requirement.
    let socket = unsafe { hold(sc) };
    let (Some(buf), false) = (NonNull::new(buf.cast::<u8>()), desc.is_null()) else {
        return EINVAL.to_errno();
    };
    // SAFETY: By the safety requirement; the transfer refers to neither after it returns.
    let (local, descriptors) = unsafe {
        (
            Local::new(buf, buf_len),
            core::slice::from_raw_parts(desc.cast::<u8>(), desc_len),
        )
    };
    let direction = if is_read {
        Direction::FromDevice
    } else {
        Direction::ToDevice
    };
    super::errno(Socket::rdma_transfer(
        socket.as_arc_borrow(),
        &ProcessCtx::enter(),
        local,
        descriptors,
        direction,
    ))
}
