// SPDX-License-Identifier: GPL-2.0

//! The capture that `smbdirectctl trace --pcapng` makes, read back; and recordings changed at random.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)] // a test that panics has failed

mod tree;

use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use pcap_file::pcapng::{blocks::enhanced_packet::EnhancedPacketOption, Block, PcapNgReader};
use smbdirect_core::wire::{
    data::Header,
    negotiate::{Request, Response},
};
use smbdirectctl::trace::{conns::Conns, events, filter::Wanted, session::Session, Options};
use std::{fs, net::IpAddr, path::Path, time::Duration};
use tree::{random::Random, Tree};

/// A frame of the capture.
#[derive(Debug)]
struct Frame {
    time: Duration,
    length: u32,
    kept: usize,
    out: bool,
    dropped: u64,
    from: IpAddr,
    to: IpAddr,
    pair: u32,
    number: u32,
    message: Vec<u8>,
}

fn recording() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/trace/mount.trace");
    fs::read_to_string(path).unwrap()
}

/// What is printed, and the capture.
fn capture(recording: &str, json: bool) -> (String, Vec<u8>) {
    let tree = Tree::empty();
    let path = tree.path().join("x.pcapng");
    let options = Options {
        wanted: Wanted {
            events: events::meant("all").unwrap(),
            ..Wanted::default()
        },
        pcapng: Some(path.clone()),
        json,
        ..Options::default()
    };
    let mut session = Session::new(&options, Conns::default(), Some(100)).unwrap();
    recording.lines().for_each(|l| session.line(l).unwrap());
    let text = session.take_text();
    drop(session);
    (text, fs::read(&path).unwrap())
}

/// Reads a capture, and checks what every frame has to be.
fn frames(bytes: &[u8]) -> Vec<Frame> {
    let mut reader = PcapNgReader::new(bytes).unwrap();
    let mut out = Vec::new();
    while let Some(block) = reader.next_block() {
        let packet = match block.unwrap() {
            Block::EnhancedPacket(packet) => packet,
            Block::InterfaceDescription(_) => continue,
            other => panic!("{other:?}"),
        };
        let sliced = SlicedPacket::from_ethernet(&packet.data).unwrap();
        let (from, to): (IpAddr, IpAddr) = match sliced.net.as_ref().unwrap() {
            NetSlice::Ipv4(ip) => (
                ip.header().source_addr().into(),
                ip.header().destination_addr().into(),
            ),
            NetSlice::Ipv6(ip) => (
                ip.header().source_addr().into(),
                ip.header().destination_addr().into(),
            ),
            other => panic!("{other:?}"),
        };
        let Some(TransportSlice::Udp(udp)) = sliced.transport else {
            panic!("no UDP");
        };
        assert_eq!(udp.destination_port(), 4791);
        let packet_bytes = udp.payload();
        assert_eq!(packet_bytes[0], 4);
        let pad = usize::from(packet_bytes[1] >> 4);
        let word = |at: usize| u32::from_be_bytes(packet_bytes[at..at + 4].try_into().unwrap());
        let (mut out_way, mut dropped, mut comment) = (None, 0, false);
        for option in &packet.options {
            match option {
                EnhancedPacketOption::Flags(1) => out_way = Some(false),
                EnhancedPacketOption::Flags(2) => out_way = Some(true),
                EnhancedPacketOption::DropCount(n) => dropped = *n,
                EnhancedPacketOption::Comment(_) => comment = true,
                other => panic!("{other:?}"),
            }
        }
        assert!(comment);
        assert!(packet.original_len as usize >= packet.data.len());
        out.push(Frame {
            time: packet.timestamp,
            length: packet.original_len,
            kept: packet.data.len(),
            out: out_way.unwrap(),
            dropped,
            from,
            to,
            pair: word(4),
            number: word(8),
            message: packet_bytes[12..packet_bytes.len() - 4 - pad].to_vec(),
        });
    }
    out
}

