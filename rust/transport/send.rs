// SPDX-License-Identifier: GPL-2.0

//! Sending messages (MS-SMBD 3.1.4.2, 3.1.5.1, 3.1.5.4).
//!
//! Payload is copied into send slots, so everything the caller gave is the caller's again when a call returns. Fragments are full except the
//! last, however many pieces the message comes in.
#![forbid(unsafe_code)]

use super::{
    cause::Cause,
    socket::{Role, Socket},
    stats::own,
};
use kernel::{iov::IovIterSource, prelude::*, sync::ArcBorrow};
use smbdirect_core::{
    link::{Link, SendState},
    time::Millis,
    wire::data::{Header, HEADER_LEN, RESPONSE_REQUESTED},
};
use smbdirect_kext::{
    ctx::ProcessCtx,
    log::{class, Level},
    time::{jiffies, now_ms},
    trace,
    wait::{Mode, Outcome},
};
use smbdirect_rdma::{
    send_ring::{Chain, SendSlot},
    Endpoint,
};

/// How long a server waits for a credit. The peer's SMB Direct layer grants them, not its application.
const SERVER_CREDIT_MS: u64 = 5_000;
/// Slowest transfer of a message that anybody puts up with, in bytes per second, after a grace: a server's is this, a client's the time for keepalive.
const MIN_RATE: u64 = 64 * 1024;
pub(super) const MESSAGE_GRACE_MS: u64 = 30_000;
/// Most time that the senders of a server may have waited for the peer over all messages, less what the fragments that went out would have taken at
/// [`MIN_RATE`]: a peer that gives one credit every few seconds would keep a worker for ever.
const STARVED_MS: u64 = 30_000;
/// A fragment earns the time of at least this many bytes.
const MIN_EARNED: u64 = 1024;

/// Milliseconds that `bytes` may take at [`MIN_RATE`].
pub(super) fn allowed_ms(bytes: u64) -> u64 {
    bytes.saturating_mul(1000) / MIN_RATE
}

/// Whether a message asks the peer for an answer.
pub(super) fn asks(header: &[u8]) -> bool {
    Header::parse(header).is_some_and(|h| h.flags & RESPONSE_REQUESTED != 0)
}

/// Traces a message that got its header. With the state lock held, so that the numbers belong together.
#[inline]
pub(super) fn trace_send(conn: u64, link: &Link, header: &[u8]) {
    trace::Send::emit(|| {
        let h = Header::parse(header).unwrap_or_default();
        trace::Send {
            conn,
            length: h.data_length,
            remaining: h.remaining_data_length,
            requests: u32::from(h.credits_requested),
            grants: u32::from(h.credits_granted),
            flags: u32::from(h.flags),
            send_credits: link.send_credits(),
            granted: u32::from(link.granted()),
            posted: u32::from(link.posted()),
        }
    });
}

/// A message under way. Plain data, so that C can keep it in its own memory between calls; the sender it belongs to holds the socket's message
/// token while `token` is set.
#[derive(Clone, Copy, Default)]
pub(crate) struct Outgoing {
    /// This message holds the message token.
    pub(crate) token: bool,
    /// A fragment of the current message was posted or is about to be.
    pub(crate) begun: bool,
    /// A key for the peer to have invalidated with the first fragment.
    pub(crate) invalidate: Option<u32>,
    /// A slot that is partly filled, and how far.
    pub(crate) open: Option<(u16, u16)>,
    /// Bytes of the message that are not in a posted fragment or in the open one.
    pub(crate) left: u32,
}

/// The time that a message has.
#[derive(Clone, Copy)]
struct Pace {
    /// When it began, in milliseconds.
    started: u64,
    /// Its length when it began.
    bytes: u64,
}

impl Pace {
    /// Of a message of `bytes` that begins now.
    fn new(bytes: u32) -> Self {
        Self {
            started: now_ms(),
            bytes: u64::from(bytes),
        }
    }
}

/// Why a sender has to wait.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    Token,
    Credit,
    Slot,
}

impl Need {
    fn name(self) -> &'static CStr {
        match self {
            Self::Token => c"token",
            Self::Credit => c"credit",
            Self::Slot => c"slot",
        }
    }
}

impl Socket {
    /// Sends one message of `len` bytes from an iterator (contract §3.2). Sleeps; `-ERESTARTSYS` only before the first fragment.
    pub(crate) fn send_message(
        this: ArcBorrow<'_, Self>,
        ctx: &ProcessCtx,
        source: &mut IovIterSource<'_>,
        len: u32,
        invalidate: Option<u32>,
    ) -> Result {
        let mut out = Outgoing {
            invalidate,
            ..Outgoing::default()
        };
        let sent = Self::send_part(this, ctx, &mut out, source, len);
        let flushed = Self::send_flush(this, &mut out, true);
        sent?;
        flushed
    }

