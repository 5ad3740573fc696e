// SPDX-License-Identifier: GPL-2.0

//! The negotiate messages, and what follows from them (MS-SMBD 3.1.5.2, 3.1.5.3, 3.1.5.6, 3.1.5.7).
#![forbid(unsafe_code)]

use super::{
    accept::{max_mrs, region_pages, SEND_SLOTS},
    cause::Cause,
    socket::{work_id, Answer, Role, Socket},
    state::{Established, NegotiateMessage, Segments, NEGOTIATE_MAX},
    stats::Breach,
    WORK,
};
use kernel::{
    prelude::*,
    sync::{Arc, ArcBorrow},
    workqueue::WorkItem,
};
use smbdirect_core::{
    error::ProtocolError,
    lifecycle::{Event, Status},
    link::Link,
    negotiate::{
        client_negotiate, client_request, server_error_response, server_negotiate, server_response,
        ServerOutcome,
    },
    params::Negotiated,
    recv_queue::RecvQueue,
    time::Millis,
};
use smbdirect_kext::{
    ctx::{NoioScope, ProcessCtx},
    gate::Permit,
    log::{class, Level},
    time::now_ms,
    trace,
};
use smbdirect_rdma::{recv_pool::Received, send_ring::Chain, Endpoint};

/// The receive posted before negotiation: at least 512 bytes whatever is agreed later (MS-SMBD 3.1.7.2).
pub(super) const FIRST_RECV: usize = smbdirect_core::params::FIRST_RECEIVE_SIZE as usize;
/// `STATUS_INSUFFICIENT_RESOURCES`.
const NO_RESOURCES: u32 = 0xC000_009A;
/// Memory for receives at the start; the pool grows with use.
const INITIAL_RECV_BYTES: usize = 96 * 1024;
/// How long a connection that has negotiated may wait to be accepted.
const READY_MS: u64 = 30_000;
/// Send slots at the start.
const INITIAL_SEND_SLOTS: u16 = 8;

impl Socket {
    /// Has the socket's work item look at what is to do. Any context.
    pub(super) fn kick(this: ArcBorrow<'_, Self>) {
        WORK.enqueue::<_, { work_id::MAIN }>(this.into());
    }

    /// A message arrived before there is a link. Softirq.
    pub(super) fn on_negotiate(this: ArcBorrow<'_, Self>, received: &Received<'_, Self>) {
        trace::RecvNegotiate::emit(|| trace::RecvNegotiate {
            conn: this.id,
            length: received.len as u32,
            bytes: trace::bytes(received.slot.bytes().get(..received.len).unwrap_or(&[])),
        });
        let mut message = NegotiateMessage {
            bytes: [0; NEGOTIATE_MAX],
            len: received.len,
        };
        let part = received.len.min(NEGOTIATE_MAX);
        if let (Some(to), Some(from)) = (
            message.bytes.get_mut(..part),
            received.slot.bytes().get(..part),
        ) {
            to.copy_from_slice(from);
        }
        let again = {
            let mut state = this.state.lock();
            let again = state.message_seen;
            if !again {
                state.message = Some(message);
                state.message_seen = true;
            }
            again
        };
        if again {
            this.log(
                Level::Err,
                class::NEGOTIATE,
                format_args!("a second message before the negotiation ended"),
            );
            this.count_breach(Breach::SecondNegotiate);
            Self::fail_for(this, ECONNABORTED, Cause::Protocol);
        } else {
            Self::kick(this);
        }
    }

    /// Client: sends the negotiate request. Sleeps.
    pub(super) fn send_request(
        this: ArcBorrow<'_, Self>,
        ctx: &ProcessCtx,
        endpoint: &Permit<'_, Endpoint<Socket>>,
    ) -> Result {
        let params = this.params.get();
        endpoint.make_send(
            ctx,
            params.max_send_size as usize,
            INITIAL_SEND_SLOTS,
            SEND_SLOTS,
        )?;
        this.status.advance(Event::Begin)?;
        Self::send_raw(this, endpoint, &client_request(&params.local()))
    }

    /// Sends bytes outside of the credit system.
    fn send_raw(this: ArcBorrow<'_, Self>, endpoint: &Endpoint<Socket>, bytes: &[u8]) -> Result {
        let ring = endpoint.send().ok_or(ENOTCONN)?;
        let mut slot = ring.alloc(false).ok_or(ENOMEM)?;
        slot.buffer()
            .get_mut(..bytes.len())
            .ok_or(EINVAL)?
            .copy_from_slice(bytes);
        trace::SendNegotiate::emit(|| trace::SendNegotiate {
            conn: this.id,
            length: bytes.len() as u32,
            bytes: trace::bytes(bytes),
        });
        let mut chain = Chain::new(ring);
        chain.push(slot, bytes.len(), None);
        chain.post(true)
    }

