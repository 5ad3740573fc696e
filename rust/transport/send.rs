// SPDX-License-Identifier: GPL-2.0

//! Sending messages (MS-SMBD 3.1.4.2, 3.1.5.1, 3.1.5.4).
//!
//! Payload is copied into send slots, so everything the caller gave is the caller's again when a call returns. Fragments are full except the
//! last, however many pieces the message comes in. What a sender has to wait for, and how long, is in [`wait`].
#![forbid(unsafe_code)]

mod wait;

pub(super) use wait::MESSAGE_GRACE_MS;

use super::{cause::Cause, socket::Socket, stats::own};
use kernel::{iov::IovIterSource, prelude::*, sync::ArcBorrow};
use smbdirect_core::{
    link::{Link, SendState},
    pace::{allowed_ms, MIN_EARNED},
    time::Millis,
    wire::data::{Header, HEADER_LEN, RESPONSE_REQUESTED},
};
use smbdirect_kext::{
    ctx::ProcessCtx,
    log::{class, Level},
    time::now_ms,
    trace,
};
use smbdirect_rdma::{
    send_ring::{Chain, SendSlot},
    Endpoint,
};
use wait::{Need, Pace};

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
            offset: h.data_offset,
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
        let mut pace = Pace::new(remaining);
        let mut chain = Chain::new(ring);
        let mut taken = 0;
        while !source.is_empty() && out.left > 0 {
            let (mut slot, filled) = match out.open.take() {
                Some((index, filled)) => (ring.unpark(index).ok_or(EINVAL)?, usize::from(filled)),
                None => match ring.alloc(false) {
                    Some(slot) => (slot, 0),
                    None => (
                        Self::wait_slot(this, ctx, &endpoint, out, &mut chain, &mut pace)?,
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
        let mut pace = Pace::new(0);
        let mut chain = Chain::new(ring);
        let mut slot = match ring.alloc(false) {
            Some(slot) => slot,
            None => Self::wait_slot(this, ctx, &endpoint, out, &mut chain, &mut pace)?,
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
}
