// SPDX-License-Identifier: GPL-2.0

//! What a sender waits for, and how long: the message token, a credit of the peer, a send slot.
//!
//! A peer that gives too little, or too slowly, loses the connection; none can keep a worker for ever.
#![forbid(unsafe_code)]

use super::Outgoing;
use crate::transport::{
    cause::Cause,
    policy,
    socket::{Role, Socket},
    stats::own,
};
use kernel::{prelude::*, sync::ArcBorrow};
use smbdirect_core::{link::SendState, pace::allowed_ms, settings::Number};
use smbdirect_kext::{
    ctx::{NofsScope, ProcessCtx},
    log::{class, Level},
    time::{jiffies, now_ms},
    trace,
    wait::{Mode, Outcome},
};
use smbdirect_rdma::{
    send_ring::{Chain, SendSlot},
    Endpoint,
};

/// How long a server waits for a credit or a slot, if an administrator says nothing else. The peer's SMB Direct layer grants credits, not its application.
const SERVER_CREDIT_SECS: u32 = 5;
/// Grace of a message, after which it has to move [`MIN_RATE`](smbdirect_core::pace::MIN_RATE). A server's is this, a client's the time for keepalive.
pub(in crate::transport) const MESSAGE_GRACE_MS: u64 = 30_000;
/// Most time that the senders of a server may have waited for the peer over all messages, less what the fragments that went out would have taken at
/// that rate: a peer that gives one credit every few seconds would keep a worker for ever.
const STARVED_MS: u64 = 30_000;

/// The time that a message has.
#[derive(Clone, Copy)]
pub(super) struct Pace {
    /// When it began, in milliseconds.
    started: u64,
    /// Its length when it began.
    bytes: u64,
}

impl Pace {
    /// Takes what was waited for others out of the message's time.
    fn put_off(&mut self, ms: u64) {
        self.started += ms;
    }

    /// Of a message of `bytes` that begins now.
    pub(super) fn new(bytes: u32) -> Self {
        Self {
            started: now_ms(),
            bytes: u64::from(bytes),
        }
    }
}

/// Why a sender has to wait.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    Token,
    Credit,
    Slot,
    /// A slot, while RDMA transfers of ours are in the queue in front of it: they have a clock of their own.
    SlotBehindTransfers,
}

/// How often a sender looks whether transfers are still in front of it.
const LOOK_MS: u64 = 1_000;

impl Need {
    fn name(self) -> &'static CStr {
        match self {
            Self::Token => c"token",
            Self::Credit => c"credit",
            Self::Slot => c"slot",
            Self::SlotBehindTransfers => c"transfers",
        }
    }
}

impl Socket {
    /// Takes the message token: nobody else sends until it is given back.
    pub(super) fn take_token(
        this: ArcBorrow<'_, Self>,
        ctx: &ProcessCtx,
        out: &mut Outgoing,
    ) -> Result {
        let take = || {
            this.with_link(|est| {
                let free = !est.token;
                est.token = true;
                est.senders_wait |= !free;
                free
            })
        };
        if take() == Some(true) {
            out.token = true;
            return Ok(());
        }
        Self::wait_for(this, ctx, out, Need::Token, Pace::new(0))
    }

    /// Gives the token back and sends what empty messages became due meanwhile.
    pub(super) fn drop_token(this: ArcBorrow<'_, Self>, out: &mut Outgoing) {
        if !core::mem::take(&mut out.token) {
            return;
        }
        let (waiting, empty) = this
            .with_link(|est| {
                est.token = false;
                (core::mem::take(&mut est.senders_wait), est.link.empty_due())
            })
            .unwrap_or((true, false));
        if waiting {
            this.events.wake_all();
        }
        if empty {
            Self::send_empties(this);
        }
    }

