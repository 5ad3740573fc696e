// SPDX-License-Identifier: GPL-2.0
//! One connection: a negotiate request, then data messages, for as long as the
//! server lets it live. Which messages is in `step.rs`.

mod step;

use std::time::{Duration, Instant};

use super::model::{self, Fate, Stream};
use super::rng::Rng;
use super::tally::{Fates, Tally};
use super::{mutate, upper, Bounds};
use crate::cases::Context;
use crate::smb2::{Dialects, File, Response, Session};
use crate::smbd::wire::{DataHeader, NegotiateRequest, NOT_SUPPORTED, RESPONSE_REQUESTED};
use crate::smbd::{Link, Offer};
use crate::stop::{Stop, Try};
use crate::verbs::{Region, Rights};
use crate::{ensure, ensure_eq, fail};

/// Message numbers of one connection: that of its negotiate request is a
/// multiple of this.
pub const BLOCK: u64 = 256;
/// Messages of a connection, with an SMB2 session and without.
const STEPS: (u64, u64) = (100, 32);
/// After so many a sign of life is asked for.
const PROBE_EVERY: u64 = 8;
/// The longest message that is sent, and what there is room to receive for.
const MOST: usize = 2048;
/// The file that sessions read and write.
pub const FILE: &str = "peer-fuzz";

pub struct Talk<'a> {
    context: &'a Context,
    bounds: Bounds,
    seed: u64,
    /// The number of the current message.
    pub number: u64,
    pub tally: &'a mut Tally,
    session: Session<Link>,
    open: Option<(File, Region)>,
    stream: Stream,
    /// The server has an SMB2 dialect: it answers ECHO.
    ready: bool,
    /// Something was sent after which the server may end the connection.
    tainted: bool,
    /// The rest of an SMB2 message whose first fragment was sent.
    pending: Vec<u8>,
    /// SMB2 requests that are as they should be, and not yet delivered.
    good: Vec<Vec<u8>>,
    /// Message identifiers that have to be answered.
    due: Vec<u64>,
    /// The last message that was sent, to take pieces from.
    earlier: Vec<u8>,
    /// The server's message that is being put together.
    whole: Vec<u8>,
    rest: Option<usize>,
    arrivals: u64,
}

fn offer() -> Offer {
    let mut offer = Offer::new(255, 1364, 1364, 131_072).receives(32);
    offer.receive_size = Some(MOST);
    offer.sends = (16, MOST);
    offer
}

/// Run connection `number / BLOCK` up to message `last`. The number of the
/// message at which something went wrong comes with the error.
pub fn connection(
    context: &Context,
    bounds: Bounds,
    seed: u64,
    first: u64,
    last: u64,
    tally: &mut Tally,
) -> Result<(), (u64, Stop)> {
    let mut rng = Rng::new(seed, first);
    let with_session = rng.chance(super::SESSIONS);
    let since = Instant::now();
    let link = context.connect(offer()).map_err(|e| (first, e))?;
    tally.connections += 1;
    tally.times.connecting += since.elapsed().as_secs_f64();
    let mut talk = Talk {
        context,
        bounds,
        seed,
        number: first,
        tally,
        session: Session::new(link),
        open: None,
        stream: Stream::new(0, 0),
        ready: false,
        tainted: false,
        pending: Vec::new(),
        good: Vec::new(),
        due: Vec::new(),
        earlier: Vec::new(),
        whole: Vec::new(),
        rest: None,
        arrivals: 0,
    };
    let result = talk.all(&mut rng, with_session, last);
    let result = match result {
        // the server may do so from here on
        Err(Stop::Gone(_)) if talk.tainted => {
            talk.tally.ended += 1;
            Ok(())
        }
        Err(Stop::Gone(how)) => Err(Stop::Failed(format!(
            "the connection has ended ({how}) although nothing was wrong"
        ))),
        other => other,
    };
    let number = talk.number;
    let since = Instant::now();
    drop(talk.session);
    talk.tally.times.closing += since.elapsed().as_secs_f64();
    result.map_err(|e| (number, e))
}

