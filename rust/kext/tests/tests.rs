// SPDX-License-Identifier: GPL-2.0

//! KUnit suites of this crate, and what those of the RDMA layer share with them.
//!
//! Built only with `SMBDIRECT_KUNIT=1` (see `Kbuild`). A test case returns an error where something does not hold, instead of KUnit's own assertions: those end the
//! thread on the spot, and what it owns (queue pairs, memory that a device writes to) would stay behind, for the next case to stumble over.

#[path = "gate.rs"]
mod gate;
#[path = "wait.rs"]
mod wait;
#[path = "work.rs"]
mod work;

use crate::time::now_ms;
use kernel::{
    prelude::*,
    sync::{
        atomic::{Atomic, Relaxed},
        Arc, LockClassKey,
    },
    time::{delay::fsleep, Delta},
    workqueue::{self, impl_has_work, Work, WorkItem},
};

/// Longest wait for anything that has to happen.
const PATIENCE_MS: u64 = 120_000;

extern "C" {
    fn smbd_test_in_softirq() -> bool;
}

/// Logs what did not hold, and is the error that the test case returns.
pub fn failed(place: &str, line: u32, what: &str) -> Error {
    pr_err!("    # {place}:{line}: does not hold: {what}\n");
    EINVAL
}

/// Leaves the test case with an error unless the condition holds.
#[macro_export]
macro_rules! ensure {
    ($condition:expr $(,)?) => {
        if !$condition {
            return Err($crate::tests::failed(
                module_path!(),
                line!(),
                stringify!($condition),
            ));
        }
    };
}

/// Whether this is softirq context.
pub fn in_softirq() -> bool {
    // SAFETY: Reads the preemption counter.
    unsafe { smbd_test_in_softirq() }
}

/// Sleeps.
pub fn pause(ms: u64) {
    fsleep(Delta::from_millis(ms as i64));
}

/// Waits until something holds. Sleeps.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) -> Result {
    let end = now_ms() + PATIENCE_MS;
    while !holds() {
        if now_ms() >= end {
            pr_err!("    # waited in vain for {what}\n");
            return Err(ETIMEDOUT);
        }
        pause(2);
    }
    Ok(())
}

/// A lock class and its name. Lockdep compares the addresses of both, so nothing generic may name them: each crate would have a name of its own, which is
/// what `Queue::try_spawn` suffers from.
type Class = (&'static CStr, Pin<&'static LockClassKey>);

#[inline(never)]
fn thread_class() -> Class {
    (c"smbdirect::tests::thread", kernel::static_lock_class!())
}

#[inline(never)]
fn softirq_class() -> Class {
    (c"smbdirect::tests::softirq", kernel::static_lock_class!())
}

/// A closure on a work queue.
#[pin_data]
struct Spawned<T> {
    #[pin]
    work: Work<Spawned<T>>,
    closure: Option<T>,
}

impl_has_work! {
    impl{T} HasWork<Self> for Spawned<T> { self.work }
}

impl<T: FnOnce() + Send + 'static> WorkItem for Spawned<T> {
    type Pointer = Pin<KBox<Self>>;

    fn run(mut this: Pin<KBox<Self>>) {
        if let Some(closure) = this.as_mut().project().closure.take() {
            closure();
        }
    }
}

fn spawn(
    queue: &workqueue::Queue,
    (name, key): Class,
    closure: impl FnOnce() + Send + 'static,
) -> Result {
    let item = KBox::pin_init(
        pin_init!(Spawned {
            work <- Work::new(name, key),
            closure: Some(closure),
        }),
        GFP_KERNEL,
    )?;
    queue.enqueue(item);
    Ok(())
}

/// Runs something on another thread.
pub fn on_thread(closure: impl FnOnce() + Send + 'static) -> Result {
    spawn(workqueue::system_unbound(), thread_class(), closure)
}

/// Runs something in softirq, as completions are: on the BH work queue.
pub fn on_softirq(closure: impl FnOnce() + Send + 'static) -> Result {
    spawn(workqueue::system_bh(), softirq_class(), closure)
}

/// How many [`Probe`]s were made and dropped.
pub struct Tally {
    made: Atomic<i32>,
    dropped: Atomic<i32>,
}

impl Tally {
    /// None yet.
    pub fn new() -> Result<Arc<Self>> {
        Ok(Arc::new(
            Self {
                made: Atomic::new(0),
                dropped: Atomic::new(0),
            },
            GFP_KERNEL,
        )?)
    }

    /// Makes one more.
    pub fn probe(this: &Arc<Self>) -> Probe {
        this.made.add(1, Relaxed);
        Probe(this.clone())
    }

    /// How many exist.
    pub fn alive(&self) -> i32 {
        self.made.load(Relaxed) - self.dropped.load(Relaxed)
    }

    /// How many are gone.
    pub fn dropped(&self) -> i32 {
        self.dropped.load(Relaxed)
    }
}

/// A value whose drops are counted.
pub struct Probe(Arc<Tally>);

impl Probe {
    /// The tally it is counted in.
    pub fn tally(&self) -> &Arc<Tally> {
        &self.0
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.0.dropped.add(1, Relaxed);
    }
}
