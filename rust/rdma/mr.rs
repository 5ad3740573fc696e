// SPDX-License-Identifier: GPL-2.0

//! Fast-registration memory regions: the client's side of RDMA reads and writes.
//!
//! A registration exposes pages of the caller to the peer until it is invalidated. The rule this file keeps: the DMA mapping of a registered region is
//! released only after the key is known to be dead (invalidated by the peer *as the completion said*, or by our own LOCAL_INV, or with the QP).

use crate::{
    bounce::{has_holes, Bounce},
    chunk::Direction,
    cqe::{set_cqe, set_invalidate, wc_result, Ticket},
    device::Device,
    endpoint::{Fault, Owner},
    memory::{rounded, Charge},
    verbs::{Pd, Signal, Verbs},
};
use core::ptr::NonNull;
use kernel::{
    container_of,
    error::from_err_ptr,
    new_mutex, new_spinlock_irq,
    prelude::*,
    sync::{
        atomic::{Acquire, Atomic, AtomicFlag, Full, Relaxed, Release},
        Arc, ArcBorrow, Mutex, SpinLockIrq,
    },
};
use smbdirect_kext::{
    bindings,
    ctx::{NofsScope, ProcessCtx},
    new_wait_queue, time, trace,
    wait::{Mode, Outcome, WaitQueue},
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

/// Longest wait for an invalidation, which can only be stuck behind sends that the peer's hardware does not acknowledge.
const INVALIDATE_MS: u64 = 10_000;

/// Scatterlist entries kept with an MR between uses; a larger list is freed after use.
const KEEP_SG: usize = 64;

/// The hardware half of a region.
struct Hardware {
    mr: NonNull<bindings::ib_mr>,
    /// The key is (or may be) valid.
    live: bool,
    sg: KVVec<bindings::scatterlist>,
    /// For `sg`.
    charge: Charge,
    /// How many entries of `sg` describe the caller's memory.
    parts: usize,
    /// What is registered in place of the caller's memory, if that has holes.
    bounce: Option<Bounce>,
    /// Entries that were given to the DMA mapping, of the bounce buffer's list or of `sg`; 0 = not mapped.
    mapped: i32,
    direction: Direction,
}

// SAFETY: MRs and mapped lists may be used from every thread, one at a time (they are behind a mutex).
unsafe impl Send for Hardware {}

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
    ticket: core::cell::UnsafeCell<Ticket>,
    remote: core::cell::UnsafeCell<RemoteBuffer>,
    reg_wr: core::cell::UnsafeCell<bindings::ib_reg_wr>,
    inv_wr: core::cell::UnsafeCell<bindings::ib_send_wr>,
    fault: fn(*const (), Fault),
    finish: fn(*const (), u32),
    verbs: *const (),
    /// The number of the connection, for traces.
    conn: u64,
}

// SAFETY: The cells are accessed only with the `hw` mutex held, except the ticket's `seq` and the two work requests, which the hardware path reads between post and
// completion, during which nobody writes them.
unsafe impl Send for Mr {}
// SAFETY: As above.
unsafe impl Sync for Mr {}

struct Lists {
    all: KVec<Arc<Mr>>,
    free: KVec<Arc<Mr>>,
}

/// The regions of a connection.
///
/// # Invariants
///
/// Dropped after the QP was destroyed; `verbs` is the endpoint's, which outlives every post.
#[pin_data]
pub struct MrPool<O: Owner> {
    verbs: *const Verbs<O>,
    #[pin]
    lists: SpinLockIrq<Lists>,
    #[pin]
    grow: Mutex<()>,
    #[pin]
    waiters: WaitQueue,
    max: usize,
    pages: u32,
    /// The adapter can register memory with holes.
    takes_holes: bool,
    charge: Charge,
    /// The regions' protection domain, which therefore outlives them.
    pd: Arc<Pd>,
}

// SAFETY: Everything in it is locked or constant.
unsafe impl<O: Owner> Send for MrPool<O> {}
// SAFETY: As above.
unsafe impl<O: Owner> Sync for MrPool<O> {}

