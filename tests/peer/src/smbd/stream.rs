// SPDX-License-Identifier: GPL-2.0
//! What a well-behaved peer does with a connection: negotiate, send upper layer
//! messages in fragments, put received ones together, keep the other side in
//! credits.

use std::time::Instant;

use super::link::{Link, Received, PATIENCE};
use super::wire::{DataHeader, NegotiateResponse, PAYLOAD_AT, RESPONSE_REQUESTED, VERSION};
use crate::stop::Try;
use crate::verbs::SendKind;
use crate::{ensure, ensure_eq, fail};

impl Link {
    /// Negotiate; the server must agree, whatever its numbers are.
    pub fn negotiate(&mut self) -> Try<NegotiateResponse> {
        let got = self.negotiate_any()?;
        ensure_eq!("Status of the negotiate response", got.status, 0);
        Ok(got)
    }

    /// Negotiate, and judge the answer as MS-SMBD 3.1.5.7 and the test suites do.
    pub fn negotiate_and_judge(&mut self) -> Try<NegotiateResponse> {
        let got = self.negotiate_any()?;
        self.judge_negotiation(&got)?;
        Ok(got)
    }

    /// A successful response to the offer's request.
    pub fn judge_negotiation(&self, got: &NegotiateResponse) -> Try<()> {
        let asked = &self.offer.request;
        ensure_eq!("Status of the negotiate response", got.status, 0);
        ensure_eq!("MinVersion", got.min_version, VERSION);
        ensure_eq!("MaxVersion", got.max_version, VERSION);
        ensure_eq!("NegotiatedVersion", got.negotiated_version, VERSION);
        ensure_eq!("Reserved", got.reserved, 0);
        ensure!(
            (1..=asked.credits_requested).contains(&got.credits_granted),
            "CreditsGranted is {}, should be 1 to {}",
            got.credits_granted,
            asked.credits_requested
        );
        ensure!(got.credits_requested >= 1, "CreditsRequested is 0");
        ensure!(
            got.max_read_write_size >= 1 << 20,
            "MaxReadWriteSize is {}, should be at least {}",
            got.max_read_write_size,
            1 << 20
        );
        if asked.preferred_send_size >= 128 {
            ensure!(
                (128..=asked.preferred_send_size).contains(&got.max_receive_size),
                "MaxReceiveSize is {}, should be 128 to {}",
                got.max_receive_size,
                asked.preferred_send_size
            );
            ensure!(
                (128..=asked.max_receive_size).contains(&got.preferred_send_size),
                "PreferredSendSize is {}, should be 128 to {}",
                got.preferred_send_size,
                asked.max_receive_size
            );
        }
        ensure!(
            got.max_fragmented_size >= 131_072,
            "MaxFragmentedSize is {}, should be at least 131072",
            got.max_fragmented_size
        );
        Ok(())
    }

    /// Payload bytes in a message to the server.
    pub fn fragment_size(&self) -> usize {
        let limit = self
            .server
            .max_receive_size
            .min(self.offer.request.preferred_send_size);
        limit.saturating_sub(PAYLOAD_AT).max(1) as usize
    }

    /// Read grants until there is a credit. Only messages without data may come.
    pub fn wait_for_credit(&mut self) -> Try<()> {
        while self.credits == 0 {
            let m = self.data(PATIENCE, "a message that grants credits")?;
            m.must_be_empty("a message while a fragmented one is being sent")?;
            ensure!(
                m.header.credits_granted > 0,
                "a message that grants no credit came, and we have none"
            );
            ensure_eq!("Flags of a granting message", m.header.flags, 0);
        }
        Ok(())
    }

    /// Wait for a credit; data that comes is kept for whoever reads next.
    pub fn wait_for_any_credit(&mut self) -> Try<()> {
        let until = Instant::now() + PATIENCE;
        while self.credits == 0 {
            let left = until.saturating_duration_since(Instant::now());
            let Some(m) = self.arrival(left)? else {
                fail!("waited {PATIENCE:?} in vain for a credit to send with");
            };
            if m.header.length == 0 {
                m.must_be_empty("a message that grants credits")?;
            } else {
                self.kept.push_back(m);
            }
        }
        Ok(())
    }