    /// Handles the negotiate message, if there is one and its time has come. Process context.
    fn negotiate(this: ArcBorrow<'_, Self>, ctx: &ProcessCtx) -> Result {
        let (message, early) = {
            let mut state = this.state.lock();
            if state.established {
                (state.message.take(), false)
            } else {
                (None, state.message_seen || state.data_early)
            }
        };
        if early && this.role() == Role::Server {
            // The last message of the CM's handshake is late or lost; it would be asked for again only after seconds. Not from the completion itself: the CM's
            // lock is also held over locks that softirq may interrupt (rxe's).
            this.enter()?.notify_established();
        }
        let Some(message) = message else {
            return Ok(());
        };
        let endpoint = this.enter()?;
        let mut pdu = message
            .bytes
            .get(..message.len.min(NEGOTIATE_MAX))
            .unwrap_or(&[]);
        // The parser only looks at the fixed part, but wants to know that it is all there.
        if message.len > NEGOTIATE_MAX {
            pdu = &message.bytes;
        }
        match this.role() {
            Role::Server => Self::serve(this, ctx, &endpoint, &message, pdu),
            Role::Client => Self::conclude(this, ctx, &endpoint, pdu),
            _ => Err(EINVAL),
        }
    }

    /// Server: a negotiate request.
    fn serve(
        this: ArcBorrow<'_, Self>,
        ctx: &ProcessCtx,
        endpoint: &Endpoint<Socket>,
        message: &NegotiateMessage,
        pdu: &[u8],
    ) -> Result {
        let mut params = this.params.get();
        let local = params.local();
        local.validate().map_err(|why| {
            this.log(
                Level::Err,
                class::NEGOTIATE,
                format_args!("cannot negotiate: {why}"),
            );
            EINVAL
        })?;
        let negotiated = match server_negotiate(&local, pdu) {
            Ok(ServerOutcome::Accept(negotiated)) => match this.fragmented_size.as_ref() {
                Some(size) => negotiated.with_fragmented_recv_size(*size),
                None => negotiated,
            },
            Ok(ServerOutcome::Reject { status, response }) => {
                this.log(
                    Level::Err,
                    class::NEGOTIATE,
                    format_args!("client supports no common protocol version, refused with status {status:#x}"),
                );
                endpoint.make_send(ctx, response.len(), 1, 1)?;
                Self::send_raw(this, endpoint, &response)?;
                // Give the answer time to leave: the teardown that follows would flush it.
                Self::linger(endpoint);
                this.count_breach(Breach::NoCommonVersion);
                Self::fail_for(this, EOPNOTSUPP, Cause::Protocol);
                return Err(EOPNOTSUPP);
            }
            Err(why) => {
                this.log(
                    Level::Err,
                    class::NEGOTIATE,
                    format_args!("negotiate request: {why}"),
                );
                this.count_protocol_error(&why);
                Self::fail_for(this, ECONNABORTED, Cause::Protocol);
                return Err(ECONNABORTED);
            }
        };
        if let Some(listener) = this.listener.as_ref() {
            if !listener.admit_ready(&this) {
                // The backlog is full: nothing is allocated for this one yet. It is looked at again when a place is free, or times out.
                this.state.lock().message = Some(*message);
                return Ok(());
            }
        }
        this.status.advance(Event::Begin)?;
        params.max_send_size = negotiated.max_send_size();
        params.max_recv_size = negotiated.max_recv_size();
        params.max_fragmented_send_size = negotiated.max_fragmented_send_size();
        params.max_fragmented_recv_size = negotiated.max_fragmented_recv_size();
        this.params.set(&params);
        endpoint.make_send(
            ctx,
            params.max_send_size as usize,
            INITIAL_SEND_SLOTS,
            SEND_SLOTS,
        )?;
        endpoint.make_rw(ctx)?;
        if let Err(error) = Self::establish(this, ctx, endpoint, &negotiated) {
            let _ = Self::send_raw(this, endpoint, &server_error_response(NO_RESOURCES));
            Self::linger(endpoint);
            return Err(error);
        }
        this.set_deadline(READY_MS);
        if let Some(listener) = this.listener.as_ref() {
            listener.ready(&this);
        }
        Ok(())
    }

    /// Server: the socket is accepted. Marks it connected and sends the response.
    pub(super) fn answer(this: ArcBorrow<'_, Self>, _ctx: &ProcessCtx) -> Result {
        let endpoint = this.enter()?;
        let response = {
            let mut state = this.state.lock();
            let established = state.link.as_mut().ok_or(ENOTCONN)?;
            let granted = established.link.grant_in_response();
            let response = server_response(&established.negotiated, granted);
            state.deadline = 0;
            response
        };
        this.status.advance(Event::Negotiated)?;
        Self::book_established(this);
        if let Err(error) = Self::send_raw(this, &endpoint, &response) {
            Self::fail_for(this, error, Cause::Adapter);
        }
        Ok(())
    }