    /// Waits for a send slot, after posting the chain, which may hold them all. Lets the ring grow first.
    pub(super) fn wait_slot<'a>(
        this: ArcBorrow<'_, Self>,
        ctx: &ProcessCtx,
        endpoint: &'a Endpoint<Socket>,
        out: &mut Outgoing,
        chain: &mut Chain<'a, Socket>,
        pace: &mut Pace,
    ) -> Result<SendSlot<'a, Socket>> {
        let ring = endpoint.send().ok_or(ENOTCONN)?;
        if !chain.is_empty() {
            Self::post(this, chain)?;
        }
        if ring.can_grow() {
            let _nofs = NofsScope::enter();
            let _ = ring.grow(ctx, u16::MAX);
        }
        if let Some(slot) = ring.alloc(true) {
            return Ok(slot);
        }
        own(&this.stats.send.slot_stalls, 1);
        loop {
            if this.transfers.lock().is_busy() {
                let since = now_ms();
                Self::wait_for(this, ctx, out, Need::SlotBehindTransfers, *pace)?;
                pace.put_off(now_ms().saturating_sub(since));
            } else {
                Self::wait_for(this, ctx, out, Need::Slot, *pace)?;
            }
            if let Some(slot) = ring.alloc(true) {
                return Ok(slot);
            }
        }
    }

    /// Sleeps until what is needed may be there. Before the first fragment of a message a signal ends the wait; afterwards only the deadline does, because
    /// half a message is worth nothing. A deadline, that of the message or of the wait, fails the connection: the peer's transport, or its hardware, is not
    /// answering.
    pub(super) fn wait_for(
        this: ArcBorrow<'_, Self>,
        ctx: &ProcessCtx,
        out: &mut Outgoing,
        need: Need,
        pace: Pace,
    ) -> Result {
        let started = now_ms();
        let mode = if out.begun {
            Mode::Uninterruptible
        } else {
            Mode::Interruptible
        };
        let server = this.role() == Role::Server;
        let patience = if need == Need::Token {
            u64::from(u32::MAX)
        } else if need == Need::SlotBehindTransfers {
            LOOK_MS
        } else {
            let (once, grace) = if server {
                let secs = policy::number(Number::CreditTimeout).unwrap_or(SERVER_CREDIT_SECS);
                (u64::from(secs) * 1000, MESSAGE_GRACE_MS)
            } else {
                // Only the users of this mount wait; a slow but living server must not lose its connection.
                let params = this.params.get();
                let alive = u64::from(params.keepalive_interval_msec)
                    + u64::from(params.keepalive_timeout_msec);
                (alive, alive)
            };
            let until = pace.started + grace + allowed_ms(pace.bytes);
            once.min(until.saturating_sub(started))
        };
        let outcome = this.events.wait(ctx, mode, Some(jiffies(patience)), || {
            if !this.status.is_connected() {
                return Some(Err(ENOTCONN));
            }
            if need == Need::Credit {
                this.post_extra_if_needed();
            }
            let slot_free = matches!(need, Need::Slot | Need::SlotBehindTransfers)
                && this
                    .endpoint
                    .enter()
                    .is_some_and(|e| e.send().is_some_and(|r| r.poll_free()));
            this.with_link(|est| {
                est.senders_wait = true;
                match need {
                    Need::Token => {
                        if est.token {
                            return None;
                        }
                        est.token = true;
                        Some(Ok(true))
                    }
                    Need::Credit => match est.link.send_state() {
                        SendState::NoCredit => None,
                        SendState::NeedGrant => None,
                        _ => Some(Ok(false)),
                    },
                    Need::Slot | Need::SlotBehindTransfers => slot_free.then_some(Ok(false)),
                }
            })
            .unwrap_or(Some(Err(ENOTCONN)))
        });
        trace::Wait::emit(|| trace::Wait {
            conn: this.id,
            need: need.name(),
            msec: now_ms().saturating_sub(started),
            error: match &outcome {
                Outcome::Ready(Ok(_)) => 0,
                Outcome::Ready(Err(error)) => error.to_errno(),
                Outcome::Interrupted => ERESTARTSYS.to_errno(),
                Outcome::TimedOut => ETIMEDOUT.to_errno(),
            },
        });
        let starved = server
            && matches!(need, Need::Credit | Need::Slot)
            && this.with_link(|est| {
                est.starved_ms += now_ms().saturating_sub(started);
                est.starved_ms > STARVED_MS
            }) == Some(true);
        match outcome {
            Outcome::Ready(Ok(_)) if starved => {
                this.log(
                    Level::Err,
                    class::RDMA_SEND,
                    format_args!("the peer takes messages too slowly"),
                );
                Self::fail_for(this, ETIMEDOUT, Cause::SendTimeout);
                Err(ETIMEDOUT)
            }
            Outcome::Ready(Ok(token)) => {
                out.token |= token;
                Ok(())
            }
            Outcome::Ready(Err(error)) => Err(error),
            Outcome::Interrupted => Err(ERESTARTSYS),
            Outcome::TimedOut if need == Need::SlotBehindTransfers => Ok(()),
            Outcome::TimedOut => {
                let what = match need {
                    Need::Token => "the end of another message",
                    Need::Credit => "send credits: the peer grants none",
                    Need::Slot | Need::SlotBehindTransfers => {
                        "the completion of sends: the peer's adapter does not acknowledge"
                    }
                };
                this.log(
                    Level::Err,
                    class::RDMA_SEND,
                    format_args!("gave up waiting for {what}"),
                );
                Self::fail_for(this, ETIMEDOUT, Cause::SendTimeout);
                Err(ETIMEDOUT)
            }
        }
    }
}
