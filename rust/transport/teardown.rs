// SPDX-License-Identifier: GPL-2.0

//! The end of a socket: one sequence for all of them. The numbers are those of `Documentation/architecture.md`.
#![forbid(unsafe_code)]

use super::{
    devices::OBSERVER,
    send::trace_send,
    socket::{work_id, Role, Socket},
    stats::{own, PAST},
    ADMIN, CLEANUP,
};
use kernel::{
    prelude::*,
    sync::{
        atomic::{Acquire, Release},
        rcu, Arc,
    },
    workqueue::WorkItem,
};
use smbdirect_core::{
    lifecycle::{Event, Status},
    time::Millis,
};
use smbdirect_kext::{
    ctx::{NoioScope, ProcessCtx},
    list::take_first,
    time::{jiffies, now_ms},
    trace,
    wait::{Mode, Outcome},
    work,
};
use smbdirect_rdma::{send_ring::Chain, Endpoint};

/// How long teardown waits for the CM's word that the peer knows of the end.
const FAREWELL_MS: u64 = 200;

/// How long a local shutdown waits for the last messages to leave.
const LINGER_MS: u64 = 500;

/// Waits a moment until what was posted has left. Sleeps.
pub(super) fn linger(endpoint: &Endpoint<Socket>) {
    let start = now_ms();
    while endpoint.send().is_some_and(|ring| ring.in_flight() > 0)
        && now_ms().saturating_sub(start) < LINGER_MS
    {
        kernel::time::delay::fsleep(kernel::time::Delta::from_millis(2));
    }
}

impl Socket {
    /// Gives the socket back (contract §2.15): ends it, waits until everything it had is gone, and frees its memory when nobody can look at it any
    /// more. Sleeps. Afterwards no callback is made.
    pub(crate) fn release(ctx: &ProcessCtx, this: Arc<Self>) {
        Self::fail(this.as_arc_borrow(), ESHUTDOWN);
        this.events.wait(ctx, Mode::Uninterruptible, None, || {
            this.torn_down.load(Acquire).then_some(())
        });
        if let (Role::Listener, Some(listener)) = (this.role(), this.listener.as_ref()) {
            listener.wait_empty(ctx);
        }
        this.status.wind_down(Event::Release);
        // The reaper's reference is the last one but for callers that are just leaving.
        CLEANUP.enqueue::<_, { work_id::REAP }>(this);
    }

    /// As [`release`](Self::release), but waits at most `ms` milliseconds, and no longer than until a signal. What is not gone then comes back: it is ending, and
    /// is to be released later, before the module goes.
    pub(crate) fn release_within(ctx: &ProcessCtx, this: Arc<Self>, ms: u64) -> Option<Arc<Self>> {
        Self::fail(this.as_arc_borrow(), ESHUTDOWN);
        let gone = this
            .events
            .wait(ctx, Mode::Interruptible, Some(jiffies(ms)), || {
                this.torn_down.load(Acquire).then_some(())
            });
        if !matches!(gone, Outcome::Ready(())) {
            return Some(this);
        }
        Self::release(ctx, this);
        None
    }

    /// Whether everything it had is gone, so that releasing it does not wait.
    pub(crate) fn is_torn_down(&self) -> bool {
        self.torn_down.load(Acquire)
    }

