// SPDX-License-Identifier: GPL-2.0

//! Registered memory: keys live and die, the pool has its maximum, and regions may outlive everything.

use super::node::{with_nodes, with_pair, Node, Pair, Plan};
use crate::{
    chunk::Direction,
    mr::{Mr, RegisterError},
};
use core::mem::MaybeUninit;
use kernel::{
    prelude::*,
    sync::{
        atomic::{Acquire, Relaxed},
        Arc,
    },
};
use smbdirect_kext::{
    bindings,
    ctx::ProcessCtx,
    ensure,
    tests::until,
    time::{jiffies, now_ms},
};

/// Bytes of a registered buffer: more than a page.
pub(super) const LEN: usize = 10_000;

// Structures of the kernel, by pointer: what is in them does not matter.
#[allow(improper_ctypes)]
extern "C" {
    fn smbd_test_iter(
        iter: *mut bindings::iov_iter,
        vec: *mut bindings::kvec,
        buf: *mut u8,
        len: usize,
        source: bool,
    );
}

/// Registers `LEN` bytes for the peer to read or write.
///
/// # Safety
///
/// The memory stays allocated until the region is deregistered or a shell.
pub(super) unsafe fn register(
    node: &Node,
    ctx: &ProcessCtx,
    memory: *mut u8,
    direction: Direction,
    wait_ms: u64,
) -> core::result::Result<Arc<Mr>, RegisterError> {
    let failed = RegisterError::Failed;
    let endpoint = node.gate.enter().ok_or(failed(ENOTCONN))?;
    let pool = endpoint.mrs().ok_or(failed(EINVAL))?;
    let mut vec = bindings::kvec::default();
    let mut iter = MaybeUninit::<bindings::iov_iter>::zeroed();
    // SAFETY: Both live on this stack, longer than the iterator is used.
    unsafe {
        smbd_test_iter(
            iter.as_mut_ptr(),
            &mut vec,
            memory,
            LEN,
            direction == Direction::ToDevice,
        )
    };
    let alive = || true;
    // SAFETY: An iterator over kernel memory; how long it stays is our caller's promise.
    unsafe {
        pool.register(
            ctx,
            iter.as_mut_ptr(),
            direction,
            jiffies(wait_ms),
            alive,
            || {},
        )
    }
}

/// Gives a registration back.
pub(super) fn deregister(node: &Node, ctx: &ProcessCtx, mr: &Arc<Mr>) -> Result {
    let endpoint = node.gate.enter().ok_or(ENOTCONN)?;
    endpoint.mrs().ok_or(EINVAL)?.deregister(ctx, mr).map(drop)
}

fn counts(node: &Node) -> Result<(usize, usize)> {
    let endpoint = node.gate.enter().ok_or(ENOTCONN)?;
    Ok(endpoint.mrs().ok_or(EINVAL)?.counts())
}

/// A buffer, and the case that may register it; the memory goes when the nodes are gone.
pub(super) fn with_memory(case: impl FnOnce(*mut u8) -> Result) -> Result {
    let mut memory = KVec::from_elem(0u8, LEN, GFP_KERNEL)?;
    case(memory.as_mut_ptr())
}

fn taken(result: core::result::Result<Arc<Mr>, RegisterError>) -> Result<Arc<Mr>> {
    result.map_err(|err| match err {
        RegisterError::Failed(err) | RegisterError::Live(err, _) => err,
        RegisterError::TooManyPages(_) => E2BIG,
        RegisterError::Interrupted => EINTR,
    })
}

#[kunit_tests(smbdirect_regions)]
mod cases {
    use super::*;

