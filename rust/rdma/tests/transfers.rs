// SPDX-License-Identifier: GPL-2.0

//! RDMA reads and writes: their budget, their completions, and batches that nobody waited for.

use super::{
    node::{with_pair, Pair, Plan},
    regions::{deregister, register, LEN},
};
use crate::{
    chunk::Direction,
    mr::{Mr, RemoteBuffer},
    rw::{Batch, Local, Transfer},
};
use core::ptr::NonNull;
use kernel::{
    prelude::*,
    sync::{atomic::Relaxed, Arc},
};
use smbdirect_kext::{ctx::ProcessCtx, ensure, tests::until, time::now_ms};

/// Bytes of one transfer.
const PART: usize = 1000;

/// Two buffers, of which the client has registered the second. One has a pattern, the other zeros.
struct Buffers {
    local: KVec<u8>,
    remote: KVec<u8>,
}

impl Buffers {
    /// For writes.
    fn new() -> Result<Self> {
        let mut local = KVec::from_elem(0u8, LEN, GFP_KERNEL)?;
        for (i, byte) in local.iter_mut().enumerate() {
            *byte = (i % 251) as u8;
        }
        Ok(Self {
            local,
            remote: KVec::from_elem(0u8, LEN, GFP_KERNEL)?,
        })
    }

    /// For reads.
    fn to_be_read() -> Result<Self> {
        let Self { local, remote } = Self::new()?;
        Ok(Self {
            local: remote,
            remote: local,
        })
    }

    fn local(&mut self) -> Result<Local<'static>> {
        let start = NonNull::new(self.local.as_mut_ptr()).ok_or(EINVAL)?;
        // SAFETY: Kernel memory, which outlives the nodes of the case, and which nobody writes meanwhile.
        Ok(unsafe { Local::new(start, LEN) })
    }

    fn expose(&mut self, ctx: &ProcessCtx, pair: &Pair) -> Result<(Arc<Mr>, RemoteBuffer)> {
        self.expose_for(ctx, pair, Direction::FromDevice)
    }

    fn expose_for(
        &mut self,
        ctx: &ProcessCtx,
        pair: &Pair,
        direction: Direction,
    ) -> Result<(Arc<Mr>, RemoteBuffer)> {
        let memory = self.remote.as_mut_ptr();
        // SAFETY: It outlives the nodes of the case.
        let mr = unsafe { register(&pair.client, ctx, memory, direction, 1000) };
        let mr = mr.map_err(|_| EIO)?;
        let remote = mr.remote_buffer(ctx).ok_or(EINVAL)?;
        Ok((mr, remote))
    }
}

/// One transfer of the server, of part `n`.
fn part(n: usize, remote: RemoteBuffer) -> Transfer {
    Transfer {
        local: n * PART,
        len: PART,
        remote: remote.offset + (n * PART) as u64,
        rkey: remote.token,
    }
}

fn start(
    pair: &Pair,
    ctx: &ProcessCtx,
    local: Local<'_>,
    transfer: Transfer,
) -> Result<Option<Arc<Batch<super::node::Node>>>> {
    launch(pair, ctx, local, Direction::ToDevice, transfer)
}

fn launch(
    pair: &Pair,
    ctx: &ProcessCtx,
    local: Local<'_>,
    direction: Direction,
    transfer: Transfer,
) -> Result<Option<Arc<Batch<super::node::Node>>>> {
    let endpoint = pair.server.gate.enter().ok_or(ENOTCONN)?;
    let engine = endpoint.rw().ok_or(EINVAL)?;
    let mut one = core::iter::once(transfer).peekable();
    engine.start(ctx, local, direction, &mut one)
}

fn finish(pair: &Pair, ctx: &ProcessCtx, batch: &Arc<Batch<super::node::Node>>) -> Result {
    let endpoint = pair.server.gate.enter().ok_or(ENOTCONN)?;
    let engine = endpoint.rw().ok_or(EINVAL)?;
    let until = now_ms() + 60_000;
    engine.finish(ctx, batch, &|| until, &|| true)
}

