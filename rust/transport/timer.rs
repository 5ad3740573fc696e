// SPDX-License-Identifier: GPL-2.0

//! Timeouts of the handshake, and keepalive.
//!
//! One delayed work item per socket, which arms itself. Receiving only stores a timestamp (in `core::Link`); the item looks at it when it runs, so no packet
//! touches a timer.
#![forbid(unsafe_code)]

use super::{
    cause::Cause,
    send::MESSAGE_GRACE_MS,
    socket::{work_id, Role, Socket},
    state::State,
    WORK,
};
use kernel::{
    prelude::*,
    sync::{atomic::Relaxed, Arc, ArcBorrow},
    workqueue::WorkItem,
};
use smbdirect_core::{keepalive::TimerAction, pace::allowed_ms, time::Millis};
use smbdirect_kext::{
    log::{class, Level},
    time::{jiffies, now_ms},
};

/// Time between two looks during the handshake, whose deadlines are moved, also forward; it is also how late the first keepalive can be.
const HANDSHAKE_STEP_MS: u64 = 500;
/// Most time between two looks at an established connection, for what has a deadline of its own: a message that has begun.
const LOOK_MS: u64 = 30_000;

impl Socket {
    /// Sets the deadline of the current phase, `ms` from now; 0 = none. Any context.
    pub(super) fn set_deadline(&self, ms: u64) {
        self.state.lock().deadline = if ms == 0 {
            0
        } else {
            now_ms().saturating_add(ms)
        };
    }

    /// Starts the timer. Once per socket.
    pub(super) fn start_timer(this: ArcBorrow<'_, Self>, ms: u64) {
        this.set_deadline(ms);
        Self::arm(this, ms.min(HANDSHAKE_STEP_MS));
    }

    fn arm(this: ArcBorrow<'_, Self>, ms: u64) {
        WORK.enqueue_delayed::<_, { work_id::TICK }>(this.into(), jiffies(ms.max(1)));
    }

    /// What the handshake waits for.
    fn handshake_phase(&self, state: &State) -> (&'static str, Cause) {
        let (handshake, backlog) = (Cause::HandshakeTimeout, Cause::BacklogTimeout);
        match self.role() {
            _ if !state.established => (
                "the connection manager's handshake did not complete",
                handshake,
            ),
            Role::Client => ("the server did not answer the negotiate request", handshake),
            _ if !state.message_seen => ("the client sent no negotiate request", handshake),
            _ if state.link.is_some() => ("nobody accepted the connection", backlog),
            _ => ("the backlog is full", backlog),
        }
    }

    /// The connection exists, but the peer's first message has not come. With siw it may be there all the same: see `Verbs::nudge`.
    fn nudge(&self) {
        let Ok(endpoint) = self.enter() else { return };
        if !endpoint.cm().device().is_some_and(|device| device.is_siw()) {
            return;
        }
        match self.role() {
            Role::Client => endpoint.nudge(false),
            _ if self.read_depth.load(Relaxed) > 0 => endpoint.nudge(true),
            _ => {}
        }
    }

    fn tick(this: ArcBorrow<'_, Self>) {
        let now = now_ms();
        let (mut probe, mut nudge) = (false, false);
        let mut dead = None;
        let next;
        {
            let mut state = this.state.lock();
            let deadline = state.deadline;
            if deadline != 0 {
                // Still in the handshake, or not accepted yet.
                if now >= deadline {
                    dead = Some(this.handshake_phase(&state));
                }
                // Not in the first moments, in which an honest message may be on its way.
                let silent = state.established && !state.message_seen;
                nudge = silent && state.silent;
                state.silent = silent;
                next = deadline.min(now.saturating_add(HANDSHAKE_STEP_MS));
            } else if let Some(link) = state.link.as_mut() {
                let (began, len) = link.began;
                let end = began + MESSAGE_GRACE_MS + allowed_ms(u64::from(len));
                // Not if it is our reader that does not read on.
                if began != 0 && now > end && link.want.is_some() {
                    dead = Some(("the peer does not finish a message", Cause::MessageTimeout));
                }
                next = match link.link.on_timer(Millis(now)) {
                    TimerAction::Rearm(at) => at.0,
                    TimerAction::Probe { rearm } => {
                        probe = true;
                        rearm.0
                    }
                    TimerAction::Dead => {
                        dead = Some((
                            "the peer did not answer the keepalive",
                            Cause::KeepaliveTimeout,
                        ));
                        now
                    }
                };
            } else {
                next = now.saturating_add(HANDSHAKE_STEP_MS);
            }
        }
        if let Some((why, cause)) = dead {
            this.log(
                Level::Err,
                class::KEEP_ALIVE,
                format_args!("timed out: {why}"),
            );
            Self::fail_for(this, ETIMEDOUT, cause);
            return;
        }
        if probe {
            Self::send_empties(this);
        }
        if nudge {
            this.nudge();
        }
        if this.status.first_error().is_none() {
            Self::arm(this, next.saturating_sub(now).min(LOOK_MS));
        }
    }
}

impl WorkItem<{ work_id::TICK }> for Socket {
    type Pointer = Arc<Socket>;

    fn run(this: Arc<Socket>) {
        Socket::tick(this.as_arc_borrow());
    }
}
