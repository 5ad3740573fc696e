// SPDX-License-Identifier: GPL-2.0
//! One RDMA connection with its queue pair, receives and sends.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::ptr::{null_mut, NonNull};
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::cm::{wait_readable, Id};
use super::ffi::*;
use super::library::Library;
use super::memory::{Buffer, Domain, Region};
use super::plain::{Event, Port, Queues, Rights, SendKind};

const RECEIVE: u64 = 1 << 32;
const SEND: u64 = 2 << 32;
pub(super) const BIND: u64 = 3 << 32;
pub(super) const TRANSFER: u64 = 4 << 32;
const KIND: u64 = 0xffff_ffff << 32;

/// A connection; it belongs to one thread.
pub struct Endpoint {
    // In the order in which they have to go.
    receives: Region,
    sends: Region,
    queues: Queues,
    free_receives: Vec<u32>,
    free_sends: Vec<u32>,
    events: VecDeque<Event>,
    pub(super) gone: bool,
    /// The connection manager has said that the other side disconnected.
    told: bool,
    pub(super) bound: bool,
    /// The status of the last transfer that completed.
    pub(super) transferred: Option<i32>,
    cq: NonNull<Cq>,
    comp: NonNull<CompChannel>,
    pub(super) domain: Rc<Domain>,
    pub(super) id: Rc<Id>,
    pub(super) library: &'static Library,
}

impl Endpoint {
    /// Resolve, make the queues, post `post` receives, connect.
    pub fn connect(
        to: SocketAddr,
        port: Port,
        queues: Queues,
        post: u32,
        timeout: Duration,
    ) -> io::Result<Self> {
        let library = Library::get().map_err(io::Error::other)?;
        let deadline = Instant::now() + timeout;
        let id = Id::resolve(library, to, port, deadline)?;
        let this = Self::prepare(library, id, queues, post)?;
        let mut param = ConnParam {
            // how many RDMA reads the server may have in flight to us
            responder_resources: 16,
            initiator_depth: 1,
            retry_count: 7,
            rnr_retry_count: 7,
            ..ConnParam::default()
        };
        // SAFETY: the id has a route and a queue pair.
        if unsafe { (library.connect)(this.id.raw(), &mut param) } != 0 {
            return Err(io::Error::last_os_error());
        }
        this.id.expect(event::ESTABLISHED, deadline)?;
        Ok(this)
    }

    /// The queues for a connection, with `post` receives posted.
    pub(super) fn prepare(
        library: &'static Library,
        id: Id,
        queues: Queues,
        post: u32,
    ) -> io::Result<Self> {
        let id = Rc::new(id);
        let domain = Domain::new(library, &id)?;
        let region = |slots: u32, size: usize| {
            Region::new(
                &domain,
                Buffer::new(slots as usize * size),
                Rights::Local,
                false,
            )
        };
        let receives = region(queues.receives, queues.receive_size)?;
        let sends = region(queues.sends, queues.send_size)?;
        // SAFETY: the context is open; both are taken down in `drop`, the CQ first.
        let (comp, cq) = unsafe {
            let comp = (library.create_comp_channel)(id.verbs());
            let comp = NonNull::new(comp).ok_or_else(io::Error::last_os_error)?;
            let entries = (queues.receives + queues.sends + 8) as i32;
            let cq = (library.create_cq)(id.verbs(), entries, null_mut(), comp.as_ptr(), 0);
            let Some(cq) = NonNull::new(cq) else {
                let e = io::Error::last_os_error();
                (library.destroy_comp_channel)(comp.as_ptr());
                return Err(e);
            };
            (comp, cq)
        };
        let mut this = Endpoint {
            receives,
            sends,
            queues,
            free_receives: (0..queues.receives).rev().collect(),
            free_sends: (0..queues.sends).rev().collect(),
            events: VecDeque::new(),
            gone: false,
            told: false,
            bound: false,
            transferred: None,
            cq,
            comp,
            domain,
            id,
            library,
        };
        this.create_queue_pair()?;
        this.post_receives(post)?;
        this.arm();
        Ok(this)
    }

