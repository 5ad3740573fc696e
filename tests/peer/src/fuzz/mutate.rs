// SPDX-License-Identifier: GPL-2.0
//! Changing messages: by fields, which know what is interesting, and by bytes,
//! which do not.

use super::rng::Rng;
use crate::smbd::wire::{DataHeader, NegotiateRequest, PAYLOAD_AT};
use crate::verbs::SendKind;

/// Place and width of the fields of a negotiate request.
const REQUEST: [(usize, usize); 7] = [(0, 2), (2, 2), (4, 2), (6, 2), (8, 4), (12, 4), (16, 4)];
/// Of a data message.
const DATA: [(usize, usize); 7] = [(0, 2), (2, 2), (4, 2), (6, 2), (8, 4), (12, 4), (16, 4)];
/// Of an SMB2 header with the body of a READ or WRITE.
const SMB2: [(usize, usize); 22] = [
    (4, 2),
    (6, 2),
    (8, 4),
    (12, 2),
    (14, 2),
    (16, 4),
    (20, 4),
    (24, 8),
    (32, 4),
    (36, 4),
    (40, 8),
    (64, 2),
    (66, 2),
    (68, 4),
    (72, 8),
    (80, 8),
    (96, 4),
    (100, 4),
    (104, 4),
    (104, 2),
    (106, 2),
    (108, 4),
];

/// A number at a place, cut to its width; nothing if the message is too short.
pub fn put(bytes: &mut [u8], (at, n): (usize, usize), value: u64) {
    if let Some(to) = bytes.get_mut(at..at + n) {
        to.copy_from_slice(&value.to_le_bytes()[..n]);
    }
}

/// A number that some check may have as its bound, with sizes that matter here.
fn interesting(rng: &mut Rng, sizes: &[usize]) -> u64 {
    const EDGES: [u64; 26] = [
        0,
        1,
        2,
        7,
        8,
        9,
        16,
        20,
        23,
        24,
        25,
        127,
        128,
        255,
        256,
        0x7fff,
        0xffff,
        131_071,
        131_072,
        0x00ff_ffff,
        0x0100_0000,
        0x7fff_ffff,
        0x8000_0000,
        0xffff_ffe8,
        0xffff_fff8,
        0xffff_ffff,
    ];
    match rng.below(4) {
        0 => rng.next(),
        1 => rng.next() >> (8 * rng.below(8)),
        2 if !sizes.is_empty() => {
            let near = [0, 1, 8, 20, 24, u64::MAX, u64::MAX - 7, u64::MAX - 23];
            (rng.pick(sizes) as u64).wrapping_add(rng.pick(&near))
        }
        _ => rng.pick(&EDGES),
    }
}

fn field(bytes: &mut [u8], rng: &mut Rng, places: &[(usize, usize)], sizes: &[usize]) {
    for _ in 0..rng.within(1, 2) {
        let place = rng.pick(places);
        let value = interesting(rng, sizes);
        put(bytes, place, value);
    }
}

/// Bytes changed, put in, taken out and doubled without knowing what they are.
pub fn havoc(bytes: &mut Vec<u8>, rng: &mut Rng) {
    for _ in 0..rng.within(1, 6) {
        if bytes.is_empty() {
            bytes.push(rng.byte());
            continue;
        }
        let at = rng.below(bytes.len());
        let n = rng.within(1, 16).min(bytes.len() - at);
        match rng.below(7) {
            0 | 1 => bytes[at] ^= 1 << rng.below(8),
            2 => bytes[at] = rng.byte(),
            3 => bytes[at] = rng.pick(&[0, 1, 0x7f, 0x80, 0xff]),
            4 => {
                let new = rng.bytes(n);
                bytes.splice(at..at, new);
            }
            5 => drop(bytes.drain(at..at + n)),
            _ => {
                let copy = bytes[at..at + n].to_vec();
                bytes.splice(at..at, copy);
            }
        }
    }
}

