// SPDX-License-Identifier: GPL-2.0

//! Listening, and the limits on connections that are not accepted yet.
#![forbid(unsafe_code)]

use super::{
    cause::Cause,
    socket::{Role, Socket},
};
use kernel::{
    new_spinlock,
    prelude::*,
    sync::{Arc, ArcBorrow, SpinLock},
};
use smbdirect_core::{
    lifecycle::{Event, Status},
    settings::Number,
};
use smbdirect_kext::{
    ctx::ProcessCtx,
    log::{class, Level},
    new_wait_queue,
    time::now_ms,
    wait::{Mode, WaitQueue},
};
use smbdirect_rdma::{addr::Host, memory::Charge};

/// Most connections in the handshake, over all sources, if an administrator says nothing else.
const MAX_HALF_OPEN: u32 = 128;
/// What may be said at most.
const MOST_HALF_OPEN: u32 = Number::MaxHalfOpen.spec().max;
/// Most of them from one host.
const MAX_HALF_OPEN_PER_HOST: usize = 32;
/// Most children that exist, including those that are being torn down: a flood costs no more than this.
const MAX_CHILDREN: usize = 256;
/// Most of them from one host.
const MAX_CHILDREN_PER_HOST: usize = 64;
/// An honest client completes the CM's handshake in this time; until then it is not dropped before others.
const HANDSHAKE_GRACE_MS: u64 = 1_000;

/// How far a child is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Its negotiate request has not been looked at; it may be dropped for another.
    HalfOpen,
    /// Like that, and its request is here: it waits for a place in the backlog.
    Queued,
    /// It has a place in the backlog, and is being given its buffers.
    Admitted,
    /// It may be accepted.
    Ready,
    /// It is being accepted: leaves the list when that is done, or when its teardown is.
    Accepting,
}

/// A connection that is not accepted yet.
struct Child {
    socket: Arc<Socket>,
    stage: Stage,
}

impl Child {
    fn alive(&self) -> bool {
        self.socket.status.first_error().is_none()
    }

    fn half_open(&self) -> bool {
        matches!(self.stage, Stage::HalfOpen | Stage::Queued) && self.alive()
    }

    fn acceptable(&self) -> bool {
        self.stage == Stage::Ready && self.alive()
    }
}

struct Children {
    /// In order of arrival.
    list: KVec<Child>,
    /// Most children that have a place in the backlog.
    backlog: usize,
    closed: bool,
}

impl Children {
    fn find(&mut self, socket: &Socket) -> Option<&mut Child> {
        self.list
            .iter_mut()
            .find(|child| core::ptr::eq(&*child.socket, socket))
    }

    /// Whether there are too many children in all, or from one source.
    fn full_for(&self, source: Option<Host>) -> bool {
        let same = |c: &&Child| c.socket.peer_host() == source;
        self.list.len() >= MAX_CHILDREN
            || self.list.iter().filter(same).count() >= MAX_CHILDREN_PER_HOST
    }

    /// Whether the backlog has a free place.
    fn has_place(&self) -> bool {
        let taken = |c: &&Child| matches!(c.stage, Stage::Admitted | Stage::Ready) && c.alive();
        self.list.iter().filter(taken).count() < self.backlog
    }

    /// The oldest child that waits for a place, if there is one for it.
    fn next_in_line(&self) -> Option<Arc<Socket>> {
        if self.closed || !self.has_place() {
            return None;
        }
        let queued = |c: &&Child| c.stage == Stage::Queued && c.alive();
        self.list.iter().find(queued).map(|c| c.socket.clone())
    }
}

/// Has a child looked at again. Without the lock of the list.
fn kick(child: Option<Arc<Socket>>) {
    if let Some(child) = child {
        Socket::kick(child.as_arc_borrow());
    }
}

/// The children of a listening socket.
#[pin_data]
pub(crate) struct Listener {
    /// Process context only.
    #[pin]
    children: SpinLock<Children>,
    #[pin]
    waiters: WaitQueue,
    charge: Charge,
}

