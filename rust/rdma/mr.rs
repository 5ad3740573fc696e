// SPDX-License-Identifier: GPL-2.0

//! Fast-registration memory regions: the client's side of RDMA reads and writes.
//!
//! A registration exposes pages of the caller to the peer until it is invalidated. The rule these files keep: the DMA mapping of a registered region is
//! released only after the key is known to be dead (invalidated by the peer *as the completion said*, or by our own LOCAL_INV, or with the QP).
//!
//! Here is what a region is, what its owner may ask it, and its completion. [`hardware`] has its MR and the mapped memory, [`pool`] all regions of a
//! connection, and [`register`] begins and ends a registration.

mod hardware;
mod pool;
mod register;

pub use pool::MrPool;
pub use register::RegisterError;

use crate::{
    cqe::{wc_result, Ticket},
    endpoint::{Fault, Owner},
    memory::Charge,
    verbs::Verbs,
};
use core::cell::UnsafeCell;
use hardware::{Hardware, Left};
use kernel::{
    container_of, new_mutex,
    prelude::*,
    sync::{
        atomic::{Acquire, Atomic, AtomicFlag, Relaxed, Release},
        Arc, ArcBorrow, Mutex,
    },
};
use smbdirect_kext::{
    bindings,
    ctx::ProcessCtx,
    new_wait_queue, trace,
    wait::{Mode, WaitQueue},
};

/// What the peer needs to reach a region (MS-SMBD 2.2.3.1).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RemoteBuffer {
    /// I/O virtual address of the first byte.
    pub offset: u64,
    /// Remote key.
    pub token: u32,
    /// Length in bytes.
    pub length: u32,
}

/// A region: idle in the pool, or registered by a caller who holds an `Arc` of it, or an empty shell after its connection ended.
#[pin_data]
pub struct Mr {
    #[pin]
    hw: Mutex<Option<Hardware>>,
    /// Of a shell: what its owner has not collected yet.
    #[pin]
    left: Mutex<Option<Left>>,
    /// Current key, 0 while not registered.
    key: Atomic<u32>,
    /// The peer invalidated the current key.
    invalidated: AtomicFlag,
    /// LOCAL_INV: 0 none, 1 posted, 2 done, 3 failed.
    inv: Atomic<i32>,
    /// The region is a shell: its hardware half is gone.
    gone: AtomicFlag,
    /// A copy of the memory is registered.
    copied: AtomicFlag,
    /// Bytes that the scatterlist takes now.
    list: Atomic<i32>,
    charge: Charge,
    #[pin]
    waiters: WaitQueue,
    ticket: UnsafeCell<Ticket>,
    remote: UnsafeCell<RemoteBuffer>,
    reg_wr: UnsafeCell<bindings::ib_reg_wr>,
    inv_wr: UnsafeCell<bindings::ib_send_wr>,
    fault: fn(*const (), Fault),
    finish: fn(*const (), u32),
    verbs: *const (),
    /// The number of the connection, for traces.
    conn: u64,
}

// SAFETY: The cells are accessed only with the `hw` mutex held (here and in `register.rs`), except the ticket's `seq` and the two work requests, which the hardware
// path reads between post and completion, during which nobody writes them.
unsafe impl Send for Mr {}
// SAFETY: As above.
unsafe impl Sync for Mr {}

