// SPDX-License-Identifier: GPL-2.0

//! An established connection under any sequence of operations, compared with a model after each.
//! Input: [`Run::begin`] has the parameters, [`Run::step`] the operations, each with a first byte
//! that selects it.

use crate::input::Input;
use crate::oracle::{credits, data, reassembly};
use crate::targets::wire::line;
use smbdirect_core::credits::SEND_CREDIT_LIMIT;
use smbdirect_core::wire::data::Header;
use smbdirect_core::wire::negotiate::{Request, Response};
use smbdirect_core::{Link, LocalParams, Millis, Negotiated, Payload, SendState, TimerAction};
use smbdirect_host_tests::build::{accepted, connected, request, response};

/// Number of kinds of operations.
pub const OPERATIONS: u8 = 14;

/// What the idle timer waits for (3.1.6.2); the numbers are points in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Idle {
    Quiet { since: u64 },
    Pending { until: u64 },
    Sent { until: u64 },
}

struct Run {
    link: Link,
    neg: Negotiated,
    credits: credits::Model,
    reassembly: reassembly::Model,
    idle: Idle,
    /// Bytes still to be sent of the message begun.
    unsent: u64,
    /// The last message was refused for want of a grant.
    blocked: bool,
    now: u64,
}

/// Runs it.
pub fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let Some(mut run) = Run::begin(&mut input) else {
        return;
    };
    run.check();
    while !input.is_empty() && run.step(&mut input) {
        run.check();
    }
}

impl Run {
    fn begin(input: &mut Input<'_>) -> Option<Self> {
        let server = input.u8() % 2 == 0;
        let local = LocalParams {
            recv_credit_max: input.within(1, 300) as u16,
            send_credit_target: input.u8().max(1).into(),
            max_send_size: input.within(128, 3000),
            max_recv_size: input.within(128, 3000),
            max_fragmented_recv_size: input.within(131_072, 400_000),
            max_read_write_size: 1 << 20,
            keepalive_interval: Millis(input.u32().max(1).into()),
            keepalive_timeout: Millis(input.u32().max(1).into()),
        };
        assert_eq!(local.validate(), Ok(()));
        let requested = input.u16().max(1);
        let granted = input.u16().max(1);
        let receive = input.within(128, 3000);
        let fragmented = input.within(131_072, 400_000);
        let now = input.u64();
        let neg = if server {
            let req: Request = request(requested, local.max_recv_size, receive, fragmented);
            accepted(&local, &req)
        } else {
            connected(
                &local,
                &Response {
                    credits_requested: requested,
                    credits_granted: granted,
                    preferred_send_size: local.max_recv_size,
                    max_receive_size: receive,
                    max_fragmented_size: fragmented,
                    ..response()
                },
            )
        };
        let mut run = Self {
            link: Link::new(&neg, Millis(now)),
            credits: credits::Model {
                max: neg.recv_credit_max().into(),
                limit: neg.recv_credit_max().into(),
                target: neg.recv_credit_target().into(),
                posted: 0,
                granted: 0,
                send: neg.initial_send_credits().into(),
                reply: false,
                payload: false,
            },
            neg,
            reassembly: reassembly::Model::default(),
            idle: Idle::Quiet { since: now },
            unsent: 0,
            blocked: false,
            now,
        };
        let receives = input.u16();
        run.post(run.link.recv_wanted().min(receives));
        if server {
            let granted = run.link.grant_in_response();
            let most = run.credits.posted.min(run.credits.target);
            assert_eq!(i64::from(granted), most);
            run.credits.granted = most;
            // Without a receive an error response goes out instead (3.1.5.6).
            (granted != 0).then_some(run)
        } else {
            Some(run)
        }
    }

