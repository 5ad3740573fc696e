// SPDX-License-Identifier: GPL-2.0

//! Creation, configuration, connecting, listening, release (contract §2), and the device functions (§4).

use super::{errno, hold, into_handle, params, signature, Handle};
use crate::transport::{debug_text::DebugText, policy, Socket};
use core::ptr::{null_mut, NonNull};
use kernel::{
    ffi::{c_int, c_uint, c_void},
    prelude::*,
    seq_file::SeqFile,
    sync::Arc,
};
use smbdirect_kext::{bindings, ctx::ProcessCtx, log::Sink};
use smbdirect_rdma::{
    addr::SockAddr,
    client::NetDevice,
    cm::CmId,
    device::{frwr_supported, node_type},
    net::Net,
};

signature!(
    smbdirect_socket_create_kern,
    smbdirect_socket_create_accepting,
    smbdirect_socket_set_initial_parameters,
    smbdirect_socket_get_current_parameters,
    smbdirect_socket_set_kernel_settings,
    smbdirect_socket_set_logging,
    smbdirect_socket_bind,
    smbdirect_socket_listen,
    smbdirect_socket_accept,
    smbdirect_connect,
    smbdirect_connect_sync,
    smbdirect_connection_wait_for_connected,
    smbdirect_connection_is_connected,
    smbdirect_socket_shutdown,
    smbdirect_socket_release,
    smbdirect_connection_legacy_debug_proc_show,
    smbdirect_netdev_rdma_capable_node_type,
    smbdirect_frwr_is_supported,
);

/// Creates a socket in `net`. Sleeps. Contract §2.1.
///
/// # Safety
///
/// `net` is a live namespace; `sc` is valid for a write.
#[no_mangle]
pub unsafe extern "C" fn smbdirect_socket_create_kern(
    net: *mut bindings::net,
    sc: *mut *mut Handle,
) -> c_int {
    // SAFETY: By the safety requirement.
    let net = unsafe { Net::from_raw(net) };
    errno(Socket::create(&ProcessCtx::enter(), net).map(|socket| {
        // SAFETY: By the safety requirement.
        unsafe { sc.write(into_handle(socket)) }
    }))
}

/// Creates a socket for an id that came with a connect request, which it takes over. Sleeps. Contract §2.2.
///
/// # Safety
///
/// Called in the handler of that request, which returns 0 if this succeeds; `sc` is valid for a write.
#[no_mangle]
pub unsafe extern "C" fn smbdirect_socket_create_accepting(
    id: *mut bindings::rdma_cm_id,
    sc: *mut *mut Handle,
) -> c_int {
    let Some(id) = NonNull::new(id) else {
        return EINVAL.to_errno();
    };
    // SAFETY: By the safety requirement.
    let take = |socket| unsafe { CmId::from_raw(id, socket) };
    errno(Socket::adopt(&ProcessCtx::enter(), take).map(|socket| {
        // SAFETY: By the safety requirement.
        unsafe { sc.write(into_handle(socket)) }
    }))
}

/// Sets the parameters of a fresh socket. Contract §2.3.
///
/// # Safety
///
/// `sc` is a socket of the caller; `sp` is readable.
#[no_mangle]
pub unsafe extern "C" fn smbdirect_socket_set_initial_parameters(
    sc: *mut Handle,
    sp: *const bindings::smbdirect_socket_parameters,
) -> c_int {
    // SAFETY: By the safety requirement.
    let (socket, wanted) = unsafe { (hold(sc), params::read(sp)) };
    errno(socket.set_params(&wanted))
}

/// The current parameters, at an address that is valid until release. Any context. Contract §2.4.
///
/// # Safety
///
/// `sc` is a socket of the caller.
#[no_mangle]
pub unsafe extern "C" fn smbdirect_socket_get_current_parameters(
    sc: *mut Handle,
) -> *const bindings::smbdirect_socket_parameters {
    // SAFETY: By the safety requirement. Only the address of a field is computed.
    unsafe { core::ptr::addr_of!((*sc.cast::<Socket>()).params).cast() }
}

