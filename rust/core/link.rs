// SPDX-License-Identifier: GPL-2.0

//! The protocol state of an established connection.
//!
//! # How to drive it
//!
//! One lock of the caller protects the [`Link`]; every call is short and bounded. The caller does
//! its input and output after giving the lock back.
//!
//! * Receives: post as many as [`Link::recv_wanted`] says (fewer if there are no buffers), then
//!   report them with [`Link::recv_posted`], which may allow a waiting sender to go on. A server then takes the grant of its response with
//!   [`Link::grant_in_response`]; a client's first message carries its first grant.
//! * A message arrives: [`Link::on_receive`]. It says where the payload is and whether a sender
//!   that had to wait should try again. An error ends the connection.
//! * Data to send: [`Link::emit`] per fragment, [`Link::emit_empty`] when [`Link::empty_due`] says
//!   so. The refusals are those of [`SendState`]. Headers go out in the order in which they were
//!   made, because the order of fragments is the order of the wire.
//! * After each of these (a posted receive or a finished message can make a grant due), look at
//!   [`Link::empty_due`].
//! * When the timer set to [`Link::next_timer`] fires: [`Link::on_timer`].
//!
//! A pool of `recv_credit_max + 1` receive buffers always suffices. A caller that can run out of
//! them while a reader is slow does well to keep one back for [`SendState::NeedGrant`].

use crate::credits::{RecvCredits, SendCredits, Sender};
use crate::error::ProtocolError;
use crate::keepalive::{Keepalive, TimerAction};
use crate::params::Negotiated;
use crate::reassembly::Reassembly;
use crate::time::Millis;
use crate::wire::data::{Header, EMPTY_LEN, HEADER_LEN, PAYLOAD_OFFSET, RESPONSE_REQUESTED};

/// Whether a message can go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendState {
    /// Yes.
    Ready,
    /// No: the peer gave no credit. Wait for a message of the peer.
    NoCredit,
    /// No: this would be the last credit and there is nothing to grant (3.1.4.2). Post one
    /// receive first, beyond target and max if need be; [`Link::can_overpost`] is true then.
    NeedGrant,
    /// No, and waiting does not help: an empty message between the fragments of another, an
    /// empty or too long payload, a message that the peer cannot take, or a fragment that does
    /// not continue the message begun. Only [`Link::emit`] and [`Link::emit_empty`] say this;
    /// nothing has changed then.
    Refused,
}

/// The payload of a received message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payload {
    /// Where it begins in the message.
    pub offset: u32,
    /// Its length, at least 1.
    pub len: u32,
    /// Length of the whole upper-layer message if this is its first payload.
    pub start: Option<u32>,
    /// True if this is the last payload of its message.
    pub end: bool,
}

/// What a received message means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Received {
    /// The payload, if there is any.
    pub payload: Option<Payload>,
    /// A sender that was refused for want of a credit should try again.
    pub wake_senders: bool,
    /// The peer asked for an answer: [`Link::empty_due`] is true until a message goes out.
    pub reply_requested: bool,
}

/// The protocol state of an established connection. There is one of it: it cannot be copied.
#[derive(Debug)]
pub struct Link {
    recv: RecvCredits,
    send: SendCredits,
    reassembly: Reassembly,
    keepalive: Keepalive,
    max_recv_size: u32,
    max_fragmented_recv_size: u32,
    max_fragmented_send_size: u32,
    payload_capacity: u32,
    send_credit_target: u16,
    /// Bytes that are still to be sent of the message begun; zero between messages.
    unsent: u32,
    reply_due: bool,
    /// A message was refused with [`SendState::NeedGrant`] and none went out since.
    blocked: bool,
}

