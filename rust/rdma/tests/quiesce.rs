// SPDX-License-Identifier: GPL-2.0

//! The end of a connection at a bad moment: nothing completes afterwards, and everything waits for whom it has to.

use super::node::{with_pair, Node, Pair, Plan};
use kernel::{
    prelude::*,
    sync::{
        atomic::{Acquire, Atomic, Full, Relaxed, Release},
        Arc,
    },
};
use smbdirect_kext::{
    ctx::ProcessCtx,
    ensure,
    tests::{on_thread, pause, until},
};

/// Time for what comes too late to come.
const LATE_MS: u64 = 100;

/// Sends until nothing fits any more, or 64 messages.
fn fill(node: &Node) {
    for number in 1..=64 {
        if node.send(number..number + 1, false).is_err() {
            break;
        }
    }
}

#[kunit_tests(smbdirect_quiesce)]
mod cases {
    use super::*;

    #[test]
    fn nothing_completes_after_the_end() -> Result {
        for server_first in [false, true] {
            for polite in [false, true] {
                with_pair(Plan::small(), Plan::small(), |ctx, pair| {
                    let (first, second) = if server_first {
                        (&pair.server, &pair.client)
                    } else {
                        (&pair.client, &pair.server)
                    };
                    fill(&pair.client);
                    fill(&pair.server);
                    if polite {
                        let endpoint = first.gate.enter().ok_or(ENOTCONN)?;
                        endpoint.disconnect(ctx, true);
                    }
                    first.end(ctx);
                    let seen = first.received.load(Acquire);
                    fill(second);
                    pause(LATE_MS);
                    ensure!(first.received.load(Acquire) == seen);
                    first.fine()?;
                    second.end(ctx);
                    pause(LATE_MS);
                    second.fine()
                })?;
            }
        }
        Ok(())
    }

    #[test]
    fn posted_receives_come_back_before_the_end() -> Result {
        let plan = Plan {
            repost: false,
            ..Plan::small()
        };
        with_pair(plan, plan, |ctx, pair| {
            pair.client.send(1..9, true)?;
            until("the messages", || pair.server.received.load(Acquire) == 8)?;
            pair.server.end(ctx);
            // 32 and the first one were posted; eight of them have brought a message.
            let flushed = pair.server.flushes.load(Acquire) + pair.server.faults.load(Acquire);
            ensure!(flushed >= 33 - 8);
            pause(LATE_MS);
            ensure!(
                pair.server.flushes.load(Acquire) + pair.server.faults.load(Acquire) == flushed
            );
            pair.server.fine()
        })
    }

    #[test]
    fn the_end_waits_for_those_inside() -> Result {
        with_pair(Plan::small(), Plan::small(), |ctx, pair| {
            let inside = Arc::new(Atomic::new(0i32), GFP_KERNEL)?;
            let (node, state) = (pair.client.clone(), inside.clone());
            on_thread(move || {
                let Some(endpoint) = node.gate.enter() else {
                    state.store(-1, Release);
                    return;
                };
                state.store(1, Release);
                pause(200);
                // Still whole: the buffers can be written, the queue can be posted to.
                let _ = node.send(1..2, true);
                if let Some(ring) = endpoint.send() {
                    if let Some(mut slot) = ring.alloc(false) {
                        slot.buffer().fill(0x5a);
                    }
                }
                state.fetch_add(1, Full);
                drop(endpoint);
            })?;
            until("somebody inside", || inside.load(Acquire) != 0)?;
            pair.client.end(ctx);
            ensure!(inside.load(Acquire) == 2);
            pause(LATE_MS);
            pair.client.fine()
        })
    }

    #[test]
    fn both_ends_at_once_under_traffic() -> Result {
        for round in 0..6u64 {
            with_pair(Plan::small(), Plan::small(), |ctx, pair: &Pair| {
                let left = Arc::new(Atomic::new(0i32), GFP_KERNEL)?;
                for node in [&pair.client, &pair.server] {
                    let (sender, left) = (node.clone(), left.clone());
                    on_thread(move || {
                        let mut number = 1;
                        loop {
                            match sender.send(number..number + 1, number % 3 == 0) {
                                Ok(()) => number += 1,
                                Err(err) if err == ENOSPC || err == EAGAIN => pause(1),
                                Err(_) => break,
                            }
                            let ended = sender.flushes.load(Relaxed) + sender.faults.load(Relaxed);
                            if ended > 0 {
                                break;
                            }
                        }
                        left.fetch_add(1, Full);
                    })?;
                }
                pause(10 * round);
                let (other, done) = (pair.server.clone(), left.clone());
                on_thread(move || {
                    other.end(&ProcessCtx::enter());
                    done.fetch_add(1, Full);
                })?;
                pair.client.end(ctx);
                until("senders and the other end", || left.load(Acquire) == 3)?;
                pause(LATE_MS);
                ensure!(pair.client.late.load(Relaxed) == 0);
                ensure!(pair.server.late.load(Relaxed) == 0);
                Ok(())
            })?;
        }
        Ok(())
    }
}
