// SPDX-License-Identifier: GPL-2.0

//! RDMA reads and writes for a server (MS-SMBD 3.1.4.5, 3.1.4.6; contract §3.8).
#![forbid(unsafe_code)]

use super::{
    socket::Socket,
    stats::{count, count_n, Breach},
};
use kernel::{
    prelude::*,
    sync::{atomic::Relaxed, Arc, ArcBorrow, SpinLock},
};
use smbdirect_core::{
    pace::{TransferClock, MIN_EARNED},
    slices::Slices,
    time::Millis,
    wire::descriptor::DESCRIPTOR_LEN,
};
use smbdirect_kext::{
    ctx::ProcessCtx,
    log::{class, Level},
    time::now_ms,
    trace,
    wait::Mode,
};
use smbdirect_rdma::{
    chunk::Direction,
    rw::{Batch, Local, RwEngine, Transfer},
};

/// Batches of one transfer in flight at once.
const IN_FLIGHT: usize = 4;

/// What a batch counts as, in bytes: many short slices are much work.
fn weight(batch: &Batch<Socket>) -> u64 {
    let (slices, bytes) = batch.work();
    bytes.max(u64::from(slices) * MIN_EARNED)
}

/// The part that one transfer has in the clock of its connection: from its first batch, or its first wait, to its last.
struct Share<'a> {
    clock: &'a SpinLock<TransferClock>,
    begun: bool,
}

impl<'a> Share<'a> {
    fn new(clock: &'a SpinLock<TransferClock>) -> Self {
        Self {
            clock,
            begun: false,
        }
    }

    fn begin(&mut self, clock: &mut TransferClock) {
        if !core::mem::replace(&mut self.begun, true) {
            clock.begin(Millis(now_ms()));
        }
    }

    fn waits(&mut self) {
        self.begin(&mut self.clock.lock());
    }

    fn posted(&mut self, weight: u64) {
        let mut clock = self.clock.lock();
        self.begin(&mut clock);
        clock.posted(weight);
    }

    fn done(&mut self, weight: u64, moved: bool, last: bool) {
        let now = Millis(now_ms());
        let mut clock = self.clock.lock();
        clock.done(now, weight, moved);
        if last && core::mem::take(&mut self.begun) {
            clock.end();
        }
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        if self.begun {
            self.clock.lock().end();
        }
    }
}

impl Socket {
    /// Moves `local` to (`ToDevice`) or from (`FromDevice`) the peer's memory that `descriptors` names: an array of MS-SMBD buffer descriptors as it came from
    /// the peer. Returns when all of it is done and nothing refers to `local` any more. Sleeps.
    ///
    /// Any number of descriptors is worked off in slices within the queue's means; their sum may exceed the length, trailing and zero-length ones are
    /// passed over. `-EINVAL` if they are malformed or too short; nothing is transferred then. `-ERESTARTSYS` if a signal came while others had
    /// the queue's means and nothing of this transfer was under way. A peer that is too slow for the connection's
    /// [`TransferClock`](smbdirect_core::pace::TransferClock) loses the connection: its hardware acknowledges, no software of it is in the way.
    pub(crate) fn rdma_transfer(
        this: ArcBorrow<'_, Self>,
        ctx: &ProcessCtx,
        local: Local<'_>,
        descriptors: &[u8],
        direction: Direction,
    ) -> Result {
        let endpoint = this.enter_connected()?;
        let rw = endpoint.rw().ok_or(ENOTCONN)?;
        let len = u32::try_from(local.len()).map_err(|_| EINVAL)?;
        if len > this.params.get().max_read_write_size {
            return Err(EINVAL);
        }
        if direction == Direction::FromDevice && this.read_depth.load(Relaxed) == 0 {
            this.log(
                Level::Err,
                class::RDMA_RW,
                format_args!("the peer serves no RDMA reads"),
            );
            return Err(EINVAL);
        }
        let slices = Slices::new(descriptors, len, rw.max_slice(direction)).map_err(|why| {
            this.log(
                Level::Err,
                class::RDMA_RW,
                format_args!("buffer descriptors refused: {why}"),
            );
            this.count_breach(Breach::Descriptors);
            count(&this.stats.request.rdma_failures);
            EINVAL
        })?;
        let transfers = slices.map(|slice| Transfer {
            local: slice.local as usize,
            len: slice.len as usize,
            remote: slice.remote,
            rkey: slice.rkey,
        });
        let counters = &this.stats.request;
        count(&counters.rdma_transfers);
        let read = direction == Direction::FromDevice;
        let number = (descriptors.len() / DESCRIPTOR_LEN) as u32;
        trace::RdmaBegin::emit(|| trace::RdmaBegin {
            conn: this.id,
            read,
            length: len,
            descriptors: number,
            error: 0,
        });
        let result = Self::run_transfers(this, ctx, rw, local, direction, transfers);
        trace::RdmaEnd::emit(|| trace::RdmaEnd {
            conn: this.id,
            read,
            length: len,
            descriptors: number,
            error: result.err().map_or(0, Error::to_errno),
        });
        if result.is_err() {
            count(&counters.rdma_failures);
        }
        match result {
            Ok(()) => {
                let (requests, bytes) = match direction {
                    Direction::FromDevice => (&counters.rdma_reads, &counters.rdma_read_bytes),
                    Direction::ToDevice => (&counters.rdma_writes, &counters.rdma_write_bytes),
                };
                count(requests);
                count_n(bytes, u64::from(len));
                Ok(())
            }
            Err(error) if this.status.first_error().is_none() => Err(error),
            Err(error) => {
                // The hardware may still have some of it. Without our permit, teardown can go on; when it is done nothing refers to the memory.
                drop(endpoint);
                this.events.wait(ctx, Mode::Uninterruptible, None, || {
                    this.torn_down
                        .load(kernel::sync::atomic::Acquire)
                        .then_some(())
                });
                Err(error)
            }
        }
    }

