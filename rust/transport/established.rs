// SPDX-License-Identifier: GPL-2.0

//! An established connection: what arrives, receives to post, empty messages, growth.
#![forbid(unsafe_code)]

use super::{
    cause::Cause,
    send::{asks, trace_send},
    socket::{Role, Socket},
    state::Established,
    stats::{own, Breach},
};
use kernel::{prelude::*, sync::ArcBorrow};
use smbdirect_core::{
    link::{Link, SendState},
    pace::{allowed_ms, MIN_EARNED},
    recv_queue::Segment,
    time::Millis,
    wire::data::{Header, HEADER_LEN},
};
use smbdirect_kext::{
    ctx::ProcessCtx,
    log::{class, Level},
    time::now_ms,
    trace,
};
use smbdirect_rdma::{
    recv_pool::{Received, RecvSlot},
    send_ring::Chain,
    Endpoint,
};

/// Most empty messages sent in a row: a probe, an answer, and two that became due meanwhile.
const EMPTIES: usize = 4;

/// Traces that receives were posted. With the state lock held, so that the numbers belong together.
#[inline]
pub(super) fn trace_posted(conn: u64, link: &Link, count: usize) {
    trace::RecvPosted::emit(|| trace::RecvPosted {
        conn,
        count: count as u32,
        granted: u32::from(link.granted()),
        posted: u32::from(link.posted()),
    });
}

/// Work of a connection that is under way.
pub(crate) struct Outstanding {
    /// Send slots that the hardware has, or that are being filled.
    pub(crate) sends: u16,
    /// Batches of RDMA reads and writes.
    pub(crate) transfers: usize,
    /// Regions that are registered.
    pub(crate) registrations: usize,
}

impl Socket {
    /// Runs `f` on the established state, if there is one. Takes the state lock; `f` must not sleep, post or wake.
    #[inline]
    pub(super) fn with_link<R>(&self, f: impl FnOnce(&mut Established) -> R) -> Option<R> {
        self.state
            .lock()
            .link
            .as_mut()
            .map(|established| f(established))
    }

    /// Send credits, credits granted, receives posted, receives parked; `None` before negotiation. Any context.
    pub(crate) fn with_link_for_admin(&self) -> Option<(u32, u16, u16, usize)> {
        self.with_link(|est| {
            (
                est.link.send_credits(),
                est.link.granted(),
                est.link.posted(),
                est.queue.segments(),
            )
        })
    }

    /// What the hardware has now, and the peer may reach. Any context.
    pub(crate) fn outstanding(&self) -> Outstanding {
        let endpoint = self.endpoint.enter();
        let endpoint = endpoint.as_ref();
        Outstanding {
            sends: endpoint.and_then(|e| e.send()).map_or(0, |r| r.in_flight()),
            transfers: endpoint.and_then(|e| e.rw()).map_or(0, |rw| rw.live()),
            registrations: endpoint.and_then(|e| e.mrs()).map_or(0, |mrs| {
                let (all, free) = mrs.counts();
                all.saturating_sub(free)
            }),
        }
    }

    /// Bytes of memory that the socket holds. Any context.
    pub(crate) fn memory(&self) -> usize {
        let listener = match self.role() {
            Role::Listener => self.listener.as_ref().map_or(0, |l| l.memory()),
            _ => 0,
        };
        self.stats.shell()
            + listener
            + self.endpoint.enter().map_or(0, |e| e.memory())
            + self
                .with_link(|est| est.queue.store().memory())
                .unwrap_or(0)
    }

