// SPDX-License-Identifier: GPL-2.0

//! What `ksmbd/smbdirect_policy.h` declares, for a server that enforces the policy of shares. `policy.c` exports it.

use super::signature;
use crate::transport::{policy, settings::Reason};
use kernel::{ffi::c_char, prelude::*};
use smbdirect_core::settings::Mode;
use smbdirect_kext::{bindings, ctx::ProcessCtx};
use smbdirect_rdma::addr::SockAddr;

signature!(
    smbdirect_policy_mode,
    smbdirect_policy_refused,
    smbdirect_policy_advertised,
);

/// What the requests of a share meet. Any context.
///
/// # Safety
///
/// `share` ends in NUL.
#[no_mangle]
pub unsafe extern "C" fn smbdirect_policy_mode(
    share: *const c_char,
) -> bindings::smbdirect_policy_mode {
    // SAFETY: By the safety requirement.
    match policy::mode(unsafe { CStr::from_char_ptr(share) }) {
        Mode::Auto => bindings::smbdirect_policy_mode_SMBDIRECT_POLICY_AUTO,
        Mode::Off => bindings::smbdirect_policy_mode_SMBDIRECT_POLICY_OFF,
        Mode::Required => bindings::smbdirect_policy_mode_SMBDIRECT_POLICY_REQUIRED,
    }
}

/// Counts, traces and logs a refusal. Sleeps.
///
/// # Safety
///
/// `share` and `command` end in NUL; `peer` is null or an address as long as its family says.
#[no_mangle]
pub unsafe extern "C" fn smbdirect_policy_refused(
    share: *const c_char,
    reason: bindings::smbdirect_policy_reason,
    command: *const c_char,
    peer: *const bindings::sockaddr,
) {
    let reason = match reason {
        bindings::smbdirect_policy_reason_SMBDIRECT_POLICY_OVER_RDMA => Reason::OverRdma,
        bindings::smbdirect_policy_reason_SMBDIRECT_POLICY_OVER_TCP => Reason::OverTcp,
        _ => Reason::CannotMove,
    };
    let peer = if peer.is_null() {
        None
    } else {
        // SAFETY: By the safety requirement.
        unsafe { SockAddr::copy_from(peer) }
    };
    // SAFETY: By the safety requirement.
    let (share, command) = unsafe { (CStr::from_char_ptr(share), CStr::from_char_ptr(command)) };
    policy::refused(&ProcessCtx::enter(), share, reason, command, peer.as_ref());
}

/// Whether any share allows RDMA. Any context.
///
/// # Safety
///
/// None is needed; C's functions are unsafe to Rust.
#[no_mangle]
pub unsafe extern "C" fn smbdirect_policy_advertised() -> bool {
    policy::advertised()
}