    /// Adds the rest of an iterator to the message `out`, of which `remaining` bytes are still to come including these (contract §3.4). Returns how
    /// many bytes it took: all of them, unless it fails. What fills a fragment, or ends the message, is posted. Sleeps.
    pub(crate) fn send_part(
        this: ArcBorrow<'_, Self>,
        ctx: &ProcessCtx,
        out: &mut Outgoing,
        source: &mut IovIterSource<'_>,
        remaining: u32,
    ) -> Result<usize> {
        let endpoint = this.enter_connected()?;
        let ring = endpoint.send().ok_or(ENOTCONN)?;
        let limits = this
            .with_link(|est| {
                (
                    est.negotiated.max_fragmented_send_size(),
                    est.negotiated.payload_capacity(),
                )
            })
            .ok_or(ENOTCONN)?;
        let (max_message, capacity) = limits;
        if !out.begun && remaining > max_message {
            return Err(EMSGSIZE);
        }
        if !out.token {
            Self::take_token(this, ctx, out)?;
        }
        out.left = remaining;
        let pace = Pace::new(remaining);
        let mut chain = Chain::new(ring);
        let mut taken = 0;
        while !source.is_empty() && out.left > 0 {
            let (mut slot, filled) = match out.open.take() {
                Some((index, filled)) => (ring.unpark(index).ok_or(EINVAL)?, usize::from(filled)),
                None => match ring.alloc(false) {
                    Some(slot) => (slot, 0),
                    None => (
                        Self::wait_slot(this, ctx, &endpoint, out, &mut chain, pace)?,
                        0,
                    ),
                },
            };
            let from = HEADER_LEN + filled;
            let room = (capacity as usize - filled).min(out.left as usize);
            let got = match slot.buffer().get_mut(from..from + room) {
                Some(to) => source.copy_from_iter(to),
                None => 0,
            };
            if got == 0 {
                return Err(EFAULT);
            }
            taken += got;
            out.left -= got as u32;
            let filled = filled + got;
            if filled < capacity as usize && out.left > 0 {
                // Not full, and more is to come: the next piece goes behind it.
                out.open = Some((slot.park(), filled as u16));
                continue;
            }
            Self::emit(this, ctx, &endpoint, out, &mut chain, slot, filled, pace)?;
        }
        if !chain.is_empty() {
            Self::post(this, &mut chain)?;
        }
        own(&this.stats.send.inline_sent_bytes, taken as u64);
        if out.left == 0 {
            // The message is complete; the next one of the batch begins anew.
            out.begun = false;
        }
        Ok(taken)
    }

