// SPDX-License-Identifier: GPL-2.0

//! Protection domain, completion queue and queue pair of one connection.
//!
//! C header: [`include/rdma/ib_verbs.h`](srctree/include/rdma/ib_verbs.h)
//!
//! Here they are made, asked and destroyed. [`post`] is the only way into the send queue, whose accounts [`ledger`] keeps; [`nudge`] is for siw.

mod ledger;
mod nudge;
mod post;

pub use post::Refused;
pub(crate) use post::Signal;

use crate::{
    cm::CmId,
    endpoint::{Fault, Owner},
    memory::Charge,
};
use core::cell::UnsafeCell;
use kernel::{
    error::{from_err_ptr, to_result},
    ffi::c_void,
    prelude::*,
    sync::{
        atomic::{Atomic, AtomicFlag},
        Arc, ArcBorrow, SpinLockIrq,
    },
};
use ledger::Ledger;
use nudge::Nudge;
use smbdirect_kext::{bindings, ctx::ProcessCtx, new_spinlock_irq, trace};

/// How large to make the queues.
#[derive(Clone, Copy)]
pub struct QueueSizes {
    /// Receives posted at once, at most.
    pub recv: u32,
    /// Sends in flight at once, at most.
    pub send: u32,
    /// Entries for RDMA reads and writes.
    pub rw: u32,
    /// MRs that `rdma_rw` may use (0 where the device needs none).
    pub rw_mrs: u32,
    /// Client registrations; each takes a REG and an INV entry.
    pub mrs: u32,
}

/// Entries of every queue that only `ib_drain_qp` uses.
const DRAIN: u32 = 1;

/// Most send-queue entries that RDMA reads and writes may have ([`QueueSizes::rw`]).
///
/// With 64 sends, the margin and what draining needs, the send queue has 251 entries; providers round queues up to a power of two.
pub const MAX_RW_ENTRIES: u32 = 120;

/// Most SGEs asked for per send work request: enough to keep RDMA reads and writes of scattered pages short without making each entry of the
/// send queue large.
pub(crate) const MAX_SEND_SGE: u32 = 8;

/// A protection domain; freed when the last of the objects in it is.
///
/// # Invariants
///
/// `raw` is valid; the device is pinned by the endpoint's cm_id, which outlives everything that holds this.
pub(crate) struct Pd {
    raw: *mut bindings::ib_pd,
}

// SAFETY: A protection domain is only a token to its users.
unsafe impl Send for Pd {}
// SAFETY: As above.
unsafe impl Sync for Pd {}

impl Pd {
    fn new(device: *mut bindings::ib_device) -> Result<Arc<Self>> {
        // SAFETY: The device is registered (the caller's cm_id is bound to it).
        let raw = from_err_ptr(unsafe {
            bindings::__ib_alloc_pd(device, 0, c"smbdirect".as_char_ptr())
        })?;
        // INVARIANT: Allocated above. Dropped again if there is no memory for the `Arc`.
        Ok(Arc::new(Self { raw }, GFP_KERNEL)?)
    }

    pub(crate) fn as_ptr(&self) -> *mut bindings::ib_pd {
        self.raw
    }

    /// The device, set at allocation.
    pub(crate) fn device(&self) -> *mut bindings::ib_device {
        // SAFETY: By the type invariant.
        unsafe { (*self.raw).device }
    }
}

impl Drop for Pd {
    fn drop(&mut self) {
        // SAFETY: By the type invariant; QP and MRs held an `Arc` of this and are gone. Returns an error only for user objects.
        unsafe { bindings::ib_dealloc_pd_user(self.raw, core::ptr::null_mut()) };
    }
}

/// PD, CQ and QP of one connection.
///
/// # Invariants
///
/// * The pointers are valid from construction to drop, which destroys the QP, then frees the CQ, then lets go of the PD.
/// * The cm_id `id` that the QP was made for outlives the value (the endpoint drops it later).
/// * `owner` is kept alive as the QP's event context.
#[pin_data(PinnedDrop)]
pub struct Verbs<O: Owner> {
    id: *mut bindings::rdma_cm_id,
    qp: *mut bindings::ib_qp,
    cq: *mut bindings::ib_cq,
    pd: Arc<Pd>,
    pub(crate) owner: Arc<O>,
    #[pin]
    sq: SpinLockIrq<Ledger>,
    /// Everything up to here has finished; a copy of the ledger's, to be read without its lock.
    finished: Atomic<u32>,
    sizes: QueueSizes,
    /// A nudge is posted, or about to be.
    nudged: AtomicFlag,
    /// Written and posted by whoever sets `nudged`, which its completion clears.
    nudge: UnsafeCell<Nudge<O>>,
    charge: Charge,
}