/// Why no region could be registered.
pub enum RegisterError {
    /// The iterator needs more pages than a region has.
    TooManyPages(usize),
    /// No region became free in time, or a signal arrived.
    Interrupted,
    /// The connection is gone or broke.
    Failed(Error),
}

impl<O: Owner> MrPool<O> {
    /// A pool of at most `max` regions of `pages` pages, none of which exists yet. Sleeps.
    ///
    /// # Safety
    ///
    /// `verbs` outlives every use of the pool but its drop, and the pool is dropped after the QP was destroyed.
    pub(crate) unsafe fn new(
        verbs: *const Verbs<O>,
        max: usize,
        pages: u32,
    ) -> Result<Pin<KBox<Self>>> {
        // SAFETY: By the safety requirement.
        let (pd, device) = unsafe { ((*verbs).pd().clone(), (*verbs).device()) };
        let device = NonNull::new(device).ok_or(EINVAL)?;
        // SAFETY: The endpoint's device is registered, and pinned by its cm_id.
        let takes_holes = unsafe { Device::from_raw(device) }.supports_sg_gaps();
        let lists = Lists {
            all: KVec::with_capacity(max, GFP_KERNEL)?,
            free: KVec::with_capacity(max, GFP_KERNEL)?,
        };
        let charge = Charge::of::<Self>()
            .and(Charge::array::<Arc<Mr>>(max))
            .and(Charge::array::<Arc<Mr>>(max));
        KBox::pin_init(
            pin_init!(Self {
                verbs,
                lists <- new_spinlock_irq!(lists, "smbdirect::MrPool::lists"),
                grow <- new_mutex!((), "smbdirect::MrPool::grow"),
                waiters <- new_wait_queue!("smbdirect::MrPool::waiters"),
                max,
                pages,
                charge,
                takes_holes,
                pd,
            }),
            GFP_KERNEL,
        )
    }

    /// Makes `n` regions (as many as it may have, at most). If that fails in the middle, those that exist stay, for [`destroy_all`](Self::destroy_all). Sleeps.
    pub(crate) fn grow(&self, ctx: &ProcessCtx, n: usize) -> Result {
        for _ in 0..n.min(self.max) {
            let mr = self.make(ctx)?;
            let _ = self.lists.lock().free.push_within_capacity(mr);
        }
        Ok(())
    }

    fn verbs(&self) -> &Verbs<O> {
        // SAFETY: By the type invariants.
        unsafe { &*self.verbs }
    }

    /// Regions that exist, and those that are free.
    pub fn counts(&self) -> (usize, usize) {
        let lists = self.lists.lock();
        (lists.all.len(), lists.free.len())
    }

    /// Bytes of memory that the pool and its regions hold.
    pub(crate) fn memory(&self) -> usize {
        let lists = self.lists.lock();
        self.charge.bytes() + lists.all.iter().map(|mr| mr.memory()).sum::<usize>()
    }

    /// Makes a region and enters it into the list of all. Sleeps.
    fn make(&self, _ctx: &ProcessCtx) -> Result<Arc<Mr>> {
        let _one = self.grow.lock();
        if self.lists.lock().all.len() >= self.max {
            return Err(ENOSPC);
        }
        let _nofs = NofsScope::enter();
        let kind = if self.takes_holes {
            bindings::ib_mr_type_IB_MR_TYPE_SG_GAPS
        } else {
            bindings::ib_mr_type_IB_MR_TYPE_MEM_REG
        };
        // SAFETY: We hold the PD.
        let raw = unsafe { bindings::ib_alloc_mr(self.pd.as_ptr(), kind, self.pages) };
        let raw = from_err_ptr(raw)?;
        let guard = kernel::types::ScopeGuard::new_with_data(raw, |raw| {
            // SAFETY: Allocated above, unused.
            unsafe { bindings::ib_dereg_mr_user(raw, core::ptr::null_mut()) };
        });
        let hw = Hardware {
            mr: NonNull::new(raw).ok_or(ENOMEM)?,
            live: false,
            sg: KVVec::new(),
            charge: Charge::new(0),
            parts: 0,
            bounce: None,
            mapped: 0,
            direction: Direction::ToDevice,
        };
        let mr = Arc::pin_init(
            pin_init!(Mr {
                hw <- new_mutex!(Some(hw), "smbdirect::Mr::hw"),
                left <- new_mutex!(None, "smbdirect::Mr::left"),
                key: Atomic::new(0),
                invalidated: AtomicFlag::new(false),
                inv: Atomic::new(0),
                gone: AtomicFlag::new(false),
                copied: AtomicFlag::new(false),
                list: Atomic::new(0),
                charge: Charge::shared::<Mr>(),
                waiters <- new_wait_queue!("smbdirect::Mr::waiters"),
                ticket: core::cell::UnsafeCell::new(Ticket::new(completed)),
                remote: core::cell::UnsafeCell::new(RemoteBuffer { offset: 0, token: 0, length: 0 }),
                reg_wr: Default::default(),
                inv_wr: Default::default(),
                fault: verbs_fault::<O>,
                finish: verbs_finish::<O>,
                verbs: self.verbs.cast(),
                conn: self.verbs().conn(),
            }),
            GFP_KERNEL,
        )?;
        guard.dismiss();
        let _ = self.lists.lock().all.push_within_capacity(mr.clone());
        Ok(mr)
    }

