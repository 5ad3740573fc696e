// SPDX-License-Identifier: GPL-2.0

//! Gates: who gets in, who waits for whom, and that the value is dropped once.

use super::{in_softirq, on_softirq, on_thread, pause, until, Probe, Tally};
use crate::{ctx::ProcessCtx, ensure, gate::Gated};
use kernel::{
    prelude::*,
    sync::{
        atomic::{Acquire, Atomic, Full, Relaxed, Release},
        Arc,
    },
};

/// A gated value and what its users say. The value is boxed, so that a use after its end is a use of freed memory.
#[pin_data]
struct Shared {
    #[pin]
    gate: Gated<KBox<Probe>>,
    entered: Atomic<i32>,
    refused: Atomic<i32>,
    left: Atomic<i32>,
    wrong: Atomic<i32>,
}

impl Shared {
    fn new() -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                gate <- Gated::new(),
                entered: Atomic::new(0),
                refused: Atomic::new(0),
                left: Atomic::new(0),
                wrong: Atomic::new(0),
            }),
            GFP_KERNEL,
        )
    }

    fn open(&self, tally: &Arc<Tally>) -> Result {
        let value = KBox::new(Tally::probe(tally), GFP_KERNEL)?;
        self.gate.open(value).map_err(|_| EALREADY)
    }

    /// One visit, during which the value must exist.
    fn visit(&self) {
        match self.gate.enter() {
            Some(value) => {
                self.entered.add(1, Relaxed);
                if value.tally().dropped() != 0 {
                    self.wrong.add(1, Relaxed);
                }
            }
            None => self.refused.add(1, Relaxed),
        }
    }
}

#[kunit_tests(smbdirect_gate)]
mod cases {
    use super::*;

    #[test]
    fn a_gate_that_was_never_opened() -> Result {
        let ctx = ProcessCtx::enter();
        let (shared, tally) = (Shared::new()?, Tally::new()?);
        ensure!(shared.gate.enter().is_none());
        ensure!(shared.gate.take(&ctx).is_none());
        ensure!(shared.gate.permits() == 0);
        ensure!(shared.gate.close());
        ensure!(!shared.gate.close());
        // Closed for good: the value comes back to whoever brought it.
        ensure!(shared.open(&tally).is_err());
        ensure!(tally.alive() == 0);
        ensure!(shared.gate.enter().is_none());
        ensure!(shared.gate.take(&ctx).is_none());
        Ok(())
    }

    #[test]
    fn the_value_is_taken_once() -> Result {
        let ctx = ProcessCtx::enter();
        let (shared, tally) = (Shared::new()?, Tally::new()?);
        shared.open(&tally)?;
        ensure!(shared.open(&tally).is_err());
        ensure!(tally.alive() == 1);
        ensure!(shared.gate.enter().is_some());
        // An open gate gives nothing away.
        ensure!(shared.gate.take(&ctx).is_none());
        ensure!(shared.gate.close());
        ensure!(shared.gate.enter().is_none());
        let value = shared.gate.take(&ctx);
        ensure!(value.is_some());
        ensure!(shared.gate.take(&ctx).is_none());
        ensure!(tally.alive() == 1);
        drop(value);
        ensure!(tally.alive() == 0);
        Ok(())
    }

    #[test]
    fn a_gate_dropped_with_its_value_drops_it() -> Result {
        let (shared, tally) = (Shared::new()?, Tally::new()?);
        shared.open(&tally)?;
        drop(shared);
        ensure!(tally.alive() == 0);
        Ok(())
    }