/// The server transfers all parts, one after the other; both buffers are the same then, and nothing failed.
fn all_arrives(mut buffers: Buffers, direction: Direction) -> Result {
    let peers = match direction {
        Direction::ToDevice => Direction::FromDevice,
        Direction::FromDevice => Direction::ToDevice,
    };
    with_pair(Plan::small(), Plan::small(), |ctx, pair| {
        let (mr, remote) = buffers.expose_for(ctx, pair, peers)?;
        let local = buffers.local()?;
        for n in 0..LEN / PART {
            let batch = launch(pair, ctx, local, direction, part(n, remote))?.ok_or(EAGAIN)?;
            finish(pair, ctx, &batch)?;
        }
        deregister(&pair.client, ctx, &mr)?;
        let end = LEN / PART * PART;
        ensure!(buffers.remote.get(..end) == buffers.local.get(..end));
        ensure!(pair.server.faults.load(Relaxed) + pair.client.faults.load(Relaxed) == 0);
        Ok(())
    })
}

/// A plan whose budget is four writes.
fn frugal() -> Plan {
    let mut plan = Plan::small();
    plan.sizes.rw = 4;
    plan
}

#[kunit_tests(smbdirect_transfers)]
mod cases {
    use super::*;

    #[test]
    fn what_is_written_arrives() -> Result {
        all_arrives(Buffers::new()?, Direction::ToDevice)
    }

    #[test]
    fn the_budget_is_kept_until_a_batch_is_finished() -> Result {
        let mut buffers = Buffers::new()?;
        with_pair(Plan::small(), frugal(), |ctx, pair| {
            let (mr, remote) = buffers.expose(ctx, pair)?;
            let local = buffers.local()?;
            for _ in 0..3 {
                let mut batches = KVec::new();
                while let Some(batch) = start(pair, ctx, local, part(batches.len(), remote))? {
                    batches.push(batch, GFP_KERNEL)?;
                }
                ensure!(batches.len() == 4);
                {
                    let endpoint = pair.server.gate.enter().ok_or(ENOTCONN)?;
                    let engine = endpoint.rw().ok_or(EINVAL)?;
                    ensure!(engine.live() == 4);
                    // Who waits for budget on a connection that ended is let go.
                    ensure!(engine.wait_budget(ctx, || false).is_ok());
                }
                // In another order than they were posted in.
                while let Some(batch) = batches.pop() {
                    finish(pair, ctx, &batch)?;
                }
                let endpoint = pair.server.gate.enter().ok_or(ENOTCONN)?;
                let engine = endpoint.rw().ok_or(EINVAL)?;
                ensure!(engine.live() == 0);
                ensure!(engine.wait_budget(ctx, || true).is_ok());
            }
            deregister(&pair.client, ctx, &mr)
        })
    }

    #[test]
    fn transfers_outside_of_the_memory_are_refused() -> Result {
        let mut buffers = Buffers::new()?;
        with_pair(Plan::small(), frugal(), |ctx, pair| {
            let (mr, remote) = buffers.expose(ctx, pair)?;
            let local = buffers.local()?;
            for (at, len) in [
                (0, 0),
                (LEN, 1),
                (LEN - 1, 2),
                (usize::MAX, 2),
                (1, usize::MAX),
            ] {
                let transfer = Transfer {
                    local: at,
                    len,
                    ..part(0, remote)
                };
                ensure!(matches!(start(pair, ctx, local, transfer), Err(err) if err == EINVAL));
            }
            // They took nothing.
            let mut batches = KVec::new();
            while let Some(batch) = start(pair, ctx, local, part(batches.len(), remote))? {
                batches.push(batch, GFP_KERNEL)?;
            }
            ensure!(batches.len() == 4);
            for batch in batches.iter() {
                finish(pair, ctx, batch)?;
            }
            deregister(&pair.client, ctx, &mr)
        })
    }

    #[test]
    fn batches_may_outlive_the_endpoint() -> Result {
        for client_first in [false, true] {
            let mut buffers = Buffers::new()?;
            let mut batches = KVec::new();
            with_pair(Plan::small(), frugal(), |ctx, pair| {
                let (mr, remote) = buffers.expose(ctx, pair)?;
                let local = buffers.local()?;
                for n in 0..4 {
                    batches.push(
                        start(pair, ctx, local, part(n, remote))?.ok_or(EAGAIN)?,
                        GFP_KERNEL,
                    )?;
                }
                if client_first {
                    pair.client.end(ctx);
                }
                pair.server.end(ctx);
                pair.client.end(ctx);
                mr.wait_gone(ctx);
                Ok(())
            })?;
            ensure!(batches.len() == 4);
            drop(batches);
        }
        Ok(())
    }