    /// Ends a batch of messages (contract §3.5). A message that was begun and is not complete can never be completed, so the connection fails.
    /// Never sleeps.
    pub(crate) fn send_flush(
        this: ArcBorrow<'_, Self>,
        out: &mut Outgoing,
        is_last: bool,
    ) -> Result {
        let endpoint = this.enter();
        if is_last {
            if let (Some((index, _)), Ok(endpoint)) = (out.open.take(), &endpoint) {
                // Give the slot back.
                drop(endpoint.send().and_then(|ring| ring.unpark(index)));
            }
            if out.begun && out.left > 0 {
                Self::fail_for(this, ECONNABORTED, Cause::Interrupted);
            }
            Self::drop_token(this, out);
        }
        match this.status.first_error() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// Sends an empty message on the caller's behalf (contract §3.4 without an iterator).
    pub(crate) fn send_empty(
        this: ArcBorrow<'_, Self>,
        ctx: &ProcessCtx,
        out: &mut Outgoing,
    ) -> Result {
        let endpoint = this.enter_connected()?;
        let ring = endpoint.send().ok_or(ENOTCONN)?;
        if !out.token {
            Self::take_token(this, ctx, out)?;
        }
        let pace = Pace::new(0);
        let mut chain = Chain::new(ring);
        let mut slot = match ring.alloc(false) {
            Some(slot) => slot,
            None => Self::wait_slot(this, ctx, &endpoint, out, &mut chain, pace)?,
        };
        let header = loop {
            match this
                .with_link(|est| {
                    let header = est.link.emit_empty(Millis(now_ms()))?;
                    trace_send(this.id, &est.link, &header);
                    Ok(header)
                })
                .ok_or(ENOTCONN)?
            {
                Ok(header) => break header,
                Err(SendState::NeedGrant) if this.post_extra(&endpoint) => {}
                Err(SendState::Refused) => return Err(EINVAL),
                Err(_) => Self::wait_for(this, ctx, out, Need::Credit, pace)?,
            }
        };
        slot.buffer()
            .get_mut(..header.len())
            .ok_or(EINVAL)?
            .copy_from_slice(&header);
        chain.push(slot, header.len(), None);
        own(&this.stats.send.empty_sent, 1);
        own(&this.stats.send.keepalives_sent, u64::from(asks(&header)));
        Self::post(this, &mut chain)
    }

    /// Gives a filled slot its header and puts it into the chain; waits for credits if it must, after posting what is in the chain.
    #[allow(clippy::too_many_arguments)]
    fn emit<'a>(
        this: ArcBorrow<'_, Self>,
        ctx: &ProcessCtx,
        endpoint: &'a Endpoint<Socket>,
        out: &mut Outgoing,
        chain: &mut Chain<'a, Socket>,
        mut slot: SendSlot<'a, Socket>,
        filled: usize,
        pace: Pace,
    ) -> Result {
        let header = loop {
            let now = now_ms();
            match this
                .with_link(|est| {
                    let header = est.link.emit(Millis(now), filled as u32, out.left)?;
                    trace_send(this.id, &est.link, &header);
                    if est.starved_ms != 0 {
                        let earned = allowed_ms((filled as u64).max(MIN_EARNED));
                        est.starved_ms = est.starved_ms.saturating_sub(earned);
                    }
                    Ok(header)
                })
                .ok_or(ENOTCONN)?
            {
                Ok(header) => break header,
                Err(SendState::NeedGrant) if this.post_extra(endpoint) => {}
                Err(SendState::NeedGrant | SendState::NoCredit) => {
                    if !chain.is_empty() {
                        Self::post(this, chain)?;
                    }
                    own(&this.stats.send.credit_stalls, 1);
                    Self::wait_for(this, ctx, out, Need::Credit, pace)?;
                }
                Err(SendState::Refused | SendState::Ready) => return Err(EINVAL),
            }
        };
        slot.buffer()
            .get_mut(..header.len())
            .ok_or(EINVAL)?
            .copy_from_slice(&header);
        let invalidate = if out.begun {
            None
        } else {
            out.invalidate.take()
        };
        let counters = &this.stats.send;
        own(
            &counters.invalidations_sent,
            u64::from(invalidate.is_some()),
        );
        own(&counters.keepalives_sent, u64::from(asks(&header)));
        out.begun = true;
        if chain.is_full() {
            Self::post(this, chain)?;
        }
        chain.push(slot, HEADER_LEN + filled, invalidate);
        Ok(())
    }

    fn post(this: ArcBorrow<'_, Self>, chain: &mut Chain<'_, Socket>) -> Result {
        own(&this.stats.send.messages_sent, chain.len() as u64);
        own(&this.stats.send.send_posts, 1);
        chain.post(false).inspect_err(|error| {
            this.log(
                Level::Err,
                class::RDMA_SEND,
                format_args!("posting sends failed (errno {})", error.to_errno()),
            );
            Self::fail_for(this, ECONNABORTED, Cause::Adapter);
        })
    }

    /// Takes the message token: nobody else sends until it is given back.
    fn take_token(this: ArcBorrow<'_, Self>, ctx: &ProcessCtx, out: &mut Outgoing) -> Result {
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
    fn drop_token(this: ArcBorrow<'_, Self>, out: &mut Outgoing) {
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
    fn wait_slot<'a>(
        this: ArcBorrow<'_, Self>,
        ctx: &ProcessCtx,
        endpoint: &'a Endpoint<Socket>,
        out: &mut Outgoing,
        chain: &mut Chain<'a, Socket>,
        pace: Pace,
    ) -> Result<SendSlot<'a, Socket>> {
        let ring = endpoint.send().ok_or(ENOTCONN)?;
        if !chain.is_empty() {
            Self::post(this, chain)?;
        }
        if ring.can_grow() {
            let _nofs = smbdirect_kext::ctx::NofsScope::enter();
            let _ = ring.grow(ctx, u16::MAX);
        }
        loop {
            if let Some(slot) = ring.alloc(true) {
                return Ok(slot);
            }
            own(&this.stats.send.slot_stalls, 1);
            Self::wait_for(this, ctx, out, Need::Slot, pace)?;
        }
    }

    /// Sleeps until what is needed may be there. Before the first fragment of a message a signal ends the wait; afterwards only the deadline does, because
    /// half a message is worth nothing. A deadline, that of the message or of the wait, fails the connection: the peer's transport, or its hardware, is not
    /// answering.
    fn wait_for(
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
        } else {
            let (once, grace) = if server {
                (SERVER_CREDIT_MS, MESSAGE_GRACE_MS)
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
            let slot_free = need == Need::Slot
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
                    Need::Slot => slot_free.then_some(Ok(false)),
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
            && need != Need::Token
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
            Outcome::TimedOut => {
                let what = match need {
                    Need::Token => "the end of another message",
                    Need::Credit => "send credits: the peer grants none",
                    Need::Slot => {
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
