// SPDX-License-Identifier: GPL-2.0

//! What holds for any input. Failures are made small and printed by the property runner.

use proptest::collection::vec;
use proptest::prelude::*;
use smbdirect_core::reassembly::Reassembly;
use smbdirect_core::wire::data::Header;
use smbdirect_core::wire::descriptor::Descriptor;
use smbdirect_core::wire::negotiate::{Request, Response};
use smbdirect_core::*;
use smbdirect_host_tests::pair::{Pair, Schedule};
use smbdirect_host_tests::{build::*, with_credits};

fn params() -> impl Strategy<Value = LocalParams> {
    (
        1..65535u16,
        1..=65535u16,
        128..20_000u32,
        128..20_000u32,
        131_072..0x0100_0000u32,
    )
        .prop_map(
            |(recv, send, max_send_size, max_recv_size, max_fragmented_recv_size)| LocalParams {
                max_send_size,
                max_recv_size,
                max_fragmented_recv_size,
                ..with_credits(recv, send)
            },
        )
}

/// One thing that happens to a link. The peer may do anything at all.
#[derive(Clone, Debug)]
enum Op {
    /// A message with any fields.
    Receive {
        header: Header,
        body: usize,
    },
    /// A message that keeps the rules: `len` bytes of the message in progress, or of a new one of
    /// `total` bytes.
    Good {
        credits: (u16, u16),
        flags: u16,
        len: u32,
        total: u32,
    },
    Post,
    PostExtra,
    Emit {
        len: u32,
        remaining: u32,
    },
    Continue {
        len: u32,
    },
    Empty,
    Timer {
        after: u64,
    },
    Limit(u16),
}

fn header() -> impl Strategy<Value = Header> {
    let credits = prop_oneof![4 => 1..20u16, 1 => any::<u16>()];
    let granted = prop_oneof![4 => 0..3u16, 1 => any::<u16>()];
    let offset = prop_oneof![6 => Just(24u32), 2 => Just(0u32), 1 => any::<u32>()];
    let length = prop_oneof![4 => 0..60u32, 4 => Just(0u32), 1 => any::<u32>()];
    let remaining = prop_oneof![6 => Just(0u32), 2 => 0..100u32, 1 => any::<u32>()];
    (credits, granted, 0..3u16, remaining, offset, length).prop_map(
        |(
            credits_requested,
            credits_granted,
            flags,
            remaining_data_length,
            data_offset,
            data_length,
        )| {
            Header {
                credits_requested,
                credits_granted,
                flags,
                remaining_data_length,
                data_offset,
                data_length,
            }
        },
    )
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
    1 => (header(), 0..80usize).prop_map(|(header, body)| Op::Receive { header, body }),
            30 => (1..20u16, 0..3u16, 0..2u16, 0..60u32, 0..200u32).prop_map(
                |(asks, gives, flags, len, total)| Op::Good { credits: (asks, gives), flags, len, total }
            ),
            20 => Just(Op::Post),
            10 => Just(Op::PostExtra),
            10 => (0..60u32, 0..60u32).prop_map(|(len, remaining)| Op::Emit { len, remaining }),
            20 => (1..60u32).prop_map(|len| Op::Continue { len }),
            20 => Just(Op::Empty),
            2 => (0..200_000u64).prop_map(|after| Op::Timer { after }),
            1 => any::<u16>().prop_map(Op::Limit),
        ]
}

/// A copy of the few facts that matter, kept the simple way.
#[derive(Debug)]
struct Model {
    credits: u64,
    posted: u32,
    granted: u32,
    /// Bytes to come of the message being sent.
    unsent: u32,
    /// Bytes to come of the message being received, if there is one.
    incoming: Option<u32>,
    /// A message was refused for want of a grant and none went out since.
    refused: bool,
}

/// A message went out: it was allowed to, and it says what it should.
fn sent(
    m: &mut Model,
    link: &Link,
    pdu: &[u8],
    len: u32,
    remaining: u32,
) -> Result<(), TestCaseError> {
    let h = parse(pdu);
    prop_assert!(m.credits > 0, "sent without credit");
    prop_assert!(
        m.credits > 1 || h.credits_granted > 0,
        "last credit without grant"
    );
    m.credits -= 1;
    m.granted += u32::from(h.credits_granted);
    prop_assert!(m.granted <= m.posted, "granted what is not posted");
    prop_assert!(h.credits_requested > 0 && h.flags <= 1);
    prop_assert_eq!((h.data_length, h.remaining_data_length), (len, remaining));
    prop_assert_eq!(h.data_offset, if len == 0 { 0 } else { 24 });
    prop_assert_eq!(pdu.len(), if len == 0 { 20 } else { 24 });
    prop_assert_eq!(&h.emit()[..], &pdu[..20]);
    m.unsent = remaining;
    m.refused = false;
    prop_assert_eq!(u64::from(link.send_credits()), m.credits);
    Ok(())
}