// SAFETY: Verbs objects may be used from every thread; the core and the providers lock them.
unsafe impl<O: Owner> Send for Verbs<O> {}
// SAFETY: As above.
unsafe impl<O: Owner> Sync for Verbs<O> {}

impl<O: Owner> Verbs<O> {
    /// Makes PD, CQ and QP for an id that is bound to a device. Fails with `-EINVAL` if the device's limits are too small. Sleeps.
    pub(crate) fn new(
        _ctx: &ProcessCtx,
        cm: &CmId<O>,
        owner: Arc<O>,
        sizes: QueueSizes,
    ) -> Result<Pin<KBox<Self>>> {
        let device = cm.device().ok_or(EINVAL)?;
        let id = cm.as_ptr();
        // Margin of a quarter: that much may be finished and not yet reported, because nothing after it was signalled. One for `nudge`.
        let own = sizes
            .send
            .saturating_add(1)
            .saturating_add(sizes.rw)
            .saturating_add(sizes.mrs.saturating_mul(2));
        let depth = own.saturating_add(own / 3).saturating_add(4);
        let recv = sizes.recv.saturating_add(DRAIN);
        // `rdma_rw` adds its own entries for the MRs it manages; they are in `rw` already, so the CQ has room for both.
        // On iWARP, reads leave the send queue before they complete: up to 255 more completions can be outstanding.
        let reads = if device.is_iwarp(cm.port()) {
            u32::from(u8::MAX)
        } else {
            0
        };
        let cqe = depth
            .saturating_add(DRAIN)
            .saturating_add(recv)
            .saturating_add(sizes.rw_mrs.saturating_mul(3))
            .saturating_add(reads);
        if depth.saturating_add(DRAIN) > device.max_qp_wr()
            || recv > device.max_qp_wr()
            || cqe > device.max_cqe()
        {
            return Err(EINVAL);
        }
        let pd = Pd::new(device.as_ptr())?;
        // For the value: the initializer below owns what goes into it, and drops that first if there is no memory for the value. QP and CQ still exist
        // then; `pd` and `owner` are let go of after the guards.
        let (its_pd, its_owner) = (pd.clone(), owner.clone());
        // SAFETY: The device is registered while `cm` is bound to it. One CQ for both queues: completions of a connection are then handled one after the other.
        let raw_cq = from_err_ptr(unsafe {
            bindings::__ib_alloc_cq_any(
                device.as_ptr(),
                core::ptr::null_mut(),
                i32::try_from(cqe).map_err(|_| EINVAL)?,
                bindings::ib_poll_context_IB_POLL_SOFTIRQ,
                c"smbdirect".as_char_ptr(),
            )
        })?;
        let cq_guard = kernel::types::ScopeGuard::new_with_data(raw_cq, |cq| {
            // SAFETY: Allocated above, unused.
            unsafe { bindings::ib_free_cq(cq) };
        });
        let mut attr = bindings::ib_qp_init_attr {
            event_handler: Some(qp_event::<O>),
            qp_context: Arc::as_ptr(&owner).cast_mut().cast(),
            send_cq: raw_cq,
            recv_cq: raw_cq,
            cap: bindings::ib_qp_cap {
                max_send_wr: depth + DRAIN,
                max_recv_wr: recv,
                max_send_sge: device.max_send_sge().min(MAX_SEND_SGE),
                max_recv_sge: 1,
                max_inline_data: 0,
                max_rdma_ctxs: sizes.rw_mrs,
            },
            sq_sig_type: bindings::ib_sig_type_IB_SIGNAL_REQ_WR,
            qp_type: bindings::ib_qp_type_IB_QPT_RC,
            port_num: cm.port(),
            ..Default::default()
        };
        // SAFETY: The id is bound to the device that PD and CQ belong to. The event context stays alive: `owner` is kept in the value.
        to_result(unsafe { bindings::rdma_create_qp(id, pd.as_ptr(), &mut attr) })?;
        // SAFETY: `rdma_create_qp` set it.
        let qp = unsafe { (*id).qp };
        let qp_guard = kernel::types::ScopeGuard::new_with_data(id, |id| {
            // SAFETY: Created above.
            unsafe { bindings::rdma_destroy_qp(id) };
        });
        let this = KBox::pin_init(
            pin_init!(Self {
                id,
                qp,
                cq: raw_cq,
                pd: its_pd,
                owner: its_owner,
                sq <- new_spinlock_irq!(Ledger::new(depth), "smbdirect::Verbs::sq"),
                finished: Atomic::new(0),
                sizes,
                nudged: AtomicFlag::new(false),
                nudge: UnsafeCell::new(Nudge::new()),
                charge: Charge::of::<Self>().and(Charge::shared::<Pd>()),
            }),
            GFP_KERNEL,
        )?;
        qp_guard.dismiss();
        cq_guard.dismiss();
        // INVARIANT: All three are ours now; `cm` outlives us by the caller's (the endpoint's) field order.
        Ok(this)
    }

