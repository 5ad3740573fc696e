// SPDX-License-Identifier: GPL-2.0

//! `struct smbdirect_socket_parameters`: packed in C, so it is only ever copied bytewise.

use crate::transport::params::Params;
use core::mem::{offset_of, size_of};
use smbdirect_kext::bindings::smbdirect_socket_parameters as Raw;

// The layout that `Params::to_words` and `from_words` assume.
const _: () = {
    assert!(size_of::<Raw>() == 64);
    assert!(offset_of!(Raw, flags) == 0);
    assert!(offset_of!(Raw, resolve_addr_timeout_msec) == 8);
    assert!(offset_of!(Raw, resolve_route_timeout_msec) == 12);
    assert!(offset_of!(Raw, rdma_connect_timeout_msec) == 16);
    assert!(offset_of!(Raw, negotiate_timeout_msec) == 20);
    assert!(offset_of!(Raw, initiator_depth) == 24);
    assert!(offset_of!(Raw, responder_resources) == 26);
    assert!(offset_of!(Raw, recv_credit_max) == 28);
    assert!(offset_of!(Raw, send_credit_target) == 30);
    assert!(offset_of!(Raw, max_send_size) == 32);
    assert!(offset_of!(Raw, max_fragmented_send_size) == 36);
    assert!(offset_of!(Raw, max_recv_size) == 40);
    assert!(offset_of!(Raw, max_fragmented_recv_size) == 44);
    assert!(offset_of!(Raw, max_read_write_size) == 48);
    assert!(offset_of!(Raw, max_frmr_depth) == 52);
    assert!(offset_of!(Raw, keepalive_interval_msec) == 56);
    assert!(offset_of!(Raw, keepalive_timeout_msec) == 60);
};

/// Copies C's structure.
///
/// # Safety
///
/// `raw` points to a readable structure, of any alignment.
pub(super) unsafe fn read(raw: *const Raw) -> Params {
    // SAFETY: By the safety requirement 64 bytes can be read.
    Params::from_words(unsafe { raw.cast::<[u64; 8]>().read_unaligned() })
}