    /// A free region: from the list, a new one, or one that somebody gives back while we wait (interruptibly, at most `timeout`). Sleeps.
    fn get(
        &self,
        ctx: &ProcessCtx,
        timeout: kernel::time::Jiffies,
        mut alive: impl FnMut() -> bool,
        mut waits: impl FnMut(),
    ) -> core::result::Result<Arc<Mr>, RegisterError> {
        if let Some(mr) = self.lists.lock().free.pop() {
            return Ok(mr);
        }
        if let Ok(mr) = self.make(ctx) {
            return Ok(mr);
        }
        waits();
        match self
            .waiters
            .wait(ctx, Mode::Interruptible, Some(timeout), || {
                if !alive() {
                    return Some(None);
                }
                self.lists.lock().free.pop().map(Some)
            }) {
            Outcome::Ready(Some(mr)) => Ok(mr),
            Outcome::Ready(None) => Err(RegisterError::Failed(ENOTCONN)),
            Outcome::TimedOut | Outcome::Interrupted => Err(RegisterError::Interrupted),
        }
    }

    /// Wakes those who wait for a region, so that they see the connection's end. Any context.
    pub fn wake_all(&self) {
        self.waiters.wake_all();
    }

    fn put(&self, mr: Arc<Mr>) {
        // Capacity was reserved for all regions.
        let _ = self.lists.lock().free.push_within_capacity(mr);
        self.waiters.wake_all();
    }

    /// Registers the rest of a kernel iterator for the peer to read from (`ToDevice`) or write to (`FromDevice`), and advances it to its end.
    /// The registration is ordered before every later post. `waits` is called if it has to wait for a region. Sleeps.
    ///
    /// # Safety
    ///
    /// `iter` is a valid iterator over kernel pages that stay allocated until the peer cannot reach them: [`deregister`](Self::deregister) of the result, or after
    /// its failure [`Mr::wait_gone`], has returned, or the region has become a shell and nobody calls these.
    pub unsafe fn register(
        &self,
        ctx: &ProcessCtx,
        iter: *mut bindings::iov_iter,
        direction: Direction,
        timeout: kernel::time::Jiffies,
        alive: impl FnMut() -> bool,
        waits: impl FnMut(),
    ) -> core::result::Result<Arc<Mr>, RegisterError> {
        let limit = self.pages as usize;
        // SAFETY: A valid iterator.
        let pages = unsafe {
            bindings::iov_iter_npages(iter, i32::try_from(limit + 1).unwrap_or(i32::MAX))
        };
        let pages = usize::try_from(pages).unwrap_or(0);
        if pages > limit {
            return Err(RegisterError::TooManyPages(pages));
        }
        if pages == 0 {
            return Err(RegisterError::Failed(EINVAL));
        }
        let mr = self.get(ctx, timeout, alive, waits)?;
        // SAFETY: As required of our caller.
        match unsafe { self.register_with(&mr, iter, pages, direction) } {
            Ok(()) => Ok(mr),
            Err(err) => {
                let live = match (*mr.hw.lock()).as_mut() {
                    Some(hw) => {
                        if !hw.live {
                            hw.bounce = None;
                        }
                        hw.live
                    }
                    None => false,
                };
                // If the key may be valid, nobody uses the region any more; the caller ends the connection.
                if !live {
                    self.put(mr);
                }
                Err(RegisterError::Failed(err))
            }
        }
    }