/// A negotiate request, and what was done to it.
pub fn request(good: NegotiateRequest, rng: &mut Rng) -> (Vec<u8>, &'static str) {
    let mut bytes = good.bytes();
    match rng.below(100) {
        // numbers that are unusual and right
        0..=54 => {
            let sizes = [0, 1, 127, 128, 512, 1364, 8192, 1 << 20, u32::MAX];
            let receive = [128, 129, 200, 512, 1000, 1364, 8192, u32::MAX];
            let fragmented = [131_072, 131_073, 1 << 20, 1 << 24, u32::MAX];
            let odd = NegotiateRequest {
                reserved: rng.next() as u16,
                credits_requested: rng.pick(&[1, 2, 3, 10, 255, 256, 0x7fff, 0xffff]),
                preferred_send_size: rng.pick(&sizes),
                max_receive_size: rng.pick(&receive),
                max_fragmented_size: rng.pick(&fragmented),
                ..good.versions(
                    rng.pick(&[0, 1, 0xff, 0x100]),
                    rng.pick(&[0x100, 0x101, 0xffff]),
                )
            };
            (odd.bytes(), "request-numbers")
        }
        55..=69 => {
            field(&mut bytes, rng, &REQUEST, &[20, 128, 1364, 131_072]);
            (bytes, "request-field")
        }
        70..=79 => {
            havoc(&mut bytes, rng);
            (bytes, "request-havoc")
        }
        80..=84 => {
            bytes.truncate(rng.below(20));
            (bytes, "request-short")
        }
        85..=95 => {
            let n = rng.pick(&[1, 4, 12, 100, 491, 492, 493, 1000]);
            bytes.extend(rng.bytes(n));
            (bytes, "request-long")
        }
        _ => (rng.bytes(20), "request-noise"),
    }
}

/// Changes that MS-SMBD lets pass: the message means the same afterwards.
pub fn harmless(bytes: &mut Vec<u8>, rng: &mut Rng, max_receive: usize) -> &'static str {
    let Some(mut h) = DataHeader::read(bytes) else {
        return "as it was";
    };
    match rng.below(7) {
        0 => {
            h.flags = rng.next() as u16;
            put(bytes, (4, 2), h.flags.into());
            "flags"
        }
        1 => {
            put(bytes, (6, 2), rng.next() | 1);
            "reserved"
        }
        2 => {
            let wanted = rng.pick(&[1, 2, 3, 10, 254, 256, 0x7fff, 0x8000, 0xffff]);
            put(bytes, (0, 2), wanted);
            "credits-requested"
        }
        3 => {
            let room = max_receive.saturating_sub(bytes.len());
            let n = rng.within(0, room);
            bytes.extend(rng.bytes(n));
            "trailing-bytes"
        }
        4 if h.length == 0 => {
            let at = 8 * rng.below(bytes.len() / 8 + 1);
            put(bytes, (12, 4), at as u64);
            "offset-without-data"
        }
        4 | 5 => {
            // the payload further behind
            let at = h.offset as usize;
            let room = max_receive.saturating_sub(bytes.len()) / 8;
            let by = 8 * rng.below(room.min(40) + 1);
            if h.length != 0 && at <= bytes.len() {
                let padding = rng.bytes(by);
                bytes.splice(at..at, padding);
                put(bytes, (12, 4), (at + by) as u64);
            }
            "payload-offset"
        }
        _ => {
            if h.length != 0 {
                let padding = rng.bytes(4);
                bytes[DataHeader::LEN..PAYLOAD_AT as usize].copy_from_slice(&padding);
            }
            put(bytes, (4, 2), rng.next() & 0xfffe);
            "padding-and-flags"
        }
    }
}

/// Changes that may break anything. `other` is an earlier message.
pub fn harmful(
    bytes: &mut Vec<u8>,
    rng: &mut Rng,
    max_receive: usize,
    most: usize,
    other: &[u8],
) -> &'static str {
    let what = match rng.below(100) {
        0..=39 => {
            let sizes = [bytes.len(), max_receive];
            field(bytes, rng, &DATA, &sizes);
            "field"
        }
        40..=54 => {
            havoc(bytes, rng);
            "havoc"
        }
        55..=64 => {
            bytes.truncate(rng.below(bytes.len().max(1)));
            "truncated"
        }
        65..=79 => {
            let to = rng.pick(&[
                max_receive,
                max_receive + 1,
                max_receive + 8,
                bytes.len() + 1,
                most,
            ]);
            let n = to.saturating_sub(bytes.len());
            bytes.extend(rng.bytes(n));
            "extended"
        }
        80..=94 => {
            // a part of an earlier message in the place of ours
            let n = rng.below(other.len().min(bytes.len()).max(1));
            let from = rng.below(other.len() - n.min(other.len()) + 1);
            let at = rng.below(bytes.len() - n.min(bytes.len()) + 1);
            let piece = &other[from..(from + n).min(other.len())];
            bytes.splice(at..at + piece.len(), piece.iter().copied());
            "spliced"
        }
        _ => {
            let n = rng.within(0, 64);
            *bytes = rng.bytes(n);
            "noise"
        }
    };
    bytes.truncate(most);
    what
}

