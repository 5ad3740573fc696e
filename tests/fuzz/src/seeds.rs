// SPDX-License-Identifier: GPL-2.0

//! The inputs to begin with: the byte vectors of `tests/host`, good connections, and messages at the
//! bounds of each check. `cargo run --bin seeds -- corpus` writes them; what the engine found on top
//! of them and is worth keeping lies next to them.

use smbdirect_core::wire::data::Header;
use smbdirect_core::wire::descriptor::Descriptor;
use smbdirect_core::wire::negotiate::Response;
use smbdirect_core::LocalParams;
use smbdirect_host_tests::build::{data, empty, raw, request, response};
use smbdirect_host_tests::{vectors::*, with_credits, DEFAULTS};

/// Numbers as the targets read them.
#[derive(Clone, Debug, Default)]
struct Bytes(Vec<u8>);

impl Bytes {
    fn u8(mut self, v: u8) -> Self {
        self.0.push(v);
        self
    }
    fn u16(self, v: u16) -> Self {
        self.all(&v.to_le_bytes())
    }
    fn u32(self, v: u32) -> Self {
        self.all(&v.to_le_bytes())
    }
    fn u64(self, v: u64) -> Self {
        self.all(&v.to_le_bytes())
    }
    fn all(mut self, v: &[u8]) -> Self {
        self.0.extend_from_slice(v);
        self
    }
    /// The same operation several times.
    fn times(self, n: usize, op: &[u8]) -> Self {
        self.all(&op.repeat(n))
    }
}

/// Parameters, for [`crate::input::Input::params`].
fn params(out: Bytes, p: &LocalParams) -> Bytes {
    out.u16(p.recv_credit_max)
        .u16(p.send_credit_target)
        .u32(p.max_send_size)
        .u32(p.max_recv_size)
        .u32(p.max_fragmented_recv_size)
        .u32(p.max_read_write_size)
        .u64(p.keepalive_interval.0)
        .u64(p.keepalive_timeout.0)
}