    /// # Safety
    ///
    /// As for [`register`](Self::register).
    unsafe fn register_with(
        &self,
        mr: &Mr,
        iter: *mut bindings::iov_iter,
        pages: usize,
        direction: Direction,
    ) -> Result {
        let mut guard = mr.hw.lock();
        let hw = (*guard).as_mut().ok_or(ENOTCONN)?;
        let _nofs = NofsScope::enter();
        while hw.sg.len() < pages {
            hw.sg.push(bindings::scatterlist::default(), GFP_KERNEL)?;
        }
        mr.charge_list(hw);
        let mut table = bindings::sg_table {
            sgl: hw.sg.as_mut_ptr(),
            nents: 0,
            orig_nents: 0,
        };
        // SAFETY: The list has at least `pages` entries.
        unsafe { bindings::sg_init_table(table.sgl, pages as u32) };
        // SAFETY: A valid iterator.
        let want = unsafe { bindings::smbd_iov_count(iter) };
        // SAFETY: A valid iterator over kernel pages (nothing is pinned); the table has room for `pages` entries.
        let got = unsafe { bindings::extract_iter_to_sg(iter, want, &mut table, pages as u32, 0) };
        if got < 0 || got as usize != want || table.nents == 0 {
            return Err(EIO);
        }
        // SAFETY: `nents` entries were filled.
        unsafe { bindings::smbd_sg_mark_end(table.sgl, table.nents) };
        hw.parts = table.nents as usize;
        let parts = hw.sg.get_mut(..hw.parts).ok_or(EIO)?;
        let holes = !self.takes_holes && has_holes(parts);
        if holes {
            // SAFETY: The list of the caller's `want` bytes, which ends with its last entry.
            hw.bounce = Some(unsafe { Bounce::new(parts, want, direction)? });
        }
        mr.copied.store(holes, Relaxed);
        let (list, nents) = hw.list();
        let device = self.verbs().device();
        // SAFETY: A filled list; the device is registered.
        let mapped = unsafe { bindings::smbd_dma_map_sg(device, list, nents, direction.raw()) };
        if mapped <= 0 {
            return Err(EIO);
        }
        hw.mapped = nents;
        hw.direction = direction;
        let raw = hw.mr.as_ptr();
        // SAFETY: A mapped list; the MR is idle.
        let entries = unsafe {
            bindings::ib_map_mr_sg(
                raw,
                list,
                mapped,
                core::ptr::null_mut(),
                kernel::page::PAGE_SIZE as u32,
            )
        };
        if entries != mapped {
            self.unmap(hw);
            return Err(EIO);
        }
        // SAFETY: The MR is idle.
        unsafe { bindings::smbd_mr_next_key(raw) };
        // SAFETY: As above.
        let (rkey, iova, length) = unsafe { ((*raw).rkey, (*raw).iova, (*raw).length) };
        let Ok(length) = u32::try_from(length) else {
            self.unmap(hw);
            return Err(EINVAL);
        };
        let access = bindings::ib_access_flags_IB_ACCESS_LOCAL_WRITE
            | match direction {
                Direction::ToDevice => bindings::ib_access_flags_IB_ACCESS_REMOTE_READ,
                Direction::FromDevice => bindings::ib_access_flags_IB_ACCESS_REMOTE_WRITE,
            };
        mr.invalidated.store(false, Relaxed);
        mr.inv.store(0, Relaxed);
        let wr = mr.reg_wr.get();
        // SAFETY: The mutex is held and no work request of this region is in flight.
        unsafe {
            *wr = bindings::ib_reg_wr::default();
            (*wr).wr.opcode = bindings::ib_wr_opcode_IB_WR_REG_MR;
            set_cqe(wr.cast(), mr.ticket.get());
            (*wr).mr = raw;
            (*wr).key = rkey;
            (*wr).access = access as i32;
            *mr.remote.get() = RemoteBuffer {
                offset: iova,
                token: rkey,
                length,
            };
        }
        // Published before the post: the peer can only learn the key later.
        mr.key.store(rkey, Release);
        hw.live = true;
        trace::Reg::emit(|| trace::Reg {
            conn: mr.conn,
            key: rkey,
            iova,
            length,
            writable: direction == Direction::FromDevice,
        });
        let first = wr.cast::<bindings::ib_send_wr>();
        // SAFETY: One work request; the region stays in the pool's list until the QP is destroyed.
        let posted = unsafe {
            // Never: the ticket is that of the next invalidation, too. As many as there are regions can follow each other without a send, and fit.
            self.verbs().post(
                (first, first, 1),
                Signal::Never,
                |seq| (*mr.ticket.get()).seq = seq,
                |_| {},
            )
        };
        if let Err(refused) = posted {
            if refused.posted == 0 {
                hw.live = false;
                mr.trace_unmap(false);
                mr.key.store(0, Relaxed);
                self.unmap(hw);
            }
            return Err(refused.error);
        }
        Ok(())
    }

