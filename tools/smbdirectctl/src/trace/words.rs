// SPDX-License-Identifier: GPL-2.0

//! What an event says, in the words of MS-SMBD.

use super::{conns::Part, line::Event};
use smbdirect_core::{
    lifecycle::Status,
    wire::{
        data::{Header, RESPONSE_REQUESTED},
        negotiate::{Request, Response, REQUEST_LEN, RESPONSE_LEN},
    },
};
use std::io;

/// Where something goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Nowhere: it happens here.
    Here,
    /// A message to the peer.
    Out,
    /// A message from the peer.
    In,
    /// A message from the peer that was refused.
    Refused,
    /// The connection manager's message to the peer, and from it.
    Calls,
    /// See [`Way::Calls`].
    Called,
    /// RDMA write: bytes into the peer's memory.
    Writes,
    /// RDMA read: bytes out of the peer's memory.
    Reads,
}

impl Way {
    /// The word for programs.
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Self::Here => None,
            Self::Out | Self::Calls | Self::Writes => Some("out"),
            Self::In | Self::Refused | Self::Called | Self::Reads => Some("in"),
        }
    }
}

/// An event for people.
#[derive(Debug, PartialEq, Eq)]
pub struct Said {
    /// Where it goes.
    pub way: Way,
    /// The name of the message or operation.
    pub what: &'static str,
    /// The rest.
    pub text: String,
}

fn said(way: Way, what: &'static str, text: String) -> Said {
    Said { way, what, text }
}

/// Bytes from `0001ff`.
pub fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex
        .chars()
        .map_while(|c| u8::try_from(c.to_digit(16)?).ok())
        .take(128)
        .collect();
    digits
        .chunks_exact(2)
        .map(|pair| pair.iter().fold(0, |sum, digit| sum << 4 | digit))
        .collect()
}

/// `1.0`
fn version(v: u16) -> String {
    format!("{}.{}", v >> 8, v & 0xff)
}

/// `, errno 19 (No such device)`, or nothing.
fn failure(error: i64) -> String {
    match i32::try_from(error.unsigned_abs()) {
        Ok(0) => String::new(),
        Ok(number) => {
            let text = io::Error::from_raw_os_error(number).to_string();
            let text = text.split(" (os error").next().unwrap_or("");
            format!(", errno {number} ({text})")
        }
        Err(_) => format!(", error {error}"),
    }
}

/// The kernel's names of work requests (`enum ib_wr_opcode`).
fn opcode(number: u64) -> String {
    let name = match number {
        0 => "RDMA WRITE",
        2 => "SEND",
        4 => "RDMA READ",
        7 => "LOCAL INV",
        9 => "SEND with invalidate",
        11 => "RDMA READ with invalidate",
        32 => "REG MR",
        _ => return format!("work request {number}"),
    };
    name.into()
}

fn plural(n: u64, one: &str) -> String {
    match n {
        1 => format!("1 {one}"),
        _ => format!("{n} {one}s"),
    }
}

fn negotiate(event: &Event<'_>, way: Way) -> Said {
    let bytes = bytes(event.text("bytes").unwrap_or(""));
    let length = event.number("length").unwrap_or(0);
    // A longer message is looked at as far as the specification has it.
    let is = |len: usize| usize::try_from(length).is_ok_and(|l| l >= len);
    if is(RESPONSE_LEN) {
        if let Some(r) = Response::parse(&bytes) {
            let status = match r.status {
                0 => String::new(),
                status => format!(" status {status:#010x},"),
            };
            return said(
                way,
                "Negotiate Response",
                format!(
                    "{status} version {} of {} to {}, credits: asks {} grants {}, send {}, receive {}, fragmented {}, read/write {}",
                    version(r.negotiated_version),
                    version(r.min_version),
                    version(r.max_version),
                    r.credits_requested,
                    r.credits_granted,
                    r.preferred_send_size,
                    r.max_receive_size,
                    r.max_fragmented_size,
                    r.max_read_write_size
                )
                .trim_start()
                .into(),
            );
        }
    }
    match Request::parse(&bytes).filter(|_| is(REQUEST_LEN)) {
        Some(r) => said(
            way,
            "Negotiate Request",
            format!(
                "versions {} to {}, credits: asks {}, send {}, receive {}, fragmented {}",
                version(r.min_version),
                version(r.max_version),
                r.credits_requested,
                r.preferred_send_size,
                r.max_receive_size,
                r.max_fragmented_size
            ),
        ),
        None => said(way, "Negotiate", format!("only {length} bytes")),
    }
}