    fn tear_down(this: &Arc<Self>, ctx: &ProcessCtx) {
        let _noio = NoioScope::enter();
        trace::Teardown::emit(|| trace::Teardown { conn: this.id });
        // 1. Children of a listener end on their own.
        if let (Role::Listener, Some(listener)) = (this.role(), this.listener.as_ref()) {
            listener.close();
        }
        // 2. What the owner sent before it shut down should arrive.
        if this.status.first_error() == Some(ESHUTDOWN) {
            this.say_goodbye();
        }
        // 3. Everything posted flushes; whoever waits for it comes back.
        this.status.wind_down(Event::Cleanup);
        let (established, negotiated) = {
            let state = this.state.lock();
            (state.established, state.link.is_some())
        };
        if let Ok(endpoint) = this.enter() {
            endpoint.disconnect(ctx, established);
        }
        // A peer that still sends to a queue pair which is being destroyed upsets some providers; so give it a moment to hear of it. One that has not
        // negotiated has nothing to send, and could have its place in the listener kept for that moment.
        if established && negotiated {
            this.events.wait(
                ctx,
                Mode::Uninterruptible,
                Some(jiffies(FAREWELL_MS)),
                || this.cm_ended.load(Acquire).then_some(()),
            );
        }
        // 4. Nobody enters any more.
        this.endpoint.close();
        this.readers.wake_all();
        this.events.wake_all();
        // 5. Nothing is queued any more.
        work::disable::<Socket, { work_id::MAIN }>(ctx, this);
        work::disable_delayed::<Socket, { work_id::TICK }>(ctx, this);
        // 6. Everybody leaves. 7. The hardware quiesces, everything is freed, the cm_id is destroyed.
        drop(this.endpoint.take(ctx));
        // 8. What is left is plain memory.
        let link = this.state.lock().link.take();
        drop(link);
        if let (Role::Server, Some(listener)) = (this.role(), this.listener.as_ref()) {
            listener.forget(this);
        }
        let gone = {
            let mut sockets = crate::SOCKETS.lock();
            PAST.absorb(&this.stats);
            if let Some(device) = this.device.as_ref() {
                device.past.absorb(&this.stats);
            }
            take_first(&mut sockets, |s| Arc::ptr_eq(s, this))
        };
        drop(gone);
        this.status.wind_down(Event::Disconnect);
        trace::Closed::emit(|| trace::Closed { conn: this.id });
        this.torn_down.store(true, Release);
        this.events.wake_all();
    }

    /// Waits until the last messages have left: sends one more, empty and signalled, behind them, if a credit allows.
    fn say_goodbye(&self) {
        let Ok(endpoint) = self.enter() else { return };
        let Some(ring) = endpoint.send() else { return };
        if ring.in_flight() == 0 {
            return;
        }
        let header = self.with_link(|est| {
            if est.token {
                return None;
            }
            let header = est.link.emit_empty(Millis(now_ms())).ok()?;
            trace_send(self.id, &est.link, &header);
            // Nobody takes it any more.
            est.token = true;
            Some(header)
        });
        if let (Some(Some(header)), Some(mut slot)) = (header, ring.alloc(false)) {
            if let Some(to) = slot.buffer().get_mut(..header.len()) {
                to.copy_from_slice(&header);
            }
            let mut chain = Chain::new(ring);
            chain.push(slot, header.len(), None);
            let counters = &self.stats.send;
            own(&counters.empty_sent, 1);
            own(&counters.messages_sent, 1);
            own(&counters.send_posts, 1);
            if chain.post(true).is_ok() {
                linger(&endpoint);
                return;
            }
        }
        // No credit for it: the usual time of a message on the wire, and a margin.
        kernel::time::delay::fsleep(kernel::time::Delta::from_millis(20));
    }
}

impl WorkItem<{ work_id::CLEANUP }> for Socket {
    type Pointer = Arc<Socket>;

    fn run(this: Arc<Socket>) {
        Socket::tear_down(&this, &ProcessCtx::enter());
    }
}

impl WorkItem<{ work_id::REAP }> for Socket {
    type Pointer = Arc<Socket>;

    fn run(this: Arc<Socket>) {
        // C callers that raced with the release only look at the socket inside RCU read sections (and are refused).
        rcu::synchronize_rcu();
        if this.shown.load(Acquire) {
            ADMIN.enqueue::<_, { work_id::SHOW }>(this);
        }
    }
}

impl WorkItem<{ work_id::SHOW }> for Socket {
    type Pointer = Arc<Socket>;

    fn run(this: Arc<Socket>) {
        let Some(observer) = OBSERVER.as_ref() else {
            return;
        };
        if this.status.status() == Status::Destroyed {
            observer.released(&this);
        } else {
            observer.connected(&this);
        }
    }
}