    /// One operation; false if the connection ended by it.
    fn step(&mut self, input: &mut Input<'_>) -> bool {
        match input.u8() % OPERATIONS {
            0 => {
                // Any bytes.
                let n = input.u8().into();
                return self.receive(input.bytes(n));
            }
            1 => {
                // Any fields, with enough bytes for them.
                let h = Header {
                    credits_requested: input.u16(),
                    credits_granted: input.u16(),
                    flags: input.u8().into(),
                    remaining_data_length: input.u32(),
                    data_offset: u32::from(input.u8()) * 4,
                    data_length: input.u16().into(),
                };
                let mut pdu = h.emit().to_vec();
                let more = i64::from(input.u8() as i8) / 16;
                let end = i64::from(h.data_offset) + i64::from(h.data_length) + more;
                pdu.resize((end.clamp(0, 4000) as usize).max(20), 0);
                return self.receive(&pdu);
            }
            2 => {
                // A fragment that continues or begins a message as it should.
                let (size, rest) = (input.u16(), input.u16());
                let left = self.reassembly.outstanding();
                let left = left.unwrap_or(u32::from(size).max(1) + u32::from(rest));
                let most = self.neg.max_recv_size() - 24;
                let len = left.min(size.into()).min(most);
                return self.receive(&self.good(input.u8(), len, left - len));
            }
            3 => return self.receive(&self.good(input.u8(), 0, 0)),
            4 => self.emit(input.u32(), input.u32()),
            5 => {
                // The next fragment of a message, or the first.
                let (size, total) = (u32::from(input.u16()).max(1), input.u32());
                let left = match self.unsent as u32 {
                    0 => total.clamp(1, self.neg.max_fragmented_send_size()),
                    unsent => unsent,
                };
                let len = left.min(self.neg.payload_capacity()).min(size);
                self.emit(len, left - len);
            }
            6 => self.emit_empty(),
            7 => {
                let wanted = self.link.recv_wanted();
                self.post(wanted.min(input.u8().into()));
            }
            8 if self.link.can_overpost() => self.post(1),
            9 => {
                let limit = input.u16();
                self.link.set_recv_limit(limit);
                self.credits.limit = i64::from(limit).clamp(1, self.credits.max);
            }
            10 => {
                self.now = self.now.saturating_add(input.u16().into());
                return self.timer();
            }
            11 => {
                // Time goes by until the timer fires, or a little more or less.
                let around = i64::from(input.u8() as i8);
                let at = self.link.next_timer().0.saturating_add_signed(around);
                self.now = self.now.max(at);
                return self.timer();
            }
            12 => self.attend(),
            13 => {
                // A peer that gives and gives.
                let (n, granted) = (input.u8(), input.u16());
                let h = Header {
                    credits_requested: 1,
                    credits_granted: granted,
                    ..Header::default()
                };
                for _ in 0..n {
                    if !self.receive(&h.emit()) {
                        return false;
                    }
                    self.attend();
                    self.check();
                }
            }
            _ => {}
        }
        true
    }

    /// A message that is as it should be: what it says of credits is in one byte.
    fn good(&self, about: u8, len: u32, remaining: u32) -> Vec<u8> {
        let h = Header {
            credits_requested: u16::from(about >> 4).pow(2).max(1),
            credits_granted: (about >> 1 & 7).into(),
            flags: (about & 1).into(),
            remaining_data_length: remaining,
            data_offset: if len == 0 { 0 } else { 24 },
            data_length: len,
        };
        let mut pdu = h.emit().to_vec();
        if len != 0 {
            pdu.resize(24 + len as usize, 0);
        }
        pdu
    }