    #[test]
    fn a_pool_has_its_maximum_and_no_more() -> Result {
        with_memory(|memory| {
            with_pair(Plan::small(), Plan::small(), |ctx, pair: &Pair| {
                let node = &pair.client;
                ensure!(counts(node)? == (2, 2));
                let mut held = KVec::new();
                for _ in 0..4 {
                    // SAFETY: The memory outlives the pair.
                    let mr = unsafe { register(node, ctx, memory, Direction::ToDevice, 1000) };
                    held.push(taken(mr)?, GFP_KERNEL)?;
                }
                ensure!(counts(node)? == (4, 0));
                let begin = now_ms();
                // SAFETY: As above.
                let fifth = unsafe { register(node, ctx, memory, Direction::ToDevice, 100) };
                ensure!(matches!(fifth, Err(RegisterError::Interrupted)));
                ensure!(now_ms() - begin >= 90);
                // Each has a key of its own.
                let mut keys = KVec::new();
                for mr in held.iter() {
                    let remote = mr.remote_buffer(ctx).ok_or(EINVAL)?;
                    ensure!(remote.length as usize == LEN && remote.token != 0);
                    ensure!(!keys.contains(&remote.token));
                    keys.push(remote.token, GFP_KERNEL)?;
                }
                for mr in held.iter() {
                    deregister(node, ctx, mr)?;
                    ensure!(mr.remote_buffer(ctx).is_none());
                }
                ensure!(counts(node)? == (4, 4));
                ensure!(node.faults.load(Relaxed) == 0);
                Ok(())
            })
        })
    }

    #[test]
    fn a_region_belongs_to_its_connection() -> Result {
        with_memory(|memory| {
            with_pair(Plan::small(), Plan::small(), |ctx, pair: &Pair| {
                // SAFETY: The memory outlives the pair.
                let mr = unsafe { register(&pair.client, ctx, memory, Direction::ToDevice, 1000) };
                let mr = taken(mr)?;
                ensure!(deregister(&pair.server, ctx, &mr) == Err(EINVAL));
                ensure!(counts(&pair.server)? == (2, 2));
                ensure!(mr.remote_buffer(ctx).is_some());
                deregister(&pair.client, ctx, &mr)?;
                ensure!(counts(&pair.client)? == (2, 2));
                Ok(())
            })
        })
    }

    #[test]
    fn a_key_changes_with_each_registration() -> Result {
        with_memory(|memory| {
            with_pair(Plan::small(), Plan::small(), |ctx, pair: &Pair| {
                let node = &pair.client;
                let mut last = 0;
                for round in 0..20 {
                    let direction = if round % 2 == 0 {
                        Direction::ToDevice
                    } else {
                        Direction::FromDevice
                    };
                    // SAFETY: The memory outlives the pair.
                    let mr = taken(unsafe { register(node, ctx, memory, direction, 1000) })?;
                    let key = mr.remote_buffer(ctx).ok_or(EINVAL)?.token;
                    ensure!(key != last);
                    last = key;
                    deregister(node, ctx, &mr)?;
                    // A dead key is nobody's.
                    let endpoint = node.gate.enter().ok_or(ENOTCONN)?;
                    ensure!(!endpoint.mrs().ok_or(EINVAL)?.remote_invalidated(key));
                }
                ensure!(node.faults.load(Relaxed) == 0);
                Ok(())
            })
        })
    }

    #[test]
    fn the_peer_may_invalidate_a_key() -> Result {
        with_memory(|memory| {
            with_pair(Plan::small(), Plan::small(), |ctx, pair: &Pair| {
                let node = &pair.client;
                // SAFETY: The memory outlives the pair.
                let mr = unsafe { register(node, ctx, memory, Direction::FromDevice, 1000) };
                let mr = taken(mr)?;
                let key = mr.remote_buffer(ctx).ok_or(EINVAL)?.token;
                {
                    let endpoint = pair.server.gate.enter().ok_or(ENOTCONN)?;
                    let ring = endpoint.send().ok_or(EINVAL)?;
                    let mut chain = crate::send_ring::Chain::new(ring);
                    let mut slot = ring.alloc(false).ok_or(ENOSPC)?;
                    slot.buffer()
                        .get_mut(..4)
                        .ok_or(EINVAL)?
                        .copy_from_slice(&1u32.to_le_bytes());
                    chain.push(slot, 4, Some(key));
                    chain.post(true)?;
                }
                until("the message", || node.received.load(Acquire) == 1)?;
                let endpoint = node.gate.enter().ok_or(ENOTCONN)?;
                let pool = endpoint.mrs().ok_or(EINVAL)?;
                if node.invalidated.load(Relaxed) == key {
                    ensure!(pool.remote_invalidated(key));
                    ensure!(!pool.remote_invalidated(key));
                    ensure!(!pool.remote_invalidated(0));
                }
                pool.deregister(ctx, &mr)?;
                ensure!(pool.counts() == (2, 2) && node.faults.load(Relaxed) == 0);
                Ok(())
            })
        })
    }

