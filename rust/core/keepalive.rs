// SPDX-License-Identifier: GPL-2.0

//! The idle timer (3.1.6.2), in a lazy form.
//!
//! A received message only stores the time; the caller's timer is not touched. When the timer
//! fires it is told whether to wait for longer, to ask the peer, or to give up. Sending does not
//! put the timer off; only the message that asks gives the peer the full time for its answer.
//! A question that cannot be sent for want of a credit ends the connection all the same.

use crate::time::Millis;

/// What to do when the timer fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum TimerAction {
    /// Too early: set the timer to this time.
    Rearm(Millis),
    /// The peer has been silent: send something that asks for an answer (the next message does,
    /// whatever it carries; [`crate::Link::empty_due`] says that an empty one may be made for it).
    Probe {
        /// Set the timer to this time.
        rearm: Millis,
    },
    /// The peer did not answer. End the connection.
    Dead,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The peer is not being asked.
    Quiet,
    /// The next message has to ask.
    Pending { deadline: Millis },
    /// The question is on its way.
    Sent { deadline: Millis },
}

/// State of the idle timer of one connection.
#[derive(Debug, PartialEq, Eq)]
pub struct Keepalive {
    interval: Millis,
    timeout: Millis,
    last_receive: Millis,
    state: State,
}

impl Keepalive {
    /// The connection was established at `now`.
    #[must_use]
    pub const fn new(interval: Millis, timeout: Millis, now: Millis) -> Self {
        Self {
            interval,
            timeout,
            last_receive: now,
            state: State::Quiet,
        }
    }

    /// Any message came.
    #[inline]
    pub fn on_receive(&mut self, now: Millis) {
        self.last_receive = now;
        self.state = State::Quiet;
    }

    /// True if the next message should ask for an answer.
    #[inline]
    #[must_use]
    pub const fn probe_pending(&self) -> bool {
        matches!(self.state, State::Pending { .. })
    }

    /// A message goes out; true if it has to ask for an answer.
    #[inline]
    #[must_use]
    pub fn take_probe(&mut self, now: Millis) -> bool {
        let pending = self.probe_pending();
        if pending {
            self.state = State::Sent {
                deadline: now.after(self.timeout),
            };
        }
        pending
    }

    /// The time at which [`Self::on_timer`] has something to say.
    #[must_use]
    pub const fn next_timer(&self) -> Millis {
        match self.state {
            State::Quiet => self.last_receive.after(self.interval),
            State::Pending { deadline } | State::Sent { deadline } => deadline,
        }
    }

    /// The timer fired. A call that comes too early does no harm.
    pub fn on_timer(&mut self, now: Millis) -> TimerAction {
        let at = self.next_timer();
        if now < at {
            return TimerAction::Rearm(at);
        }
        match self.state {
            State::Quiet => {
                let deadline = now.after(self.timeout);
                self.state = State::Pending { deadline };
                TimerAction::Probe { rearm: deadline }
            }
            State::Pending { .. } | State::Sent { .. } => TimerAction::Dead,
        }
    }
}