impl Mr {
    /// An idle region with this hardware half, of the connection with these queues. If there is no memory for it, the MR is still the caller's.
    fn new<O: Owner>(hw: Hardware, verbs: *const Verbs<O>, conn: u64) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                hw <- new_mutex!(Some(hw), "smbdirect::Mr::hw"),
                left <- new_mutex!(None, "smbdirect::Mr::left"),
                key: Atomic::new(0),
                invalidated: AtomicFlag::new(false),
                inv: Atomic::new(0),
                gone: AtomicFlag::new(false),
                copied: AtomicFlag::new(false),
                list: Atomic::new(0),
                charge: Charge::shared::<Self>(),
                waiters <- new_wait_queue!("smbdirect::Mr::waiters"),
                ticket: UnsafeCell::new(Ticket::new(completed)),
                remote: UnsafeCell::new(RemoteBuffer { offset: 0, token: 0, length: 0 }),
                reg_wr: Default::default(),
                inv_wr: Default::default(),
                fault: verbs_fault::<O>,
                finish: verbs_finish::<O>,
                verbs: verbs.cast(),
                conn,
            }),
            GFP_KERNEL,
        )
    }

    /// Traces that the memory is its owner's again, if it was registered. `ok`: the key was invalidated.
    fn trace_unmap(&self, ok: bool) {
        let key = self.key.load(Relaxed);
        if key != 0 {
            trace::Unmap::emit(|| trace::Unmap {
                conn: self.conn,
                key,
                ok,
            });
        }
    }

    fn memory(&self) -> usize {
        self.charge.bytes() + self.list.load(Relaxed) as usize
    }

    /// Books what the scatterlist takes now.
    fn charge_list(&self, hw: &mut Hardware) {
        if let Some(bytes) = hw.charge_list() {
            self.list.store(bytes as i32, Relaxed);
        }
    }

    /// What the peer needs to reach the region, or `None` if it is not registered (any more). Sleeps.
    pub fn remote_buffer(&self, _ctx: &ProcessCtx) -> Option<RemoteBuffer> {
        let guard = self.hw.lock();
        if !(*guard).as_ref().is_some_and(|hw| hw.live) {
            return None;
        }
        // SAFETY: The mutex is held.
        Some(unsafe { *self.remote.get() })
    }

    /// Gives the owner of a shell what the peer wrote before. Sleeps.
    pub(crate) fn collect(&self) {
        let left = self.left.lock().take();
        if let Some(left) = left {
            left.deliver();
        }
    }

    /// Whether the memory had holes, so that a copy of it is registered. Any context.
    pub fn is_copy(&self) -> bool {
        self.copied.load(Relaxed)
    }

    /// Waits, for the owner of the registration, until the region is a shell: its connection's QP is destroyed, its key dead and its mapping released. Sleeps,
    /// uninterruptibly; the caller must not hold a permit for the endpoint.
    pub fn wait_gone(&self, ctx: &ProcessCtx) {
        self.waiters.wait(ctx, Mode::Uninterruptible, None, || {
            self.gone.load(Acquire).then_some(())
        });
        self.collect();
    }
}

/// A LOCAL_INV completed, or a REG failed. Softirq.
///
/// # Safety
///
/// `ticket` is that of an [`Mr`].
unsafe fn completed(ticket: *mut Ticket, wc: &bindings::ib_wc) {
    // SAFETY: By the safety requirement; the pool's list keeps the region until the QP is destroyed. `UnsafeCell<Ticket>` is laid out as `Ticket`.
    let (mr, seq) = unsafe {
        let mr: *const Mr = container_of!(ticket.cast::<UnsafeCell<Ticket>>(), Mr, ticket);
        (ArcBorrow::<Mr>::from_raw(mr), (*ticket).seq)
    };
    trace::WcSend::emit(|| trace::WcSend {
        conn: mr.conn,
        seq,
        status: wc.status,
    });
    let outcome = match wc_result(wc) {
        Ok(()) => {
            (mr.finish)(mr.verbs, seq);
            // A REG, which some providers may report all the same, says nothing about the invalidation.
            if wc.opcode != bindings::ib_wc_opcode_IB_WC_LOCAL_INV {
                return;
            }
            2
        }
        Err(error) => {
            (mr.fault)(mr.verbs, Fault::Registration(error));
            3
        }
    };
    if mr.inv.load(Acquire) == 1 {
        mr.inv.store(outcome, Release);
        mr.waiters.wake_all();
    }
}

fn verbs_fault<O: Owner>(verbs: *const (), fault: Fault) {
    // SAFETY: Called from completions, while the endpoint's `Verbs` exists.
    unsafe { &*verbs.cast::<Verbs<O>>() }.fault(fault);
}

fn verbs_finish<O: Owner>(verbs: *const (), seq: u32) {
    // SAFETY: As above.
    unsafe { &*verbs.cast::<Verbs<O>>() }.finish(seq);
}
