// SPDX-License-Identifier: GPL-2.0
//! One SMB Direct connection, made in the active role, or taken (`accept.rs`).
//!
//! It counts credits and can do what a well-behaved peer does (`stream.rs`);
//! it never does so by itself: cases send any bytes at any time.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::wire::{DataHeader, NegotiateRequest, NegotiateResponse};
use crate::patience::patience;
use crate::stop::{Stop, Try};
use crate::transcript::{self, Transcript};
use crate::verbs::{Endpoint, Event, Port, Queues, Region, Rights, SendKind};
use crate::{ensure, ensure_eq, fail};

/// How long anything may take that the specification sets no time for. (The
/// usual test suite waits as long for grants and responses.)
pub const PATIENCE: Duration = Duration::from_secs(120);
/// A connection that must end has to be seen to end within this time.
pub const DISCONNECT: Duration = Duration::from_secs(12);

/// What a connection offers and how it handles receives.
#[derive(Clone, Copy, Debug)]
pub struct Offer {
    pub request: NegotiateRequest,
    /// Receives to have at most; credits that we grant come from these.
    pub receives: u32,
    /// Size of a receive buffer, if not that of the request.
    pub receive_size: Option<usize>,
    /// Messages that can be under way, and the longest.
    pub sends: (u32, usize),
}

impl Offer {
    pub fn new(credits: u16, send: u32, receive: u32, fragmented: u32) -> Self {
        let request = NegotiateRequest::new(credits, send, receive, fragmented);
        Offer {
            request,
            receives: 63.min(u32::from(credits)).max(1),
            receive_size: None,
            sends: (64, 16384),
        }
    }

    /// 10 credits and small messages.
    pub fn basic() -> Self {
        Self::new(10, 1024, 1024, 131_072)
    }

    /// What a Windows-like client offers.
    pub fn usual() -> Self {
        Self::new(255, 1364, 8192, 131_072)
    }

    pub fn versions(mut self, min: u16, max: u16) -> Self {
        self.request = self.request.versions(min, max);
        self
    }

    pub fn receives(mut self, n: u32) -> Self {
        self.receives = n;
        self
    }

    pub(crate) fn queues(&self) -> Queues {
        let size = self
            .receive_size
            .unwrap_or(self.request.max_receive_size as usize);
        Queues {
            receives: self.receives + 2,
            receive_size: size.clamp(512, 16384),
            sends: self.sends.0,
            send_size: self.sends.1,
        }
    }
}

/// A data message that arrived.
#[derive(Debug)]
pub struct Received {
    pub header: DataHeader,
    pub bytes: Vec<u8>,
    /// The key that came with "send with invalidate".
    pub invalidated: Option<u32>,
}

impl Received {
    /// The payload, if offset and length are inside the message.
    pub fn payload(&self) -> Try<&[u8]> {
        let h = &self.header;
        let from = h.offset as usize;
        let whole = from
            .checked_add(h.length as usize)
            .and_then(|to| self.bytes.get(from..to));
        whole.ok_or_else(|| {
            Stop::Failed(format!(
                "offset {} and length {} do not fit a message of {} bytes",
                h.offset,
                h.length,
                self.bytes.len()
            ))
        })
    }

    /// It must be a message without data as MS-SMBD 3.1.5.4 has it.
    pub fn must_be_empty(&self, what: &str) -> Try<()> {
        let h = &self.header;
        ensure!(
            h.remaining == 0 && h.offset == 0 && h.length == 0,
            "{what} has remaining {}, offset {}, length {}; all should be 0",
            h.remaining,
            h.offset,
            h.length
        );
        ensure_eq!(
            format!("the length of {what}"),
            self.bytes.len(),
            DataHeader::LEN
        );
        ensure_eq!(format!("the reserved field of {what}"), h.reserved, 0);
        ensure!(h.credits_requested > 0, "{what} requests no credits");
        Ok(())
    }
}

/// A work request that is not the usual one, for the transcript.
fn how(kind: SendKind) -> String {
    match kind {
        SendKind::Send => String::new(),
        other => format!(" {other:?}"),
    }
}

/// The connection.
pub struct Link {
    pub(crate) endpoint: Endpoint,
    pub log: Transcript,
    pub number: u32,
    pub offer: Offer,
    /// What the other side said: the server's answer, or a client's numbers in
    /// the same fields; zeros before that.
    pub server: NegotiateResponse,
    /// Credits we may spend.
    pub credits: u64,
    /// Credits that the server holds: receives that it was promised.
    pub promised: u64,
    /// Post a receive again as soon as one was used, up to `offer.receives`.
    pub repost: bool,
    /// Tokens that the server has invalidated.
    pub invalidated: Vec<u32>,
    /// What came while a message was being sent.
    pub(crate) kept: VecDeque<Received>,
    last: Instant,
    /// How long a whole message may take to come.
    pub patience: Duration,
}

