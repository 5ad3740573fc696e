// SPDX-License-Identifier: GPL-2.0
//! What was said in a case: every message, decoded.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt::Write;
use std::rc::Rc;
use std::time::Instant;

use crate::smbd::wire::{DataHeader, NegotiateResponse};

/// Lines kept from the beginning and from the end of a case: some 200 bytes each.
const HEAD: usize = 1_000;
const TAIL: usize = 99_000;

/// Lines shown from the beginning and from the end.
const SHOWN: usize = 300;

/// What a line says. Messages are put into words when somebody asks, which
/// nobody does for a case that passes.
enum What {
    Text(String),
    /// A data message, what stands before it, and after it.
    Data(&'static str, Start, String),
}

/// As much of a data message as is put into words, and how long it was.
struct Start {
    bytes: Box<[u8]>,
    len: usize,
}

impl Start {
    fn of(message: &[u8]) -> Self {
        let header = DataHeader::read(message).map_or(0, |h| h.offset as usize);
        let kept = header.saturating_add(SMB2_HEADER).min(message.len());
        Start {
            bytes: message[..kept].into(),
            len: message.len(),
        }
    }
}

/// The header of an SMB2 message, and what is shown of a message that is too short.
const SMB2_HEADER: usize = 64;

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
            What::Data(before, start, after) => {
                let said = data(&start.bytes, start.len);
                format!("{at:9.3} #{link} {before} {said}{after}")
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
        self.add(link, What::Data(before, Start::of(bytes), after));
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

    /// What is shown of it: the first lines and the last ones.
    pub fn lines(&self) -> Vec<String> {
        let lines = self.0.borrow();
        let all = lines.head.len() + lines.tail.len();
        let left_out = all.saturating_sub(2 * SHOWN);
        let kept = |at: &usize| *at < SHOWN || *at >= SHOWN + left_out;
        lines.words(left_out + lines.dropped, SHOWN, kept)
    }

    /// All that was kept, which is everything but of very long cases.
    pub fn all(&self) -> Vec<String> {
        let lines = self.0.borrow();
        lines.words(lines.dropped, HEAD, |_| true)
    }
}

impl Lines {
    /// The lines of which the number is `kept`; where some are left out, it is said how many.
    fn words(&self, left_out: usize, gap: usize, kept: impl Fn(&usize) -> bool) -> Vec<String> {
        let lines = self.head.iter().chain(&self.tail).enumerate();
        let mut out: Vec<String> = lines
            .filter(|(at, _)| kept(at))
            .map(|(_, line)| line.text())
            .collect();
        if left_out > 0 {
            out.insert(gap, format!("          ... {left_out} lines left out ..."));
        }
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

/// A data message of `len` bytes in words, from its first bytes.
fn data(bytes: &[u8], len: usize) -> String {
    let Some(h) = DataHeader::read(bytes) else {
        return format!("{len} bytes, too short for a data message: {}", dump(bytes));
    };
    let mut out = format!(
        "data {len} bytes: credits requested {} granted {}, flags {:#x}, remaining {}, offset {}, length {}",
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
    bytes
        .iter()
        .take(SMB2_HEADER)
        .fold(String::new(), |mut out, b| {
            let _ = write!(out, "{b:02x} ");
            out
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A data message with an SMB2 ECHO request of this number.
    fn echo(id: u64, len: usize) -> Vec<u8> {
        let mut m = vec![0; len];
        m[0] = 255;
        m[12] = 24;
        m[16..20].copy_from_slice(&(len as u32 - 24).to_le_bytes());
        m[24..28].copy_from_slice(b"\xfeSMB");
        m[36] = 13;
        m[48..56].copy_from_slice(&id.to_le_bytes());
        m
    }

    #[test]
    fn what_is_said_of_a_message_is_in_its_first_bytes() {
        let log = Transcript::new();
        let long = echo(7, 1364);
        log.data(1, ">", &long, " (3 left)".into());
        log.data(1, "<", &long[..19], String::new());
        let all = log.all();
        assert!(all[0].ends_with(
            "#1 > data 1364 bytes: credits requested 255 granted 0, flags 0x0, remaining 0, \
             offset 24, length 1340 | SMB2 ECHO request 7 (3 left)"
        ));
        assert!(all[1].contains("< 19 bytes, too short for a data message: ff 00 00"));
        let Start { bytes, len } = Start::of(&long);
        assert_eq!((bytes.len(), len), (88, 1364));
    }

    #[test]
    fn everything_is_kept_and_the_ends_are_shown() {
        let log = Transcript::new();
        for id in 0..700 {
            log.data(1, ">", &echo(id, 88), String::new());
        }
        let number = |line: &String| line.rsplit(' ').next().and_then(|x| x.parse::<u64>().ok());
        let all: Vec<_> = log.all().iter().map(number).collect();
        assert_eq!(all, (0..700).map(Some).collect::<Vec<_>>());
        let shown = log.lines();
        assert_eq!(shown.len(), 601);
        assert_eq!(number(&shown[299]), Some(299));
        assert_eq!(shown[300].trim(), "... 100 lines left out ...");
        assert_eq!(number(&shown[301]), Some(400));
    }

    #[test]
    fn what_is_too_much_is_counted() {
        let log = Transcript::new();
        for n in 0..HEAD + TAIL + 5 {
            log.line(1, &n.to_string());
        }
        let all = log.all();
        assert_eq!(all.len(), HEAD + 1 + TAIL);
        assert_eq!(all[HEAD].trim(), "... 5 lines left out ...");
        assert!(all[HEAD + 1].ends_with(&format!("#1 {}", HEAD + 5)));
    }
}