    fn receive(&mut self, pdu: &[u8]) -> bool {
        let (max, fragmented) = (
            self.neg.max_recv_size(),
            self.neg.max_fragmented_recv_size(),
        );
        let before = self.link.send_state();
        let got = self.link.on_receive(Millis(self.now), pdu);
        let judged = match data::judge(pdu, max, fragmented) {
            Err(broken) => Err(data::error(broken, pdu, max, fragmented)),
            Ok(d)
                if self.credits.receive(
                    d.credits_requested,
                    d.credits_granted,
                    SEND_CREDIT_LIMIT.into(),
                ) =>
            {
                self.reassembly
                    .accept(d.length as u32, d.remaining as u32)
                    .map(|position| (d, position))
            }
            Ok(_) => Err(smbdirect_core::ProtocolError::NoCreditLeft),
        };
        let (got, d, position) = match (got, judged) {
            (Ok(got), Ok((d, position))) => (got, d, position),
            (Err(e), Err(expected)) => {
                assert_eq!(e, expected);
                line(&e);
                return false;
            }
            (core, oracle) => panic!("the core says {core:?}, the rules say {oracle:?}"),
        };
        let payload = position.map(|p| Payload {
            offset: d.offset as u32,
            len: d.length as u32,
            start: p.start,
            end: p.end,
        });
        assert_eq!(got.payload, payload);
        assert_eq!(got.reply_requested, d.flags & 1 != 0);
        self.credits.reply |= got.reply_requested;
        self.credits.payload |= payload.is_some();
        self.idle = Idle::Quiet { since: self.now };
        if before == SendState::Ready {
            assert!(!got.wake_senders);
        } else if self.link.send_state() == SendState::Ready {
            assert!(got.wake_senders, "a waiting sender would sleep on");
        }
        true
    }

    fn emit(&mut self, len: u32, remaining: u32) {
        let left = u64::from(len) + u64::from(remaining);
        let fits = match self.unsent {
            0 => left <= self.neg.max_fragmented_send_size().into(),
            unsent => left == unsent,
        };
        let fits = fits && len != 0 && u64::from(len) + 24 <= self.neg.max_send_size().into();
        let grant = self.link.grantable();
        match self.link.emit(Millis(self.now), len, remaining) {
            Ok(header) => {
                assert!(
                    fits,
                    "{len} + {remaining} bytes with {} unsent",
                    self.unsent
                );
                assert_eq!(header[20..], [0; 4]);
                self.unsent = remaining.into();
                self.sent(&header, grant, [remaining, 24, len]);
            }
            Err(SendState::Refused) => assert!(!fits, "{len} + {remaining} bytes refused"),
            Err(state) => {
                assert!(fits);
                self.refused(state);
            }
        }
    }

    fn emit_empty(&mut self) {
        let grant = self.link.grantable();
        match self.link.emit_empty(Millis(self.now)) {
            Ok(message) => {
                assert_eq!(self.unsent, 0, "an empty message between fragments");
                self.sent(&message, grant, [0; 3]);
            }
            Err(SendState::Refused) => assert_ne!(self.unsent, 0),
            Err(state) => {
                assert_eq!(self.unsent, 0);
                self.refused(state);
            }
        }
    }

    /// A message goes out: its fields, and what it does to the model (3.1.4.2, 3.1.5.4).
    fn sent(&mut self, message: &[u8], grant: u16, places: [u32; 3]) {
        let Some(d) = data::fields(message) else {
            panic!("a short message was made: {message:?}");
        };
        assert_eq!(d.credits_requested, self.neg.send_credit_target().into());
        assert_eq!(d.credits_granted, grant.into(), "not what was grantable");
        assert_eq!([d.remaining, d.offset, d.length], places.map(u64::from));
        let asks = !self.credits.reply && matches!(self.idle, Idle::Pending { .. });
        assert_eq!(d.flags, asks.into(), "{:?} {:?}", self.credits, self.idle);
        if asks {
            let until = self.now.saturating_add(self.neg.keepalive_timeout().0);
            self.idle = Idle::Sent { until };
        }
        self.credits.send(d.credits_granted as i64);
        self.blocked = false;
    }

    /// A message that is as it should be did not go out.
    fn refused(&mut self, state: SendState) {
        match (state, self.credits.send) {
            (SendState::NoCredit, 0) => {}
            (SendState::NeedGrant, 1) => assert_eq!(self.link.grantable(), 0),
            _ => panic!("{state:?}: {:?}", self.credits),
        }
        self.blocked = state == SendState::NeedGrant;
        assert!(!self.blocked || self.link.recv_wanted() >= 1);
    }

