// SPDX-License-Identifier: GPL-2.0

//! A work request of no bytes, which makes an adapter look at the connection.

use super::Verbs;
use crate::{
    cqe::{set_cqe, wc_result, Ticket},
    endpoint::{Fault, Owner},
    verbs::Signal,
};
use kernel::{
    container_of,
    sync::atomic::{Full, Release},
};
use smbdirect_kext::bindings;

/// A work request of no bytes, for [`Verbs::nudge`].
#[repr(C)]
pub(super) struct Nudge<O: Owner> {
    ticket: Ticket,
    verbs: *const Verbs<O>,
    wr: bindings::ib_rdma_wr,
    sge: bindings::ib_sge,
}

impl<O: Owner> Nudge<O> {
    /// One that was not posted yet.
    pub(super) fn new() -> Self {
        Self {
            ticket: Ticket::new(nudge_done::<O>),
            verbs: core::ptr::null(),
            wr: bindings::ib_rdma_wr::default(),
            sge: bindings::ib_sge::default(),
        }
    }
}

impl<O: Owner> Verbs<O> {
    /// Makes the peer's adapter, or ours, look at the connection: posts an RDMA read (or write) of no bytes, which needs no valid key (RFC 5040) and which no
    /// software sees. One at a time; any context.
    ///
    /// For siw: its passive side can miss that the first message has come, because it sends the reply of the MPA handshake before it listens to the socket. The
    /// message then stays there until anything else arrives: the read's response, or the peer's write.
    pub fn nudge(&self, read: bool) {
        if self.nudged.xchg(true, Full) {
            return;
        }
        let nudge = self.nudge.get();
        // SAFETY: The flag was clear, so nobody else uses the cell, and the hardware does not; it lives in `self`, which outlives the QP.
        let posted = unsafe {
            (*nudge).verbs = self;
            (*nudge).sge.lkey = self.lkey();
            let wr = &mut (*nudge).wr;
            wr.wr.opcode = if read {
                bindings::ib_wr_opcode_IB_WR_RDMA_READ
            } else {
                bindings::ib_wr_opcode_IB_WR_RDMA_WRITE
            };
            wr.wr.sg_list = core::ptr::addr_of_mut!((*nudge).sge);
            wr.wr.num_sge = 1;
            wr.rkey = 1;
            let first = core::ptr::addr_of_mut!((*nudge).wr.wr);
            let ticket = core::ptr::addr_of_mut!((*nudge).ticket);
            set_cqe(first, ticket);
            self.post(
                (first, first, 1),
                Signal::Always,
                |seq| (*ticket).seq = seq,
                |_| {},
            )
        };
        if posted.is_err_and(|refused| refused.posted == 0) {
            self.nudged.store(false, Release);
        }
    }
}

/// A nudge is done. Softirq.
///
/// # Safety
///
/// `ticket` is that of a [`Nudge`].
unsafe fn nudge_done<O: Owner>(ticket: *mut Ticket, wc: &bindings::ib_wc) {
    // SAFETY: By the safety requirement; the ticket is at the beginning of it, and `Verbs::nudge` has set the pointer to itself, which exists while
    // completions come.
    let (verbs, seq) = unsafe {
        let nudge: *mut Nudge<O> = container_of!(ticket, Nudge<O>, ticket);
        (&*(*nudge).verbs, (*ticket).seq)
    };
    verbs.trace_done(seq, wc);
    verbs.finish(seq);
    match wc_result(wc) {
        Ok(()) => verbs.nudged.store(false, Release),
        Err(error) => verbs.fault(Fault::Transfer(error)),
    }
}