impl Talk<'_> {
    fn link(&mut self) -> &mut Link {
        &mut self.session.pipe
    }

    fn all(&mut self, rng: &mut Rng, with_session: bool, last: u64) -> Try<()> {
        let since = Instant::now();
        let goes_on = self.negotiate(rng, with_session);
        self.tally.times.negotiating += since.elapsed().as_secs_f64();
        if !goes_on? {
            return Ok(());
        }
        let since = Instant::now();
        self.prepare(rng, with_session)?;
        self.tally.times.preparing += since.elapsed().as_secs_f64();
        let since = Instant::now();
        let steps = if with_session { STEPS.0 } else { STEPS.1 };
        let first = self.number;
        let mut ends = None;
        for k in 1..=steps.min(last - first) {
            self.number = first + k;
            let mut rng = Rng::new(self.seed, self.number);
            self.smb2_credit()?;
            let step = self.step(&mut rng);
            // who has no credit waits for one, but for a few
            if !(step.what.is_some() && rng.chance(1)) {
                self.credit()?;
            } else if self.link().credits == 0 {
                self.tainted = true;
            }
            ends = self.send(step)?;
            if ends.is_some() {
                break;
            }
            if k % PROBE_EVERY == 0 {
                self.probe()?;
            }
        }
        self.tally.times.sending += since.elapsed().as_secs_f64();
        match ends {
            Some(why) => self.must_end(why),
            None => self.finish(),
        }
    }

    /// True if the connection is there afterwards.
    fn negotiate(&mut self, rng: &mut Rng, right: bool) -> Try<bool> {
        let mut bytes = self.link().offer.request.bytes();
        let mut what = "";
        if !right && rng.chance(90) {
            (bytes, what) = mutate::request(self.link().offer.request, rng);
            self.count(what, model::negotiate(&bytes));
            self.tally.requests += 1;
        }
        let hex: String = bytes.iter().take(64).map(|b| format!("{b:02x} ")).collect();
        self.link()
            .send_raw(&bytes, &format!("negotiate request {what}: {hex}"))?;
        let refused = match model::negotiate(&bytes) {
            Fate::Ends(why) => return self.must_end(why).map(|()| false),
            fate => fate == Fate::Refused,
        };
        let wait = self.bounds.answer;
        let got = self.link().negotiate_response(wait)?;
        if refused {
            ensure_eq!(
                "Status of the negotiate response",
                got.status,
                NOT_SUPPORTED
            );
            return self.must_end("no common version").map(|()| false);
        }
        let mut field = [0; 4];
        let mut number = |at: usize| {
            field.copy_from_slice(&bytes[at..at + 4]);
            u32::from_le_bytes(field)
        };
        let asked = NegotiateRequest {
            credits_requested: u16::from_le_bytes([bytes[6], bytes[7]]),
            preferred_send_size: number(8),
            max_receive_size: number(12),
            max_fragmented_size: number(16),
            ..NegotiateRequest::new(0, 0, 0, 0)
        };
        let link = self.link();
        link.offer.request = asked;
        link.judge_negotiation(&got)?;
        // what the message grants, and the sizes that are not the suites'
        ensure!(
            (128..=asked.preferred_send_size.max(128)).contains(&got.max_receive_size),
            "MaxReceiveSize is {}, asked for was {}",
            got.max_receive_size,
            asked.preferred_send_size
        );
        ensure!(
            (got.max_receive_size as usize) < MOST && (got.preferred_send_size as usize) <= MOST,
            "the server's messages are larger than this fuzzer is made for"
        );
        // From here on as a client that wants all it can have.
        link.offer.request.credits_requested = 255;
        link.offer.request.preferred_send_size = u32::MAX;
        self.stream = Stream::new(got.max_receive_size, got.max_fragmented_size);
        Ok(true)
    }

    /// SMB2, as far as this connection has it.
    fn prepare(&mut self, rng: &mut Rng, with_session: bool) -> Try<()> {
        self.link().repost = true;
        self.link().fill_receives()?;
        if !with_session && rng.chance(30) {
            return Ok(());
        }
        self.session.negotiate(Dialects::All)?;
        self.tally.others += 1;
        self.ready = true;
        if with_session {
            self.session.setup(&self.context.credentials())?;
            self.session.tree_connect(&self.context.config.share)?;
            let file = self.session.create(FILE)?;
            let region = self.session.pipe.register(upper::REGION, Rights::Both)?;
            self.open = Some((file, region));
            self.tally.sessions += 1;
            self.tally.others += 4;
        }
        // on this connection the fragments are as large as the server takes
        self.pending.clear();
        Ok(())
    }

    fn count(&mut self, what: &'static str, fate: Fate) {
        self.tally.mutated += 1;
        let to: &mut Fates = self.tally.kinds.entry(what).or_default();
        to.sent += 1;
        match fate {
            Fate::Lives => to.lives += 1,
            Fate::Ends(_) | Fate::Refused => to.ends += 1,
            Fate::Open => to.open += 1,
        }
    }

    /// Wait for a message of the server and take it: false if none came.
    fn pump(&mut self, wait: Duration) -> Try<bool> {
        let Some(m) = self.session.pipe.poll_data(wait)? else {
            return Ok(false);
        };
        self.arrivals += 1;
        if m.header.is_empty() {
            m.must_be_empty("a message without data")?;
            return Ok(true);
        }
        let (mut whole, mut rest) = (std::mem::take(&mut self.whole), self.rest.take());
        let left = self.session.pipe.take_fragment(&m, &mut whole, &mut rest)?;
        if left != 0 {
            (self.whole, self.rest) = (whole, rest);
            return Ok(true);
        }
        let response = Response::read(whole, Vec::new())?;
        self.session.earn(response.credits);
        if response.status != crate::smb2::status::PENDING {
            let before = self.due.len();
            self.due.retain(|id| *id != response.message_id);
            self.tally.answered += (before - self.due.len()) as u64;
        }
        Ok(true)
    }

    /// SMB2 ends connections of clients that use message identifiers for which
    /// they have no credit. Wait for one if an answer is due that brings it.
    fn smb2_credit(&mut self) -> Try<()> {
        let until = Instant::now() + self.bounds.answer;
        let wants = self.ready && !self.tainted && self.stream.missing.is_none();
        while wants && self.session.credits() == 0 && !self.due.is_empty() {
            let left = until.saturating_duration_since(Instant::now());
            if !self.pump(left)? {
                fail!(
                    "no answer to {:?} within {:?}",
                    self.due,
                    self.bounds.answer
                );
            }
        }
        Ok(())
    }

    fn credit(&mut self) -> Try<()> {
        // what is there is taken in any case
        while self.pump(Duration::ZERO)? {}
        let until = Instant::now() + self.bounds.answer;
        while self.link().credits == 0 {
            let left = until.saturating_duration_since(Instant::now());
            if !self.pump(left)? {
                fail!("no credit came within {:?}", self.bounds.answer);
            }
        }
        Ok(())
    }

    /// Ask for a sign of life: it has to come, or the end of the connection.
    fn probe(&mut self) -> Try<()> {
        self.credit()?;
        let granted = self.link().grant();
        self.link().send_empty(255, granted, RESPONSE_REQUESTED)?;
        self.tally.others += 1;
        let before = self.arrivals;
        while self.arrivals == before {
            if !self.pump(self.bounds.answer)? {
                fail!(
                    "neither an answer nor the end within {:?}",
                    self.bounds.answer
                );
            }
        }
        Ok(())
    }

    /// The last of a connection that lives: everything that is due is answered.
    fn finish(&mut self) -> Try<()> {
        self.probe()?;
        if self.tainted {
            return Ok(());
        }
        self.smb2_credit()?;
        let may = self.ready && self.session.credits() > 0;
        if may && self.stream.missing.is_none() {
            let echo = upper::echo(&mut self.session);
            self.credit()?;
            let granted = self.link().grant();
            let header = DataHeader::with(255, granted, echo.len(), 0);
            if echo.len() + 24 <= self.stream.max_receive {
                let id = echo[24..32].try_into().unwrap_or_default();
                self.due.push(u64::from_le_bytes(id));
                self.link().send_data(header, &header.message(&echo))?;
                self.tally.others += 1;
            }
        }
        let until = Instant::now() + self.bounds.answer;
        while !self.due.is_empty() {
            let left = until.saturating_duration_since(Instant::now());
            if !self.pump(left)? {
                fail!(
                    "no answer to SMB2 requests {:?} within {:?}",
                    self.due,
                    self.bounds.answer
                );
            }
        }
        Ok(())
    }

    fn must_end(&mut self, why: &'static str) -> Try<()> {
        let since = Instant::now();
        *self.tally.reasons.entry(why).or_default() += 1;
        let bound = self.bounds.end;
        let took = self.session.pipe.must_end(bound, why)?;
        self.tally.ended_after(took);
        self.tally.times.ending += since.elapsed().as_secs_f64();
        Ok(())
    }
}
