// SPDX-License-Identifier: GPL-2.0

//! Messages: order, contexts, and what happens where slots or queue entries run out.

use super::node::{with_nodes, with_pair, Node, Plan, SIZE};
use crate::{send_ring::Chain, verbs::QueueSizes};
use kernel::{
    prelude::*,
    sync::atomic::{Acquire, Relaxed},
};
use smbdirect_kext::{ensure, tests::until};

#[kunit_tests(smbdirect_data)]
mod cases {
    use super::*;

    #[test]
    fn messages_arrive_in_softirq_and_in_order() -> Result {
        with_pair(Plan::small(), Plan::small(), |_ctx, pair| {
            let mut next = 1;
            while next <= 300 {
                let end = next + 1 + next % 4;
                match pair.client.send(next..end, false) {
                    Ok(()) => next = end,
                    // No slot or no entry now: those under way come back.
                    Err(err) if err == ENOSPC || err == EAGAIN => smbdirect_kext::tests::pause(2),
                    Err(err) => return Err(err),
                }
                // As fast as the peer posts again, and no faster.
                until("the peer to keep up", || {
                    let got = pair.server.received.load(Acquire);
                    (next as i32 - 1) - got < 16 || pair.server.faults.load(Acquire) > 0
                })?;
            }
            until("all messages", || {
                pair.server.received.load(Acquire) == next as i32 - 1
                    || pair.client.faults.load(Acquire) > 0
            })?;
            ensure!(pair.client.faults.load(Relaxed) + pair.server.faults.load(Relaxed) == 0);
            ensure!(pair.server.number.load(Relaxed) == next - 1);
            ensure!(pair.server.bytes.load(Relaxed) == 4 * (next as i32 - 1));
            Ok(())
        })
    }

    #[test]
    fn a_ring_gives_out_its_maximum_and_no_more() -> Result {
        with_nodes(|ctx, tally| {
            let node = Node::bound(ctx, Plan::small(), tally)?;
            let case = || -> Result {
                Node::equip(node.as_arc_borrow(), ctx)?;
                let endpoint = node.gate.enter().ok_or(ENOTCONN)?;
                let ring = endpoint.send().ok_or(EINVAL)?;
                ensure!(ring.counts() == (8, 8) && ring.can_grow());
                ring.grow(ctx, 100)?;
                ensure!(ring.counts() == (16, 16) && !ring.can_grow());
                ensure!(ring.grow(ctx, 1) == Err(ENOSPC));
                let mut held = KVec::new();
                while let Some(mut slot) = ring.alloc(false) {
                    ensure!(slot.buffer().len() == SIZE);
                    slot.buffer().fill(held.len() as u8);
                    held.push(slot, GFP_KERNEL)?;
                }
                ensure!(held.len() == 16 && ring.counts() == (16, 0) && ring.in_flight() == 16);
                // No two are the same memory.
                let mut own = true;
                for (i, slot) in held.iter_mut().enumerate() {
                    own &= slot.buffer().iter().all(|byte| usize::from(*byte) == i);
                }
                ensure!(own);
                ensure!(ring.alloc(true).is_none() && !ring.poll_free());
                // Parked: neither free nor held, and taken back once.
                let number = held.pop().ok_or(EINVAL)?.park();
                ensure!(ring.counts() == (16, 0) && ring.alloc(false).is_none());
                let slot = ring.unpark(number);
                ensure!(slot.is_some() && ring.unpark(number).is_none());
                ensure!(ring.unpark(5000).is_none());
                drop(slot);
                ensure!(ring.counts() == (16, 1) && ring.poll_free());
                // In any order.
                while held.len() > 2 {
                    drop(held.remove(1).map_err(|_| EINVAL)?);
                    drop(held.pop());
                }
                drop(held);
                ensure!(ring.counts() == (16, 16));
                Ok(())
            };
            let result = case();
            node.end(ctx);
            result?;
            node.fine()
        })
    }

