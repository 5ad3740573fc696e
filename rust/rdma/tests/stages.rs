// SPDX-License-Identifier: GPL-2.0

//! Endpoints that end before they are whole: after each stage of their making, in each order that the functions allow.

use super::node::{with_nodes, Node, Plan, SIZE};
use crate::{memory::MEMORY, verbs::QueueSizes};
use kernel::{prelude::*, sync::atomic::Relaxed};
use smbdirect_kext::ensure;

/// Makes one part.
fn make(node: &kernel::sync::Arc<Node>, ctx: &smbdirect_kext::ctx::ProcessCtx, part: u8) -> Result {
    let endpoint = node.gate.enter().ok_or(ENOTCONN)?;
    match part {
        0 => endpoint.make_send(ctx, SIZE, 8, 16),
        1 => {
            endpoint.make_recv(ctx, SIZE, 32)?;
            let pool = endpoint.recv().ok_or(EINVAL)?;
            pool.grow(ctx, 32)?;
            pool.post(&mut core::iter::from_fn(|| pool.take_free()))?;
            Ok(())
        }
        2 => endpoint.make_mrs(ctx, 2, 4, 16),
        _ => endpoint.make_rw(ctx),
    }
}

/// Each order of four parts.
fn orders() -> impl Iterator<Item = [u8; 4]> {
    (0..256u32)
        .map(|n| [n & 3, n >> 2 & 3, n >> 4 & 3, n >> 6].map(|part| part as u8))
        .filter(|order| order.iter().fold(0, |set, part| set | 1 << part) == 15)
}

#[kunit_tests(smbdirect_stages)]
mod cases {
    use super::*;

    #[test]
    fn an_id_alone() -> Result {
        with_nodes(|ctx, tally| {
            for bound in [false, true] {
                let node = if bound {
                    Node::bound(ctx, Plan::small(), tally)?
                } else {
                    Node::with_id(ctx, Plan::small(), tally)?
                };
                let case = || -> Result {
                    let endpoint = node.gate.enter().ok_or(ENOTCONN)?;
                    ensure!(endpoint.cm().device().is_some() == bound);
                    ensure!(endpoint.verbs().is_none() && endpoint.memory() == 0);
                    // Nothing is made before there is a queue pair.
                    ensure!(endpoint.make_send(ctx, SIZE, 8, 16) == Err(EINVAL));
                    ensure!(endpoint.make_recv(ctx, SIZE, 8) == Err(EINVAL));
                    ensure!(endpoint.make_mrs(ctx, 1, 1, 16) == Err(EINVAL));
                    ensure!(endpoint.make_rw(ctx) == Err(EINVAL));
                    endpoint.nudge(true);
                    endpoint.disconnect(ctx, false);
                    if !bound {
                        let sizes = Plan::small().sizes;
                        ensure!(endpoint.make_verbs(ctx, node.clone(), sizes, SIZE) == Err(EINVAL));
                    }
                    Ok(())
                };
                let result = case();
                node.end(ctx);
                result?;
                node.fine()?;
            }
            Ok(())
        })
    }

    #[test]
    fn queues_that_are_too_large_are_refused() -> Result {
        with_nodes(|ctx, tally| {
            let node = Node::bound(ctx, Plan::small(), tally)?;
            let case = || -> Result {
                let endpoint = node.gate.enter().ok_or(ENOTCONN)?;
                let before = MEMORY.load(Relaxed);
                let small = Plan::small().sizes;
                for sizes in [
                    QueueSizes {
                        recv: u32::MAX,
                        ..small
                    },
                    QueueSizes {
                        send: u32::MAX,
                        ..small
                    },
                    QueueSizes {
                        rw: u32::MAX,
                        ..small
                    },
                    QueueSizes {
                        mrs: u32::MAX,
                        ..small
                    },
                    QueueSizes {
                        rw_mrs: u32::MAX,
                        ..small
                    },
                ] {
                    ensure!(endpoint.make_verbs(ctx, node.clone(), sizes, SIZE) == Err(EINVAL));
                }
                ensure!(endpoint.verbs().is_none() && MEMORY.load(Relaxed) == before);
                // And the id is as good as before.
                endpoint.make_verbs(ctx, node.clone(), small, SIZE)
            };
            let result = case();
            node.end(ctx);
            result
        })
    }

    #[test]
    fn a_stage_is_made_once() -> Result {
        with_nodes(|ctx, tally| {
            let node = Node::bound(ctx, Plan::small(), tally)?;
            let case = || -> Result {
                Node::equip(node.as_arc_borrow(), ctx)?;
                let endpoint = node.gate.enter().ok_or(ENOTCONN)?;
                let before = MEMORY.load(Relaxed);
                ensure!(endpoint.memory() > 0);
                let sizes = Plan::small().sizes;
                ensure!(endpoint.make_verbs(ctx, node.clone(), sizes, SIZE).is_err());
                // The second of a kind is dropped; the first goes on working.
                endpoint.make_recv(ctx, SIZE, 32)?;
                endpoint.make_rw(ctx)?;
                ensure!(MEMORY.load(Relaxed) == before);
                Ok(())
            };
            let result = case();
            node.end(ctx);
            result?;
            node.fine()
        })
    }

    #[test]
    fn every_order_and_every_stage() -> Result {
        let mut count = 0;
        for (n, order) in orders().enumerate() {
            // Each order as a whole, and broken off somewhere.
            for parts in [4, n % 4] {
                with_nodes(|ctx, tally| {
                    let node = Node::bound(ctx, Plan::small(), tally)?;
                    let case = || -> Result {
                        {
                            let endpoint = node.gate.enter().ok_or(ENOTCONN)?;
                            let sizes = Plan::small().sizes;
                            endpoint.make_verbs(ctx, node.clone(), sizes, SIZE)?;
                        }
                        for &part in order.iter().take(parts) {
                            make(&node, ctx, part)?;
                        }
                        Ok(())
                    };
                    let result = case();
                    node.end(ctx);
                    result?;
                    ensure!(node.received.load(Relaxed) == 0);
                    node.fine()
                })?;
                count += 1;
            }
        }
        ensure!(count == 48);
        Ok(())
    }
}