    fn post(&mut self, n: u16) {
        let before = self.link.send_state();
        let wake = self.link.recv_posted(n);
        self.credits.posted += i64::from(n);
        let ready = self.link.send_state() == SendState::Ready;
        assert_eq!(wake, before == SendState::NeedGrant && ready);
    }

    /// What a transport does after each event: it comes to an end at once.
    fn attend(&mut self) {
        self.post(self.link.recv_wanted());
        for _ in 0..5 {
            if !self.link.empty_due() {
                return;
            }
            if self.link.send_state() == SendState::NeedGrant || self.link.reply_needs_grant() {
                self.post(self.link.recv_wanted().max(self.link.can_overpost().into()));
            }
            let answer = self.credits.reply;
            let before = self.credits.granted;
            self.emit_empty();
            if self.credits.send == 0 {
                return;
            }
            let more = self.credits.granted > before || before >= self.credits.max;
            assert!(!answer || more, "an answer grants: {:?}", self.credits);
        }
        panic!("empty messages without end: {:?}", self.credits);
    }

    /// The timer may fire at any time (3.1.6.2); false if the peer is given up.
    fn timer(&mut self) -> bool {
        let timeout = self.neg.keepalive_timeout().0;
        let (expected, alive) = match self.idle {
            _ if self.now < self.deadline() => (TimerAction::Rearm(Millis(self.deadline())), true),
            Idle::Quiet { .. } => {
                let until = self.now.saturating_add(timeout);
                self.idle = Idle::Pending { until };
                (
                    TimerAction::Probe {
                        rearm: Millis(until),
                    },
                    true,
                )
            }
            Idle::Pending { .. } | Idle::Sent { .. } => (TimerAction::Dead, false),
        };
        assert_eq!(self.link.on_timer(Millis(self.now)), expected);
        alive
    }

    fn deadline(&self) -> u64 {
        match self.idle {
            Idle::Quiet { since } => since.saturating_add(self.neg.keepalive_interval().0),
            Idle::Pending { until } | Idle::Sent { until } => until,
        }
    }

    /// Everything that can be asked agrees with the model.
    fn check(&self) {
        let (link, m) = (&self.link, &self.credits);
        m.check();
        assert_eq!(i64::from(link.posted()), m.posted);
        assert_eq!(i64::from(link.granted()), m.granted);
        assert_eq!(i64::from(link.recv_target()), m.target);
        assert_eq!(i64::from(link.send_credits()), m.send);
        assert_eq!(link.next_timer(), Millis(self.deadline()));
        let grant = i64::from(link.grantable());
        m.check_grant(grant);
        let state = match (m.send, grant) {
            (0, _) => SendState::NoCredit,
            (1, 0) => SendState::NeedGrant,
            _ => SendState::Ready,
        };
        assert_eq!(link.send_state(), state);
        assert_eq!(link.can_overpost(), m.posted <= m.max);
        let wanted = i64::from(link.recv_wanted());
        assert!(m.posted + wanted <= m.max + 1, "{wanted} wanted: {m:?}");
        assert!(m.posted + wanted >= m.goal().min(m.max), "{wanted}: {m:?}");
        if state == SendState::NeedGrant {
            assert!(link.can_overpost(), "no room for the last receive: {m:?}");
            assert!(!self.blocked || wanted >= 1, "{m:?}");
        }
        if link.reply_needs_grant() {
            assert!(m.reply && grant == 0);
            assert!(wanted >= 1 || !link.can_overpost(), "{m:?}");
        }
        let due = link.empty_due();
        if self.unsent != 0 {
            assert!(!due, "an empty message between fragments");
        } else if m.reply || matches!(self.idle, Idle::Pending { .. }) {
            assert!(due);
        } else {
            m.check_grant_due(grant, due);
        }
    }
}