/// Accepted for compatibility: completions are always handled in softirq, and the allocation flags that the SMB stacks pass are what is used
/// anyway. Contract §2.5.
///
/// # Safety
///
/// `sc` is a socket of the caller.
#[no_mangle]
pub unsafe extern "C" fn smbdirect_socket_set_kernel_settings(
    sc: *mut Handle,
    _poll_ctx: bindings::ib_poll_context,
    _gfp_mask: bindings::gfp_t,
) -> c_int {
    // SAFETY: By the safety requirement.
    errno(unsafe { hold(sc) }.check_configurable())
}

/// Sets where log lines go. Contract §2.6.
///
/// # Safety
///
/// `sc` is a socket of the caller; the callbacks may be called from any context until it is released.
#[no_mangle]
pub unsafe extern "C" fn smbdirect_socket_set_logging(
    sc: *mut Handle,
    private_ptr: *mut c_void,
    needed: bindings::smbd_log_needed_fn,
    vaprintf: bindings::smbd_log_vaprintf_fn,
) {
    // SAFETY: By the safety requirement.
    let (socket, sink) = unsafe { (hold(sc), Sink::new(needed, vaprintf, private_ptr)) };
    socket.set_sink(sink);
}

/// Reads a socket address of C.
///
/// # Safety
///
/// `addr` points to a `sockaddr` as long as its family says.
unsafe fn address(addr: *const bindings::sockaddr) -> Result<SockAddr> {
    // SAFETY: By the safety requirement.
    unsafe { SockAddr::copy_from(addr) }.ok_or(EAFNOSUPPORT)
}

/// Binds a fresh socket. Contract §2.7.
///
/// # Safety
///
/// `sc` is a socket of the caller; `addr` is a socket address.
#[no_mangle]
pub unsafe extern "C" fn smbdirect_socket_bind(
    sc: *mut Handle,
    addr: *mut bindings::sockaddr,
) -> c_int {
    // SAFETY: By the safety requirement.
    let (socket, addr) = unsafe { (hold(sc), address(addr)) };
    errno(addr.and_then(|addr| socket.bind(&addr)))
}

/// Listens. Sleeps. Contract §2.8.
///
/// # Safety
///
/// `sc` is a socket of the caller.
#[no_mangle]
pub unsafe extern "C" fn smbdirect_socket_listen(sc: *mut Handle, backlog: c_int) -> c_int {
    // SAFETY: By the safety requirement.
    let socket = unsafe { hold(sc) };
    errno(Socket::listen(
        socket.as_arc_borrow(),
        &ProcessCtx::enter(),
        backlog,
    ))
}

/// Waits for a connection. Sleeps, interruptibly. Contract §2.9.
///
/// # Safety
///
/// `lsc` is a socket of the caller; `arg` is valid for reads and writes.
#[no_mangle]
pub unsafe extern "C" fn smbdirect_socket_accept(
    lsc: *mut Handle,
    timeo: kernel::ffi::c_long,
    arg: *mut bindings::proto_accept_arg,
) -> *mut Handle {
    // SAFETY: By the safety requirement.
    let socket = unsafe { hold(lsc) };
    let timeout = usize::try_from(timeo).unwrap_or(0);
    match socket.accept(&ProcessCtx::enter(), timeout) {
        Ok((child, empty)) => {
            // SAFETY: By the safety requirement.
            unsafe { (*arg).is_empty = c_int::from(empty) };
            into_handle(child)
        }
        Err(error) => {
            // SAFETY: By the safety requirement.
            unsafe { (*arg).err = error.to_errno() };
            null_mut()
        }
    }
}

/// Starts to connect. Contract §2.10.
///
/// # Safety
///
/// `sc` is a socket of the caller; `dst` is a socket address.
#[no_mangle]
pub unsafe extern "C" fn smbdirect_connect(
    sc: *mut Handle,
    dst: *const bindings::sockaddr,
) -> c_int {
    // SAFETY: By the safety requirement.
    let (socket, dst) = unsafe { (hold(sc), address(dst)) };
    errno(dst.and_then(|dst| Socket::connect(socket.as_arc_borrow(), &dst)))
}