    #[test]
    fn a_region_may_outlive_its_connection() -> Result {
        with_memory(|memory| {
            for both in [false, true] {
                let mut kept = None;
                with_pair(Plan::small(), Plan::small(), |ctx, pair: &Pair| {
                    let node = &pair.client;
                    // SAFETY: The memory outlives the pair.
                    let mr = unsafe { register(node, ctx, memory, Direction::FromDevice, 1000) };
                    let mr = taken(mr)?;
                    if both {
                        pair.server.end(ctx);
                    }
                    node.end(ctx);
                    // A shell: no key, nobody to ask, nothing to wait for.
                    ensure!(mr.remote_buffer(ctx).is_none());
                    mr.wait_gone(ctx);
                    ensure!(deregister(node, ctx, &mr) == Err(ENOTCONN));
                    kept = Some(mr);
                    Ok(())
                })
                .or_else(|err| {
                    // What a region holds is counted as long as it is there.
                    if kept.is_some() {
                        Ok(())
                    } else {
                        Err(err)
                    }
                })?;
                ensure!(kept.is_some());
                drop(kept);
            }
            Ok(())
        })
    }

    #[test]
    fn a_region_whose_key_the_end_kills() -> Result {
        with_memory(|memory| {
            with_pair(Plan::small(), Plan::small(), |ctx, pair: &Pair| {
                let node = &pair.client;
                // SAFETY: The memory outlives the pair.
                let mr = unsafe { register(node, ctx, memory, Direction::ToDevice, 1000) };
                let mr = taken(mr)?;
                {
                    let endpoint = node.gate.enter().ok_or(ENOTCONN)?;
                    endpoint.disconnect(ctx, true);
                    let pool = endpoint.mrs().ok_or(EINVAL)?;
                    // The queue pair is in the error state: the invalidation is flushed, or refused, and the key not proven dead.
                    ensure!(pool.deregister(ctx, &mr).is_err());
                    ensure!(mr.remote_buffer(ctx).is_some());
                }
                node.end(ctx);
                mr.wait_gone(ctx);
                ensure!(mr.remote_buffer(ctx).is_none());
                Ok(())
            })
        })
    }

    #[test]
    fn a_pool_that_never_had_a_connection() -> Result {
        with_memory(|memory| {
            with_nodes(|ctx, tally| {
                let node = Node::bound(ctx, Plan::small(), tally)?;
                let case = || -> Result {
                    Node::equip(node.as_arc_borrow(), ctx)?;
                    // Too many pages are refused before a region is taken.
                    let mut vec = bindings::kvec::default();
                    let mut iter = MaybeUninit::<bindings::iov_iter>::zeroed();
                    let endpoint = node.gate.enter().ok_or(ENOTCONN)?;
                    let pool = endpoint.mrs().ok_or(EINVAL)?;
                    let mut large = KVVec::from_elem(0u8, 17 * 4096 + 1, GFP_KERNEL)?;
                    for (buf, len) in [(large.as_mut_ptr(), large.len()), (memory, 0)] {
                        // SAFETY: Both live on this stack, longer than the iterator is used; the memory, too.
                        let result = unsafe {
                            smbd_test_iter(iter.as_mut_ptr(), &mut vec, buf, len, true);
                            let iter = iter.as_mut_ptr();
                            pool.register(ctx, iter, Direction::ToDevice, 1, || true, || {})
                        };
                        ensure!(matches!(
                            result,
                            Err(RegisterError::TooManyPages(17..) | RegisterError::Failed(_))
                        ));
                    }
                    ensure!(pool.counts() == (2, 2));
                    Ok(())
                };
                let result = case();
                node.end(ctx);
                result
            })
        })
    }
}