/// Around a message: Ethernet, IPv4, UDP, BTH, ICRC.
const AROUND: u32 = 14 + 20 + 8 + 12 + 4;

#[test]
fn read_back() {
    let (_, bytes) = capture(&recording(), false);
    let all = frames(&bytes);
    let text = recording();
    let count = |name: &str| text.matches(&format!(": smbd_{name}: ")).count();
    assert_eq!(
        all.len(),
        count("send") + count("recv") + count("send_negotiate") + count("recv_negotiate")
    );
    // 21.172850 by the recording's clock, of which 20.323965 is 1795901478.556310908
    assert_eq!(all[0].time, Duration::new(1_795_901_479, 405_195_908));
    let request = Request::parse(&all[0].message).unwrap();
    assert_eq!((all[0].message.len(), request.credits_requested), (20, 255));
    assert_eq!((all[0].length, all[0].kept), (AROUND + 20, 78));
    assert!(all[0].out && !all[1].out);
    let response = Response::parse(&all[2].message).unwrap();
    assert_eq!(
        (all[2].message.len(), response.max_read_write_size),
        (32, 8 << 20)
    );
    for frame in &all {
        let ours: IpAddr = "10.9.0.1".parse().unwrap();
        assert_eq!((frame.from, frame.to), (ours, ours));
    }
    // Connections 4 and 5, two directions each, numbered from 0.
    let mut pairs: Vec<u32> = all.iter().map(|f| f.pair).collect();
    pairs.sort_unstable();
    pairs.dedup();
    assert_eq!(pairs, [8, 9, 10, 11]);
    for pair in pairs {
        let numbers: Vec<u32> = all
            .iter()
            .filter(|f| f.pair == pair)
            .map(|f| f.number)
            .collect();
        assert!(numbers.iter().enumerate().all(|(i, n)| i as u32 == *n));
    }
    let mut fields = text
        .lines()
        .filter(|l| l.contains(": smbd_send: ") || l.contains(": smbd_recv: "));
    for frame in &all[4..] {
        let line = fields.next().unwrap();
        let number = |name: &str| -> u32 {
            let at = line.find(&format!(" {name}=")).unwrap() + name.len() + 2;
            let word = line[at..].split(' ').next().unwrap();
            word.trim_start_matches("0x").parse().unwrap()
        };
        let header = Header::parse(&frame.message).unwrap();
        assert_eq!(u32::from(header.credits_requested), number("requests"));
        assert_eq!(u32::from(header.credits_granted), number("grants"));
        assert_eq!(u32::from(header.flags), number("flags"));
        assert_eq!(header.remaining_data_length, number("remaining"));
        assert_eq!(header.data_offset, number("offset"));
        assert_eq!(header.data_length, number("length"));
        assert_eq!(frame.out, line.contains("smbd_send"));
        if header.data_length == 0 {
            assert_eq!((frame.message.len(), frame.length), (20, AROUND + 20));
        } else {
            let whole = (number("offset") + number("length")).div_ceil(4) * 4;
            assert_eq!(frame.length, AROUND + whole);
            // nothing of the payload
            assert_eq!(frame.message[20..], [0; 8]);
        }
    }
    assert_eq!(fields.next(), None);
}