    #[test]
    fn a_wrong_key_fails_the_batch_and_the_connection() -> Result {
        let mut buffers = Buffers::new()?;
        with_pair(Plan::small(), frugal(), |ctx, pair| {
            let (_mr, mut remote) = buffers.expose(ctx, pair)?;
            let local = buffers.local()?;
            remote.token ^= 0x5500;
            let batch = start(pair, ctx, local, part(0, remote))?.ok_or(EAGAIN)?;
            // Over iWARP the write itself succeeds: the peer ends the connection.
            let _ = finish(pair, ctx, &batch);
            until("the end of the connection", || {
                pair.server.faults.load(Relaxed) + pair.server.flushes.load(Relaxed) > 0
            })?;
            ensure!(buffers.remote.iter().all(|byte| *byte == 0));
            Ok(())
        })
    }

    #[test]
    fn what_is_read_arrives() -> Result {
        all_arrives(Buffers::to_be_read()?, Direction::FromDevice)
    }

    #[test]
    fn reads_under_way_together_arrive_and_give_all_back() -> Result {
        let mut buffers = Buffers::to_be_read()?;
        with_pair(Plan::small(), Plan::small(), |ctx, pair| {
            let (mr, remote) = buffers.expose_for(ctx, pair, Direction::ToDevice)?;
            let local = buffers.local()?;
            let mut most = 0;
            for _ in 0..3 {
                let mut batches = KVec::new();
                while let Some(batch) = launch(
                    pair,
                    ctx,
                    local,
                    Direction::FromDevice,
                    part(batches.len() % (LEN / PART), remote),
                )? {
                    batches.push(batch, GFP_KERNEL)?;
                }
                // As many as before, so nothing of the budget was lost; 16 entries are for four reads by regions (REG, READ, INV, INV), and for eight that are followed by a write.
                ensure!(batches.len() == 4 || batches.len() >= 8);
                ensure!(most == 0 || most == batches.len());
                most = batches.len();
                for batch in batches.iter() {
                    finish(pair, ctx, batch)?;
                }
            }
            deregister(&pair.client, ctx, &mr)?;
            let end = most.min(LEN / PART) * PART;
            ensure!(buffers.remote.get(..end) == buffers.local.get(..end));
            Ok(())
        })
    }

    #[test]
    fn a_read_with_a_wrong_key_fails_and_ends_the_connection() -> Result {
        let mut buffers = Buffers::to_be_read()?;
        with_pair(Plan::small(), Plan::small(), |ctx, pair| {
            let (_mr, mut remote) = buffers.expose_for(ctx, pair, Direction::ToDevice)?;
            let local = buffers.local()?;
            remote.token ^= 0x5500;
            // Two in one batch, of which the first is the one with a status.
            let batch = {
                let endpoint = pair.server.gate.enter().ok_or(ENOTCONN)?;
                let engine = endpoint.rw().ok_or(EINVAL)?;
                let mut two = (0..2).map(|n| part(n, remote)).peekable();
                engine
                    .start(ctx, local, Direction::FromDevice, &mut two)?
                    .ok_or(EAGAIN)?
            };
            ensure!(finish(pair, ctx, &batch).is_err());
            let iwarp = {
                let endpoint = pair.server.gate.enter().ok_or(ENOTCONN)?;
                let cm = endpoint.cm();
                cm.device().ok_or(ENODEV)?.is_iwarp(cm.port())
            };
            // Over iWARP a read takes a quarter of the budget, as much as a batch may.
            ensure!(batch.work().0 == if iwarp { 1 } else { 2 });
            until("the end of the connection", || {
                // Over iWARP the peer ends the connection, which may be what is heard first.
                pair.server.faults.load(Relaxed) > 0
                    || iwarp && pair.server.flushes.load(Relaxed) > 0
            })?;
            ensure!(buffers.local.iter().all(|byte| *byte == 0));
            Ok(())
        })
    }
}