    fn run_transfers(
        this: ArcBorrow<'_, Self>,
        ctx: &ProcessCtx,
        rw: &RwEngine<Socket>,
        local: Local<'_>,
        direction: Direction,
        transfers: impl Iterator<Item = Transfer>,
    ) -> Result {
        let alive = || this.status.is_connected();
        let counters = &this.stats.request;
        let mut transfers = transfers.peekable();
        let mut flying: [Option<Arc<Batch<Socket>>>; IN_FLIGHT] = [const { None }; IN_FLIGHT];
        let (mut oldest, mut flights) = (0, 0);
        let mut share = Share::new(&this.transfers);
        let until = || this.transfers.lock().until().0;
        let mut result: Result = Ok(());
        let mut turn = None;
        loop {
            let more = result.is_ok() && transfers.peek().is_some();
            let mut reap = !more || flights == IN_FLIGHT;
            if more && !reap {
                let started = rw.start(ctx, local, direction, &mut transfers);
                drop(turn.take());
                match started {
                    Ok(Some(batch)) => {
                        let (registered, _) = batch.keys();
                        if registered != 0 {
                            count_n(&counters.fast_registrations, u64::from(registered));
                        }
                        share.posted(weight(&batch));
                        if let Some(place) = flying.get_mut((oldest + flights) % IN_FLIGHT) {
                            *place = Some(batch);
                        }
                        flights += 1;
                    }
                    Ok(None) if flights > 0 => reap = true,
                    Ok(None) => {
                        // Others have the budget, and look at the clock.
                        count(&counters.rdma_stalls);
                        share.waits();
                        match rw.wait_budget(ctx, alive) {
                            Ok(ours) => turn = Some(ours),
                            Err(error) => result = Err(error),
                        }
                    }
                    Err(error) => result = Err(error),
                }
                if more && !alive() {
                    result = result.and(Err(ENOTCONN));
                }
            }
            if reap {
                let Some(batch) = flying.get_mut(oldest).and_then(Option::take) else {
                    break;
                };
                oldest = (oldest + 1) % IN_FLIGHT;
                flights -= 1;
                let finished = rw.finish(ctx, &batch, &until, &alive);
                share.done(weight(&batch), finished.is_ok(), !more && flights == 0);
                let (_, invalidated) = batch.keys();
                if invalidated != 0 {
                    count_n(&counters.local_invalidations, u64::from(invalidated));
                }
                result = result.and(finished);
            }
            if !more && flights == 0 {
                break;
            }
        }
        result
    }
}