impl Link {
    /// A connection whose negotiation ended at `now`. No receive counts as posted.
    #[must_use]
    pub fn new(neg: &Negotiated, now: Millis) -> Self {
        Self {
            recv: RecvCredits::new(neg.recv_credit_max(), neg.recv_credit_target()),
            send: SendCredits::new(neg.initial_send_credits()),
            reassembly: Reassembly::new(),
            keepalive: Keepalive::new(neg.keepalive_interval(), neg.keepalive_timeout(), now),
            max_recv_size: neg.max_recv_size(),
            max_fragmented_recv_size: neg.max_fragmented_recv_size(),
            max_fragmented_send_size: neg.max_fragmented_send_size(),
            payload_capacity: neg.payload_capacity(),
            send_credit_target: neg.send_credit_target(),
            unsent: 0,
            reply_due: false,
            blocked: false,
        }
    }

    /// `n` receives were posted to the queue pair. True if a sender that was refused for want of
    /// something to grant should try again.
    #[inline]
    pub fn recv_posted(&mut self, n: u16) -> bool {
        let before = self.send_state();
        self.recv.add_posted(n);
        before == SendState::NeedGrant && self.send_state() == SendState::Ready
    }

    /// Receives to post now; 0 if there are enough. That includes the extra one which a refused
    /// message or an answer needs.
    #[inline]
    #[must_use]
    pub fn recv_wanted(&self) -> u16 {
        let needed = self.can_overpost()
            && (self.reply_needs_grant()
                || (self.blocked && self.send_state() == SendState::NeedGrant));
        self.recv.wanted(self.sender()).max(u16::from(needed))
    }

    /// Bounds [`Self::recv_wanted`] for a pool that starts small; grants and the marks at which
    /// they are due follow. Starts at, and never exceeds, `recv_credit_max`.
    pub fn set_recv_limit(&mut self, limit: u16) {
        self.recv.set_limit(limit);
    }

    /// Credits that the peer holds.
    #[inline]
    #[must_use]
    pub const fn granted(&self) -> u16 {
        self.recv.granted()
    }

    /// Receives on the queue pair.
    #[inline]
    #[must_use]
    pub const fn posted(&self) -> u16 {
        self.recv.posted()
    }

    /// Credits that the peer would like to hold, at most `recv_credit_max`.
    #[inline]
    #[must_use]
    pub const fn recv_target(&self) -> u16 {
        self.recv.target()
    }

    /// Credits that the next message will grant.
    #[inline]
    #[must_use]
    pub fn grantable(&self) -> u16 {
        self.recv.grantable(self.sender())
    }

    /// Takes the grant of a negotiate response: what is posted, not more than the client asked
    /// for. Zero only if nothing is posted; then an error response is due (3.1.5.6).
    #[must_use]
    pub fn grant_in_response(&mut self) -> u16 {
        self.recv.grant_initial()
    }

    #[inline]
    const fn sender(&self) -> Sender {
        Sender {
            credits: self.send.available(),
            reply_due: self.reply_due,
        }
    }

    /// A message arrived (3.1.5.8). After an error the link must not be used any more.
    #[inline]
    pub fn on_receive(&mut self, now: Millis, pdu: &[u8]) -> Result<Received, ProtocolError> {
        let h = Header::check(pdu, self.max_recv_size, self.max_fragmented_recv_size)?;
        let before = self.send_state();
        if !self.recv.consume() {
            return Err(ProtocolError::NoCreditLeft);
        }
        let position = self
            .reassembly
            .accept(h.data_length, h.remaining_data_length)?;
        self.keepalive.on_receive(now);
        self.recv.set_target(h.credits_requested);
        self.send.add(h.credits_granted);
        let reply_requested = h.flags & RESPONSE_REQUESTED != 0;
        self.reply_due |= reply_requested;
        if position.is_some() {
            self.recv.note_payload();
        }
        let after = self.send_state();
        Ok(Received {
            payload: position.map(|p| Payload {
                offset: h.data_offset,
                len: h.data_length,
                start: p.start,
                end: p.end,
            }),
            wake_senders: before != SendState::Ready && after != before,
            reply_requested,
        })
    }

    /// Credits that we hold. More than fit 16 bits may be granted; the number stops at
    /// [`crate::credits::SEND_CREDIT_LIMIT`].
    #[inline]
    #[must_use]
    pub const fn send_credits(&self) -> u32 {
        self.send.available()
    }

