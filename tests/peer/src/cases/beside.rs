// SPDX-License-Identifier: GPL-2.0
//! A connection of somebody else: it works while a case does its worst, and has
//! to be served all the time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{sync_channel, RecvTimeoutError};
use std::sync::Arc;
use std::thread::{sleep, spawn, JoinHandle};
use std::time::{Duration, Instant};

use super::{pattern, Context};
use crate::patience::patience;
use crate::smb2::{Dialects, File, Session};
use crate::smbd::{Link, Offer, PATIENCE};
use crate::stop::{Stop, Try};
use crate::{ensure, fail};

/// Most time for one small WRITE and READ by RDMA, in a kernel of the usual pace.
const SERVED: Duration = Duration::from_secs(10);
/// Between two of them: it shall be served, and not take what time there is.
const PAUSE: Duration = Duration::from_millis(50);

/// What it did.
struct Work {
    rounds: u32,
    slowest: Duration,
}

/// The connection, in a thread of its own: it belongs to one.
pub struct Beside {
    over: Arc<AtomicBool>,
    thread: JoinHandle<(Try<Work>, Vec<String>)>,
}

impl Beside {
    /// Connects and works from here on; comes back when it has been served once.
    pub fn start(c: &Context) -> Try<Self> {
        let over = Arc::new(AtomicBool::new(false));
        let (told, first) = sync_channel(1);
        let (config, id, stop) = (c.config.clone(), c.id(), over.clone());
        let thread = spawn(move || {
            let own = Context::new(config, id);
            let result = work(&own, &stop, || {
                // nobody waits for more than the first
                let _ = told.try_send(());
            });
            (result, own.log.lines())
        });
        let this = Beside { over, thread };
        match first.recv_timeout(PATIENCE * patience()) {
            Ok(()) => Ok(this),
            // it has ended, and says why
            Err(RecvTimeoutError::Disconnected) => Err(match this.join().0 {
                Err(stop) => stop,
                Ok(_) => Stop::Failed("the connection beside did nothing".into()),
            }),
            Err(RecvTimeoutError::Timeout) => {
                this.over.store(true, Ordering::Relaxed);
                fail!("the connection beside was not served within {PATIENCE:?}, before anything was done")
            }
        }
    }

    fn join(self) -> (Try<Work>, Vec<String>) {
        self.thread.join().unwrap_or_else(|_| {
            let why = "a thread of the peer panicked".into();
            (Err(Stop::Failed(why)), Vec::new())
        })
    }

    /// Ends it, after one more round, and judges: it was served all the time.
    pub fn end(self, c: &mut Context) -> Try<()> {
        self.over.store(true, Ordering::Relaxed);
        let (result, lines) = self.join();
        let work = match result {
            Ok(work) => work,
            Err(stop) => {
                lines.iter().for_each(|line| c.log.line(0, line));
                return Err(match stop {
                    Stop::Skipped(why) => Stop::Skipped(why),
                    other => Stop::Failed(format!("another connection, beside: {other}")),
                });
            }
        };
        c.note(format!(
            "another connection, beside: {} rounds, the slowest {:.2} s",
            work.rounds,
            work.slowest.as_secs_f64()
        ));
        let limit = SERVED * patience();
        ensure!(
            work.slowest < limit,
            "another connection took {:?} for a WRITE and a READ, should be less than {limit:?}",
            work.slowest
        );
        Ok(())
    }
}

/// Rounds until it is over, and one after that.
fn work(c: &Context, over: &AtomicBool, mut served: impl FnMut()) -> Try<Work> {
    let (mut session, file) = c.with_file(Offer::usual(), Dialects::All)?;
    let mut done = Work {
        rounds: 0,
        slowest: Duration::ZERO,
    };
    loop {
        let last = over.load(Ordering::Relaxed);
        done.slowest = done.slowest.max(round(&mut session, file)?);
        done.rounds += 1;
        served();
        if last {
            session.close(file)?;
            return Ok(done);
        }
        sleep(PAUSE);
    }
}

/// A WRITE and a READ by RDMA: how long they took together.
fn round(session: &mut Session<Link>, file: File) -> Try<Duration> {
    let since = Instant::now();
    let data = pattern::bytes(91, 10_000);
    super::rdma::write(session, file, 0, &data)?;
    pattern::same("the file", &session.read_back(file, data.len())?, &data)?;
    Ok(since.elapsed())
}