impl Link {
    /// Connect, with the one receive that the negotiate response needs posted
    /// (MS-SMBD 3.1.4.1).
    pub fn connect(log: &Transcript, to: SocketAddr, port: Port, offer: Offer) -> Try<Link> {
        let number = log.next_link();
        log.line(number, &format!("connecting to {}", to.ip()));
        let endpoint = Endpoint::connect(to, port, offer.queues(), 1, Duration::from_secs(20))
            .map_err(|e| {
                log.line(number, &format!("no connection: {e}"));
                Stop::Failed(format!("no RDMA connection: {e}"))
            })?;
        log.line(number, "connected");
        Ok(Self::new(log, number, endpoint, offer))
    }

    pub(crate) fn new(log: &Transcript, number: u32, endpoint: Endpoint, offer: Offer) -> Self {
        Link {
            endpoint,
            log: log.clone(),
            number,
            offer,
            server: NegotiateResponse::default(),
            credits: 0,
            promised: 0,
            repost: false,
            invalidated: Vec::new(),
            kept: VecDeque::new(),
            last: Instant::now(),
            patience: PATIENCE * patience(),
        }
    }

    pub fn note(&self, text: &str) {
        self.log.line(self.number, &format!("-- {text}"));
    }

    pub fn is_iwarp(&self) -> bool {
        self.endpoint.is_iwarp()
    }

    /// When the server was last heard.
    pub fn last_heard(&self) -> Instant {
        self.last
    }

    /// Send bytes as they are. No credit is counted.
    pub fn send_raw(&mut self, bytes: &[u8], what: &str) -> Try<()> {
        self.send_as(bytes, what, SendKind::Send)
    }

    /// The same, with another work request.
    pub fn send_as(&mut self, bytes: &[u8], what: &str, kind: SendKind) -> Try<()> {
        self.log
            .line(self.number, &format!("> {what}{}", how(kind)));
        Ok(self.endpoint.send(bytes, kind, Instant::now() + PATIENCE)?)
    }

    /// Send a data message and count its credits.
    pub fn send_data(&mut self, header: DataHeader, message: &[u8]) -> Try<()> {
        self.send_data_as(header, message, SendKind::Send)
    }

    /// The same, with another work request.
    pub fn send_data_as(&mut self, header: DataHeader, message: &[u8], kind: SendKind) -> Try<()> {
        self.credits = self.credits.saturating_sub(1);
        self.promised += u64::from(header.credits_granted);
        self.send_bytes_as(message, kind)
    }

    /// Send bytes that are called a data message in the transcript. No credit is
    /// counted.
    pub fn send_bytes_as(&mut self, message: &[u8], kind: SendKind) -> Try<()> {
        self.log.data(self.number, ">", message, how(kind));
        Ok(self
            .endpoint
            .send(message, kind, Instant::now() + PATIENCE)?)
    }

    /// An empty data message.
    pub fn send_empty(&mut self, requested: u16, granted: u16, flags: u16) -> Try<()> {
        let header = DataHeader {
            flags,
            ..DataHeader::empty(requested, granted)
        };
        self.send_data(header, &header.message(&[]))
    }

    pub fn post_receives(&mut self, n: u32) -> Try<u32> {
        let done = self.endpoint.post_receives(n)?;
        if done > 0 {
            self.log
                .line(self.number, &format!("-- posted {done} receives"));
        }
        Ok(done)
    }

    pub fn posted(&self) -> u32 {
        self.endpoint.posted()
    }

    /// Post receives up to the offered number: how many that were.
    pub fn fill_receives(&mut self) -> Try<u32> {
        let n = self.offer.receives.saturating_sub(self.endpoint.posted());
        Ok(self.endpoint.post_receives(n)?)
    }

    /// Credits to grant for receives that are posted and not yet promised.
    pub fn grant(&self) -> u16 {
        let n = u64::from(self.offer.receives).saturating_sub(self.promised);
        n.min(u64::from(u16::MAX)) as u16
    }

    pub fn register(&self, len: usize, rights: Rights) -> Try<Region> {
        Ok(self.endpoint.register(len, rights)?)
    }

    pub fn register_invalidatable(&mut self, len: usize, rights: Rights) -> Try<Region> {
        let got = self.endpoint.register_invalidatable(len, rights);
        got.map_err(|e| match e.kind() {
            std::io::ErrorKind::Unsupported => Stop::Skipped(e.to_string()),
            _ => e.into(),
        })
    }

    /// The next message as bytes; None when the deadline comes first.
    pub(crate) fn next_bytes(&mut self, deadline: Instant) -> Try<Option<(Vec<u8>, Option<u32>)>> {
        match self.endpoint.next(deadline)? {
            Some(Event::Received {
                bytes,
                invalidated,
                immediate,
            }) => {
                self.last = Instant::now();
                ensure!(
                    immediate.is_none(),
                    "a message came with immediate data {immediate:?}"
                );
                if let Some(key) = invalidated {
                    self.invalidated.push(key);
                    self.note(&format!("the next message invalidates key {key:#010x}"));
                }
                Ok(Some((bytes, invalidated)))
            }
            Some(Event::Gone(how)) => {
                self.log
                    .line(self.number, &format!("-- the connection has ended: {how}"));
                Err(Stop::Gone(how))
            }
            None if self.endpoint.is_gone() => Err(Stop::Gone("before".into())),
            None => Ok(None),
        }
    }