    /// Whether a message can go out now.
    #[inline]
    #[must_use]
    pub fn send_state(&self) -> SendState {
        match self.send.available() {
            0 => SendState::NoCredit,
            1 if self.grantable() == 0 => SendState::NeedGrant,
            _ => SendState::Ready,
        }
    }

    /// True while one more receive may be posted for [`SendState::NeedGrant`].
    #[inline]
    #[must_use]
    pub const fn can_overpost(&self) -> bool {
        self.recv.can_overpost()
    }

    /// True if an answer is due and there is nothing that it could grant: post a receive before
    /// it, because the message that asked for it used one (3.1.5.8).
    #[inline]
    #[must_use]
    pub fn reply_needs_grant(&self) -> bool {
        self.reply_due && self.recv.may_exceed_target(self.sender()) && self.grantable() == 0
    }

    /// True if an empty message should go out now: to ask the peer for a sign of life, to answer
    /// such a question, or to grant credits to a peer that runs low. Never between the fragments
    /// of a message, whose next fragment does the same. A data message serves as well, so send
    /// waiting data first.
    #[inline]
    #[must_use]
    pub fn empty_due(&self) -> bool {
        self.unsent == 0
            && (self.reply_due
                || self.keepalive.probe_pending()
                || self.recv.grant_due(self.sender()))
    }

    /// The header of a fragment with `payload_len` bytes of payload, after which `remaining_after`
    /// bytes of the upper-layer message are still to come. Spends a credit and grants everything
    /// that is grantable. The header has to be sent.
    #[inline]
    pub fn emit(
        &mut self,
        now: Millis,
        payload_len: u32,
        remaining_after: u32,
    ) -> Result<[u8; HEADER_LEN], SendState> {
        let left = u64::from(payload_len).saturating_add(u64::from(remaining_after));
        let fits = match self.unsent {
            0 => left <= u64::from(self.max_fragmented_send_size),
            unsent => left == u64::from(unsent),
        };
        if !fits || payload_len == 0 || payload_len > self.payload_capacity {
            return Err(SendState::Refused);
        }
        let mut header = self.spend(now)?;
        header.remaining_data_length = remaining_after;
        header.data_offset = PAYLOAD_OFFSET;
        header.data_length = payload_len;
        self.unsent = remaining_after;
        Ok(header.emit_padded())
    }

    /// A message without payload (3.1.5.4). Spends a credit and grants everything that is
    /// grantable. The message has to be sent.
    #[inline]
    pub fn emit_empty(&mut self, now: Millis) -> Result<[u8; EMPTY_LEN], SendState> {
        if self.unsent != 0 {
            return Err(SendState::Refused);
        }
        Ok(self.spend(now)?.emit())
    }

    /// Steps c to e of 3.1.4.2, which every message has in common.
    #[inline]
    fn spend(&mut self, now: Millis) -> Result<Header, SendState> {
        let state = self.send_state();
        self.blocked = state == SendState::NeedGrant;
        if state != SendState::Ready {
            return Err(state);
        }
        let credits_granted = self.grantable();
        if !self.send.spend() {
            return Err(SendState::NoCredit);
        }
        self.recv.grant(credits_granted);
        // An answer must not ask in turn, or two peers would never stop. A question of our own
        // that is pending too goes out with the message after it.
        let asks = !self.reply_due && self.keepalive.take_probe(now);
        self.reply_due = false;
        Ok(Header {
            credits_requested: self.send_credit_target,
            credits_granted,
            flags: if asks { RESPONSE_REQUESTED } else { 0 },
            ..Header::default()
        })
    }

    /// The timer fired (3.1.6.2).
    pub fn on_timer(&mut self, now: Millis) -> TimerAction {
        self.keepalive.on_timer(now)
    }

    /// The time for which the timer should be set.
    #[must_use]
    pub const fn next_timer(&self) -> Millis {
        self.keepalive.next_timer()
    }
}