    fn create_queue_pair(&mut self) -> io::Result<()> {
        let mut attr = QpInitAttr {
            qp_context: null_mut(),
            send_cq: self.cq.as_ptr(),
            recv_cq: self.cq.as_ptr(),
            srq: null_mut(),
            cap: QpCap {
                max_send_wr: self.queues.sends + 4,
                max_recv_wr: self.queues.receives,
                max_send_sge: 1,
                max_recv_sge: 1,
                max_inline_data: 0,
            },
            qp_type: QPT_RC,
            sq_sig_all: 0,
        };
        // SAFETY: PD and CQ are of the id's device.
        match unsafe { (self.library.create_qp)(self.id.raw(), self.domain.pd.as_ptr(), &mut attr) }
        {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    pub fn is_iwarp(&self) -> bool {
        self.id.is_iwarp()
    }

    /// Receives that are posted now.
    pub fn posted(&self) -> u32 {
        self.queues.receives - self.free_receives.len() as u32
    }

    /// Post up to `n` more receives: the number that was posted.
    pub fn post_receives(&mut self, n: u32) -> io::Result<u32> {
        for done in 0..n {
            let Some(slot) = self.free_receives.pop() else {
                return Ok(done);
            };
            let mut sge = Sge {
                addr: self.receives.buffer.address()
                    + u64::from(slot) * self.queues.receive_size as u64,
                length: self.queues.receive_size as u32,
                lkey: self.receives.lkey(),
            };
            let mut wr = RecvWr {
                wr_id: RECEIVE | u64::from(slot),
                next: null_mut(),
                sg_list: &mut sge,
                num_sge: 1,
            };
            let mut bad = null_mut();
            // SAFETY: the queue pair is there; the slot is not posted.
            let failed = unsafe {
                let qp = (*self.id.raw()).qp;
                match (*(*qp).context).post_recv {
                    Some(post) => post(qp, &mut wr, &mut bad),
                    None => libc::ENOSYS,
                }
            };
            if failed != 0 {
                self.free_receives.push(slot);
                return Err(io::Error::from_raw_os_error(failed.abs()));
            }
        }
        Ok(n)
    }

    pub(super) fn post(&mut self, wr: &mut SendWr) -> io::Result<()> {
        let mut bad = null_mut();
        // SAFETY: the queue pair is there, and what `wr` points to lives during the call.
        let failed = unsafe {
            let qp = (*self.id.raw()).qp;
            match (*(*qp).context).post_send {
                Some(post) => post(qp, wr, &mut bad),
                None => libc::ENOSYS,
            }
        };
        match failed {
            0 => Ok(()),
            // siw's library rings the doorbell with write(2) and hands on what that
            // returned: the kernel refuses it once the queue pair has left RTS
            -1 if self.is_iwarp() => Err(io::ErrorKind::NotConnected.into()),
            _ => Err(io::Error::from_raw_os_error(failed.abs())),
        }
    }

    /// Send a message; waits for a free slot. Nothing is said about its arrival:
    /// when it could not be delivered, the connection ends.
    pub fn send(&mut self, bytes: &[u8], kind: SendKind, deadline: Instant) -> io::Result<()> {
        assert!(
            bytes.len() <= self.queues.send_size,
            "a message that fits a send slot"
        );
        while self.free_sends.is_empty() && !self.gone {
            if !self.step(deadline)? {
                return Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "waited in vain for a send to complete",
                ));
            }
        }
        let Some(slot) = self.free_sends.pop().filter(|_| !self.gone) else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        let at = slot as usize * self.queues.send_size;
        self.sends.buffer.put(at, bytes);
        let mut sge = Sge {
            addr: self.sends.buffer.address() + at as u64,
            length: bytes.len() as u32,
            lkey: self.sends.lkey(),
        };
        // SAFETY: a work request of zeros is one that does nothing.
        let mut wr: SendWr = unsafe { std::mem::zeroed() };
        wr.wr_id = SEND | u64::from(slot);
        wr.sg_list = &mut sge;
        wr.num_sge = i32::from(!bytes.is_empty());
        wr.send_flags = SEND_SIGNALED;
        (wr.opcode, wr.imm_or_key) = match kind {
            SendKind::Send => (WR_SEND, 0),
            SendKind::Immediate(n) => (WR_SEND_WITH_IMM, n.to_be()),
            SendKind::Invalidate(key) => (WR_SEND_WITH_INV, key),
            SendKind::WriteImmediate(n) => (WR_RDMA_WRITE_WITH_IMM, n.to_be()),
            SendKind::Write(..) => (WR_RDMA_WRITE, 0),
            SendKind::Read(..) => (WR_RDMA_READ, 0),
        };
        if let SendKind::Write(address, key) | SendKind::Read(address, key) = kind {
            (wr.remote_addr, wr.remote_key) = (address, key);
        }
        if self.is_iwarp() && matches!(kind, SendKind::Invalidate(_)) {
            // siw's library takes the key from here
            wr.remote_key = wr.imm_or_key;
        }
        let sent = self.post(&mut wr);
        if sent.is_err() {
            self.free_sends.push(slot);
        }
        sent
    }

    fn arm(&self) {
        // SAFETY: the CQ is there.
        unsafe {
            if let Some(notify) = (*self.cq.as_ref().context).req_notify_cq {
                notify(self.cq.as_ptr(), 0);
            }
        }
    }

    fn end(&mut self, how: String) {
        if !self.gone {
            self.gone = true;
            self.events.push_back(Event::Gone(how));
        }
    }