/// What to do with a new arrival.
enum Admission {
    Enter,
    /// Enter, and end this one for it.
    Replace(Arc<Socket>),
    Refuse,
}

impl Listener {
    fn new(backlog: usize) -> Result<Arc<Self>> {
        let list = KVec::with_capacity(MAX_CHILDREN, GFP_KERNEL)?;
        Arc::pin_init(
            pin_init!(Self {
                children <- new_spinlock!(Children { list, backlog, closed: false }, "smbdirect::Listener::children"),
                waiters <- new_wait_queue!("smbdirect::Listener::waiters"),
                charge: Charge::shared::<Self>().and(Charge::array::<Child>(MAX_CHILDREN)),
            }),
            GFP_KERNEL,
        )
    }

    /// Wakes whoever waits in accept or for the end of children. Any context.
    pub(super) fn wake(&self) {
        self.waiters.wake_all();
    }

    /// Whether nobody from there can enter now, so that nothing need be made for a newcomer.
    pub(super) fn is_full(&self, source: Option<Host>) -> bool {
        self.children.lock().full_for(source)
    }

    /// Enters a child. `-EBUSY` if there is no room for it, `-ESHUTDOWN` if the listener has ended. `limit`: most half-open ones, if an administrator has set it.
    ///
    /// When the half-open ones are too many, one of them goes: of the newcomer's own host if that has reached its limit, else of the host that has the
    /// most; the oldest whose handshake the CM should have seen completed and has not (a forged source address cannot complete it), else the oldest. A child
    /// that has negotiated stays.
    pub(super) fn enter(&self, child: &Arc<Socket>, limit: Option<u32>) -> Result {
        let limit = limit.unwrap_or(MAX_HALF_OPEN) as usize;
        let victim = {
            let mut children = self.children.lock();
            if children.closed {
                return Err(ESHUTDOWN);
            }
            let admission = Self::admit(&children, child, limit);
            if matches!(admission, Admission::Refuse) {
                return Err(EBUSY);
            }
            children
                .list
                .push_within_capacity(Child {
                    socket: child.clone(),
                    stage: Stage::HalfOpen,
                })
                .map_err(|_| EBUSY)?;
            admission
        };
        if let Admission::Replace(victim) = victim {
            victim.log(
                Level::Info,
                class::INCOMING,
                format_args!("half-open connection dropped for a newer one"),
            );
            Socket::fail_for(victim.as_arc_borrow(), ECONNABORTED, Cause::Crowded);
        }
        Ok(())
    }

    fn admit(children: &Children, newcomer: &Socket, limit: usize) -> Admission {
        let list = &children.list;
        let host = newcomer.peer_host();
        if children.full_for(host) {
            return Admission::Refuse;
        }
        let of = |host| move |c: &&Child| c.socket.peer_host() == host;
        let half_open = || list.iter().filter(|c| c.half_open());
        let count = |host| half_open().filter(of(host)).count();
        let crowd = if count(host) >= MAX_HALF_OPEN_PER_HOST {
            host
        } else if half_open().count() < limit {
            return Admission::Enter;
        } else {
            // The host with the most; of equals, that of the oldest.
            let mut most = (0, None);
            for child in half_open() {
                let host = child.socket.peer_host();
                let n = count(host);
                if n > most.0 {
                    most = (n, host);
                }
            }
            most.1
        };
        let candidates = || half_open().filter(of(crowd));
        let old = now_ms().saturating_sub(HANDSHAKE_GRACE_MS);
        let unproven = |c: &&Child| c.socket.born < old && !c.socket.state.lock().established;
        match candidates().find(unproven).or_else(|| candidates().next()) {
            Some(child) => Admission::Replace(child.socket.clone()),
            None => Admission::Refuse,
        }
    }

    /// Gives a child whose negotiate request is valid a place in the backlog. If there is none, it is kicked when one becomes free.
    pub(super) fn admit_ready(&self, socket: &Socket) -> bool {
        let (admitted, next) = {
            let mut children = self.children.lock();
            let stage = if children.has_place() {
                Stage::Admitted
            } else {
                Stage::Queued
            };
            match children.find(socket) {
                Some(child) => child.stage = stage,
                None => return false,
            }
            // Several places may have become free while only one was kicked.
            (stage == Stage::Admitted, children.next_in_line())
        };
        kick(next);
        admitted
    }

