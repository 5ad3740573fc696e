// SPDX-License-Identifier: GPL-2.0

//! One SMB2 NEGOTIATE over TCP (MS-SMB2 2.2.3, 2.2.4): whether the server speaks SMB 3, and offers multichannel.

use crate::root::Root;
use std::{
    io::{self, Read, Write},
    net::{IpAddr, SocketAddr, TcpStream},
    time::{Duration, Instant},
};

/// How long all of it may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// SMB 3.0 and 3.0.2. Every server of SMB 3 has one of them, and 3.1.1 would need contexts.
const DIALECTS: [u16; 2] = [0x0300, 0x0302];
/// `SMB2_GLOBAL_CAP_MULTI_CHANNEL`, and all that a client may set.
const MULTICHANNEL: u32 = 0x08;
const CAPABILITIES: u32 = 0x7f;
/// The header and its first four bytes.
const HEADER: usize = 64;
const PROTOCOL: [u8; 4] = [0xfe, b'S', b'M', b'B'];
/// Longer answers are not read: header, body, and a security buffer.
const MOST: usize = 64 << 10;

/// What the server said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It speaks this dialect.
    Dialect {
        /// 0x0302 is 3.0.2.
        dialect: u16,
        /// Whether it offers multichannel.
        multichannel: bool,
    },
    /// It does not; its status.
    Refused(u32),
}

/// The request, with the four bytes of length in front.
pub fn request() -> Vec<u8> {
    let mut header = [0u8; HEADER];
    // what is not 0: structure size, credits asked for
    for (at, byte) in [(4, 64), (14, 1)] {
        if let Some(b) = header.get_mut(at) {
            *b = byte;
        }
    }
    if let Some(begin) = header.get_mut(..PROTOCOL.len()) {
        begin.copy_from_slice(&PROTOCOL);
    }
    let count = u16::try_from(DIALECTS.len()).unwrap_or(0);
    let mut body = Vec::new();
    body.extend(36u16.to_le_bytes()); // structure size
    body.extend(count.to_le_bytes());
    body.extend(1u16.to_le_bytes()); // signing enabled
    body.extend([0; 2]);
    body.extend(CAPABILITIES.to_le_bytes());
    body.extend(*b"smbdirectctl-get"); // client GUID: any
    body.extend([0; 8]); // client start time
    for dialect in DIALECTS {
        body.extend(dialect.to_le_bytes());
    }
    let length = u32::try_from(header.len().saturating_add(body.len())).unwrap_or(0);
    [&length.to_be_bytes()[..], &header, &body].concat()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let end = at.checked_add(2)?;
    Some(u16::from_le_bytes(bytes.get(at..end)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let end = at.checked_add(4)?;
    Some(u32::from_le_bytes(bytes.get(at..end)?.try_into().ok()?))
}

/// An answer without the bytes of length.
pub fn parse(message: &[u8]) -> Option<Answer> {
    if message.get(..PROTOCOL.len())? != PROTOCOL || u16_at(message, 12)? != 0 {
        return None;
    }
    let status = u32_at(message, 8)?;
    if status != 0 {
        return Some(Answer::Refused(status));
    }
    let body = message.get(HEADER..)?;
    let dialect = u16_at(body, 4)?;
    (u16_at(body, 0)? == 65 && DIALECTS.contains(&dialect)).then_some(())?;
    Some(Answer::Dialect {
        dialect,
        multichannel: u32_at(body, 24)? & MULTICHANNEL != 0,
    })
}

/// Reads so many bytes by then, however slowly they come.
fn read_by(stream: &mut TcpStream, bytes: &mut [u8], until: Instant) -> io::Result<()> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        let got = match stream.read(rest) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(got) => got,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => 0,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                return Err(io::ErrorKind::TimedOut.into())
            }
            Err(e) => return Err(e),
        };
        rest = rest.get_mut(got..).unwrap_or_default();
    }
    Ok(())
}

/// Asks a server at any port, within that time.
pub fn exchange(server: SocketAddr, within: Duration) -> io::Result<Answer> {
    let strange = || io::Error::other("the answer is no SMB2");
    let until = Instant::now()
        .checked_add(within)
        .ok_or(io::ErrorKind::InvalidInput)?;
    let mut stream = TcpStream::connect_timeout(&server, within)?;
    stream.set_write_timeout(Some(within))?;
    stream.write_all(&request())?;
    let mut length = [0; 4];
    read_by(&mut stream, &mut length, until)?;
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if length > MOST {
        return Err(strange());
    }
    let mut message = vec![0; length];
    read_by(&mut stream, &mut message, until)?;
    parse(&message).ok_or_else(strange)
}

/// Asks a server. Of another machine's files, `commands/negotiate ADDRESS` has dialect and capabilities as two numbers, or a status alone.
pub(super) fn ask(root: &Root, address: IpAddr) -> Result<Answer, String> {
    if root.is_live() {
        let within = root.left(PATIENCE).ok_or("no time is left for it")?;
        return exchange(SocketAddr::new(address, 445), within)
            .map_err(|e| format!("{address} port 445: {e}"));
    }
    let text = root.output(&["negotiate", &address.to_string()])?;
    let numbers: Vec<u32> = text
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect();
    match *numbers.as_slice() {
        [dialect, capabilities] => Ok(Answer::Dialect {
            dialect: u16::try_from(dialect).map_err(|e| e.to_string())?,
            multichannel: capabilities & MULTICHANNEL != 0,
        }),
        [status] => Ok(Answer::Refused(status)),
        _ => Err(format!("negotiate {address}: bad answer")),
    }
}
