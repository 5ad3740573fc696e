// SPDX-License-Identifier: GPL-2.0

//! Memory registration (contract §3.9 to §3.11).

use super::{hold, signature, Handle};
use crate::transport::{
    mr_io::{MrIo, REGISTER_MS},
    Socket,
};
use core::ptr::null_mut;
use kernel::prelude::*;
use smbdirect_kext::{bindings, ctx::ProcessCtx, time::jiffies};
use smbdirect_rdma::chunk::Direction;

signature!(
    smbdirect_connection_register_mr_io,
    smbdirect_mr_io_fill_buffer_descriptor,
    smbdirect_connection_deregister_mr_io,
);

type MrHandle = bindings::smbdirect_mr_io;

/// Registers the rest of an iterator for the peer: to be written (`writing`, for SMB reads) or to be read. Null if that is not possible now. Sleeps,
/// interruptibly. Contract §3.9; `need_invalidate` is of no consequence, because deregistration looks at what was really invalidated.
///
/// # Safety
///
/// `sc` is a socket of the caller; `iter` is a valid iterator over kernel pages that stay allocated until the registration is given back.
#[no_mangle]
pub unsafe extern "C" fn smbdirect_connection_register_mr_io(
    sc: *mut Handle,
    iter: *mut bindings::iov_iter,
    writing: bool,
    _need_invalidate: bool,
) -> *mut MrHandle {
    // SAFETY: By the safety requirement.
    let socket = unsafe { hold(sc) };
    let ctx = ProcessCtx::enter();
    // SAFETY: By the safety requirement.
    let bytes = unsafe { bindings::smbd_iov_count(iter) };
    let direction = if writing {
        Direction::FromDevice
    } else {
        Direction::ToDevice
    };
    let registered = {
        let Ok(endpoint) = socket.enter_connected() else {
            return null_mut();
        };
        let Some(mrs) = endpoint.mrs() else {
            return null_mut();
        };
        let alive = || socket.status.is_connected();
        // SAFETY: By the safety requirement.
        unsafe {
            mrs.register(&ctx, iter, direction, jiffies(REGISTER_MS), alive, || {
                socket.waits_for_region();
            })
        }
    };
    match registered {
        Ok(mr) => {
            socket.registered(bytes as u64, mr.is_copy());
            let io = MrIo {
                socket: socket.clone(),
                mr,
            };
            match KBox::new_uninit(GFP_KERNEL) {
                Ok(place) => KBox::into_raw(place.write(io)).cast(),
                Err(_) => {
                    // A registration must not be lost.
                    io.deregister(&ctx);
                    null_mut()
                }
            }
        }
        Err(why) => {
            Socket::register_failed(socket.as_arc_borrow(), &ctx, why);
            null_mut()
        }
    }
}

/// Writes the buffer descriptor of a registration; all ones if it is not registered. Sleeps. Contract §3.10.
///
/// # Safety
///
/// `mr` is a registration of the caller; `v1` is valid for writes.
#[no_mangle]
pub unsafe extern "C" fn smbdirect_mr_io_fill_buffer_descriptor(
    mr: *mut MrHandle,
    v1: *mut bindings::smbdirect_buffer_descriptor_v1,
) {
    // SAFETY: By the safety requirement.
    let io = unsafe { &*mr.cast::<MrIo>() };
    let mut bytes = [0xff_u8; 16];
    if let Some(remote) = io.remote_buffer(&ProcessCtx::enter()) {
        bytes[0..8].copy_from_slice(&remote.offset.to_le_bytes());
        bytes[8..12].copy_from_slice(&remote.token.to_le_bytes());
        bytes[12..16].copy_from_slice(&remote.length.to_le_bytes());
    }
    // SAFETY: By the safety requirement; the structure is 16 packed bytes.
    unsafe { v1.cast::<[u8; 16]>().write_unaligned(bytes) };
}

/// Ends a registration and frees its handle; legal after the socket's release. Sleeps. Contract §3.11.
///
/// # Safety
///
/// `mr` is a registration of the caller, which does not use it any more.
#[no_mangle]
pub unsafe extern "C" fn smbdirect_connection_deregister_mr_io(mr: *mut MrHandle) {
    // SAFETY: Made by `smbdirect_connection_register_mr_io`, given back once.
    let io = unsafe { KBox::from_raw(mr.cast::<MrIo>()) };
    KBox::into_inner(io).deregister(&ProcessCtx::enter());
}