    #[test]
    fn take_waits_for_the_last_permit() -> Result {
        let ctx = ProcessCtx::enter();
        let (shared, tally) = (Shared::new()?, Tally::new()?);
        shared.open(&tally)?;
        for _ in 0..3 {
            let visitor = shared.clone();
            on_thread(move || {
                let Some(value) = visitor.gate.enter() else {
                    visitor.wrong.add(1, Relaxed);
                    return;
                };
                visitor.entered.add(1, Relaxed);
                pause(100);
                if value.tally().dropped() != 0 {
                    visitor.wrong.add(1, Relaxed);
                }
                visitor.left.fetch_add(1, Full);
                drop(value);
            })?;
        }
        until("three visitors", || shared.entered.load(Relaxed) == 3)?;
        ensure!(shared.gate.permits() == 3);
        ensure!(shared.gate.close());
        let value = shared.gate.take(&ctx);
        ensure!(shared.left.load(Acquire) == 3);
        ensure!(shared.gate.permits() == 0);
        ensure!(shared.wrong.load(Relaxed) == 0);
        drop(value);
        ensure!(tally.alive() == 0);
        Ok(())
    }

    #[test]
    fn the_last_permit_may_be_given_back_in_softirq() -> Result {
        let ctx = ProcessCtx::enter();
        for _ in 0..50 {
            let (shared, tally) = (Shared::new()?, Tally::new()?);
            shared.open(&tally)?;
            let visitor = shared.clone();
            on_softirq(move || {
                if !in_softirq() {
                    visitor.wrong.add(1, Relaxed);
                }
                for _ in 0..200 {
                    visitor.visit();
                }
                visitor.left.store(1, Release);
            })?;
            ensure!(shared.gate.close());
            let value = shared.gate.take(&ctx);
            ensure!(value.is_some());
            drop(value);
            until("the visitor", || shared.left.load(Acquire) == 1)?;
            ensure!(shared.wrong.load(Relaxed) == 0);
            ensure!(shared.entered.load(Relaxed) + shared.refused.load(Relaxed) == 200);
            ensure!(shared.gate.permits() == 0);
            ensure!(tally.alive() == 0);
        }
        Ok(())
    }

    #[test]
    fn a_crowd_is_let_out_before_the_value_goes() -> Result {
        let ctx = ProcessCtx::enter();
        for round in 0..20 {
            let (shared, tally) = (Shared::new()?, Tally::new()?);
            shared.open(&tally)?;
            for i in 0..4 {
                let visitor = shared.clone();
                let crowd = move || {
                    for _ in 0..500 {
                        visitor.visit();
                    }
                    visitor.left.fetch_add(1, Full);
                };
                if i == 0 {
                    on_softirq(crowd)?;
                } else {
                    on_thread(crowd)?;
                }
            }
            pause(round % 4);
            ensure!(shared.gate.close());
            drop(shared.gate.take(&ctx));
            ensure!(tally.alive() == 0);
            until("the crowd", || shared.left.load(Acquire) == 4)?;
            ensure!(shared.wrong.load(Relaxed) == 0);
            ensure!(shared.entered.load(Relaxed) + shared.refused.load(Relaxed) == 2000);
            ensure!(shared.gate.permits() == 0);
        }
        Ok(())
    }

    #[test]
    fn open_and_close_at_once_leave_one_owner() -> Result {
        let ctx = ProcessCtx::enter();
        for _ in 0..200 {
            let (shared, tally) = (Shared::new()?, Tally::new()?);
            let closer = shared.clone();
            on_thread(move || {
                if !closer.gate.close() {
                    closer.wrong.add(1, Relaxed);
                }
                closer.left.store(1, Release);
            })?;
            let opened = shared.open(&tally).is_ok();
            shared.visit();
            until("the other thread", || shared.left.load(Acquire) == 1)?;
            let value = shared.gate.take(&ctx);
            // Whoever opened the gate has given the value to it; otherwise it came back, and was dropped.
            ensure!(value.is_some() == opened);
            ensure!(tally.alive() == i32::from(opened));
            drop(value);
            ensure!(tally.alive() == 0);
            ensure!(shared.gate.enter().is_none());
            ensure!(shared.wrong.load(Relaxed) == 0);
        }
        Ok(())
    }
}
