// SPDX-License-Identifier: GPL-2.0

//! A work request that testifies for the reads before it.
//!
//! Where the completion of a read proves nothing ([`Device::reads_may_lie`](crate::device::Device::reads_may_lie)), reads are not signalled. What is signalled is a
//! local invalidation after them, of a key that nobody uses. The provider completes the entries of a send queue in order, and those after one that has failed,
//! whatever it said of that, with an error.

use crate::{
    cqe::{set_cqe, set_invalidate, Ticket},
    verbs::Pd,
};
use kernel::{error::from_err_ptr, prelude::*, sync::Arc};
use smbdirect_kext::bindings;

/// An MR that is never registered, so that its key can be invalidated any time.
///
/// # Invariants
///
/// `mr` is allocated. Dropped after the QP was destroyed, as the engine is that it is part of.
pub(super) struct Witness {
    mr: *mut bindings::ib_mr,
    /// The MR's, which therefore outlives it.
    _pd: Arc<Pd>,
}

impl Witness {
    /// Sleeps.
    pub(super) fn new(pd: &Arc<Pd>) -> Result<Self> {
        // SAFETY: We hold the PD.
        let mr = from_err_ptr(unsafe {
            bindings::ib_alloc_mr(pd.as_ptr(), bindings::ib_mr_type_IB_MR_TYPE_MEM_REG, 1)
        })?;
        // INVARIANT: Just allocated.
        Ok(Self {
            mr,
            _pd: pd.clone(),
        })
    }

    /// The work request that comes after the reads.
    pub(super) fn statement(&self, ticket: *mut Ticket) -> bindings::ib_send_wr {
        let mut wr = bindings::ib_send_wr {
            opcode: bindings::ib_wr_opcode_IB_WR_LOCAL_INV,
            ..Default::default()
        };
        // SAFETY: `wr` is a local variable; the MR is allocated, by the type invariants.
        unsafe {
            set_cqe(&mut wr, ticket);
            set_invalidate(&mut wr, (*self.mr).lkey);
        }
        wr
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        // SAFETY: By the type invariants: no work request refers to it. Process context, as that of the endpoint's drop.
        unsafe { bindings::ib_dereg_mr_user(self.mr, core::ptr::null_mut()) };
    }
}