    /// A message arrived. Softirq, one at a time, in order.
    pub(super) fn on_received(this: ArcBorrow<'_, Self>, received: Received<'_, Self>) {
        // After the gate was shut nothing is posted or delivered any more; dropping the slot leaves it free.
        let Some(endpoint) = this.endpoint.enter() else {
            return;
        };
        if let Some(key) = received.invalidated {
            if !Self::on_invalidated(this, &endpoint, key) {
                return;
            }
        }
        let now = Millis(now_ms());
        let counters = &this.stats.receive;
        let (mut wake_reader, mut repost) = (false, None);
        let (wake_senders, empty, grow, dry);
        {
            let mut state = this.state.lock();
            let Some(est) = state.link.as_mut() else {
                drop(state);
                Self::on_negotiate(this, &received);
                return;
            };
            let pdu = received.slot.bytes().get(..received.len).unwrap_or(&[]);
            let what = match est.link.on_receive(now, pdu) {
                Ok(what) => what,
                Err(why) => {
                    drop(state);
                    trace::RecvRefused::emit(|| trace::RecvRefused {
                        conn: this.id,
                        length: received.len as u32,
                        // nothing of the payload
                        bytes: trace::bytes(pdu.get(..HEADER_LEN).unwrap_or(pdu)),
                    });
                    this.log(
                        Level::Err,
                        class::RDMA_RECV,
                        format_args!("message refused: {why}"),
                    );
                    this.count_protocol_error(&why);
                    Self::fail_for(this, ECONNABORTED, Cause::Protocol);
                    return;
                }
            };
            trace::Recv::emit(|| {
                let h = Header::parse(pdu).unwrap_or_default();
                trace::Recv {
                    conn: this.id,
                    length: h.data_length,
                    offset: h.data_offset,
                    remaining: h.remaining_data_length,
                    requests: u32::from(h.credits_requested),
                    grants: u32::from(h.credits_granted),
                    flags: u32::from(h.flags),
                    send_credits: est.link.send_credits(),
                    granted: u32::from(est.link.granted()),
                    posted: u32::from(est.link.posted()),
                }
            });
            match what.payload {
                Some(payload) => {
                    if let Some(len) = payload.start {
                        est.began = (now.0, len);
                    } else if (1..MIN_EARNED).contains(&u64::from(payload.len)) {
                        // So that it is progress that counts, and not the speed of the machine.
                        est.began.0 = now.0.min(est.began.0 + allowed_ms(MIN_EARNED));
                    }
                    if payload.end {
                        est.began = (0, 0);
                    }
                    let segment = Segment {
                        slot: received.slot.park(),
                        offset: payload.offset,
                        len: payload.len,
                        start: payload.start.unwrap_or(0),
                    };
                    est.payloads = est.payloads.saturating_add(1);
                    // The queue has room for every slot.
                    let _ = est.queue.push(segment);
                    if est.want.is_some_and(|want| est.readable(want)) {
                        est.want = None;
                        wake_reader = true;
                    }
                    own(&counters.inline_received_bytes, u64::from(payload.len));
                    own(&counters.recv_buffers_taken, 1);
                }
                None => {
                    own(&counters.empty_received, 1);
                    repost = Some(received.slot);
                }
            }
            if what.reply_requested {
                own(&counters.keepalives_received, 1);
            }
            wake_senders = (what.wake_senders || est.link.send_credits() <= 1) && est.senders_wait;
            // Empty messages alone are no use of what there is.
            est.grow |= est.link.granted() == 0
                && est.payloads.saturating_mul(2) >= est.limit
                && est.queue.segments().saturating_mul(4) < est.limit
                && usize::from(est.link.recv_target()) > est.limit;
            grow = est.grow;
            // The receive of this payload comes back when the reader takes it, which waits for more than a peer without credits can send. A peer that
            // wants few credits leaves slots that nobody uses.
            dry = est.link.granted() == 0 && est.link.recv_wanted() > 0;
            empty = dry || repost.is_some() || (!est.token && est.link.empty_due());
        }
        own(&counters.messages_received, 1);
        if dry || repost.is_some() {
            Self::post_receives(&this, &endpoint, &mut repost.into_iter());
        }
        if wake_reader {
            own(&counters.reader_wakes, 1);
            this.readers.wake_all();
        }
        if wake_senders {
            this.events.wake_all();
        }
        if empty {
            Self::send_empties(this);
        }
        if grow && endpoint.recv().is_some_and(|pool| pool.can_grow()) {
            Self::kick(this);
        }
    }

    /// The peer said that it invalidated `key`. Only a server does that, and only to a key of ours; anything else ends the connection. Softirq.
    fn on_invalidated(this: ArcBorrow<'_, Self>, endpoint: &Endpoint<Socket>, key: u32) -> bool {
        if this.role() == Role::Client
            && endpoint
                .mrs()
                .is_some_and(|mrs| mrs.remote_invalidated(key))
        {
            own(&this.stats.receive.remote_invalidations, 1);
            return true;
        }
        this.log(
            Level::Err,
            class::RDMA_MR,
            format_args!("peer invalidated key {key:#x}, which is not registered for it"),
        );
        this.count_breach(Breach::Invalidation);
        Self::fail_for(this, ECONNABORTED, Cause::Protocol);
        false
    }

