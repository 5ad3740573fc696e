// SPDX-License-Identifier: GPL-2.0
//! The next message of a connection: how it is made up, sent, and what it
//! means for the server.

use std::time::Duration;

use super::{Talk, MOST};
use crate::fuzz::model::Fate;
use crate::fuzz::rng::Rng;
use crate::fuzz::{mutate, upper};
use crate::smbd::wire::DataHeader;
use crate::stop::{Stop, Try};
use crate::verbs::SendKind;

/// The message to send next.
pub(super) struct Step {
    bytes: Vec<u8>,
    kind: SendKind,
    /// What was done to it; None for one as it should be.
    pub(super) what: Option<&'static str>,
}

impl Talk<'_> {
    /// The next message.
    pub(super) fn step(&mut self, rng: &mut Rng) -> Step {
        let granted = self.link().grant();
        let capacity = self.stream.max_receive - 24;
        let mut what = None;
        let roll = rng.below(100);
        let (mut bytes, is_empty) = if self.stream.missing.is_some() {
            self.continuation(rng, granted, capacity, &mut what)
        } else if roll < 25 || (self.ready && self.session.credits() == 0) {
            (DataHeader::empty(255, granted).message(&[]), true)
        } else {
            let request = self.request(rng, &mut what);
            let odd = what.is_none() && rng.chance(30);
            let n = match odd {
                true => rng.within(1, request.len()).min(capacity),
                false => request.len().min(capacity),
            };
            if odd {
                what = Some("fragment-shape");
            }
            let header = DataHeader::with(255, granted, n, request.len() - n);
            self.pending = request[n..].to_vec();
            (header.message(&request[..n]), false)
        };
        let mut kind = SendKind::Send;
        let harm = if self.open.is_some() { 2 } else { 8 };
        let roll = rng.below(100);
        if roll < harm {
            let most = MOST;
            let (limit, other) = (self.stream.max_receive, std::mem::take(&mut self.earlier));
            what = Some(mutate::harmful(&mut bytes, rng, limit, most, &other));
        } else if roll < harm + 1 && (self.open.is_none() || rng.chance(20)) {
            let keys: Vec<u32> = self.open.iter().map(|(_, r)| r.key()).collect();
            let iwarp = self.link().is_iwarp();
            let (k, w) = mutate::opcode(rng, iwarp, &keys);
            (kind, what) = (k, Some(w));
            if matches!(kind, SendKind::WriteImmediate(_)) {
                bytes.clear();
            }
        } else if what.is_none() && (is_empty || roll < 80) {
            let limit = self.stream.max_receive;
            what = Some(mutate::harmless(&mut bytes, rng, limit));
        }
        Step { bytes, kind, what }
    }

    /// An SMB2 request to begin with.
    fn request(&mut self, rng: &mut Rng, what: &mut Option<&'static str>) -> Vec<u8> {
        let open = self.open.as_ref().map(|(file, region)| (*file, region));
        if let Some(open) = open.filter(|_| rng.chance(55)) {
            let (bytes, change) = upper::descriptor(&mut self.session, open, rng);
            *what = Some(change);
            return bytes;
        }
        let mut bytes = upper::good(&mut self.session, open, rng);
        if rng.chance(12) {
            *what = Some(mutate::smb2(&mut bytes, rng));
        } else {
            self.good.push(bytes.clone());
        }
        if bytes.is_empty() {
            bytes.push(0);
        }
        bytes
    }

    /// In the middle of a message: the next piece, or something between.
    fn continuation(
        &mut self,
        rng: &mut Rng,
        granted: u16,
        capacity: usize,
        what: &mut Option<&'static str>,
    ) -> (Vec<u8>, bool) {
        let missing = self.stream.missing.unwrap_or(0);
        if rng.chance(12) {
            *what = Some("empty-between-fragments");
            return (DataHeader::empty(255, granted).message(&[]), true);
        }
        let known = self.pending.len() as u64 == missing;
        let left = usize::try_from(missing).unwrap_or(usize::MAX);
        let most = left.min(capacity);
        let n = match rng.below(4) {
            0 => rng.within(0, most),
            1 => most.min(1),
            _ => most,
        };
        let mut header = DataHeader::with(255, granted, n, left - n);
        if n != most {
            *what = Some("fragment-shape");
        }
        if header.remaining != 0 && rng.chance(10) {
            // only whether it is zero means something in the middle
            let limit = self.stream.max_fragmented - n as u64;
            header.remaining = rng.within(1, limit as usize) as u32;
            *what = Some("remaining-in-the-middle");
        }
        if n == 0 {
            header.offset = 0;
        }
        let payload = match known {
            true => self.pending[..n].to_vec(),
            false => rng.bytes(n),
        };
        (header.message(&payload), n == 0)
    }

    /// Send it, and follow what it means: the reason if the server has to end
    /// the connection.
    pub(super) fn send(&mut self, step: Step) -> Try<Option<&'static str>> {
        let Step { bytes, kind, what } = step;
        let begins = self.stream.missing.is_none();
        let (mut fate, done) = match kind {
            SendKind::Send => self.stream.take(&bytes),
            SendKind::Immediate(_) => {
                // to read it as a message is no fault
                let (fate, _) = self.stream.take(&bytes);
                (
                    if fate == Fate::Lives {
                        Fate::Open
                    } else {
                        fate
                    },
                    None,
                )
            }
            SendKind::Invalidate(_) => (Fate::Ends("send with invalidate"), None),
            SendKind::WriteImmediate(_) => (Fate::Ends("write with immediate"), None),
            SendKind::Write(..) => (Fate::Ends("RDMA write with a wrong key"), None),
            SendKind::Read(..) => (Fate::Ends("RDMA read with a wrong key"), None),
        };
        if let Some(whole) = done {
            let at = self.good.iter().position(|g| *g == whole);
            match at {
                Some(i) if self.ready => {
                    let id = self.good.swap_remove(i)[24..32].try_into();
                    self.due.push(u64::from_le_bytes(id.unwrap_or_default()));
                }
                _ => fate = Fate::Open,
            }
        }
        if begins && fate == Fate::Lives && self.stream.missing.is_some() {
            // SMB2 looks at the length before the rest is there
            let total =
                DataHeader::read(&bytes).map(|h| u64::from(h.length) + u64::from(h.remaining));
            if !self.ready || !self.good.iter().any(|g| total == Some(g.len() as u64)) {
                fate = Fate::Open;
            }
        }
        if let Some(what) = what {
            self.count(what, fate);
        } else {
            self.tally.others += 1;
        }
        self.follow(&bytes, kind, fate);
        if let Err(e) = self.session.pipe.send_bytes_as(&bytes, kind) {
            // an adapter may refuse to post when the connection has just ended
            return Err(
                match self.session.pipe.ends_within(Duration::from_secs(2)) {
                    Some(how) => Stop::Gone(how),
                    None => e,
                },
            );
        }
        self.earlier = bytes;
        self.tainted |= fate == Fate::Open;
        match fate {
            Fate::Ends(why) => Ok(Some(why)),
            _ => Ok(None),
        }
    }

    /// Credits and fragments after a message that does not end the connection.
    fn follow(&mut self, bytes: &[u8], kind: SendKind, fate: Fate) {
        if matches!(fate, Fate::Ends(_)) || !matches!(kind, SendKind::Send | SendKind::Immediate(_))
        {
            return;
        }
        let link = &mut self.session.pipe;
        link.credits = link.credits.saturating_sub(1);
        if let Some(h) = DataHeader::read(bytes) {
            link.promised += u64::from(h.credits_granted);
        }
        // more than we can take: the adapters are no longer to be relied on
        self.tainted |= link.promised > u64::from(link.posted());
        // What is left of a message that was begun as it should be is its end.
        match self.stream.missing.map(usize::try_from) {
            Some(Ok(left)) if left <= self.pending.len() => {
                self.pending.drain(..self.pending.len() - left);
            }
            _ => self.pending.clear(),
        }
    }
}