/// Work requests that do not belong here.
pub fn opcode(rng: &mut Rng, iwarp: bool, keys: &[u32]) -> (SendKind, &'static str) {
    let key = match keys {
        [] => rng.next() as u32,
        // one of ours, which is none of the server's, or one near to it
        keys if rng.chance(50) => rng.pick(keys).wrapping_add(rng.pick(&[0, 0, 1, 0x100])),
        _ => rng.next() as u32,
    };
    let address = rng.pick(&[0, 0x1000, 0xffff_8880_0000_0000, u64::MAX - 100]);
    match rng.below(if iwarp { 3 } else { 5 }) {
        0 => (SendKind::Invalidate(key), "send-with-invalidate"),
        1 => (SendKind::Write(address, key), "rdma-write"),
        2 => (SendKind::Read(address, key), "rdma-read"),
        3 => (SendKind::Immediate(key), "send-with-immediate"),
        _ => (SendKind::WriteImmediate(key), "write-with-immediate"),
    }
}

/// An SMB2 request: the server's SMB2 layer may do with it what it likes.
pub fn smb2(bytes: &mut Vec<u8>, rng: &mut Rng) -> &'static str {
    if rng.chance(60) {
        let sizes = [bytes.len(), 112];
        field(bytes, rng, &SMB2, &sizes);
        "smb2-field"
    } else {
        havoc(bytes, rng);
        "smb2-havoc"
    }
}

#[cfg(test)]
mod tests {
    use super::super::model::{self, Fate, Stream};
    use super::*;

    const GOOD: NegotiateRequest = NegotiateRequest {
        min_version: 0x100,
        max_version: 0x100,
        reserved: 0,
        credits_requested: 255,
        preferred_send_size: 1364,
        max_receive_size: 1364,
        max_fragmented_size: 131_072,
    };

    #[test]
    fn requests_are_good_and_bad() {
        let mut lives = 0;
        for number in 0..2000 {
            let (bytes, what) = request(GOOD, &mut Rng::new(1, number));
            let fate = model::negotiate(&bytes);
            assert!(bytes.len() <= 1020);
            assert!(what != "request-numbers" || fate == Fate::Lives);
            lives += u32::from(fate == Fate::Lives);
        }
        assert!((900..1700).contains(&lives), "{lives} of 2000");
    }

    #[test]
    fn harmless_changes_are() {
        for number in 0..5000 {
            let mut rng = Rng::new(2, number);
            let payload = rng.bytes(if number % 2 == 0 { 0 } else { 100 });
            let h = match payload.len() {
                0 => DataHeader::empty(255, 1),
                n => DataHeader::with(255, 1, n, 0),
            };
            let mut bytes = h.message(&payload);
            let what = harmless(&mut bytes, &mut rng, 1364);
            let (fate, done) = Stream::new(1364, 131_072).take(&bytes);
            assert_eq!(fate, Fate::Lives, "{number} {what}");
            assert_eq!(done.unwrap_or_default(), payload, "{number} {what}");
        }
    }

    #[test]
    fn harmful_changes_are_bounded() {
        let mut ends = 0;
        for number in 0..5000 {
            let mut rng = Rng::new(3, number);
            let other = vec![0x55; number as usize % 90];
            let mut bytes = DataHeader::with(255, 1, 50, 9).message(&[1; 50]);
            harmful(&mut bytes, &mut rng, 1364, 2048, &other);
            assert!(bytes.len() <= 2048);
            let fate = Stream::new(1364, 131_072).take(&bytes).0;
            ends += u32::from(fate != Fate::Lives);
            smb2(&mut bytes, &mut rng);
        }
        assert!((2000..4500).contains(&ends), "{ends} of 5000");
    }
}