/// What the rules say about a message, without the code under test.
fn allowed(m: &mut Model, h: &Header, received: usize, neg: &Negotiated) -> bool {
    let (len, remaining) = (u64::from(h.data_length), u64::from(h.remaining_data_length));
    let sound = h.credits_requested > 0
        && h.data_offset % 8 == 0
        && u64::from(h.data_offset) + len <= received as u64
        && len + remaining <= u64::from(neg.max_fragmented_recv_size())
        && received <= neg.max_recv_size() as usize
        && (len == 0 || h.data_offset >= 24)
        && m.granted > 0;
    if !sound {
        return false;
    }
    if len == 0 && remaining == 0 {
        return true;
    }
    let left = match m.incoming {
        None => remaining,
        Some(left) if len > u64::from(left) => return false,
        Some(left) => u64::from(left) - len,
    };
    if (left == 0) != (remaining == 0) {
        return false;
    }
    m.incoming = if left == 0 { None } else { Some(left as u32) };
    true
}

/// See [`Op::Good`].
fn good_message(m: &Model, credits: (u16, u16), flags: u16, len: u32, total: u32) -> Op {
    let left = m.incoming.unwrap_or(total);
    let len = len.min(left);
    let header = Header {
        credits_requested: credits.0,
        credits_granted: credits.1,
        flags,
        remaining_data_length: left - len,
        data_offset: if len == 0 { 0 } else { 24 },
        data_length: len,
    };
    Op::Receive {
        header,
        body: 4 + len as usize,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn link_keeps_its_promises(
        max in 1..12u16,
        asked in 1..20u16,
        ops in vec(op(), 0..400),
    ) {
        let (mut link, neg) = server_link(
            &LocalParams { max_recv_size: 128, ..with_credits(max, 9) },
            &request(asked, 128, 128, 131_072),
        );
        let mut m = Model {
            credits: 0,
            posted: u32::from(link.posted()),
            granted: u32::from(link.granted()),
            unsent: 0,
            incoming: None,
            refused: false,
        };
        let mut now = Millis::ZERO;
        for op in ops {
            let before = link.send_state();
            // A peer that keeps the rules stops when it has no credit.
            let op = match op {
                Op::Good { .. } if m.granted == 0 => continue,
                Op::Good { credits, flags, len, total } => good_message(&m, credits, flags, len, total),
                other => other,
            };
            match op {
                Op::Good { .. } => unreachable!("made into bytes above"),
                Op::Receive { header, body } => {
                    let pdu = raw(&header, &vec![0; body]);
                    let good = allowed(&mut m, &header, pdu.len(), &neg);
                    let got = link.on_receive(now, &pdu);
                    prop_assert_eq!(got.is_ok(), good, "{:?}", got);
                    let Ok(got) = got else { return Ok(()) };
                    m.posted -= 1;
                    m.granted -= 1;
                    m.credits += u64::from(header.credits_granted);
                    prop_assert_eq!(got.payload.is_some(), header.data_length > 0);
                    if let Some(p) = got.payload {
                        prop_assert_eq!((p.offset, p.len), (header.data_offset, header.data_length));
                        prop_assert_eq!(p.end, m.incoming.is_none());
                    }
                    prop_assert_eq!(got.reply_requested, header.flags & 1 == 1);
                    let after = link.send_state();
                    if before != SendState::Ready && after == SendState::Ready {
                        prop_assert!(got.wake_senders);
                    }
                    prop_assert!(!got.reply_requested || m.unsent > 0 || link.empty_due());
                }
                Op::Post => {
                    let n = link.recv_wanted();
                    link.recv_posted(n);
                    m.posted += u32::from(n);
                    prop_assert_eq!(link.recv_wanted(), 0);
                    // Only a sender that has not tried yet can still need one.
                    prop_assert!(!m.refused || link.send_state() != SendState::NeedGrant);
                    prop_assert!(!link.reply_needs_grant());
                }
                Op::PostExtra => {
                    if before == SendState::NeedGrant || link.reply_needs_grant() {
                        prop_assert!(link.can_overpost(), "no room for a last receive: {:?}", link);
                        link.recv_posted(1);
                        m.posted += 1;
                        prop_assert_eq!(link.grantable(), 1);
                        prop_assert_ne!(link.send_state(), SendState::NeedGrant);
                    }
                }
                Op::Emit { len, remaining } => {
                    let fits = m.unsent == 0 || len + remaining == m.unsent;
                    match link.emit(now, len, remaining) {
                        Ok(pdu) => {
                            prop_assert!(fits && len > 0 && len <= neg.payload_capacity());
                            sent(&mut m, &link, &pdu, len, remaining)?;
                        }
                        Err(SendState::Refused) => prop_assert!(!fits || len == 0),
                        Err(state) => {
                            prop_assert_eq!(state, before);
                            m.refused = state == SendState::NeedGrant;
                        }
                    }
                }
                Op::Continue { len } if m.unsent > 0 => {
                    let len = len.min(m.unsent);
                    let remaining = m.unsent - len;
                    match link.emit(now, len, remaining) {
                        Ok(pdu) => sent(&mut m, &link, &pdu, len, remaining)?,
                        Err(state) => prop_assert_eq!(state, before),
                    }
                }
                Op::Continue { .. } => {}
                Op::Empty => match link.emit_empty(now) {
                    Ok(pdu) => {
                        prop_assert!(m.unsent == 0, "empty message between fragments");
                        sent(&mut m, &link, &pdu, 0, 0)?;
                    }
                    Err(SendState::Refused) => prop_assert!(m.unsent > 0),
                    Err(state) => prop_assert_eq!(state, before),
                },
                Op::Timer { after } => {
                    now = now.after(Millis(after));
                    match link.on_timer(now) {
                        TimerAction::Dead => return Ok(()),
                        TimerAction::Rearm(at) | TimerAction::Probe { rearm: at } => {
                            prop_assert!(at > now);
                            prop_assert_eq!(at, link.next_timer());
                        }
                    }
                }
                Op::Limit(n) => link.set_recv_limit(n),
            }
            prop_assert_eq!(u32::from(link.granted()), m.granted);
            prop_assert_eq!(u32::from(link.posted()), m.posted);
            prop_assert!(m.granted <= m.posted);
            prop_assert!(m.posted <= u32::from(max) + 1, "{:?}", link);
            prop_assert!(u32::from(link.grantable()) <= m.posted - m.granted);
            prop_assert!(link.granted() <= max || m.granted == u32::from(max) + 1);
        }
    }

    #[test]
    fn messages_arrive_whole(
        sizes in (1..12u16, 1..12u16, 1..12u16, 1..12u16, 128..300u32, 128..300u32),
        to_server in vec(vec(any::<u8>(), 1..900), 0..8),
        to_client in vec(vec(any::<u8>(), 1..900), 0..8),
        seed in any::<u64>(),
        weights in (1..30u64, 0..30u64, 0..30u64, 1..500u32),
    ) {
        let client = LocalParams { max_send_size: sizes.4, ..with_credits(sizes.0, sizes.1) };
        let server = LocalParams { max_recv_size: sizes.5, ..with_credits(sizes.2, sizes.3) };
        let how = Schedule { wire: weights.0, reader: weights.1, post: weights.2, read_size: weights.3, delay: 1 };
        let mut pair = Pair::connect(&client, &server, seed, how);
        for m in &to_server {
            pair.sides[0].queue_message(vec![m.clone()]);
        }
        for m in &to_client {
            pair.sides[1].queue_message(vec![m.clone()]);
        }
        pair.settle(200_000);
        prop_assert_eq!(&pair.sides[1].delivered, &to_server);
        prop_assert_eq!(&pair.sides[0].delivered, &to_client);
        // Bounded chatter: not more than a few messages without payload for each with.
        let c = [pair.sides[0].counts, pair.sides[1].counts];
        prop_assert!(c[0].empty + c[1].empty <= 2 * (c[0].data + c[1].data) + 50, "{:?}", c);
        pair.flush();
    }

    #[test]
    fn negotiation_between_any_two(client in params(), server in params()) {
        prop_assert_eq!(client.validate(), Ok(()));
        let outcome = server_negotiate(&server, &client_request(&client));
        let Ok(ServerOutcome::Accept(s)) = outcome else {
            return Err(TestCaseError::fail(format!("{outcome:?}")));
        };
        let mut link = Link::new(&s, Millis::ZERO);
        link.recv_posted(link.recv_wanted());
        let c = client_negotiate(&client, &server_response(&s, link.grant_in_response()));
        let c = c.map_err(|e| TestCaseError::fail(e.to_string()))?;
        // Nobody sends what the other cannot receive.
        prop_assert!(c.max_send_size() <= s.max_recv_size());
        prop_assert!(s.max_send_size() <= c.max_recv_size());
        prop_assert_eq!(c.max_fragmented_send_size(), s.max_fragmented_recv_size());
        prop_assert_eq!(s.max_fragmented_send_size(), c.max_fragmented_recv_size());
        prop_assert!(c.payload_capacity() >= 104 && s.payload_capacity() >= 104);
        prop_assert_eq!(link.granted(), c.initial_send_credits());
        prop_assert!(link.granted() <= client.send_credit_target);
        prop_assert!(c.max_read_write_size() <= s.max_read_write_size());
    }

    #[test]
    fn any_request(pdu in vec(any::<u8>(), 0..64), local in params()) {
        match server_negotiate(&local, &pdu) {
            Ok(ServerOutcome::Accept(n)) => {
                prop_assert!(pdu.len() >= 20);
                prop_assert!(n.max_send_size() >= 128 && n.max_send_size() <= local.max_send_size);
                prop_assert!(n.max_recv_size() >= 128 && n.max_recv_size() <= local.max_recv_size);
                prop_assert!((131_072..=0x00FF_FFFF).contains(&n.max_fragmented_recv_size()));
                prop_assert!((1..=local.recv_credit_max).contains(&n.recv_credit_target()));
            }
            Ok(ServerOutcome::Reject { status, response }) => {
                prop_assert_eq!(response, server_error_response(status));
            }
            Err(e) => prop_assert_eq!(e.clause(), "3.1.5.6"),
        }
    }

    #[test]
    fn any_response(pdu in vec(any::<u8>(), 0..64), local in params()) {
        if let Err(e) = client_negotiate(&local, &pdu) {
            prop_assert_eq!(e.clause(), "3.1.5.7");
        }
    }

    #[test]
    fn reading_is_the_reverse_of_writing(
        pdu in vec(any::<u8>(), 0..64),
        h in header(),
        d in (any::<u64>(), any::<u32>(), any::<u32>()),
    ) {
        prop_assert_eq!(Header::parse(&h.emit()), Some(h));
        prop_assert_eq!(Header::parse(&h.emit_padded()), Some(h));
        let descriptor = Descriptor { offset: d.0, token: d.1, length: d.2 };
        let bytes = descriptor.emit();
        prop_assert_eq!(Descriptor::split_first(&bytes), Some((descriptor, &[][..])));
        // The other way round all bytes but the reserved ones come back.
        if let Some(h) = Header::parse(&pdu) {
            let mut expected = pdu[..20].to_vec();
            expected[6..8].fill(0);
            prop_assert_eq!(h.emit().to_vec(), expected);
        } else {
            prop_assert!(pdu.len() < 20);
        }
        if let Some(r) = Request::parse(&pdu) {
            let mut expected = pdu[..20].to_vec();
            expected[4..6].fill(0);
            prop_assert_eq!(r.emit().to_vec(), expected);
        }
        if let Some(r) = Response::parse(&pdu) {
            let mut expected = pdu[..32].to_vec();
            expected[6..8].fill(0);
            prop_assert_eq!(r.emit().to_vec(), expected);
        }
    }

    /// Whatever is accepted has exactly the announced length, and starts and ends once.
    #[test]
    fn accepted_sequences_are_whole(parts in vec((0..5u32, 0..12u32), 0..60)) {
        let mut r = Reassembly::new();
        let mut message: Option<(u32, u32)> = None;
        for (len, remaining) in parts {
            let Ok(position) = r.accept(len, remaining) else { return Ok(()) };
            prop_assert_eq!(position.is_some(), len > 0);
            let Some(p) = position else { continue };
            if let Some(total) = p.start {
                prop_assert!(message.is_none());
                message = Some((total, 0));
            }
            let (total, have) = message.expect("a start comes first");
            message = Some((total, have + len));
            prop_assert!(have + len <= total);
            prop_assert_eq!(p.end, have + len == total);
            if p.end {
                message = None;
            }
        }
    }
}