    /// Take all completions that are there.
    fn reap(&mut self) -> bool {
        let mut wc = [Wc::default(); 32];
        // SAFETY: the CQ is there and `wc` has that many entries.
        let n = unsafe {
            match (*self.cq.as_ref().context).poll_cq {
                Some(poll) => poll(self.cq.as_ptr(), wc.len() as i32, wc.as_mut_ptr()),
                None => 0,
            }
        };
        for wc in &wc[..usize::try_from(n).unwrap_or(0)] {
            self.complete(wc);
        }
        n > 0
    }

    fn complete(&mut self, wc: &Wc) {
        let slot = wc.wr_id as u32;
        match wc.wr_id & KIND {
            RECEIVE => {
                self.free_receives.push(slot);
                if wc.status != 0 {
                    return self.end(format!("a receive: {}", status_name(wc.status)));
                }
                let bytes = self.receives.buffer.take(
                    slot as usize * self.queues.receive_size,
                    (wc.byte_len as usize).min(self.queues.receive_size),
                );
                let with = |flag: u32| (wc.wc_flags & flag != 0).then_some(wc.imm_or_key);
                self.events.push_back(Event::Received {
                    bytes,
                    invalidated: with(WC_WITH_INV),
                    immediate: with(WC_WITH_IMM).map(u32::from_be),
                });
            }
            SEND => {
                self.free_sends.push(slot);
                if wc.status != 0 {
                    self.end(format!("a send: {}", status_name(wc.status)));
                }
            }
            TRANSFER => {
                self.transferred = Some(wc.status);
                if wc.status != 0 {
                    self.end(format!("a transfer: {}", status_name(wc.status)));
                }
            }
            _ => {
                self.bound = wc.status == 0;
                if wc.status != 0 {
                    self.end(format!("binding a window: {}", status_name(wc.status)));
                }
            }
        }
    }

    fn manager(&mut self) -> io::Result<()> {
        while let Some((kind, _)) = self.id.event()? {
            match kind {
                event::DISCONNECTED | event::DEVICE_REMOVAL => {
                    // What arrived before the end is read before it.
                    while self.reap() {}
                    self.told = true;
                    self.end(event::name(kind).to_string());
                    // SAFETY: the id is connected; this answers the other side.
                    unsafe { (self.library.disconnect)(self.id.raw()) };
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Wait until something happened: false when the deadline comes first.
    pub(super) fn step(&mut self, deadline: Instant) -> io::Result<bool> {
        loop {
            if self.reap() {
                return Ok(true);
            }
            let before = self.gone;
            self.manager()?;
            if self.gone != before {
                return Ok(true);
            }
            self.arm();
            if self.reap() {
                return Ok(true);
            }
            let now = Instant::now();
            if now >= deadline {
                return Ok(false);
            }
            // SAFETY: open as long as `self` is there.
            let comp = unsafe { self.comp.as_ref().fd };
            // Not trusting every provider to notify: look again after a while.
            let until = deadline.min(now + Duration::from_millis(20));
            if wait_readable(&[comp, self.id.fd()], until)? {
                self.take_notice(comp)?;
            }
        }
    }

    fn take_notice(&mut self, comp: i32) -> io::Result<()> {
        if !wait_readable(&[comp], Instant::now())? {
            return Ok(());
        }
        let (mut cq, mut context) = (null_mut(), null_mut());
        // SAFETY: there is an event, so this does not block.
        unsafe {
            if (self.library.get_cq_event)(self.comp.as_ptr(), &mut cq, &mut context) == 0 {
                (self.library.ack_cq_events)(cq, 1);
            }
        }
        Ok(())
    }

    /// The next event; None when the deadline comes first. After `Gone` there
    /// is no other.
    pub fn next(&mut self, deadline: Instant) -> io::Result<Option<Event>> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(Some(event));
            }
            if self.gone || !self.step(deadline)? {
                return Ok(None);
            }
        }
    }

    /// Has the connection ended (whether or not that event was read)?
    pub fn is_gone(&mut self) -> bool {
        self.reap();
        self.gone
    }

    /// Wait until the connection manager says that the other side has disconnected,
    /// whatever became of our queue pair: false when the deadline comes first.
    pub fn told_of_end(&mut self, deadline: Instant) -> io::Result<bool> {
        loop {
            self.manager()?;
            if self.told || Instant::now() >= deadline {
                return Ok(self.told);
            }
            wait_readable(&[self.id.fd()], deadline)?;
        }
    }

    /// Disconnect, without a word before.
    pub fn disconnect(&mut self) {
        // SAFETY: the id has been connected.
        unsafe { (self.library.disconnect)(self.id.raw()) };
        self.gone = true;
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        // SAFETY: in the order in which they depend on each other. Everything
        // that is posted is flushed by the end of the queue pair.
        unsafe {
            if !self.gone {
                (self.library.disconnect)(self.id.raw());
            }
            if !(*self.id.raw()).qp.is_null() {
                (self.library.destroy_qp)(self.id.raw());
            }
            (self.library.destroy_cq)(self.cq.as_ptr());
            (self.library.destroy_comp_channel)(self.comp.as_ptr());
        }
    }
}