    /// Post receives up to the offered number: how many to grant for that.
    pub(crate) fn refill(&mut self) -> Try<u16> {
        let n = self.grant();
        self.fill_receives()?;
        Ok(n)
    }

    /// Grant what can be granted, in an empty message.
    pub fn send_grant(&mut self) -> Try<()> {
        let granted = self.refill()?;
        self.wait_for_any_credit()?;
        self.send_empty(self.offer.request.credits_requested, granted, 0)
    }

    /// Send one upper-layer message: refill and grant first, then fragments.
    pub fn send_message(&mut self, message: &[u8]) -> Try<()> {
        self.send_message_as(message, SendKind::Send)
    }

    /// The same, with another work request for the last fragment.
    pub fn send_message_as(&mut self, message: &[u8], last: SendKind) -> Try<()> {
        ensure!(
            message.len() <= self.server.max_fragmented_size as usize,
            "a message of {} bytes is longer than the server takes ({})",
            message.len(),
            self.server.max_fragmented_size
        );
        let requested = self.offer.request.credits_requested;
        let size = self.fragment_size();
        let mut sent = 0;
        for piece in message.chunks(size) {
            self.wait_for_any_credit()?;
            sent += piece.len();
            let granted = self.refill()?;
            let header = DataHeader::with(requested, granted, piece.len(), message.len() - sent);
            let kind = if sent == message.len() {
                last
            } else {
                SendKind::Send
            };
            self.send_data_as(header, &header.message(piece), kind)?;
        }
        Ok(())
    }

    /// Take one upper-layer message. The server is given credits when it has
    /// none left, and an answer when it asks for a sign of life. Returns the keys
    /// that were invalidated with it, too.
    pub fn receive_message(&mut self, what: &str) -> Try<(Vec<u8>, Vec<u32>)> {
        let mut whole = Vec::new();
        let mut keys = Vec::new();
        let mut expected: Option<usize> = None;
        let until = Instant::now() + self.patience;
        loop {
            if self.promised == 0 && !self.repost {
                // it could not even send what we wait for
                let granted = self.refill()?;
                self.wait_for_credit()?;
                self.send_empty(self.offer.request.credits_requested, granted, 0)?;
            }
            let left = until.saturating_duration_since(Instant::now());
            let m = self.data(left, what)?;
            if m.header.flags & RESPONSE_REQUESTED != 0 {
                self.send_grant()?;
            }
            if !m.header.is_empty() {
                keys.extend(m.invalidated);
                if self.take_fragment(&m, &mut whole, &mut expected)? == 0 {
                    return Ok((whole, keys));
                }
            }
        }
    }

    /// Add a fragment: how many bytes are still to come.
    pub fn take_fragment(
        &self,
        m: &Received,
        whole: &mut Vec<u8>,
        expected: &mut Option<usize>,
    ) -> Try<usize> {
        let (len, rest) = (m.header.length as usize, m.header.remaining as usize);
        ensure_eq!("DataOffset modulo 8", m.header.offset % 8, 0);
        ensure!(
            m.header.credits_requested > 0,
            "a fragment requests no credits"
        );
        ensure!(
            m.bytes.len() <= self.server.preferred_send_size.max(128) as usize,
            "a message of {} bytes came, the server said it sends at most {}",
            m.bytes.len(),
            self.server.preferred_send_size
        );
        match *expected {
            Some(want) => ensure_eq!("DataLength + RemainingDataLength", len + rest, want),
            None => ensure!(
                len + rest <= self.offer.request.max_fragmented_size as usize,
                "a message of {} bytes begins, more than the {} that we take",
                len + rest,
                self.offer.request.max_fragmented_size
            ),
        }
        if len == 0 {
            fail!("a fragment has no data");
        }
        whole.extend_from_slice(m.payload()?);
        *expected = Some(rest);
        Ok(rest)
    }
}
