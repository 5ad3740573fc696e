// SPDX-License-Identifier: GPL-2.0

//! Messages as a capture that Wireshark reads.
//!
//! What an RDMA adapter sends is seen by no packet capture. The headers are in the tracepoints, though, so frames are made of them as if they had gone over RoCEv2: Wireshark's
//! dissector of SMB Direct is asked for the payload of InfiniBand packets without any preference. Payload is left out: the captured length is below the original one.
//!
//! The dissector of InfiniBand refuses a frame that is shorter than its IP header says. So lengths in IP and UDP are those of what is there; only the original length of the frame is that
//! of the whole message. The dissector of SMB Direct in turn wants at least one byte behind a data transfer header: there are four zeros.

use super::{
    conns::Conn,
    line::Event,
    words::{self, Said},
};
use crate::state::connections::Role;
use etherparse::PacketBuilder;
use pcap_file::{
    pcapng::{
        blocks::{
            enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption},
            interface_description::{InterfaceDescriptionBlock, InterfaceDescriptionOption},
            section_header::{SectionHeaderBlock, SectionHeaderOption},
        },
        PcapNgWriter,
    },
    DataLink, Endianness, PcapError,
};
use std::{
    borrow::Cow,
    collections::BTreeMap,
    io::{self, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

/// Stands for an address that is not known (RFC 5737, RFC 3849).
const HERE_4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
/// See [`HERE_4`].
const PEER_4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
/// See [`HERE_4`].
const HERE_6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);

/// UDP port of RoCEv2.
const ROCE: u16 = 4791;
/// The opcode of a message that is one packet: RC SEND ONLY.
const SEND_ONLY: u8 = 4;
/// Bytes of the invariant CRC behind a packet; it is not computed.
const ICRC: usize = 4;
/// Bytes of a data transfer header with its padding.
const DATA_HEADER: usize = 24;
/// Flags of a frame: to here, to the peer.
const INBOUND: u32 = 1;
/// See [`INBOUND`].
const OUTBOUND: u32 = 2;
/// Numbers of queue pairs and packets have 24 bits.
const BITS: u32 = 0x00ff_ffff;
/// Connections whose packets are numbered; of more, the oldest begins anew.
const MOST: usize = 65_536;

/// A message, as far as it is known.
#[derive(Debug, PartialEq, Eq)]
pub struct Message {
    /// Whether it goes to the peer.
    pub out: bool,
    /// Its first bytes.
    pub bytes: Vec<u8>,
    /// Its length.
    pub length: u64,
}

/// The message of an event, if it is about one.
pub fn message(event: &Event<'_>) -> Option<Message> {
    let out = matches!(event.name, "send" | "send_negotiate");
    match event.name {
        "send" | "recv" => {
            let header = words::header(event)?;
            if header.data_length == 0 {
                let bytes = header.emit().to_vec();
                let length = bytes.len() as u64;
                return Some(Message { out, bytes, length });
            }
            let length = u64::from(header.data_offset).saturating_add(header.data_length.into());
            Some(Message {
                out,
                bytes: header.emit_padded().to_vec(),
                length,
            })
        }
        "send_negotiate" | "recv_negotiate" | "recv_refused" => {
            let length = event.number("length")?;
            let mut bytes = words::bytes(event.text("bytes")?);
            if event.name == "recv_refused" {
                bytes.truncate(DATA_HEADER);
            }
            bytes.truncate(usize::try_from(length).unwrap_or(usize::MAX));
            Some(Message { out, bytes, length })
        }
        _ => None,
    }
}

/// Bytes that fill up to a multiple of four.
const fn padding(length: u64) -> u8 {
    match length % 4 {
        1 => 3,
        2 => 2,
        3 => 1,
        _ => 0,
    }
}

/// The addresses of here and the peer, of one family.
fn addresses(conn: Option<&Conn>) -> (IpAddr, IpAddr) {
    let here = conn.and_then(|c| c.local).map(|a| a.ip().to_canonical());
    let peer = conn.and_then(|c| c.peer).map(|a| a.ip().to_canonical());
    match (here, peer) {
        (Some(here), Some(peer)) if here.is_ipv4() == peer.is_ipv4() => (here, peer),
        (_, Some(peer)) if peer.is_ipv4() => (HERE_4.into(), peer),
        (_, Some(peer)) => (HERE_6.into(), peer),
        _ => (HERE_4.into(), PEER_4.into()),
    }
}

/// The number of a queue pair: of here, or of the peer. 0 and 1 are special ones.
fn queue_pair(id: u64, here: bool) -> u32 {
    let low = u32::try_from(id & u64::from(BITS >> 1)).unwrap_or(0).max(1);
    low.wrapping_shl(1) | u32::from(!here)
}

/// An Ethernet address that nobody has.
fn ethernet(queue_pair: u32) -> [u8; 6] {
    let [_, a, b, c] = queue_pair.to_be_bytes();
    [0x02, 0x53, 0x4d, a, b, c]
}

/// The frame that carries a message, and the length that it had with all of the payload.
fn frame(
    id: u64,
    conn: Option<&Conn>,
    message: &Message,
    number: u32,
) -> io::Result<(Vec<u8>, u32)> {
    let (here, peer) = addresses(conn);
    let (mut from, mut to) = ((here, queue_pair(id, true)), (peer, queue_pair(id, false)));
    if !message.out {
        (from, to) = (to, from);
    }
    let mut body = message.bytes.clone();
    if body.len() == DATA_HEADER && message.length > DATA_HEADER as u64 {
        body.extend([0; 4]);
    }
    let pad = padding(body.len() as u64);
    let mut packet = vec![SEND_ONLY, pad << 4, 0xff, 0xff];
    packet.extend((to.1 & BITS).to_be_bytes());
    packet.extend((number & BITS).to_be_bytes());
    let kept = body.len() as u64;
    packet.extend(body);
    packet.resize(packet.len().saturating_add(pad.into()), 0);
    packet.resize(packet.len().saturating_add(ICRC), 0);

    let link = PacketBuilder::ethernet2(ethernet(from.1), ethernet(to.1));
    let [high, low] = [(id >> 8) as u8, id as u8];
    // a port of the range for such ports, the same for all packets of a connection
    let port = u16::from_be_bytes([high | 0xc0, low]);
    let mut out = Vec::new();
    let written = match (from.0, to.0) {
        (IpAddr::V4(a), IpAddr::V4(b)) => link
            .ipv4(a.octets(), b.octets(), 64)
            .udp(port, ROCE)
            .write(&mut out, &packet),
        (a, b) => {
            let octets = |ip: IpAddr| match ip {
                IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
                IpAddr::V6(ip) => ip.octets(),
            };
            link.ipv6(octets(a), octets(b), 64)
                .udp(port, ROCE)
                .write(&mut out, &packet)
        }
    };
    written.map_err(io::Error::other)?;
    let padded = |length: u64| length.saturating_add(padding(length).into());
    let original = (out.len() as u64)
        .saturating_sub(padded(kept))
        .saturating_add(padded(message.length.max(kept)));
    Ok((out, u32::try_from(original).unwrap_or(u32::MAX)))
}

fn io_error(e: PcapError) -> io::Error {
    match e {
        PcapError::IoError(e) => e,
        e => io::Error::other(e),
    }
}

/// A capture file.
pub struct Capture<W: Write> {
    file: PcapNgWriter<W>,
    /// The next packet's number, by connection and direction.
    numbers: BTreeMap<(u64, bool), u32>,
    /// Events that were lost since the last frame.
    dropped: u64,
    /// Frames written.
    written: u64,
}

impl<W: Write> Capture<W> {
    /// Writes the beginning.
    pub fn new(to: W) -> io::Result<Self> {
        let program = concat!("smbdirectctl ", env!("CARGO_PKG_VERSION"));
        let comment = "Messages of SMB Direct as the kernel's tracepoints smbdirect:* show them. Ethernet, IP, UDP and InfiniBand headers are made up; payload is left out.";
        let section = SectionHeaderBlock {
            endianness: Endianness::Little,
            options: vec![
                SectionHeaderOption::Comment(comment.into()),
                SectionHeaderOption::UserApplication(program.into()),
            ],
            ..SectionHeaderBlock::default()
        };
        let mut file = PcapNgWriter::with_section_header(to, section).map_err(io_error)?;
        let interface = InterfaceDescriptionBlock {
            linktype: DataLink::ETHERNET,
            snaplen: 0,
            options: vec![
                InterfaceDescriptionOption::IfName("smbdirect".into()),
                // nanoseconds
                InterfaceDescriptionOption::IfTsResol(9),
            ],
        };
        file.write_pcapng_block(interface).map_err(io_error)?;
        Ok(Self {
            file,
            numbers: BTreeMap::new(),
            dropped: 0,
            written: 0,
        })
    }

    /// Writes the message of an event, if it is about one. `time`: nanoseconds since 1970.
    pub fn add(
        &mut self,
        event: &Event<'_>,
        said: &Said,
        conn: Option<&Conn>,
        time: u64,
    ) -> io::Result<()> {
        let (Some(message), Some(id)) = (message(event), event.conn()) else {
            return Ok(());
        };
        if self.numbers.len() >= MOST {
            self.numbers.pop_first();
        }
        let number = self.numbers.entry((id, message.out)).or_insert(0);
        let (data, original_len) = frame(id, conn, &message, *number)?;
        *number = number.wrapping_add(1) & BITS;
        let role = conn.and_then(|c| c.role).map_or("", Role::name);
        let comment = format!("connection {id} {role}: {} {}", said.what, said.text);
        let mut options = vec![
            EnhancedPacketOption::Comment(Cow::Owned(comment)),
            EnhancedPacketOption::Flags(if message.out { OUTBOUND } else { INBOUND }),
        ];
        if self.dropped != 0 {
            options.push(EnhancedPacketOption::DropCount(self.dropped));
            self.dropped = 0;
        }
        let block = EnhancedPacketBlock {
            interface_id: 0,
            timestamp: Duration::from_nanos(time),
            original_len,
            data: Cow::Owned(data),
            options,
        };
        self.file.write_pcapng_block(block).map_err(io_error)?;
        self.written = self.written.saturating_add(1);
        Ok(())
    }

    /// Events were lost; the next frame says so.
    pub fn lost(&mut self, count: u64) {
        self.dropped = self.dropped.saturating_add(count);
    }

    /// What was written so far is to reach the file.
    pub fn flush(&mut self) -> io::Result<()> {
        self.file.get_mut().flush()
    }

    /// Frames written.
    pub fn written(&self) -> u64 {
        self.written
    }
}