/// The header of a message that is as it should be; `None`: a field is missing or too large.
pub fn header(event: &Event<'_>) -> Option<Header> {
    let small = |name| event.number(name).and_then(|n| u16::try_from(n).ok());
    let large = |name| event.number(name).and_then(|n| u32::try_from(n).ok());
    let data_length = large("length")?;
    Some(Header {
        credits_requested: small("requests")?,
        credits_granted: small("grants")?,
        flags: small("flags")?,
        remaining_data_length: large("remaining")?,
        data_offset: large("offset").unwrap_or(if data_length == 0 { 0 } else { 24 }),
        data_length,
    })
}

fn data(event: &Event<'_>, way: Way, part: Option<Part>) -> Said {
    const WHAT: &str = "Data Transfer";
    let Some(h) = header(event) else {
        return said(way, WHAT, raw(event));
    };
    let size = format!("{} bytes at {}", h.data_length, h.data_offset);
    let follow = h.remaining_data_length;
    let mut text = match part {
        Some(Part::First { total }) => {
            format!("{size}, fragment 1, {follow} of {total} to follow")
        }
        Some(Part::Middle { number, total }) => {
            format!("{size}, fragment {number}, {follow} of {total} to follow")
        }
        Some(Part::Last { number, total }) => {
            format!("{size}, fragment {number}, the last of {total}")
        }
        _ if h.data_length == 0 => "empty".into(),
        _ => size,
    };
    if h.flags & RESPONSE_REQUESTED != 0 {
        text.push_str(", wants a response");
    }
    text.push_str(&format!(
        ", credits: asks {} grants {}",
        h.credits_requested, h.credits_granted
    ));
    let now = |name| event.number(name);
    if let (Some(has), Some(granted)) = (now("send_credits"), now("granted")) {
        text.push_str(&format!(" [we hold {has}, peer {granted}]"));
    }
    said(way, WHAT, text)
}

fn refused_message(event: &Event<'_>) -> Said {
    let length = event.number("length").unwrap_or(0);
    let bytes = bytes(event.text("bytes").unwrap_or(""));
    let text = match Header::parse(&bytes) {
        Some(h) if length >= 20 => format!(
            "{length} bytes: data {} at {}, remaining {}, credits: asks {} grants {}, flags {:#x}",
            h.data_length,
            h.data_offset,
            h.remaining_data_length,
            h.credits_requested,
            h.credits_granted,
            h.flags
        ),
        _ => format!("only {length} bytes"),
    };
    said(Way::Refused, "refused message", text)
}

/// The fields as they are, but the connection.
fn raw(event: &Event<'_>) -> String {
    let fields = event.fields.iter().filter(|(name, _)| *name != "conn");
    let words: Vec<String> = fields.map(|(n, v)| format!("{n}={v}")).collect();
    words.join(" ")
}

fn status_name(number: u64) -> String {
    let known = Status::ALL.iter().find(|s| u64::from(s.number()) == number);
    known.map_or(format!("status {number}"), |s| s.name().into())
}