    #[test]
    fn a_chain_takes_what_fits_and_gives_the_rest_back() -> Result {
        with_nodes(|ctx, tally| {
            let plan = Plan {
                send: (40, 40),
                ..Plan::small()
            };
            let (node, other) = (
                Node::bound(ctx, plan, tally)?,
                Node::bound(ctx, plan, tally)?,
            );
            let case = || -> Result {
                Node::equip(node.as_arc_borrow(), ctx)?;
                Node::equip(other.as_arc_borrow(), ctx)?;
                let (endpoint, foreign) = (
                    node.gate.enter().ok_or(ENOTCONN)?,
                    other.gate.enter().ok_or(ENOTCONN)?,
                );
                let ring = endpoint.send().ok_or(EINVAL)?;
                let foreign = foreign.send().ok_or(EINVAL)?;
                let (total, _) = ring.counts();
                ensure!(usize::from(total) > Chain::<Node>::MAX);
                let mut chain = Chain::new(ring);
                ensure!(chain.is_empty() && chain.post(true).is_ok());
                for _ in 0..=Chain::<Node>::MAX {
                    chain.push(ring.alloc(false).ok_or(ENOSPC)?, 8, None);
                }
                // The last one was too many, and is free again.
                ensure!(chain.is_full() && chain.len() == Chain::<Node>::MAX);
                ensure!(ring.counts().1 == total - Chain::<Node>::MAX as u16);
                drop(chain);
                ensure!(ring.counts() == (total, total));
                // A slot of another ring does not become one of this.
                let before = foreign.counts();
                let mut chain = Chain::new(ring);
                chain.push(foreign.alloc(false).ok_or(ENOSPC)?, 8, None);
                ensure!(chain.is_empty() && foreign.counts() == before);
                ensure!(ring.counts() == (total, total));
                Ok(())
            };
            let result = case();
            node.end(ctx);
            other.end(ctx);
            result
        })
    }

    #[test]
    fn a_post_that_does_not_fit_is_refused_whole() -> Result {
        // Room for ten entries: five sends and a nudge, a third more, and four.
        let sizes = QueueSizes {
            recv: 40,
            send: 4,
            rw: 0,
            rw_mrs: 0,
            mrs: 0,
        };
        let plan = Plan {
            sizes,
            send: (16, 16),
            mrs: (0, 0),
            rw: false,
            ..Plan::small()
        };
        with_pair(plan, Plan::small(), |_ctx, pair| {
            ensure!(pair.client.send(1..17, true) == Err(EAGAIN));
            {
                let endpoint = pair.client.gate.enter().ok_or(ENOTCONN)?;
                ensure!(endpoint.send().ok_or(EINVAL)?.counts() == (16, 16));
            }
            ensure!(pair.client.faults.load(Relaxed) == 0);
            // What fits is sent; again and again, so that numbers given back are not missed.
            for round in 0..8u32 {
                let first = 10 * round + 1;
                pair.client.send(first..first + 10, true)?;
                ensure!(pair.client.send(900..916, true).is_err());
                let endpoint = pair.client.gate.enter().ok_or(ENOTCONN)?;
                let ring = endpoint.send().ok_or(EINVAL)?;
                until("the entries", || {
                    ring.in_flight() == 0 || pair.client.faults.load(Acquire) > 0
                })?;
                until("the messages", || {
                    pair.server.received.load(Acquire) == 10 * (round as i32 + 1)
                        || pair.client.faults.load(Acquire) > 0
                })?;
            }
            ensure!(pair.client.faults.load(Relaxed) + pair.server.faults.load(Relaxed) == 0);
            ensure!(pair.server.number.load(Relaxed) == 80);
            Ok(())
        })
    }

    #[test]
    fn who_waits_for_a_slot_is_told() -> Result {
        let plan = Plan {
            send: (8, 8),
            ..Plan::small()
        };
        with_pair(plan, Plan::small(), |_ctx, pair| {
            for round in 0..10u32 {
                let first = 8 * round + 1;
                pair.client.send(first..first + 8, true)?;
                let endpoint = pair.client.gate.enter().ok_or(ENOTCONN)?;
                let ring = endpoint.send().ok_or(EINVAL)?;
                let told = pair.client.space.load(Acquire);
                if ring.alloc(true).is_none() {
                    until("the word that a slot is free", || {
                        pair.client.space.load(Acquire) > told
                    })?;
                    ensure!(ring.poll_free());
                }
                until("the ring to be empty", || ring.in_flight() == 0)?;
                until("the messages", || {
                    pair.server.received.load(Acquire) == 8 * (round as i32 + 1)
                })?;
            }
            ensure!(pair.client.faults.load(Relaxed) == 0);
            Ok(())
        })
    }