    /// Client: a negotiate response.
    fn conclude(
        this: ArcBorrow<'_, Self>,
        ctx: &ProcessCtx,
        endpoint: &Endpoint<Socket>,
        pdu: &[u8],
    ) -> Result {
        if this.status.status() != Status::NegotiateRunning {
            return Err(ECONNABORTED);
        }
        let mut params = this.params.get();
        let mut local = params.local();
        let page = kernel::page::PAGE_SIZE as u32;
        local.max_read_write_size = params.max_frmr_depth.saturating_mul(page);
        let negotiated = client_negotiate(&local, pdu).map_err(|why| {
            this.log(
                Level::Err,
                class::NEGOTIATE,
                format_args!("negotiate response: {why}"),
            );
            if let ProtocolError::Refused { status } = why {
                this.answer.populate(Answer::Status(status));
            }
            let (error, cause) = if why.is_refusal() {
                (ECONNREFUSED, Cause::Refused)
            } else {
                (ECONNABORTED, Cause::Protocol)
            };
            this.count_protocol_error(&why);
            Self::fail_for(this, error, cause);
            error
        })?;
        params.max_send_size = negotiated.max_send_size();
        params.max_recv_size = negotiated.max_recv_size();
        params.max_fragmented_send_size = negotiated.max_fragmented_send_size();
        params.max_read_write_size = negotiated.max_read_write_size();
        if params.max_read_write_size < page {
            this.log(
                Level::Err,
                class::NEGOTIATE,
                format_args!(
                    "the server's MaxReadWriteSize {} is less than a page",
                    params.max_read_write_size
                ),
            );
            this.count_breach(Breach::ReadWriteSize);
            Self::fail_for(this, ECONNABORTED, Cause::Protocol);
            return Err(ECONNABORTED);
        }
        params.max_frmr_depth = params.max_read_write_size / page;
        this.params.set(&params);
        endpoint.make_mrs(ctx, 2, max_mrs(&params) as usize, region_pages(&params))?;
        Self::establish(this, ctx, endpoint, &negotiated)?;
        this.set_deadline(0);
        this.status.advance(Event::Negotiated)?;
        Self::book_established(this);
        this.events.wake_all();
        Ok(())
    }

    /// Makes the receive pool, posts what it has, and enters the link.
    fn establish(
        this: ArcBorrow<'_, Self>,
        ctx: &ProcessCtx,
        endpoint: &Endpoint<Socket>,
        negotiated: &Negotiated,
    ) -> Result {
        let size = negotiated.max_recv_size() as usize;
        let max = usize::from(negotiated.recv_credit_max()) + 1;
        endpoint.make_recv(ctx, size, u16::try_from(max).map_err(|_| EINVAL)?)?;
        let pool = endpoint.recv().ok_or(ENOTCONN)?;
        let wanted = usize::from(negotiated.recv_credit_target()) + 1;
        // Whole blocks: a part of one would cost a block's place.
        let block = pool.slots_per_block();
        let target = wanted.min((INITIAL_RECV_BYTES / size).max(2));
        let target = (target - target % block).max(target.min(block));
        while pool.total() < target {
            if pool.grow(ctx, target - pool.total()).is_err() {
                break;
            }
        }
        if pool.total() < 2 {
            return Err(ENOMEM);
        }
        let limit = pool.total() - 1;
        let mut link = Link::new(negotiated, Millis(now_ms()));
        link.set_recv_limit(u16::try_from(limit).unwrap_or(u16::MAX));
        let mut left = usize::from(link.recv_wanted());
        while left > 0 {
            let mut free = core::iter::from_fn(|| pool.take_free()).take(left);
            let posted = pool.post(&mut free)?;
            if posted == 0 {
                break;
            }
            left -= posted;
            link.recv_posted(posted as u16);
            super::established::trace_posted(this.id, &link, posted);
        }
        let established = KBox::new(
            Established {
                link,
                queue: RecvQueue::new(Segments::new(max)?),
                negotiated: *negotiated,
                limit,
                token: false,
                senders_wait: false,
                want: None,
                began: (0, 0),
                starved_ms: 0,
                grow: false,
                payloads: 0,
            },
            GFP_KERNEL,
        )?;
        this.state.lock().link = Some(established);
        Ok(())
    }

    /// Waits a moment for posted sends to leave.
    fn linger(endpoint: &Endpoint<Socket>) {
        super::teardown::linger(endpoint);
    }
}

impl WorkItem<{ work_id::MAIN }> for Socket {
    type Pointer = Arc<Socket>;

    fn run(this: Arc<Socket>) {
        let ctx = ProcessCtx::enter();
        // Teardown waits for this item, and memory reclaim may wait for teardown.
        let _noio = NoioScope::enter();
        let this = this.as_arc_borrow();
        if this.status.first_error().is_some() {
            return;
        }
        if let Err(error) = Socket::negotiate(this, &ctx) {
            Socket::fail(this, error);
            return;
        }
        Socket::grow(this, &ctx);
        Socket::send_empties(this);
    }
}
