// SPDX-License-Identifier: GPL-2.0
//! SMB2 requests as they came, and responses as bytes (MS-SMB2 2.2).

use crate::smb2::status;
use crate::smbd::wire::Descriptor;

pub const HEADER: usize = 64;

/// Commands (MS-SMB2 2.2.1.2).
pub mod command {
    pub const NEGOTIATE: u16 = 0;
    pub const SESSION_SETUP: u16 = 1;
    pub const LOGOFF: u16 = 2;
    pub const TREE_CONNECT: u16 = 3;
    pub const TREE_DISCONNECT: u16 = 4;
    pub const CREATE: u16 = 5;
    pub const CLOSE: u16 = 6;
    pub const FLUSH: u16 = 7;
    pub const READ: u16 = 8;
    pub const WRITE: u16 = 9;
    pub const LOCK: u16 = 10;
    pub const IOCTL: u16 = 11;
    pub const CANCEL: u16 = 12;
    pub const ECHO: u16 = 13;
    pub const QUERY_DIRECTORY: u16 = 14;
    pub const QUERY_INFO: u16 = 16;
    pub const SET_INFO: u16 = 17;
}

/// One request: of a compound, its own part. Bytes beyond its end read as 0.
#[derive(Clone, Copy)]
pub struct Request<'a>(&'a [u8]);

impl<'a> Request<'a> {
    /// The requests of a message; none if it is no SMB2 message.
    pub fn all(message: &'a [u8]) -> Vec<Request<'a>> {
        let mut out = Vec::new();
        let mut rest = message;
        while rest.len() >= HEADER && rest.starts_with(b"\xfeSMB") {
            let next = Request(rest).u32(20) as usize;
            let end = if (HEADER..rest.len()).contains(&next) {
                next
            } else {
                rest.len()
            };
            let (this, others) = rest.split_at(end);
            out.push(Request(this));
            rest = others;
        }
        out
    }

    fn array<const N: usize>(&self, at: usize) -> [u8; N] {
        let bytes = at.checked_add(N).and_then(|end| self.0.get(at..end));
        bytes.and_then(|b| b.try_into().ok()).unwrap_or([0; N])
    }

    pub fn u8(&self, at: usize) -> u8 {
        self.array::<1>(at)[0]
    }

    pub fn u16(&self, at: usize) -> u16 {
        u16::from_le_bytes(self.array(at))
    }

    pub fn u32(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.array(at))
    }

    pub fn u64(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.array(at))
    }

    /// Bytes that offset and length of the request mean; none if outside.
    pub fn part(&self, at: usize, len: usize) -> &'a [u8] {
        let found = at.checked_add(len).and_then(|end| self.0.get(at..end));
        found.unwrap_or_default()
    }

    /// A name in UTF-16.
    pub fn text(&self, at: usize, len: usize) -> String {
        let units: Vec<u16> = self
            .part(at, len)
            .chunks_exact(2)
            .map(|c| u16::from_le_bytes([c[0], c[1]]))
            .collect();
        String::from_utf16_lossy(&units)
    }

    pub fn command(&self) -> u16 {
        self.u16(12)
    }

    pub fn message_id(&self) -> u64 {
        self.u64(24)
    }

    pub fn tree_id(&self) -> u32 {
        self.u32(36)
    }

    /// Does it go on with the file of the request before it?
    pub fn is_related(&self) -> bool {
        self.u32(16) & 4 != 0
    }

    /// The second half of the file id: ours are numbers below 2^63.
    pub fn file(&self) -> u64 {
        let at = match self.command() {
            command::CLOSE | command::FLUSH | command::IOCTL | command::QUERY_DIRECTORY => 8,
            command::READ | command::WRITE | command::SET_INFO => 16,
            command::QUERY_INFO => 24,
            _ => return 0,
        };
        self.u64(HEADER + at + 8)
    }
}

/// The data part of a READ or WRITE request.
#[derive(Clone, Debug)]
pub struct Data {
    pub offset: u64,
    pub length: u32,
    /// By RDMA if not 0 (MS-SMB2 2.2.19).
    pub channel: u32,
    pub descriptors: Vec<Descriptor>,
}

impl Data {
    /// SMB2_CHANNEL_RDMA_V1_INVALIDATE.
    pub const INVALIDATE: u32 = 2;

