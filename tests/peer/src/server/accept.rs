// SPDX-License-Identifier: GPL-2.0
//! The passive role: a connection is taken, its request answered.

use std::time::{Duration, Instant};

use crate::patience::patience;
use crate::smbd::wire::{Descriptor, NegotiateRequest, NegotiateResponse, VERSION};
use crate::smbd::{Link, Offer, DISCONNECT, PATIENCE};
use crate::stop::{Stop, Try};
use crate::transcript::{self, Transcript};
use crate::verbs::{Endpoint, Region, Request, Transfer};
use crate::{ensure, fail};

impl Link {
    /// Take a connection, with the one receive posted that the negotiate request
    /// needs (MS-SMBD 3.1.7.2).
    pub fn accept(log: &Transcript, request: Request, offer: Offer) -> Try<Link> {
        let number = log.next_link();
        let endpoint = Endpoint::accept(request, offer.queues(), 1, Duration::from_secs(20))
            .map_err(|e| {
                log.line(number, &format!("not accepted: {e}"));
                Stop::Gone(format!("while it was accepted: {e}"))
            })?;
        log.line(number, "accepted");
        Ok(Self::new(log, number, endpoint, offer))
    }

    /// The client's negotiate request, if it comes within the time. Its numbers
    /// are kept for what is sent to it.
    pub fn negotiate_request(&mut self, wait: Duration) -> Try<Option<NegotiateRequest>> {
        let Some((bytes, _)) = self.next_bytes(Instant::now() + wait)? else {
            return Ok(None);
        };
        let Some(request) = NegotiateRequest::read(&bytes) else {
            fail!("a negotiate request of {} bytes came", bytes.len());
        };
        self.note(&format!("{request:?}"));
        ensure!(
            (request.min_version..=request.max_version).contains(&VERSION),
            "the client does not offer version 1.0"
        );
        self.server = NegotiateResponse {
            preferred_send_size: request.preferred_send_size,
            max_receive_size: request.max_receive_size,
            max_fragmented_size: request.max_fragmented_size,
            ..NegotiateResponse::default()
        };
        Ok(Some(request))
    }

    /// The response of a server that agrees (MS-SMBD 3.1.5.3). The receives that
    /// it grants are posted.
    pub fn agreement(&mut self, request: &NegotiateRequest) -> Try<NegotiateResponse> {
        let ours = self.offer.request;
        self.repost = true;
        self.fill_receives()?;
        Ok(NegotiateResponse {
            min_version: VERSION,
            max_version: VERSION,
            negotiated_version: VERSION,
            credits_requested: ours.credits_requested,
            credits_granted: self
                .offer
                .receives
                .min(u32::from(request.credits_requested)) as u16,
            max_read_write_size: 8 << 20,
            preferred_send_size: ours.preferred_send_size.min(request.max_receive_size),
            max_receive_size: ours
                .max_receive_size
                .min(request.preferred_send_size)
                .max(128),
            max_fragmented_size: ours.max_fragmented_size,
            ..NegotiateResponse::default()
        })
    }

    /// Send a response; what it grants is promised.
    pub fn respond(&mut self, response: &NegotiateResponse) -> Try<()> {
        self.promised = u64::from(response.credits_granted);
        let bytes = response.bytes();
        self.send_raw(&bytes, &transcript::negotiate_response(&bytes))
    }

    /// RDMA read or write of a region's first `len` bytes, along descriptors.
    pub fn transfer(
        &mut self,
        how: Transfer,
        region: &Region,
        len: usize,
        to: &[Descriptor],
    ) -> Try<()> {
        let mut at = 0;
        for d in to {
            let part = (d.length as usize).min(len - at);
            if part > 0 {
                self.transfer_part(how, region, (at, part), (d.offset, d.token))?
                    .map_err(Stop::Gone)?;
            }
            at += part;
        }
        ensure!(
            at == len,
            "the client's descriptors have {at} bytes, {len} are to be moved"
        );
        Ok(())
    }

    /// One transfer to any address and key. The inner error is what the
    /// adapters said, with which the connection has ended.
    pub fn transfer_part(
        &mut self,
        how: Transfer,
        region: &Region,
        (at, len): (usize, usize),
        to: (u64, u32),
    ) -> Try<Result<(), String>> {
        let deadline = Instant::now() + PATIENCE;
        let done = self.endpoint.transfer(how, region, at, len, to, deadline)?;
        let told = match &done {
            Ok(()) => "done",
            Err(why) => why,
        };
        self.note(&format!(
            "RDMA {how:?} of {len} bytes, key {:#010x}, address {:#x}: {told}",
            to.1, to.0
        ));
        Ok(done)
    }

    /// The client itself must end the connection in time. We keep our side of it:
    /// an error of our own queue pair is not the client's doing, so it does not count.
    pub fn client_must_end(&mut self, why: &str) -> Try<Duration> {
        let since = Instant::now();
        let limit = DISCONNECT * patience();
        ensure!(
            self.endpoint.told_of_end(since + limit)?,
            "the client did not disconnect within {limit:?}: {why}"
        );
        let took = since.elapsed();
        self.note(&format!(
            "the client disconnected after {:.2} s",
            took.as_secs_f64()
        ));
        Ok(took)
    }

    /// The client's MaxReceiveSize after the negotiation (MS-SMBD 3.1.5.7).
    pub fn client_receive_size(&self) -> usize {
        let ours = self.offer.request.preferred_send_size;
        self.server.max_receive_size.min(ours).max(128) as usize
    }
}