    /// Posts as many receives as the link wants: first of `slots`, which ends (what is left of it stays free), then of slots that nobody uses. Any context.
    pub(super) fn post_receives<'a>(
        this: &Socket,
        endpoint: &'a Endpoint<Socket>,
        slots: &mut dyn Iterator<Item = RecvSlot<'a, Socket>>,
    ) {
        let Some(pool) = endpoint.recv() else { return };
        // What is wanted, and how many slots nobody uses, less the one kept for the last-credit rule: a peer that lowers its target and raises it again
        // leaves some.
        let look = |est: &mut Established| {
            let used = usize::from(est.link.posted()) + est.queue.segments();
            (est.link.recv_wanted(), est.limit.saturating_sub(used))
        };
        let (mut wanted, mut spare) = this.with_link(look).unwrap_or_default();
        while wanted > 0 {
            let mut more = core::iter::from_fn(|| pool.take_free()).take(spare);
            let mut some = core::iter::from_fn(|| slots.next().or_else(|| more.next()))
                .take(usize::from(wanted));
            // A failure to post is followed by the failure of the connection; the fault is reported by the provider's completions or by the next send.
            let posted = pool.post(&mut some).unwrap_or(0);
            if posted == 0 {
                return;
            }
            let (helped, next) = this
                .with_link(|est| {
                    let helped = est.link.recv_posted(posted as u16) && est.senders_wait;
                    trace_posted(this.id, &est.link, posted);
                    (helped, look(est))
                })
                .unwrap_or_default();
            (wanted, spare) = next;
            if helped {
                // A sender had nothing to grant with its last credit.
                this.events.wake_all();
            }
        }
        slots.for_each(drop);
    }

    /// Posts one receive for the last-credit rule, beyond the target if need be. Returns whether there is something to grant now. Any context.
    pub(super) fn post_extra(&self, endpoint: &Endpoint<Socket>) -> bool {
        if self.with_link(|est| est.link.can_overpost()) != Some(true) {
            return false;
        }
        let Some(slot) = endpoint.recv().and_then(|pool| pool.take_free()) else {
            return false;
        };
        let posted = endpoint.recv().map_or(0, |pool| {
            pool.post(&mut core::iter::once(slot)).unwrap_or(0)
        });
        self.with_link(|est| {
            est.link.recv_posted(posted as u16);
            trace_posted(self.id, &est.link, posted);
        });
        posted > 0
    }

    /// Like [`post_extra`](Self::post_extra), if that is what keeps a sender waiting: its last credit may have come with a payload, whose receive is not
    /// back yet. Any context.
    pub(super) fn post_extra_if_needed(&self) {
        if self.with_link(|est| est.link.send_state() == SendState::NeedGrant) != Some(true) {
            return;
        }
        if let Ok(endpoint) = self.enter() {
            self.post_extra(&endpoint);
        }
    }

    /// Sends the empty messages that are due, if no message is under way: a credit grant, a keepalive probe, or the answer to one. What becomes due while
    /// one is being posted finds the token taken and is left to this; if it does not end soon, to the socket's work item. Any context.
    pub(super) fn send_empties(this: ArcBorrow<'_, Self>) {
        let Ok(endpoint) = this.enter_connected() else {
            return;
        };
        let Some(ring) = endpoint.send() else { return };
        for _ in 0..EMPTIES {
            let (due, extra) = this
                .with_link(|est| {
                    let due = !est.token && est.link.empty_due();
                    let extra = est.link.reply_needs_grant()
                        || est.link.send_state() == SendState::NeedGrant;
                    (due, extra)
                })
                .unwrap_or((false, false));
            if !due {
                return;
            }
            if extra {
                this.post_extra(&endpoint);
            }
            let Some(mut slot) = ring.alloc(true) else {
                return;
            };
            let header = this.with_link(|est| {
                if est.token || !est.link.empty_due() {
                    return None;
                }
                let header = est.link.emit_empty(Millis(now_ms())).ok()?;
                trace_send(this.id, &est.link, &header);
                est.token = true;
                Some(header)
            });
            let Some(Some(header)) = header else { return };
            if let Some(to) = slot.buffer().get_mut(..header.len()) {
                to.copy_from_slice(&header);
            }
            let mut chain = Chain::new(ring);
            chain.push(slot, header.len(), None);
            let posted = chain.post(false);
            let counters = &this.stats.send;
            own(&counters.empty_sent, 1);
            own(&counters.messages_sent, 1);
            own(&counters.send_posts, 1);
            own(&counters.keepalives_sent, u64::from(asks(&header)));
            let waiting = this.with_link(|est| {
                est.token = false;
                core::mem::take(&mut est.senders_wait)
            });
            if waiting == Some(true) {
                this.events.wake_all();
            }
            if posted.is_err() {
                Self::fail_for(this, ECONNABORTED, Cause::Adapter);
                return;
            }
        }
        Self::kick(this);
    }

    /// Adds receives if the peer ran dry while the reader kept up. Sleeps.
    pub(super) fn grow(this: ArcBorrow<'_, Self>, ctx: &ProcessCtx) {
        if this.with_link(|est| core::mem::take(&mut est.grow)) != Some(true) {
            return;
        }
        let Ok(endpoint) = this.enter_connected() else {
            return;
        };
        let Some(pool) = endpoint.recv() else { return };
        let Ok(more) = pool.grow(ctx, usize::from(u16::MAX)) else {
            return;
        };
        this.with_link(|est| {
            est.limit += more;
            est.payloads = 0;
            est.link
                .set_recv_limit(u16::try_from(est.limit).unwrap_or(u16::MAX));
        });
        Self::post_receives(&this, &endpoint, &mut core::iter::empty());
        Self::send_empties(this);
    }
}