/// What an event says. `part`: what [`super::conns::Conns::learn`] said of it.
pub fn say(event: &Event<'_>, part: Option<Part>) -> Said {
    let text = |name| event.text(name).unwrap_or("?");
    let number = |name| event.number(name).unwrap_or(0);
    let error = || failure(event.signed("error").unwrap_or(0));
    // "ADDR_RESOLVED (0)" without the number
    let word = |name| text(name).split(" (").next().unwrap_or("?").to_owned();
    let key = || format!("key {}", text("key"));
    let ok = |bad: &str| {
        if number("ok") == 1 {
            String::new()
        } else {
            format!(", {bad}")
        }
    };
    let here = |what, text| said(Way::Here, what, text);
    match event.name {
        "connect" => said(Way::Calls, "connect", format!("to {}", text("peer"))),
        "arrival" => said(Way::Called, "arrival", format!("of {}", text("peer"))),
        "cm_event" => {
            let status = event.signed("status").unwrap_or(0);
            here("CM", format!("{}{}", word("event"), failure(status)))
        }
        "negotiated" => here(
            "established",
            format!(
                "as {}, send {}, receive {}, fragmented {} out {} in, read/write {}",
                text("role"),
                number("max_send"),
                number("max_recv"),
                number("max_fragmented_send"),
                number("max_fragmented_recv"),
                number("max_read_write")
            ),
        ),
        "fail" => here(
            "end",
            format!(
                "by cause {} in {}{}",
                text("cause"),
                status_name(number("status")),
                error()
            ),
        ),
        "teardown" => here("teardown", "begins".into()),
        "closed" => here("closed", String::new()),
        "refused" => said(
            Way::Refused,
            "refused",
            format!("connection of {}: {}", text("peer"), text("why")),
        ),
        "policy_refused" => here(
            "policy",
            format!(
                "{} of share '{}' refused: {}",
                text("command"),
                text("share"),
                text("reason")
            ),
        ),
        "protocol_error" => here("protocol error", text("kind").into()),
        "recv_refused" => refused_message(event),
        "send_negotiate" => negotiate(event, Way::Out),
        "recv_negotiate" => negotiate(event, Way::In),
        "send" => data(event, Way::Out, part),
        "recv" => data(event, Way::In, part),
        "recv_posted" => here(
            "receives",
            format!(
                "{} more posted, {} in all, {} of them granted",
                number("count"),
                number("posted"),
                number("granted")
            ),
        ),
        "wait" => here(
            "waited",
            format!(
                "{} ms for a {}{}",
                number("msec"),
                text("need"),
                failure(event.signed("error").unwrap_or(0))
            ),
        ),
        "post_send" => here(
            "post",
            format!(
                "{}, {} up to {}{}{}",
                opcode(number("opcode")),
                plural(number("count"), "entry").replace("entrys", "entries"),
                number("seq"),
                if number("signalled") == 1 {
                    ", signalled"
                } else {
                    ""
                },
                error()
            ),
        ),
        "wc_send" => here(
            "completion",
            format!("of entry {}: {}", number("seq"), word("status")),
        ),
        "post_recv" => here("post", format!("receive {}", number("slot"))),
        "post_recv_err" => here("post", format!("receive {}{}", number("slot"), error())),
        "wc_recv" => here(
            "completion",
            format!(
                "of receive {}: {}, {} bytes",
                number("slot"),
                word("status"),
                number("length")
            ),
        ),
        "reg" => here(
            "REG",
            format!(
                "{}, {} bytes that the peer may {}",
                key(),
                number("length"),
                text("access")
            ),
        ),
        "local_inv" => here("LOCAL INV", key() + &ok("failed")),
        "remote_inv" => here("REMOTE INV", key() + &ok("which is none of its")),
        "unmap" => here("unmap", key() + &ok("not invalidated")),
        "rdma_begin" | "rdma_end" => {
            let read = text("op") == "read";
            let (way, what) = if read {
                (Way::Reads, "RDMA Read")
            } else {
                (Way::Writes, "RDMA Write")
            };
            let end = if event.name == "rdma_begin" {
                "begins".into()
            } else {
                format!("done{}", error())
            };
            let text = format!(
                "{} bytes, {}, {end}",
                number("length"),
                plural(number("descriptors"), "descriptor")
            );
            said(way, what, text)
        }
        _ => here("event", format!("{} {}", event.name, raw(event))),
    }
}