/// Connects and negotiates. Sleeps, interruptibly. Contract §2.11.
///
/// # Safety
///
/// As for [`smbdirect_connect`].
#[no_mangle]
pub unsafe extern "C" fn smbdirect_connect_sync(
    sc: *mut Handle,
    dst: *const bindings::sockaddr,
) -> c_int {
    // SAFETY: By the safety requirement.
    match unsafe { smbdirect_connect(sc, dst) } {
        // SAFETY: By the safety requirement.
        0 => unsafe { smbdirect_connection_wait_for_connected(sc) },
        error => error,
    }
}

/// Waits until connected. Sleeps, interruptibly. Contract §2.12.
///
/// # Safety
///
/// `sc` is a socket of the caller.
#[no_mangle]
pub unsafe extern "C" fn smbdirect_connection_wait_for_connected(sc: *mut Handle) -> c_int {
    // SAFETY: By the safety requirement.
    let socket = unsafe { hold(sc) };
    errno(Socket::wait_connected(
        socket.as_arc_borrow(),
        &ProcessCtx::enter(),
    ))
}

/// Whether data can be exchanged now. Any context. Contract §2.13.
///
/// # Safety
///
/// `sc` is null or a socket of the caller, which is not released meanwhile.
#[no_mangle]
pub unsafe extern "C" fn smbdirect_connection_is_connected(sc: *mut Handle) -> bool {
    // SAFETY: By the safety requirement.
    !sc.is_null() && unsafe { (*sc.cast::<Socket>()).status.is_connected() }
}

/// Ends a connection or a listener. Any context. Contract §2.14.
///
/// # Safety
///
/// `sc` is a socket of the caller.
#[no_mangle]
pub unsafe extern "C" fn smbdirect_socket_shutdown(sc: *mut Handle) {
    // SAFETY: By the safety requirement.
    Socket::shutdown(unsafe { hold(sc) }.as_arc_borrow());
}

/// Gives a socket back. Sleeps. Contract §2.15.
///
/// # Safety
///
/// `sc` is a socket of the caller, which does not use it any more.
#[no_mangle]
pub unsafe extern "C" fn smbdirect_socket_release(sc: *mut Handle) {
    // SAFETY: The reference that `into_handle` gave away.
    let socket = unsafe { Arc::<Socket>::from_raw(sc.cast_const().cast()) };
    Socket::release(&ProcessCtx::enter(), socket);
}

/// Prints the state of a connection into cifs's debug file. Atomic context. Contract §3.12.
///
/// # Safety
///
/// `sc` is null or a socket of the caller; `m` is the file being shown.
#[no_mangle]
pub unsafe extern "C" fn smbdirect_connection_legacy_debug_proc_show(
    sc: *mut Handle,
    rdma_readwrite_threshold: c_uint,
    m: *mut bindings::seq_file,
) {
    if sc.is_null() {
        return;
    }
    // SAFETY: By the safety requirement.
    let (socket, file) = unsafe { (hold(sc), SeqFile::from_raw(m)) };
    let text = DebugText {
        socket: &socket,
        threshold: rdma_readwrite_threshold,
    };
    file.call_printf(format_args!("{text}"));
}

/// The node type of the RDMA device behind a network device. Process context, rtnl held. Contract §4.1.
///
/// # Safety
///
/// `netdev` is held by the caller.
#[no_mangle]
pub unsafe extern "C" fn smbdirect_netdev_rdma_capable_node_type(
    netdev: *mut bindings::net_device,
) -> u8 {
    // SAFETY: By the safety requirement.
    unsafe { NetDevice::from_raw(netdev) }
        .map_or(node_type::UNSPECIFIED, policy::advertised_node_type)
}

/// Whether a device can register memory by work requests. Any context. Contract §4.2.
///
/// # Safety
///
/// `attrs` is readable.
#[no_mangle]
pub unsafe extern "C" fn smbdirect_frwr_is_supported(
    attrs: *const bindings::ib_device_attr,
) -> bool {
    // SAFETY: By the safety requirement.
    frwr_supported(unsafe { &*attrs })
}
