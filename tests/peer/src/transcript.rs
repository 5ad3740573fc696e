// SPDX-License-Identifier: GPL-2.0
//! What was said in a case: every message, decoded.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt::Write;
use std::rc::Rc;
use std::time::Instant;

use crate::smbd::wire::{DataHeader, NegotiateResponse};

/// Lines kept from the beginning and from the end of a case.
const HEAD: usize = 300;
const TAIL: usize = 300;

/// What a line says. Messages are put into words when somebody asks, which
/// nobody does for a case that passes.
enum What {
    Text(String),
    /// A data message, what stands before it, and after it.
    Data(&'static str, Vec<u8>, String),
}

struct Line {
    at: f64,
    link: u32,
    what: What,
}

impl Line {
    fn text(&self) -> String {
        let (at, link) = (self.at, self.link);
        match &self.what {
            What::Text(text) => format!("{at:9.3} #{link} {text}"),
            What::Data(before, bytes, after) => {
                format!("{at:9.3} #{link} {before} {}{after}", data(bytes))
            }
        }
    }
}

struct Lines {
    began: Instant,
    head: Vec<Line>,
    tail: VecDeque<Line>,
    dropped: usize,
    links: u32,
}

/// Shared by the connections of a case, which all belong to one thread.
#[derive(Clone)]
pub struct Transcript(Rc<RefCell<Lines>>);

impl Transcript {
    pub fn new() -> Self {
        Transcript(Rc::new(RefCell::new(Lines {
            began: Instant::now(),
            head: Vec::new(),
            tail: VecDeque::new(),
            dropped: 0,
            links: 0,
        })))
    }

    /// A number for one more connection.
    pub fn next_link(&self) -> u32 {
        let mut lines = self.0.borrow_mut();
        lines.links += 1;
        lines.links
    }

    /// Add a line about connection `link`.
    pub fn line(&self, link: u32, text: &str) {
        self.add(link, What::Text(text.to_string()));
    }

    /// Add a data message of connection `link`.
    pub fn data(&self, link: u32, before: &'static str, bytes: &[u8], after: String) {
        self.add(link, What::Data(before, bytes.to_vec(), after));
    }

    fn add(&self, link: u32, what: What) {
        let mut lines = self.0.borrow_mut();
        let at = lines.began.elapsed().as_secs_f64();
        let line = Line { at, link, what };
        if lines.head.len() < HEAD {
            lines.head.push(line);
            return;
        }
        if lines.tail.len() == TAIL {
            lines.tail.pop_front();
            lines.dropped += 1;
        }
        lines.tail.push_back(line);
    }

    pub fn lines(&self) -> Vec<String> {
        let lines = self.0.borrow();
        let mut out: Vec<String> = lines.head.iter().map(Line::text).collect();
        if lines.dropped > 0 {
            out.push(format!(
                "          ... {} lines left out ...",
                lines.dropped
            ));
        }
        out.extend(lines.tail.iter().map(Line::text));
        out
    }
}

/// A negotiate response in words.
pub fn negotiate_response(bytes: &[u8]) -> String {
    let Some(r) = NegotiateResponse::read(bytes) else {
        return format!(
            "{} bytes, too short for a negotiate response: {}",
            bytes.len(),
            dump(bytes)
        );
    };
    format!(
        "negotiate response: versions {:#06x}-{:#06x} negotiated {:#06x}, credits requested {} \
         granted {}, status {:#010x}, read/write {}, send {}, receive {}, fragmented {}{}",
        r.min_version,
        r.max_version,
        r.negotiated_version,
        r.credits_requested,
        r.credits_granted,
        r.status,
        r.max_read_write_size,
        r.preferred_send_size,
        r.max_receive_size,
        r.max_fragmented_size,
        if r.reserved == 0 {
            String::new()
        } else {
            format!(", reserved {:#x}", r.reserved)
        },
    )
}

/// A data message in words; `first` if a new upper-layer message may begin.
pub fn data(bytes: &[u8]) -> String {
    let Some(h) = DataHeader::read(bytes) else {
        return format!(
            "{} bytes, too short for a data message: {}",
            bytes.len(),
            dump(bytes)
        );
    };
    let mut out = format!(
        "data {} bytes: credits requested {} granted {}, flags {:#x}, remaining {}, offset {}, length {}",
        bytes.len(),
        h.credits_requested,
        h.credits_granted,
        h.flags,
        h.remaining,
        h.offset,
        h.length
    );
    if h.reserved != 0 {
        let _ = write!(out, ", reserved {:#x}", h.reserved);
    }
    let payload = bytes.get(h.offset as usize..).unwrap_or_default();
    if h.length >= 64 && payload.starts_with(b"\xfeSMB") {
        let _ = write!(out, " | {}", smb2(payload));
    }
    out
}

/// The header of an SMB2 message in words.
pub fn smb2(bytes: &[u8]) -> String {
    const COMMANDS: [&str; 19] = [
        "NEGOTIATE",
        "SESSION_SETUP",
        "LOGOFF",
        "TREE_CONNECT",
        "TREE_DISCONNECT",
        "CREATE",
        "CLOSE",
        "FLUSH",
        "READ",
        "WRITE",
        "LOCK",
        "IOCTL",
        "CANCEL",
        "ECHO",
        "QUERY_DIRECTORY",
        "CHANGE_NOTIFY",
        "QUERY_INFO",
        "SET_INFO",
        "OPLOCK_BREAK",
    ];
    let u16_at = |i: usize| {
        bytes
            .get(i..i + 2)
            .map_or(0, |b| u16::from_le_bytes([b[0], b[1]]))
    };
    let u32_at = |i: usize| u32::from(u16_at(i)) | u32::from(u16_at(i + 2)) << 16;
    let command = COMMANDS
        .get(usize::from(u16_at(12)))
        .copied()
        .unwrap_or("unknown command");
    let id = u64::from(u32_at(24)) | u64::from(u32_at(28)) << 32;
    let flags = u32_at(16);
    let signed = if flags & 8 != 0 { ", signed" } else { "" };
    if flags & 1 != 0 {
        format!(
            "SMB2 {command} response {id}, status {:#010x}{signed}",
            u32_at(8)
        )
    } else {
        format!("SMB2 {command} request {id}{signed}")
    }
}

fn dump(bytes: &[u8]) -> String {
    bytes.iter().take(64).fold(String::new(), |mut out, b| {
        let _ = write!(out, "{b:02x} ");
        out
    })
}
