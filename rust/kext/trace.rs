// SPDX-License-Identifier: GPL-2.0

//! Tracepoints `smbdirect:*`, as values to emit.
//!
//! ```ignore
//! trace::Fail::emit(|| trace::Fail { conn: socket.id, ... });
//! ```
//!
//! While nobody listens that is one instruction which does nothing (a static key): the closure, with what it would look up, is out of the way. The events are defined in
//! `smbdirect_trace.h`. The types that their C functions want are checked when this compiles, since their prototypes come from that header.

use crate::{bindings, name::Name};
use kernel::{ffi::c_char, prelude::*};

/// An address as `struct sockaddr_in6`, or a shorter one and zeros.
pub type Address = [u8; core::mem::size_of::<bindings::sockaddr_in6>()];

/// As many bytes of a message as are traced.
pub const BYTES: usize = bindings::SMBD_TRACE_BYTES as usize;

/// The first bytes of a message; behind a shorter one, zeros.
pub type Bytes = [u8; BYTES];

/// The first bytes of a message.
pub fn bytes(message: &[u8]) -> Bytes {
    let mut out = [0; BYTES];
    for (to, from) in out.iter_mut().zip(message) {
        *to = *from;
    }
    out
}

/// A field as C takes it.
trait Field {
    type C;
    fn c(&self) -> Self::C;
}

macro_rules! plain {
    ($($type:ty)*) => {$(
        impl Field for $type {
            type C = $type;
            fn c(&self) -> $type {
                *self
            }
        }
    )*}
}
plain!(u64 u32 i32 bool);

impl Field for &'static CStr {
    type C = *const c_char;
    fn c(&self) -> *const c_char {
        self.as_char_ptr()
    }
}

impl Field for Name {
    type C = *const c_char;
    fn c(&self) -> *const c_char {
        self.as_char_ptr()
    }
}

impl<const N: usize> Field for [u8; N] {
    type C = *const u8;
    fn c(&self) -> *const u8 {
        self.as_ptr()
    }
}

macro_rules! events {
    ($($(#[$doc:meta])* $event:ident => $name:ident { $($field:ident: $type:ty,)* })*) => {$(
        $(#[$doc])*
        #[allow(missing_docs)]
        pub struct $name {
            $(pub $field: $type,)*
        }

        impl $name {
            /// Whether somebody listens. Any context.
            #[inline(always)]
            pub fn enabled() -> bool {
                kernel::macros::paste! {
                    #[cfg(CONFIG_TRACEPOINTS)]
                    // SAFETY: The key of a tracepoint that `smbdirect_trace.c` defines.
                    return unsafe {
                        kernel::jump_label::static_branch_unlikely!(
                            bindings::[<__tracepoint_ $event>],
                            bindings::tracepoint,
                            key
                        )
                    };
                }
                #[cfg(not(CONFIG_TRACEPOINTS))]
                false
            }

            /// Emits the event, if somebody listens; `fields` is called only then. Any context.
            #[inline(always)]
            pub fn emit(fields: impl FnOnce() -> Self) {
                if Self::enabled() {
                    fields().write();
                }
            }

            #[cold]
            #[inline(never)]
            fn write(self) {
                kernel::macros::paste! {
                    #[cfg(CONFIG_TRACEPOINTS)]
                    // SAFETY: Numbers by value; texts are static or live as long as the call, and end in NUL; an address and the bytes of a message are as long as the event copies, and live as long as the call.
                    unsafe {
                        bindings::[<rust_do_trace_ $event>]($(self.$field.c(),)*)
                    };
                }
            }
        }
    )*}
}

events! {
    /// We begin to connect.
    smbd_connect => Connect { conn: u64, addr: Address, }
    /// A connection request has become a connection.
    smbd_arrival => Arrival { conn: u64, addr: Address, device: Name, local: Address, }
    /// A connection request was refused; `conn` is the listening socket.
    smbd_refused => Refused { conn: u64, addr: Address, why: &'static CStr, }
    /// A request was refused by the policy of its share.
    smbd_policy_refused => PolicyRefused { share: Name, reason: &'static CStr, command: Name, }
    /// An event of the connection manager.
    smbd_cm_event => CmEvent {
        conn: u64, event: u32, status: i32, device: Name, local: Address,
    }
    /// The connection is established.
    smbd_negotiated => Negotiated {
        conn: u64, client: bool, max_send: u32, max_recv: u32, max_fragmented_send: u32,
        max_fragmented_recv: u32, max_read_write: u32,
    }
    /// The connection, or the attempt, has failed or was shut down. Once for each.
    smbd_fail => Fail { conn: u64, status: u32, error: i32, cause: &'static CStr, }
    /// The peer broke a rule.
    smbd_protocol_error => Breach { conn: u64, kind: &'static CStr, }
    /// Teardown begins.
    smbd_teardown => Teardown { conn: u64, }
    /// Everything that the connection had is freed.
    smbd_closed => Closed { conn: u64, }
    /// A negotiate message will be posted.
    smbd_send_negotiate => SendNegotiate { conn: u64, length: u32, bytes: Bytes, }
    /// What came as negotiate message, before it is judged.
    smbd_recv_negotiate => RecvNegotiate { conn: u64, length: u32, bytes: Bytes, }
    /// A message came and was not valid.
    smbd_recv_refused => RecvRefused { conn: u64, length: u32, bytes: Bytes, }
    /// A message got its header and will be posted.
    smbd_send => Send {
        conn: u64, length: u32, offset: u32, remaining: u32, requests: u32, grants: u32,
        flags: u32, send_credits: u32, granted: u32, posted: u32,
    }
    /// A message was received and found valid.
    smbd_recv => Recv {
        conn: u64, length: u32, offset: u32, remaining: u32, requests: u32, grants: u32,
        flags: u32, send_credits: u32, granted: u32, posted: u32,
    }
    /// Receives were posted, and may be granted from now on.
    smbd_recv_posted => RecvPosted { conn: u64, count: u32, granted: u32, posted: u32, }
    /// A sender waited.
    smbd_wait => Wait { conn: u64, need: &'static CStr, msec: u64, error: i32, }
    /// Entries were posted to the send queue.
    smbd_post_send => PostSend {
        conn: u64, seq: u32, count: u32, opcode: u32, signalled: bool, error: i32,
    }
    /// An entry of the send queue completed.
    smbd_wc_send => WcSend { conn: u64, seq: u32, status: u32, }
    /// A receive is about to be posted.
    smbd_post_recv => PostRecv { conn: u64, slot: u32, }
    /// The driver did not take a receive.
    smbd_post_recv_err => PostRecvErr { conn: u64, slot: u32, error: i32, }
    /// A receive completed.
    smbd_wc_recv => WcRecv { conn: u64, slot: u32, status: u32, length: u32, }
    /// Memory is about to be registered.
    smbd_reg => Reg { conn: u64, key: u32, iova: u64, length: u32, writable: bool, }
    /// A key was invalidated by a work request of our own.
    smbd_local_inv => LocalInv { conn: u64, key: u32, ok: bool, }
    /// The peer says that it invalidated a key.
    smbd_remote_inv => RemoteInv { conn: u64, key: u32, ok: bool, }
    /// The memory of a registration is its owner's again.
    smbd_unmap => Unmap { conn: u64, key: u32, ok: bool, }
    /// A transfer from or to the peer's memory begins.
    smbd_rdma_begin => RdmaBegin { conn: u64, read: bool, length: u32, descriptors: u32, error: i32, }
    /// A transfer is over.
    smbd_rdma_end => RdmaEnd { conn: u64, read: bool, length: u32, descriptors: u32, error: i32, }
}