#[test]
fn addresses_and_odd_messages() {
    let recording = "\
a-1 [000] ..... 1.5: smbd_arrival: conn=9 peer=[fd09::2]:4000 device=rxe0 local=[fd09::1]:445
a-1 [000] ..... 1.5: smbd_recv: conn=9 length=1 offset=32 remaining=0 requests=1 grants=0 flags=0x0
a-1 [000] ..... 1.5: smbd_arrival: conn=10 peer=[fd09::2]:4001
CPU:1 [LOST 23 EVENTS]
a-1 [000] ..... 1.5: smbd_send: conn=10 length=0 offset=0 remaining=0 requests=1 grants=0 flags=0x0
a-1 [000] ..... 1.5: smbd_send: conn=11 length=0 offset=0 remaining=0 requests=1 grants=0 flags=0x0
a-1 [000] ..... 1.5: smbd_recv_negotiate: conn=11 length=3 bytes=000102
a-1 [000] ..... 1.5: smbd_recv_refused: conn=11 length=1364 bytes=0000010000000000000000001900000054050000000000000a0b0c0d0e0f0a0b
a-1 [000] ..... 1.5: smbd_recv_negotiate: conn=11 length=500 bytes=000100010000ff00540500005405000056a702000000000000000000000000aa
a-1 [000] ..... 1.5: smbd_send: conn=11 length=4294967295 offset=24 remaining=0 requests=1 grants=0 flags=0x0
a-1 [000] ..... 1.5: smbd_send: conn=11 length=4294967296 offset=24 remaining=0 requests=1 grants=0 flags=0x0
";
    let (_, bytes) = capture(recording, false);
    let all = frames(&bytes);
    let ip = |text: &str| text.parse::<IpAddr>().unwrap();
    assert_eq!((all[0].from, all[0].to), (ip("fd09::2"), ip("fd09::1")));
    assert_eq!(all[0].length, AROUND + 20 + 36);
    assert_eq!((all[1].from, all[1].to), (ip("2001:db8::1"), ip("fd09::2")));
    assert_eq!((all[0].dropped, all[1].dropped, all[2].dropped), (0, 23, 0));
    assert_eq!((all[2].from, all[2].to), (ip("192.0.2.1"), ip("192.0.2.2")));
    assert_eq!(all[3].message, [0, 1, 2]);
    // of a message that was refused only what can be its header
    assert_eq!((all[4].message.len(), all[4].length), (28, AROUND + 1364));
    assert_eq!(all[4].message[24..], [0; 4]);
    assert_eq!((all[5].message.len(), all[5].length), (32, AROUND + 500));
    // longer than a capture can say; and what cannot be a header
    assert_eq!(all[6].length, u32::MAX);
    assert_eq!(all.len(), 7);
}

const PIECES: [&str; 20] = [
    "[",
    "]",
    "=",
    ":",
    " ",
    "\n",
    "(",
    ")",
    "0x",
    "-",
    ".",
    "\u{e9}",
    "\x1b[2J",
    "conn=",
    "bytes=ff",
    "length=0",
    "18446744073709551615",
    "18446744073709551616",
    "smbd_",
    "CPU:0 [LOST 18446744073709551615 EVENTS]\n",
];

/// Whatever a recording has in it, it is shown without a panic, nothing in it is obeyed by a terminal, and the capture can be read.
#[test]
fn mutations() {
    let original: Vec<char> = recording().chars().collect();
    let mut random = Random(0x7ace_7ace_5eed_0001);
    let mut events = 0;
    for round in 0..300 {
        let mut chars = original.clone();
        for _ in 0..=random.next(60) {
            let at = random.next(chars.len());
            match random.next(4) {
                0 => drop(chars.drain(at..(at + random.next(40)).min(chars.len()))),
                1 => chars[at] = char::from(random.next(128) as u8),
                2 => chars.swap_remove(at).to_string().clear(),
                _ => {
                    let piece = PIECES[random.next(PIECES.len())];
                    chars.splice(at..at, piece.chars());
                }
            }
        }
        let changed: String = chars.into_iter().collect();
        let (text, bytes) = capture(&changed, round % 2 == 0);
        let obeyed = |c: char| c.is_control() && c != '\n';
        assert!(!text.contains(obeyed), "{text:?}");
        if round % 2 == 0 {
            for line in text.lines() {
                let _: serde_json::Value = serde_json::from_str(line).unwrap();
            }
        }
        events += text.lines().count();
        frames(&bytes);
    }
    assert!(events > 300 * 100, "{events}");
}