    /// A child may be accepted now.
    pub(super) fn ready(&self, socket: &Socket) {
        if let Some(child) = self.children.lock().find(socket) {
            child.stage = Stage::Ready;
        }
        self.waiters.wake_all();
    }

    /// The oldest child that is ready, and whether there is another. It is the caller's, who is to [`forget`](Self::forget) it here when it has been accepted.
    pub(super) fn take_ready(&self) -> Option<(Arc<Socket>, bool)> {
        let (socket, more, next) = {
            let mut children = self.children.lock();
            let at = children.list.iter().position(Child::acceptable)?;
            let child = children.list.get_mut(at)?;
            child.stage = Stage::Accepting;
            let socket = child.socket.clone();
            let more = children.list.iter().any(Child::acceptable);
            (socket, more, children.next_in_line())
        };
        kick(next);
        Some((socket, more))
    }

    fn has_ready(&self) -> bool {
        self.children.lock().list.iter().any(Child::acceptable)
    }

    /// Forgets a child that has been accepted, or torn down.
    pub(super) fn forget(&self, socket: &Socket) {
        let (gone, next) = {
            let mut children = self.children.lock();
            let at = children
                .list
                .iter()
                .position(|c| core::ptr::eq(&*c.socket, socket));
            let gone = at.and_then(|at| children.list.remove(at).ok());
            (gone, children.next_in_line())
        };
        drop(gone);
        kick(next);
        self.waiters.wake_all();
    }

    /// Admits nobody any more and ends all children, each by its own teardown.
    pub(super) fn close(&self) {
        loop {
            let child = {
                let mut children = self.children.lock();
                children.closed = true;
                children
                    .list
                    .iter()
                    .find(|c| c.alive())
                    .map(|c| c.socket.clone())
            };
            // Failing it means that it is not found again.
            let Some(child) = child else { break };
            Socket::fail(child.as_arc_borrow(), ESHUTDOWN);
        }
        self.waiters.wake_all();
    }

    /// Waits until no child is left. Sleeps.
    pub(super) fn wait_empty(&self, ctx: &ProcessCtx) {
        self.waiters.wait(ctx, Mode::Uninterruptible, None, || {
            self.children.lock().list.is_empty().then_some(())
        });
    }

    /// Bytes of memory that it holds.
    pub(crate) fn memory(&self) -> usize {
        self.charge.bytes()
    }

    /// Children that are not accepted yet, and how many of them are ready.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let children = self.children.lock();
        (
            children.list.len(),
            children.list.iter().filter(|c| c.acceptable()).count(),
        )
    }

    pub(super) fn waiters(&self) -> &WaitQueue {
        &self.waiters
    }

    pub(super) fn poll_ready(&self) -> bool {
        self.has_ready()
    }
}

impl Socket {
    /// Listens (contract §2.8). `backlog` is the number of connections that wait in the state "ready" for [`accept`](Self::accept); 0 means 1, below 0 is
    /// `-EINVAL`. Succeeds without any RDMA device. Sleeps.
    pub(crate) fn listen(this: ArcBorrow<'_, Self>, _ctx: &ProcessCtx, backlog: i32) -> Result {
        let places = usize::try_from(backlog).map_err(|_| EINVAL)?.max(1);
        if this.status.status() != Status::Created || this.status.first_error().is_some() {
            return Err(EINVAL);
        }
        if !this.listener.populate(Listener::new(places)?) {
            return Err(EINVAL);
        }
        this.set_role(Role::Listener);
        this.status.advance(Event::Listen)?;
        // The CM's own backlog holds requests that we have not looked at; iWARP providers size their tables by it, so it must not be what a
        // flood fills first.
        let result = this
            .enter()?
            .cm()
            .listen(backlog.max(MOST_HALF_OPEN as i32));
        if let Err(error) = result {
            Self::fail(this, error);
        }
        result
    }
}
