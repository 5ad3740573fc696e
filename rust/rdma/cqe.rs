// SPDX-License-Identifier: GPL-2.0

//! Completions: how a `wr_cqe` finds its way back to a Rust object.

use kernel::{container_of, prelude::*};
use smbdirect_kext::bindings;

/// Why a work request failed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum WcError {
    /// Flushed because the QP is in the error state.
    Flushed,
    /// Any other `ib_wc_status`.
    Status(u32),
}

/// The result of a completed work request; only the status and the vendor code are defined if it failed.
pub(crate) fn wc_result(wc: &bindings::ib_wc) -> Result<(), WcError> {
    match wc.status {
        bindings::ib_wc_status_IB_WC_SUCCESS => Ok(()),
        bindings::ib_wc_status_IB_WC_WR_FLUSH_ERR => Err(WcError::Flushed),
        status => Err(WcError::Status(status)),
    }
}

/// The completion target of a completed work request.
#[inline]
pub(crate) fn wc_cqe(wc: &bindings::ib_wc) -> *mut bindings::ib_cqe {
    // SAFETY: Work requests of this kernel carry a `wr_cqe`, if only a null one (whose completions the core keeps to itself), and every bit pattern of the union's members is valid.
    unsafe { *wc.__bindgen_anon_1.wr_cqe.as_ref() }
}

/// Makes `ticket` the completion target of a work request.
///
/// # Safety
///
/// `wr` is valid for writes.
#[inline]
pub(crate) unsafe fn set_cqe(wr: *mut bindings::ib_send_wr, ticket: *mut Ticket) {
    // SAFETY: By the safety requirement.
    unsafe { *(*wr).__bindgen_anon_1.wr_cqe.as_mut() = Ticket::cqe(ticket) }
}

/// Sets the key that a work request invalidates.
///
/// # Safety
///
/// `wr` is valid for writes.
#[inline]
pub(crate) unsafe fn set_invalidate(wr: *mut bindings::ib_send_wr, key: u32) {
    // SAFETY: By the safety requirement.
    unsafe { *(*wr).ex.invalidate_rkey.as_mut() = key }
}

/// What is called, in softirq, when the work request of a [`Ticket`] completes.
pub(crate) type TicketDone = unsafe fn(*mut Ticket, &bindings::ib_wc);

/// A completion target of the send queue.
///
/// Embedded in objects that outlive the work request they are posted with: either until its completion or until the QP is destroyed.
#[repr(C)]
pub(crate) struct Ticket {
    cqe: bindings::ib_cqe,
    done: TicketDone,
    /// Send-queue sequence number of the last post; written under the SQ lock before posting.
    pub(crate) seq: u32,
}

impl Ticket {
    /// A ticket whose completions call `done`.
    pub(crate) fn new(done: TicketDone) -> Self {
        Self {
            cqe: bindings::ib_cqe {
                done: Some(ticket_done),
            },
            done,
            seq: 0,
        }
    }

    /// The `wr_cqe` of a work request.
    pub(crate) fn cqe(this: *mut Self) -> *mut bindings::ib_cqe {
        this.cast()
    }
}

/// The completion handler of every [`Ticket`]. Softirq.
///
/// # Safety
///
/// Called by the CQ for a work request whose `wr_cqe` is that of a live `Ticket`.
unsafe extern "C" fn ticket_done(_cq: *mut bindings::ib_cq, wc: *mut bindings::ib_wc) {
    // SAFETY: The CQ passes a valid completion, alive for the call.
    let wc = unsafe { &*wc };
    // SAFETY: This function is only ever put into the `cqe` of a `Ticket`, and the ticket is alive until its work request has completed.
    let ticket: *mut Ticket = unsafe { container_of!(wc_cqe(wc), Ticket, cqe) };
    // SAFETY: As above; `done` was chosen for the object that the ticket is embedded in.
    unsafe { ((*ticket).done)(ticket, wc) }
}
