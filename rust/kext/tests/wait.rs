// SPDX-License-Identifier: GPL-2.0

//! Wait queues: conditions, deadlines, signals, and that no wake-up is lost.

use super::{in_softirq, on_softirq, on_thread, pause, until};
use crate::{
    ctx::ProcessCtx,
    ensure, new_wait_queue,
    time::{jiffies, now_ms},
    wait::{Mode, Outcome, WaitQueue},
};
use kernel::{
    prelude::*,
    sync::{
        atomic::{Acquire, Atomic, Full, Relaxed, Release},
        Arc,
    },
};

/// Long, for waits that must end sooner.
const LONG_MS: u64 = 120_000;

extern "C" {
    fn smbd_test_signal();
    fn smbd_test_no_signal();
}

#[pin_data]
struct Shared {
    #[pin]
    queue: WaitQueue,
    #[pin]
    back: WaitQueue,
    turn: Atomic<i32>,
    count: Atomic<i32>,
    wrong: Atomic<i32>,
}

impl Shared {
    fn new() -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                queue <- new_wait_queue!("smbdirect::tests::queue"),
                back <- new_wait_queue!("smbdirect::tests::back"),
                turn: Atomic::new(0),
                count: Atomic::new(0),
                wrong: Atomic::new(0),
            }),
            GFP_KERNEL,
        )
    }

    /// Waits for a turn; whether it came.
    fn comes(&self, ctx: &ProcessCtx, queue: &WaitQueue, turn: i32) -> bool {
        let outcome = queue.wait(ctx, Mode::Uninterruptible, Some(jiffies(LONG_MS)), || {
            (self.turn.load(Acquire) == turn).then_some(())
        });
        matches!(outcome, Outcome::Ready(()))
    }
}

#[kunit_tests(smbdirect_wait)]
mod cases {
    use super::*;

    #[test]
    fn a_condition_that_holds_needs_no_wait() -> Result {
        let ctx = ProcessCtx::enter();
        let shared = Shared::new()?;
        for mode in [Mode::Interruptible, Mode::Uninterruptible] {
            for timeout in [None, Some(0), Some(jiffies(LONG_MS))] {
                let outcome = shared.queue.wait(&ctx, mode, timeout, || Some(7));
                ensure!(matches!(outcome, Outcome::Ready(7)));
            }
        }
        Ok(())
    }

    #[test]
    fn a_deadline_ends_the_wait_and_not_before() -> Result {
        let ctx = ProcessCtx::enter();
        let shared = Shared::new()?;
        let mut asked = 0;
        let begin = now_ms();
        let outcome: Outcome<()> =
            shared
                .queue
                .wait(&ctx, Mode::Uninterruptible, Some(jiffies(200)), || {
                    asked += 1;
                    None
                });
        ensure!(matches!(outcome, Outcome::TimedOut));
        // A jiffy may have been almost over when it began.
        ensure!(now_ms() - begin >= 190);
        // Before the first sleep, and when it is over.
        ensure!(asked >= 3);
        // A deadline that is over does not sleep at all.
        let outcome: Outcome<()> = shared
            .queue
            .wait(&ctx, Mode::Uninterruptible, Some(0), || None);
        ensure!(matches!(outcome, Outcome::TimedOut));
        Ok(())
    }

    #[test]
    fn a_wake_up_without_the_condition_goes_on_waiting() -> Result {
        let ctx = ProcessCtx::enter();
        let shared = Shared::new()?;
        let waker = shared.clone();
        on_thread(move || {
            for turn in 1..=5 {
                pause(20);
                waker.turn.store(turn, Release);
                waker.queue.wake_all();
            }
            waker.count.store(1, Release);
        })?;
        ensure!(shared.comes(&ctx, &shared.queue, 5));
        until("the waker", || shared.count.load(Acquire) == 1)?;
        // Nobody waits: nothing happens.
        shared.queue.wake_all();
        Ok(())
    }