    pub fn of(request: &Request) -> Self {
        let b = HEADER;
        let (channel, info, length) = match request.command() {
            command::READ => (request.u32(b + 36), b + 44, request.u32(b + 4)),
            _ => {
                let channel = request.u32(b + 32);
                let at = if channel == 0 { b + 4 } else { b + 36 };
                (channel, b + 40, request.u32(at))
            }
        };
        let list = request.part(request.u16(info) as usize, request.u16(info + 2) as usize);
        Data {
            offset: request.u64(b + 8),
            length,
            channel,
            descriptors: if channel == 0 {
                Vec::new()
            } else {
                Descriptor::list(list)
            },
        }
    }

    /// The key to invalidate with the response, if the client wants that.
    pub fn token(&self) -> Option<u32> {
        let wanted = self.channel == Self::INVALIDATE;
        self.descriptors.first().filter(|_| wanted).map(|d| d.token)
    }
}

/// Bytes of a response, written field by field.
#[derive(Default)]
pub struct Out(pub Vec<u8>);

impl Out {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn u8(mut self, value: u8) -> Self {
        self.0.push(value);
        self
    }

    pub fn u16(mut self, value: u16) -> Self {
        self.0.extend(value.to_le_bytes());
        self
    }

    pub fn u32(mut self, value: u32) -> Self {
        self.0.extend(value.to_le_bytes());
        self
    }

    pub fn u64(mut self, value: u64) -> Self {
        self.0.extend(value.to_le_bytes());
        self
    }

    pub fn bytes(mut self, value: &[u8]) -> Self {
        self.0.extend(value);
        self
    }

    pub fn zeros(mut self, n: usize) -> Self {
        self.0.resize(self.0.len() + n, 0);
        self
    }
}

pub fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// What is answered: a status, and the body if that is no error.
pub struct Answer {
    pub status: u32,
    pub body: Vec<u8>,
    pub session_id: Option<u64>,
    pub tree_id: Option<u32>,
}

impl Answer {
    pub fn ok(body: Out) -> Self {
        Self::with(status::SUCCESS, body)
    }

    pub fn with(status: u32, body: Out) -> Self {
        Answer {
            status,
            body: body.0,
            session_id: None,
            tree_id: None,
        }
    }

    /// An error response (MS-SMB2 2.2.2).
    pub fn error(status: u32) -> Self {
        Self::with(status, Out::new().u16(9).zeros(7))
    }

    /// The response as bytes, with its header.
    pub fn message(&self, to: &Request) -> Vec<u8> {
        let related = to.u32(16) & 4;
        Out::new()
            .bytes(b"\xfeSMB")
            .u16(64)
            .u16(to.u16(6))
            .u32(self.status)
            .u16(to.command())
            // as many credits as are asked for, within reason
            .u16(to.u16(14).clamp(1, 128))
            .u32(1 | related)
            .u32(0)
            .u64(to.message_id())
            .u32(to.u32(32))
            .u32(self.tree_id.unwrap_or(to.tree_id()))
            .u64(self.session_id.unwrap_or(to.u64(40)))
            .zeros(16)
            .bytes(&self.body)
            .0
    }
}

/// One message of several responses (MS-SMB2 3.3.4.1.3).
pub fn compound(parts: Vec<Vec<u8>>) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::new();
    let last = parts.len().saturating_sub(1);
    for (i, mut part) in parts.into_iter().enumerate() {
        if i != last {
            part.resize(part.len().next_multiple_of(8), 0);
            let next = part.len() as u32;
            part[20..24].copy_from_slice(&next.to_le_bytes());
        }
        out.extend(part);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_of_a_compound_are_found_and_nothing_beyond() {
        let mut one = vec![0; 72];
        one[..4].copy_from_slice(b"\xfeSMB");
        one[12] = command::CREATE as u8;
        let two = {
            let mut two = one.clone();
            two[12] = command::CLOSE as u8;
            two
        };
        let whole = compound(vec![one, two]);
        let found: Vec<u16> = Request::all(&whole).iter().map(Request::command).collect();
        assert_eq!(found, [command::CREATE, command::CLOSE]);
        let last = Request::all(&whole)[1];
        assert_eq!(last.u64(usize::MAX), 0);
        assert_eq!(last.file(), 0);
        assert!(last.part(70, 3).is_empty());
        assert!(Request::all(b"\xfeSMB").is_empty());
    }
}