    #[test]
    fn a_pool_has_each_slot_once() -> Result {
        with_nodes(|ctx, tally| {
            let plan = Plan {
                recv: 0,
                ..Plan::small()
            };
            let (node, other) = (
                Node::bound(ctx, plan, tally)?,
                Node::bound(ctx, plan, tally)?,
            );
            let case = || -> Result {
                for one in [&node, &other] {
                    Node::equip(one.as_arc_borrow(), ctx)?;
                    let endpoint = one.gate.enter().ok_or(ENOTCONN)?;
                    endpoint.make_recv(ctx, SIZE, 24)?;
                }
                let (endpoint, foreign) = (
                    node.gate.enter().ok_or(ENOTCONN)?,
                    other.gate.enter().ok_or(ENOTCONN)?,
                );
                let pool = endpoint.recv().ok_or(EINVAL)?;
                let foreign = foreign.recv().ok_or(EINVAL)?;
                ensure!(pool.take_free().is_none());
                for _ in 0..2 {
                    ensure!(pool.can_grow() && pool.grow(ctx, 12)? == 12);
                }
                ensure!(!pool.can_grow() && pool.total() == 24 && pool.grow(ctx, 1) == Err(ENOSPC));
                let mut held = KVec::new();
                let mut numbers = KVec::new();
                while let Some(slot) = pool.take_free() {
                    ensure!(slot.bytes().len() == SIZE);
                    ensure!(!numbers.contains(&slot.index()));
                    numbers.push(slot.index(), GFP_KERNEL)?;
                    held.push(slot, GFP_KERNEL)?;
                }
                ensure!(held.len() == 24);
                let number = held.pop().ok_or(EINVAL)?.park();
                ensure!(pool.take_free().is_none() && pool.unpark(5000).is_none());
                let slot = pool.unpark(number);
                ensure!(slot.is_some() && pool.unpark(number).is_none());
                drop(slot);
                ensure!(pool.unpark(number).is_none());
                let slot = pool.take_free();
                ensure!(slot.as_ref().is_some_and(|slot| slot.index() == number));
                drop(slot);
                // A slot of another pool is not posted in the place of one of this.
                foreign.grow(ctx, 1)?;
                let taken = foreign.take_free();
                ensure!(taken.is_some() && foreign.take_free().is_none());
                ensure!(pool.post(&mut taken.into_iter())? == 0);
                ensure!(foreign.take_free().is_some());
                // Sixteen at a time; the rest is not lost.
                ensure!(pool.post(&mut held.into_iter())? == 16);
                let free = core::iter::from_fn(|| pool.take_free()).fuse();
                let mut rest = KVec::new();
                for slot in free {
                    rest.push(slot, GFP_KERNEL)?;
                }
                ensure!(rest.len() == 8);
                Ok(())
            };
            let result = case();
            node.end(ctx);
            other.end(ctx);
            result?;
            // What was posted came back, in softirq or not, before the end.
            node.fine()
        })
    }

    #[test]
    fn a_nudge_is_seen_by_nobody() -> Result {
        with_pair(Plan::small(), Plan::small(), |_ctx, pair| {
            let endpoint = pair.client.gate.enter().ok_or(ENOTCONN)?;
            for round in 1..=5 {
                for _ in 0..50 {
                    endpoint.nudge(false);
                }
                pair.client.send(round..round + 1, true)?;
                until("a message behind it", || {
                    pair.server.received.load(Acquire) == round as i32
                        || pair.client.faults.load(Acquire) > 0
                })?;
            }
            ensure!(pair.client.faults.load(Relaxed) + pair.server.faults.load(Relaxed) == 0);
            Ok(())
        })
    }
}