    #[test]
    fn a_line_is_woken_one_at_a_time() -> Result {
        let shared = Shared::new()?;
        for _ in 0..3 {
            let waiter = shared.clone();
            on_thread(move || {
                let ctx = ProcessCtx::enter();
                let outcome = waiter.queue.wait_in_line(&ctx, Mode::Uninterruptible, || {
                    waiter.wrong.add(1, Relaxed);
                    (waiter.turn.load(Acquire) > 0).then_some(())
                });
                if matches!(outcome, Outcome::Ready(())) {
                    waiter.count.fetch_add(1, Full);
                }
            })?;
        }
        // Each has looked before it slept, and once more in the queue.
        until("three in line", || shared.wrong.load(Relaxed) == 6)?;
        pause(50);
        shared.queue.wake_one();
        until("the first", || shared.wrong.load(Relaxed) == 7)?;
        pause(50);
        ensure!(shared.wrong.load(Relaxed) == 7);
        ensure!(shared.count.load(Relaxed) == 0);
        shared.turn.store(1, Release);
        shared.queue.wake_one();
        until("the second", || shared.count.load(Relaxed) == 1)?;
        pause(50);
        ensure!(shared.count.load(Relaxed) == 1);
        shared.queue.wake_all();
        until("all", || shared.count.load(Relaxed) == 3)
    }

    #[test]
    fn softirq_wakes_all_who_wait() -> Result {
        let shared = Shared::new()?;
        for _ in 0..4 {
            let waiter = shared.clone();
            on_thread(move || {
                let ctx = ProcessCtx::enter();
                waiter.count.add(1, Relaxed);
                if !waiter.comes(&ctx, &waiter.queue, 1) {
                    waiter.wrong.add(1, Relaxed);
                }
                waiter.count.fetch_sub(1, Full);
            })?;
        }
        until("four waiters", || shared.count.load(Relaxed) == 4)?;
        pause(50);
        let waker = shared.clone();
        on_softirq(move || {
            if !in_softirq() {
                waker.wrong.add(1, Relaxed);
            }
            waker.turn.store(1, Release);
            waker.queue.wake_all();
        })?;
        until("all of them to go on", || shared.count.load(Acquire) == 0)?;
        ensure!(shared.wrong.load(Relaxed) == 0);
        Ok(())
    }

    #[test]
    fn no_wake_up_is_lost() -> Result {
        let ctx = ProcessCtx::enter();
        let shared = Shared::new()?;
        let other = shared.clone();
        on_thread(move || {
            let ctx = ProcessCtx::enter();
            for turn in 0..1000 {
                if !other.comes(&ctx, &other.back, 2 * turn + 1) {
                    other.wrong.add(1, Relaxed);
                    break;
                }
                other.turn.store(2 * turn + 2, Release);
                other.queue.wake_all();
            }
            other.count.store(1, Release);
        })?;
        let mut all = true;
        for turn in 0..1000 {
            shared.turn.store(2 * turn + 1, Release);
            shared.back.wake_all();
            if !shared.comes(&ctx, &shared.queue, 2 * turn + 2) {
                all = false;
                break;
            }
        }
        until("the other thread", || shared.count.load(Acquire) == 1)?;
        ensure!(all && shared.wrong.load(Relaxed) == 0);
        Ok(())
    }

    #[test]
    fn a_signal_ends_only_an_interruptible_wait() -> Result {
        let ctx = ProcessCtx::enter();
        let shared = Shared::new()?;
        // SAFETY: For this thread, which KUnit made for the case.
        unsafe { smbd_test_signal() };
        let interruptible: Outcome<()> =
            shared
                .queue
                .wait(&ctx, Mode::Interruptible, Some(jiffies(LONG_MS)), || None);
        // A condition that holds wins.
        let mut asked = 0;
        let ready = shared
            .queue
            .wait(&ctx, Mode::Interruptible, Some(jiffies(LONG_MS)), || {
                asked += 1;
                (asked == 2).then_some(())
            });
        let deaf: Outcome<()> =
            shared
                .queue
                .wait(&ctx, Mode::Uninterruptible, Some(jiffies(50)), || None);
        // SAFETY: As above.
        unsafe { smbd_test_no_signal() };
        ensure!(matches!(interruptible, Outcome::Interrupted));
        ensure!(matches!(ready, Outcome::Ready(())));
        ensure!(matches!(deaf, Outcome::TimedOut));
        Ok(())
    }
}