    fn unmap(&self, hw: &mut Hardware) {
        hw.unmap(self.verbs().device());
    }

    fn trace_remote(&self, key: u32, ok: bool) {
        trace::RemoteInv::emit(|| trace::RemoteInv {
            conn: self.verbs().conn(),
            key,
            ok,
        });
    }

    /// The peer invalidated `key`. Returns whether it was one of ours that was valid. Softirq.
    pub fn remote_invalidated(&self, key: u32) -> bool {
        let lists = self.lists.lock();
        for mr in lists.all.iter() {
            if key != 0 && mr.key.load(Relaxed) == key {
                let ok = !mr.invalidated.xchg(true, Full);
                self.trace_remote(key, ok);
                return ok;
            }
        }
        self.trace_remote(key, false);
        false
    }

    /// Ends a registration: afterwards the peer cannot reach the memory, and for reads the CPU sees the data. Returns whether a work request of our own
    /// invalidated the key. Sleeps, uninterruptibly.
    ///
    /// Fails if the key could not be proven dead here; the caller then waits for
    /// [`Mr::wait_gone`] without holding on to the endpoint.
    pub fn deregister(&self, ctx: &ProcessCtx, mr: &Arc<Mr>) -> Result<bool> {
        let mut guard = mr.hw.lock();
        let Some(hw) = (*guard).as_mut() else {
            mr.collect();
            return Ok(false);
        };
        if !core::ptr::eq(mr.verbs, self.verbs.cast()) {
            // Of another connection, whose queue the invalidation would have to go to.
            return Err(EINVAL);
        }
        let local = hw.live && !mr.invalidated.load(Acquire);
        if local {
            let done = self.local_invalidate(ctx, mr, hw);
            trace::LocalInv::emit(|| trace::LocalInv {
                conn: mr.conn,
                key: mr.key.load(Relaxed),
                ok: done.is_ok(),
            });
            done?;
        }
        hw.live = false;
        mr.trace_unmap(true);
        mr.key.store(0, Relaxed);
        self.unmap(hw);
        if let Some(left) = hw.leave() {
            left.deliver();
            mr.charge_list(hw);
        }
        if hw.sg.len() > KEEP_SG {
            hw.sg = KVVec::new();
            mr.charge_list(hw);
        }
        drop(guard);
        self.put(mr.clone());
        Ok(local)
    }