/// A seed: target, name, bytes.
pub type Seed = (&'static str, String, Vec<u8>);

/// All of them.
#[must_use]
pub fn all() -> Vec<Seed> {
    let parts = [
        ("wire", wire()),
        ("negotiate", negotiate()),
        ("link", link()),
        ("queue", queue()),
        ("slices", slices()),
        ("pair", pair()),
        ("differential", differential()),
        ("dialogue", dialogue()),
    ];
    let mut out = Vec::new();
    for (target, seeds) in parts {
        for (name, bytes) in seeds {
            out.push((target, format!("seed-{name}"), bytes.0));
        }
    }
    out
}

type Named = Vec<(&'static str, Bytes)>;

fn wire() -> Named {
    let seed = |kind: u8, pdu: &[u8]| {
        let limits = Bytes::default().u8(kind).u32(1364).u32(131_072);
        limits.all(pdu)
    };
    // One byte longer than what we said that we can receive.
    let long = Bytes::default().u8(2).u32(131).u32(131_072);
    let mut beyond = DATA_500.to_vec();
    beyond.resize(523, 0);
    let mut whole = beyond.clone();
    whole.push(0);
    vec![
        ("request", seed(0, &REQUEST_SAMPLE)),
        ("request-windows", seed(0, &REQUEST_WINDOWS)),
        ("response", seed(1, &RESPONSE_SAMPLE)),
        ("response-error", seed(1, &RESPONSE_NOT_SUPPORTED)),
        ("data", seed(2, &whole)),
        ("data-short-by-one", seed(2, &beyond)),
        ("probe", seed(2, &PROBE)),
        ("probe-reply", seed(2, &PROBE_REPLY)),
        ("short", seed(2, &PROBE[..19])),
        ("fragmented-most", seed(2, &data(1, &[1; 8], 131_064))),
        ("fragmented-more", seed(2, &data(1, &[1; 8], 131_065))),
        ("long", long.all(&data(1, &[1; 108], 0))),
        ("descriptor", seed(3, &DESCRIPTOR)),
    ]
}

fn negotiate() -> Named {
    let seed = |role: u8, p: &LocalParams, pdu: &[u8]| {
        params(Bytes::default().u8(role), p).u16(300).all(pdu)
    };
    let peer = |c: &LocalParams, s: &LocalParams| {
        let role = params(Bytes::default().u8(2), c).u16(255);
        params(role, s)
    };
    let windows = LocalParams {
        max_send_size: 9000,
        max_recv_size: 8192,
        max_fragmented_recv_size: 1_048_576,
        ..DEFAULTS
    };
    let mut foreign = request(10, 1364, 1364, 200_000);
    (foreign.min_version, foreign.max_version) = (0x0101, 0x0200);
    let greedy = Response {
        preferred_send_size: 1365,
        ..response()
    };
    vec![
        ("request", seed(0, &DEFAULTS, &REQUEST_SAMPLE)),
        ("request-windows", seed(0, &DEFAULTS, &REQUEST_WINDOWS)),
        ("request-foreign", seed(0, &DEFAULTS, &foreign.emit())),
        (
            "request-small",
            seed(0, &DEFAULTS, &request(1, 0, 128, 131_072).emit()),
        ),
        ("response", seed(1, &DEFAULTS, &RESPONSE_SAMPLE)),
        (
            "response-error",
            seed(1, &DEFAULTS, &RESPONSE_NOT_SUPPORTED),
        ),
        ("response-linux", seed(1, &DEFAULTS, &response().emit())),
        ("response-greedy", seed(1, &DEFAULTS, &greedy.emit())),
        ("handshake", peer(&DEFAULTS, &windows)),
        (
            "handshake-one",
            peer(&with_credits(1, 1), &with_credits(65_534, 65_535)),
        ),
    ]
}

fn link() -> Named {
    // Role, both credits, sizes, fragmented, times; the peer's credits, size, fragmented; now;
    // receives.
    let begin = |server: bool, max: u16, peer: u16| {
        Bytes::default()
            .u8(u8::from(!server))
            .u16(max - 1)
            .u8(255)
            .u16(1364 - 128)
            .u16(1364 - 128)
            .u32(0)
            .u32(120_000)
            .u32(5000)
            .u16(peer)
            .u16(peer)
            .u16(1364 - 128)
            .u32(0)
            .u64(1000)
            .u16(300)
    };
    let message = |out: Bytes, pdu: &[u8]| out.u8(0).u8(pdu.len() as u8).all(pdu);
    let mut vectors = begin(true, 255, 255);
    for pdu in [
        &PROBE_REPLY[..],
        &data(1, &[7; 60], 0),
        &data(1, &[8; 9], 9),
    ] {
        vectors = message(vectors, pdu);
    }
    let inside = Header {
        credits_requested: 1,
        data_offset: 16,
        data_length: 4,
        ..Header::default()
    };
    // Receive: 2 = fragment (u16 size, u16 rest, u8 about), 3 = empty (u8 about); send: 4 = any
    // (u32, u32), 5 = next fragment (u16, u32), 6 = empty; 7 = post (u8), 8 = one more, 9 = limit
    // (u16), 10 = time (u16), 11 = timer (u8), 12 = attend, 13 = flood (u8, u16).
    let fragment =
        |out: Bytes, size: u16, rest: u16, about: u8| out.u8(2).u16(size).u16(rest).u8(about);
    let mut exchange = begin(false, 255, 10).u8(12).u8(5).u16(1000).u32(3000);
    exchange = fragment(exchange.u8(5).u16(2000).u32(0), 500, 700, 0xF2);
    exchange = fragment(exchange, 500, 0, 0xF2).u8(7).u8(9);
    exchange = fragment(exchange.u8(6), 500, 0, 0xF3)
        .u8(12)
        .u8(5)
        .u16(9)
        .u32(9);
    let single = begin(true, 1, 1)
        .times(6, &[3, 0x12, 7, 255, 6, 8, 6, 12])
        .times(3, &[2, 9, 0, 0, 0, 0x12, 12, 6, 8, 6]);
    let last = begin(false, 3, 2)
        .times(4, &[5, 1, 0, 9, 0, 0, 0])
        .times(5, &[3, 0x32, 5, 1, 0, 9, 0, 0, 0, 8, 5, 1, 0, 9, 0, 0, 0]);
    let keepalive = begin(true, 4, 4)
        .times(3, &[3, 0x24, 11, 0, 12, 3, 0x23, 12, 11, 0xFF, 11, 1])
        .times(2, &[11, 0]);
    let limited = begin(true, 255, 255)
        .u8(9)
        .u16(8)
        .times(9, &[2, 9, 0, 0, 0, 0xF2, 7, 255])
        .u8(9)
        .u16(200)
        .times(3, &[12, 10, 5, 0, 3, 0xF3, 7, 3]);
    vec![
        ("vectors", vectors),
        ("probe", message(begin(true, 10, 10), &PROBE).u8(12)),
        (
            "inside",
            message(begin(true, 10, 10), &raw(&inside, &[0; 8])),
        ),
        (
            "grant-many",
            message(begin(true, 2, 2), &empty(65_535, 0)).times(4, &[6, 12]),
        ),
        (
            "flood",
            begin(true, 9, 9).times(2, &[13, 255, 255, 255, 12]),
        ),
        ("exchange", exchange),
        ("single-credits", single),
        ("last-credit", last),
        ("keepalive", keepalive),
        ("limited", limited),
    ]
}

fn queue() -> Named {
    // 1 = fragment (u8 size, u16 rest, u8 offset), 3 = the last (u8 offset), 4 = header, 5 = take
    // (u32, u8 pieces), 6 = take (u8, u8 pieces), 7 = other memory (u8).
    let begin = |room: u8| Bytes::default().u8(room);
    let messages = begin(8)
        .times(3, &[1, 20, 30, 0, 24, 1, 20, 0, 0, 24, 3, 24])
        .times(9, &[4, 6, 7, 3])
        .times(2, &[5, 0, 1, 0, 0, 9]);
    let growing = begin(2)
        .all(&[1, 9, 9, 0, 24, 3, 24, 7, 1, 7, 4, 6, 10, 2, 7, 1, 7, 9])
        .times(4, &[1, 5, 5, 0, 24, 3, 0, 6, 3, 1]);
    let empty_first = begin(4).all(&[1, 0, 9, 0, 24, 1, 0, 9, 0, 24, 3, 24, 4, 6, 4, 1, 6, 9, 1]);
    let overrun = begin(4).all(&[1, 5, 5, 0, 0, 0, 6, 1, 0, 0, 0, 0]);
    let early = begin(4).all(&[1, 5, 5, 0, 0, 0, 2, 0, 0, 0, 0, 0]);
    let full = begin(1).times(2, &[3, 0]);
    vec![
        ("messages", messages),
        ("growing", growing),
        ("empty-first", empty_first),
        ("overrun", overrun),
        ("early", early),
        ("full", full),
    ]
}

fn slices() -> Named {
    let seed = |len: u32, max: u32, times: u8| Bytes::default().u32(len).u32(max).u8(times);
    let d = |offset: u64, length: u32| {
        Descriptor {
            offset,
            token: 0x1A00_BC56,
            length,
        }
        .emit()
    };
    let mib = 1 << 20;
    vec![
        ("sample", seed(mib, mib, 0).all(&DESCRIPTOR)),
        ("sample-slices", seed(mib, 65_536, 0).all(&DESCRIPTOR)),
        ("too-short", seed(mib + 1, mib, 0).all(&DESCRIPTOR)),
        ("partial", seed(mib, mib, 0).all(&DESCRIPTOR[..15])),
        (
            "three",
            seed(5000, 900, 0)
                .all(&d(0x1000, 4096))
                .all(&d(0, 0))
                .all(&d(0x9000, 4096)),
        ),
        ("end-of-space", seed(16, 5, 0).all(&d(u64::MAX - 15, 16))),
        ("wraps", seed(16, 5, 0).all(&d(u64::MAX - 14, 16))),
        ("many", seed(65_000, 16, 0x80 | 63).all(&d(0x1000, 16))),
        ("too-many", seed(65_000, 16, 0x80 | 64).all(&d(0x1000, 16))),
    ]
}

fn pair() -> Named {
    // Credits of client and server (max and target, less one), sizes less 128, flags, fragments.
    let begin = |credits: [u8; 4], flags: u8, fragment: u8| {
        Bytes::default()
            .all(&credits[..2])
            .u16(300)
            .u16(300)
            .all(&credits[2..])
            .u16(100)
            .u16(100)
            .u8(flags)
            .u8(fragment)
            .u8(fragment)
    };
    // Side in bit 0: 0 = arrive, 2 = read (u16), 4 = post, 6 = report, 8 = send, 10 = queue (u16,
    // u8), 12 = time (u16), 14 = wake, 16 = idle.
    let both = [10, 100, 0, 9, 11, 200, 0, 40];
    let turn = [4, 5, 6, 7, 8, 9, 0, 1, 2, 50, 0, 3, 50, 0];
    let calm = begin([19; 4], 0, 0).all(&both).times(9, &turn);
    let single = begin([0; 4], 7, 0).times(3, &both).times(9, &turn).u8(16);
    let bytes = begin([1, 2, 2, 1], 4, 1).times(2, &both).times(6, &turn);
    let stalled = begin([3, 3, 1, 1], 5, 0)
        .times(3, &both)
        .times(6, &[4, 6, 8, 8, 1, 5, 9, 0])
        .times(2, &[14, 12, 100, 0, 3, 9, 0]);
    let idle = begin([4; 4], 4, 0).all(&[16, 17]).all(&both).u8(16);
    vec![
        ("calm", calm),
        ("single-credits", single),
        ("bytes", bytes),
        ("stalled-reader", stalled),
        ("idle", idle),
    ]
}

fn differential() -> Named {
    let seed = |kind: u8, pdu: &[u8]| Bytes::default().u8(kind).all(pdu);
    let message = |pdu: &[u8]| Bytes::default().u8(2).u32(1364).u32(131_072).all(pdu);
    let mut whole = DATA_500.to_vec();
    whole.resize(524, 0);
    let greedy = Response {
        credits_granted: 256,
        ..response()
    };
    let small = Response {
        max_read_write_size: 65_536,
        ..response()
    };
    // Limits, then 0 = bytes (u8), 1 = fields, 2 = fragment (u8, u8).
    let begin = || Bytes::default().u8(4).u16(1236).u16(2000);
    let fragments = begin().times(2, &[2, 9, 20, 2, 10, 0, 2, 0, 0, 2, 10, 0]);
    let bytes = begin()
        .u8(0)
        .u8(20)
        .all(&PROBE)
        .u8(0)
        .u8(20)
        .all(&PROBE_REPLY);
    let fields = begin()
        .all(&[1, 9, 1, 0, 5, 0, 6, 3, 0])
        .all(&[1, 9, 1, 0, 0, 0, 6, 5, 0]);
    let early = begin().all(&[2, 9, 20, 1, 9, 1, 0, 0, 0, 6, 3, 0]);
    let beyond = begin().all(&[2, 9, 20, 1, 9, 1, 0, 1, 0, 6, 20, 0]);
    let overrun = begin().all(&[2, 9, 20, 1, 9, 1, 0, 0, 0, 6, 21, 0]);
    vec![
        ("request", seed(0, &REQUEST_SAMPLE)),
        ("request-windows", seed(0, &REQUEST_WINDOWS)),
        (
            "request-none",
            seed(0, &request(0, 128, 128, 131_072).emit()),
        ),
        ("response", seed(1, &RESPONSE_SAMPLE)),
        ("response-error", seed(1, &RESPONSE_NOT_SUPPORTED)),
        ("response-linux", seed(1, &response().emit())),
        ("response-greedy", seed(1, &greedy.emit())),
        ("response-small", seed(1, &small.emit())),
        ("data", message(&whole)),
        ("probe", message(&PROBE)),
        ("fragmented-more", message(&data(1, &[1; 8], 131_065))),
        ("descriptor", seed(3, &DESCRIPTOR)),
        ("descriptors", seed(3, &DESCRIPTOR.repeat(3)[..47])),
        ("stream-fragments", fragments),
        ("stream-bytes", bytes),
        ("stream-fields", fields),
        ("stream-early", early),
        ("stream-beyond", beyond),
        ("stream-overrun", overrun),
    ]
}

fn dialogue() -> Named {
    // The server's credits (max and target, less one) and sizes less 128, the client's credits, sizes
    // and receives. 0 = client sends, 1 = server sends, 2 = client receives, 3 = both, 4 = ask; u16.
    let begin = |credits: [u8; 2], size: u16, client: u8, receives: u8| {
        Bytes::default()
            .all(&credits)
            .u16(size)
            .u16(size)
            .u8(client)
            .u16(size)
            .u16(size)
            .u8(receives)
    };
    let turn = |out: Bytes, len: u16| {
        let mut out = out;
        for op in [0, 3, 1, 0, 4, 2, 0, 1, 1] {
            out = out.u8(op).u16(len);
        }
        out
    };
    vec![
        ("calm", turn(begin([39, 39], 1236, 39, 31), 500)),
        ("long", turn(begin([19, 19], 1000, 9, 9), 2900)),
        ("single-credits", turn(begin([0, 0], 0, 0, 0), 250)),
        ("one-receive", turn(begin([9, 9], 72, 19, 0), 900)),
        ("few-credits", turn(begin([1, 30], 0, 2, 20), 700)),
    ]
}