    /// The next data message, or None when the time is over.
    pub fn poll_data(&mut self, wait: Duration) -> Try<Option<Received>> {
        match self.kept.pop_front() {
            Some(message) => Ok(Some(message)),
            None => self.arrival(wait),
        }
    }

    /// The next data message from the wire.
    pub(crate) fn arrival(&mut self, wait: Duration) -> Try<Option<Received>> {
        let Some((bytes, invalidated)) = self.next_bytes(Instant::now() + wait)? else {
            return Ok(None);
        };
        self.log.data(self.number, "<", &bytes, String::new());
        let Some(header) = DataHeader::read(&bytes) else {
            fail!("a data message of {} bytes came", bytes.len());
        };
        if self.repost {
            self.fill_receives()?;
        }
        self.credits += u64::from(header.credits_granted);
        self.promised = self.promised.saturating_sub(1);
        Ok(Some(Received {
            header,
            bytes,
            invalidated,
        }))
    }

    /// The next data message; it must come within the time.
    pub fn data(&mut self, wait: Duration, what: &str) -> Try<Received> {
        match self.poll_data(wait)? {
            Some(message) => Ok(message),
            None => fail!("waited {:.0} s in vain for {what}", wait.as_secs_f64()),
        }
    }

    /// Nothing at all may come for this long.
    pub fn silence(&mut self, wait: Duration, why: &str) -> Try<()> {
        let since = Instant::now();
        match self.poll_data(wait) {
            Ok(None) => Ok(()),
            Ok(Some(m)) => fail!(
                "{why}: a message came after {:.1} s ({:?})",
                since.elapsed().as_secs_f64(),
                m.header
            ),
            Err(Stop::Gone(how)) => fail!(
                "{why}: the connection ended after {:.1} s ({how})",
                since.elapsed().as_secs_f64()
            ),
            Err(other) => Err(other),
        }
    }

    /// The server must end the connection within the time; messages that still
    /// come are read. How long it took.
    pub fn must_end(&mut self, wait: Duration, why: &str) -> Try<Duration> {
        let since = Instant::now();
        loop {
            match self.poll_data(wait.saturating_sub(since.elapsed())) {
                Err(Stop::Gone(_)) => {
                    let took = since.elapsed();
                    self.note(&format!("ended after {:.2} s", took.as_secs_f64()));
                    return Ok(took);
                }
                Err(other) => return Err(other),
                Ok(Some(_)) => {}
                Ok(None) => fail!(
                    "the server did not end the connection within {:.0} s: {why}",
                    wait.as_secs_f64()
                ),
            }
        }
    }

    /// Send the request of the offer and take any answer of 32 bytes.
    pub fn negotiate_any(&mut self) -> Try<NegotiateResponse> {
        let bytes = self.offer.request.bytes();
        self.negotiate_with(&bytes)
    }

    /// Send these bytes as negotiate request and take any answer.
    pub fn negotiate_with(&mut self, bytes: &[u8]) -> Try<NegotiateResponse> {
        let r = self.offer.request;
        self.send_raw(
            bytes,
            &format!(
                "negotiate request, {} bytes: versions {:#06x}-{:#06x}, credits {}, send {}, \
                 receive {}, fragmented {}",
                bytes.len(),
                r.min_version,
                r.max_version,
                r.credits_requested,
                r.preferred_send_size,
                r.max_receive_size,
                r.max_fragmented_size
            ),
        )?;
        self.negotiate_response(PATIENCE)
    }

    /// Take the answer to a negotiate request.
    pub fn negotiate_response(&mut self, wait: Duration) -> Try<NegotiateResponse> {
        let Some((answer, _)) = self.next_bytes(Instant::now() + wait)? else {
            fail!("no negotiate response within {wait:?}");
        };
        self.log.line(
            self.number,
            &format!("< {}", transcript::negotiate_response(&answer)),
        );
        ensure_eq!("the length of the negotiate response", answer.len(), 32);
        self.server = NegotiateResponse::read(&answer).unwrap_or_default();
        self.credits = u64::from(self.server.credits_granted);
        Ok(self.server)
    }

    /// How the connection has ended, if it does within the time; nothing is kept
    /// of what still comes.
    pub fn ends_within(&mut self, wait: Duration) -> Option<String> {
        let until = Instant::now() + wait;
        loop {
            match self.arrival(until.saturating_duration_since(Instant::now())) {
                Err(Stop::Gone(how)) => return Some(how),
                Ok(Some(_)) => {}
                _ => return None,
            }
        }
    }

    /// Disconnect without a word.
    pub fn disconnect(&mut self) {
        self.note("disconnecting");
        self.endpoint.disconnect();
    }
}