    fn local_invalidate(&self, ctx: &ProcessCtx, mr: &Mr, hw: &mut Hardware) -> Result {
        let wr = mr.inv_wr.get();
        mr.inv.store(1, Relaxed);
        // SAFETY: The mutex is held; the REG of this region is the only other user of the ticket, and its `seq` only grows.
        let posted = unsafe {
            *wr = bindings::ib_send_wr::default();
            (*wr).opcode = bindings::ib_wr_opcode_IB_WR_LOCAL_INV;
            set_cqe(wr, mr.ticket.get());
            set_invalidate(wr, (*hw.mr.as_ptr()).rkey);
            self.verbs().post(
                (wr, wr, 1),
                Signal::Always,
                |seq| (*mr.ticket.get()).seq = seq,
                |_| {},
            )
        };
        if let Err(refused) = posted {
            return Err(refused.error);
        }
        let done = mr.waiters.wait(
            ctx,
            Mode::Uninterruptible,
            Some(time::jiffies(INVALIDATE_MS)),
            || (mr.inv.load(Acquire) >= 2).then_some(()),
        );
        match done {
            Outcome::Ready(()) if mr.inv.load(Acquire) == 2 => Ok(()),
            Outcome::Ready(()) => Err(ENOTCONN),
            _ => {
                self.verbs().fault(Fault::Stuck);
                Err(ETIMEDOUT)
            }
        }
    }

    /// Turns every region into a shell: deregisters it and releases its mapping. The QP is destroyed. Sleeps.
    pub(crate) fn destroy_all(&self, _ctx: &ProcessCtx, device: *mut bindings::ib_device) {
        // The list keeps the regions themselves until the pool is dropped.
        let mut at = 0;
        loop {
            let Some(mr) = self.lists.lock().all.get(at).cloned() else {
                break;
            };
            at += 1;
            if let Some(mut hw) = mr.hw.lock().take() {
                // SAFETY: No work request refers to it: the QP is gone.
                unsafe { bindings::ib_dereg_mr_user(hw.mr.as_ptr(), core::ptr::null_mut()) };
                hw.unmap(device);
                if let Some(left) = hw.leave() {
                    *mr.left.lock() = Some(left);
                }
            }
            mr.trace_unmap(mr.invalidated.load(Relaxed));
            mr.key.store(0, Relaxed);
            mr.gone.store(true, Release);
            mr.waiters.wake_all();
        }
        self.lists.lock().free.clear();
    }
}

impl Hardware {
    /// What is mapped: the bounce buffer's list, or the caller's.
    fn list(&mut self) -> (*mut bindings::scatterlist, i32) {
        match &mut self.bounce {
            Some(bounce) => bounce.list(),
            None => (self.sg.as_mut_ptr(), self.parts as i32),
        }
    }

    fn unmap(&mut self, device: *mut bindings::ib_device) {
        if self.mapped > 0 {
            let (list, _) = self.list();
            // SAFETY: Mapped with the same device, list and direction.
            unsafe { bindings::smbd_dma_unmap_sg(device, list, self.mapped, self.direction.raw()) };
            self.mapped = 0;
        }
    }

    /// What is in the bounce buffer, if there is one and the peer may have written to it. The region was registered, and is not mapped any more.
    fn leave(&mut self) -> Option<Left> {
        let bounce = self.bounce.take()?;
        if self.direction == Direction::ToDevice {
            return None;
        }
        Some(Left {
            bounce,
            sg: core::mem::replace(&mut self.sg, KVVec::new()),
            parts: self.parts,
        })
    }
}

/// What the peer wrote for the owner of a registration of memory with holes.
///
/// Only the owner's `deregister` delivers it: an owner may lose a registration and use its memory for something else.
struct Left {
    bounce: Bounce,
    sg: KVVec<bindings::scatterlist>,
    parts: usize,
}

// SAFETY: Plain memory, used by one thread at a time.
unsafe impl Send for Left {}

impl Left {
    /// Copies it to where it belongs, for the owner of the registration. Sleeps.
    fn deliver(mut self) {
        if let Some(parts) = self.sg.get_mut(..self.parts) {
            // SAFETY: Its list. The memory is the caller's until `deregister` returns, as `register` demands.
            unsafe { self.bounce.deliver(parts) };
        }
    }
}

impl Mr {
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
        let bytes = rounded(hw.sg.capacity() * core::mem::size_of::<bindings::scatterlist>());
        if bytes != hw.charge.bytes() {
            hw.charge.resize(bytes);
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
        let mr: *const Mr =
            container_of!(ticket.cast::<core::cell::UnsafeCell<Ticket>>(), Mr, ticket);
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
