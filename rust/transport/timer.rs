// SPDX-License-Identifier: GPL-2.0

//! Timeouts of the handshake, and keepalive.
//!
//! One delayed work item per socket, which arms itself. Receiving only stores a timestamp (in `core::Link`); the item looks at it when it runs, so no packet
//! touches a timer.
#![forbid(unsafe_code)]

use super::{
    socket::{work_id, Socket},
    WORK,
};
use kernel::{
    prelude::*,
    sync::{Arc, ArcBorrow},
    workqueue::WorkItem,
};
use smbdirect_core::{keepalive::TimerAction, time::Millis};
use smbdirect_kext::{
    log::{class, Level},
    time::{jiffies, now_ms},
};

/// Longest time between two looks, so that a deadline that was moved forward is seen soon.
const MAX_STEP_MS: u64 = 5_000;

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
        Self::arm(this, ms.min(MAX_STEP_MS));
    }

    fn arm(this: ArcBorrow<'_, Self>, ms: u64) {
        WORK.enqueue_delayed::<_, { work_id::TICK }>(this.into(), jiffies(ms.max(1)));
    }

    fn tick(this: ArcBorrow<'_, Self>) {
        let now = now_ms();
        let mut probe = false;
        let mut dead = None;
        let next;
        {
            let mut state = this.state.lock();
            let deadline = state.deadline;
            if deadline != 0 {
                // Still in the handshake, or not accepted yet.
                if now >= deadline {
                    dead = Some("handshake timed out");
                }
                next = deadline;
            } else if let Some(link) = state.link.as_mut() {
                next = match link.link.on_timer(Millis(now)) {
                    TimerAction::Rearm(at) => at.0,
                    TimerAction::Probe { rearm } => {
                        probe = true;
                        rearm.0
                    }
                    TimerAction::Dead => {
                        dead = Some("peer did not answer the keepalive");
                        now
                    }
                };
            } else {
                next = now.saturating_add(MAX_STEP_MS);
            }
        }
        if let Some(why) = dead {
            this.log(Level::Err, class::KEEP_ALIVE, format_args!("{why}"));
            Self::fail(this, ETIMEDOUT);
            return;
        }
        if probe {
            Self::send_empties(this);
        }
        if this.status.first_error().is_none() {
            Self::arm(this, next.saturating_sub(now).min(MAX_STEP_MS));
        }
    }
}

impl WorkItem<{ work_id::TICK }> for Socket {
    type Pointer = Arc<Socket>;

    fn run(this: Arc<Socket>) {
        Socket::tick(this.as_arc_borrow());
    }
}