    /// Bytes of memory that it holds, without what the RDMA stack has for PD, CQ and QP.
    pub(crate) fn memory(&self) -> usize {
        self.charge.bytes()
    }

    pub(crate) fn qp(&self) -> *mut bindings::ib_qp {
        self.qp
    }

    pub(crate) fn pd(&self) -> &Arc<Pd> {
        &self.pd
    }

    pub(crate) fn device(&self) -> *mut bindings::ib_device {
        self.pd.device()
    }

    pub(crate) fn port(&self) -> u32 {
        // SAFETY: By the type invariants.
        unsafe { (*self.id).port_num }
    }

    pub(crate) fn lkey(&self) -> u32 {
        // SAFETY: By the type invariants.
        unsafe { (*self.pd.as_ptr()).local_dma_lkey }
    }

    /// SGEs a work request of this QP may have: for writes, and for reads.
    pub(crate) fn max_sge(&self) -> (u32, u32) {
        // SAFETY: By the type invariants.
        unsafe {
            (
                (*self.qp).max_write_sge.max(1),
                (*self.qp).max_read_sge.max(1),
            )
        }
    }

    /// The number of the connection, for traces.
    #[inline]
    pub(crate) fn conn(&self) -> u64 {
        self.owner.id()
    }

    /// Traces a completion of the send queue. Any context.
    #[inline]
    pub(crate) fn trace_done(&self, seq: u32, wc: &bindings::ib_wc) {
        trace::WcSend::emit(|| trace::WcSend {
            conn: self.conn(),
            seq,
            status: wc.status,
        });
    }

    /// Reports a fault to the owner. Any context.
    pub(crate) fn fault(&self, fault: Fault) {
        O::fault(self.owner.as_arc_borrow(), fault);
    }

    /// The sizes the queues were made for.
    pub fn sizes(&self) -> QueueSizes {
        self.sizes
    }

    /// Moves the QP to the error state, so that everything posted flushes. Sleeps.
    pub fn set_error(&self, _ctx: &ProcessCtx) {
        let mut attr = bindings::ib_qp_attr {
            qp_state: bindings::ib_qp_state_IB_QPS_ERR,
            ..Default::default()
        };
        // SAFETY: By the type invariants. A failure leaves the drain in teardown to cope.
        let _ = unsafe {
            bindings::ib_modify_qp(
                self.qp,
                &mut attr,
                bindings::ib_qp_attr_mask_IB_QP_STATE as i32,
            )
        };
    }

    /// Waits until everything posted has completed. Nobody may post any more. Sleeps.
    pub(crate) fn drain(&self, _ctx: &ProcessCtx) {
        // SAFETY: By the type invariants; both queues have an entry reserved for it.
        unsafe { bindings::ib_drain_qp(self.qp) };
    }
}

#[pinned_drop]
impl<O: Owner> PinnedDrop for Verbs<O> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the type invariants: in this order, once, in process context (the endpoint's drop sleeps anyway).
        unsafe {
            bindings::rdma_destroy_qp(self.id);
            bindings::ib_free_cq(self.cq);
        }
    }
}

/// QP events. Driver context, possibly hard IRQ.
///
/// # Safety
///
/// Called by the provider with the `O` of a live `Verbs<O>` as context.
unsafe extern "C" fn qp_event<O: Owner>(event: *mut bindings::ib_event, context: *mut c_void) {
    // SAFETY: The context is the owner, which the `Verbs` keeps alive until the QP is destroyed.
    let owner = unsafe { ArcBorrow::<O>::from_raw(context.cast_const().cast()) };
    // SAFETY: The provider passes a valid event.
    let kind = unsafe { (*event).event };
    match kind {
        bindings::ib_event_type_IB_EVENT_COMM_EST => O::data_before_established(owner),
        bindings::ib_event_type_IB_EVENT_QP_FATAL
        | bindings::ib_event_type_IB_EVENT_QP_REQ_ERR
        | bindings::ib_event_type_IB_EVENT_QP_ACCESS_ERR
        | bindings::ib_event_type_IB_EVENT_CQ_ERR
        | bindings::ib_event_type_IB_EVENT_DEVICE_FATAL => O::fault(owner, Fault::QpEvent(kind)),
        _ => {}
    }
}
