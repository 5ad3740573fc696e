// SPDX-License-Identifier: GPL-2.0

//! Work queues and work items: who runs, who is waited for, and that no reference is lost.

use super::{on_thread, pause, until, Probe, Tally};
use crate::{
    ctx::ProcessCtx,
    ensure,
    time::{jiffies, now_ms},
    work::{disable, disable_delayed, QueueSlot, WorkQueue},
};
use kernel::{
    prelude::*,
    sync::{
        atomic::{Acquire, Atomic, Full, Relaxed, Release},
        Arc,
    },
    workqueue::{
        impl_has_delayed_work, impl_has_work, new_delayed_work, new_work, DelayedWork, Work,
        WorkItem,
    },
};

/// Where the items of these cases go when there is no queue of their own: the system's.
static NOWHERE: QueueSlot = QueueSlot::new();

#[pin_data]
struct Item {
    #[pin]
    now: Work<Item, 0>,
    #[pin]
    later: DelayedWork<Item, 1>,
    /// Its runs end only when this is not 0.
    go: Atomic<i32>,
    begun: Atomic<i32>,
    ended: Atomic<i32>,
    ran_later: Atomic<i32>,
    _probe: Probe,
}

impl_has_work! { impl HasWork<Self, 0> for Item { self.now } }
impl_has_delayed_work! { impl HasDelayedWork<Self, 1> for Item { self.later } }

impl WorkItem<0> for Item {
    type Pointer = Arc<Item>;

    fn run(this: Arc<Item>) {
        this.begun.fetch_add(1, Full);
        let _ = until("the word to go on", || this.go.load(Acquire) != 0);
        this.ended.fetch_add(1, Full);
    }
}

impl WorkItem<1> for Item {
    type Pointer = Arc<Item>;

    fn run(this: Arc<Item>) {
        this.ran_later.fetch_add(1, Full);
    }
}

impl Item {
    fn new(tally: &Arc<Tally>, go: bool) -> Result<Arc<Self>> {
        let probe = Tally::probe(tally);
        Arc::pin_init(
            pin_init!(Self {
                now <- new_work!("smbdirect::tests::now"),
                later <- new_delayed_work!("smbdirect::tests::later"),
                go: Atomic::new(i32::from(go)),
                begun: Atomic::new(0),
                ended: Atomic::new(0),
                ran_later: Atomic::new(0),
                _probe: probe,
            }),
            GFP_KERNEL,
        )
    }
}

#[kunit_tests(smbdirect_work)]
mod cases {
    use super::*;

    #[test]
    fn an_item_is_queued_once_at_a_time() -> Result {
        let tally = Tally::new()?;
        let item = Item::new(&tally, false)?;
        ensure!(NOWHERE.enqueue::<_, 0>(item.clone()));
        until("the item to run", || item.begun.load(Acquire) == 1)?;
        // It runs, so it may be queued again, once.
        ensure!(NOWHERE.enqueue::<_, 0>(item.clone()));
        ensure!(!NOWHERE.enqueue::<_, 0>(item.clone()));
        item.go.store(1, Release);
        until("two runs", || item.ended.load(Acquire) == 2)?;
        drop(item);
        until("all references", || tally.alive() == 0)
    }

    #[test]
    fn the_last_reference_may_be_the_queues() -> Result {
        let tally = Tally::new()?;
        for _ in 0..50 {
            let item = Item::new(&tally, true)?;
            ensure!(NOWHERE.enqueue::<_, 0>(item));
        }
        until("all references", || tally.alive() == 0)?;
        ensure!(tally.dropped() == 50);
        Ok(())
    }

    #[test]
    fn disabling_takes_a_queued_item_back() -> Result {
        let ctx = ProcessCtx::enter();
        let tally = Tally::new()?;
        let item = Item::new(&tally, true)?;
        ensure!(NOWHERE.enqueue_delayed::<_, 1>(item.clone(), jiffies(600_000)));
        ensure!(!NOWHERE.enqueue_delayed::<_, 1>(item.clone(), 1));
        let begin = now_ms();
        disable_delayed::<_, 1>(&ctx, &item);
        ensure!(now_ms() - begin < 300_000);
        ensure!(!NOWHERE.enqueue_delayed::<_, 1>(item.clone(), 1));
        pause(20);
        ensure!(item.ran_later.load(Acquire) == 0);
        // The other item of the same object goes on working.
        ensure!(NOWHERE.enqueue::<_, 0>(item.clone()));
        until("the item to run", || item.ended.load(Acquire) == 1)?;
        drop(item);
        until("all references", || tally.alive() == 0)
    }

    #[test]
    fn disabling_waits_for_a_running_item() -> Result {
        let ctx = ProcessCtx::enter();
        let tally = Tally::new()?;
        for _ in 0..10 {
            let item = Item::new(&tally, false)?;
            ensure!(NOWHERE.enqueue::<_, 0>(item.clone()));
            until("the item to run", || item.begun.load(Acquire) == 1)?;
            // Queued again while it runs: that one is taken back.
            ensure!(NOWHERE.enqueue::<_, 0>(item.clone()));
            let other = item.clone();
            on_thread(move || {
                pause(20);
                other.go.store(1, Release);
            })?;
            disable::<_, 0>(&ctx, &item);
            ensure!(item.begun.load(Acquire) == 1 && item.ended.load(Acquire) == 1);
            ensure!(!NOWHERE.enqueue::<_, 0>(item.clone()));
            // Twice is no different.
            disable::<_, 0>(&ctx, &item);
        }
        until("all references", || tally.alive() == 0)
    }

    #[test]
    fn an_item_queued_while_it_is_disabled() -> Result {
        let ctx = ProcessCtx::enter();
        let tally = Tally::new()?;
        for _ in 0..50 {
            let item = Item::new(&tally, true)?;
            let other = item.clone();
            on_thread(move || {
                for _ in 0..20 {
                    NOWHERE.enqueue::<_, 0>(other.clone());
                    NOWHERE.enqueue_delayed::<_, 1>(other.clone(), 1);
                }
            })?;
            disable::<_, 0>(&ctx, &item);
            disable_delayed::<_, 1>(&ctx, &item);
            let (runs, later) = (item.ended.load(Acquire), item.ran_later.load(Acquire));
            pause(5);
            ensure!(item.ended.load(Acquire) == runs);
            ensure!(item.ran_later.load(Acquire) == later);
            ensure!(item.begun.load(Relaxed) == runs);
        }
        until("all references", || tally.alive() == 0)
    }

    #[test]
    fn a_queue_runs_what_is_on_it_before_it_goes() -> Result {
        let tally = Tally::new()?;
        let queue = WorkQueue::new(c"smbdirect-kunit")?;
        let mut items = KVec::new();
        for _ in 0..100 {
            let item = Item::new(&tally, true)?;
            ensure!(queue.enqueue::<Arc<Item>, 0>(item.clone()).is_ok());
            items.push(item, GFP_KERNEL)?;
        }
        drop(queue);
        ensure!(items.iter().all(|item| item.ended.load(Acquire) == 1));
        drop(items);
        ensure!(tally.alive() == 0);
        Ok(())
    }
}
