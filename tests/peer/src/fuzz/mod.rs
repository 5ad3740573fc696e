// SPDX-License-Identifier: GPL-2.0
//! Mutated messages to a server, over many connections at once, with a model of
//! what it must do where the specification leaves no doubt.
//!
//! Everything follows from the seed: connection `n` has the messages from
//! `n * BLOCK`, and each draws its numbers for itself. Only what a server hands
//! out (session and file identifiers, keys, credits) can differ from run to run.

mod model;
mod mutate;
mod rng;
mod talk;
mod tally;
mod upper;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use clap::Args;
use serde::Serialize;

use crate::cases::{pattern_bytes, pattern_same, Config, Context};
use crate::smb2::{check_written, whole, Channel, Dialects};
use crate::smbd::Offer;
use crate::stop::{Stop, Try};
use crate::verbs::{Port, Rights};
use talk::BLOCK;
use tally::Tally;

/// Of a hundred connections, so many have an SMB2 session.
const SESSIONS: usize = 6;

#[derive(Args)]
pub struct Options {
    /// The server's address
    #[arg(long, short)]
    server: IpAddr,
    /// RDMA port; by default 5445 with iWARP and 445 otherwise
    #[arg(long)]
    port: Option<u16>,
    /// A share that guests may write to
    #[arg(long, default_value = "share")]
    share: String,
    /// Mutated messages to send
    #[arg(long, default_value_t = 10_000)]
    count: u64,
    /// Numbers to mutate by
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// End after this time, however many messages that are
    #[arg(long)]
    seconds: Option<u64>,
    /// Connections at once
    #[arg(long, default_value_t = 8)]
    threads: usize,
    /// An honest session after so many mutated messages
    #[arg(long, default_value_t = 2000)]
    honest_every: u64,
    /// Times that all bounds are longer, for a slow server
    #[arg(long, default_value_t = 1)]
    patience: u32,
    /// Write figures to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Only the connection of this message, up to it, with all that is said
    #[arg(long, value_name = "NUMBER")]
    replay: Option<u64>,
}

/// How long things may take.
#[derive(Clone, Copy)]
pub struct Bounds {
    /// An answer, or the end of a connection that may end or not.
    answer: Duration,
    /// The end of a connection that has to end.
    end: Duration,
}

struct Failure {
    number: u64,
    why: String,
    transcript: Vec<String>,
}

struct Run<'a> {
    options: &'a Options,
    config: Arc<Config>,
    bounds: Bounds,
    began: Instant,
    connection: AtomicU64,
    sent: AtomicU64,
    stop: AtomicBool,
    failures: Mutex<Vec<Failure>>,
    total: Mutex<Tally>,
}

#[derive(Serialize)]
struct Report<'a> {
    seed: u64,
    count: u64,
    threads: usize,
    seconds: f64,
    messages_per_second: f64,
    failures: usize,
    #[serde(flatten)]
    total: &'a Tally,
}

impl Run<'_> {
    fn done(&self) -> bool {
        let late = self.options.seconds.map(Duration::from_secs);
        self.stop.load(Ordering::Relaxed)
            || self.sent.load(Ordering::Relaxed) >= self.options.count
            || late.is_some_and(|s| self.began.elapsed() >= s)
    }

    fn fail(&self, number: u64, stop: &Stop, context: &Context) {
        self.stop.store(true, Ordering::Relaxed);
        if let Ok(mut all) = self.failures.lock() {
            all.push(Failure {
                number,
                why: stop.to_string(),
                transcript: context.log.all(),
            });
        }
    }

    /// Connections one after the other, until there are enough.
    fn thread(&self) {
        let mut own = Tally::default();
        while !self.done() {
            let first = self.connection.fetch_add(1, Ordering::Relaxed) * BLOCK;
            let before = own.mutated;
            let context = Context::new(self.config.clone(), "fuzz");
            let last = first + BLOCK - 1;
            let result = talk::connection(
                &context,
                self.bounds,
                self.options.seed,
                first,
                last,
                &mut own,
            );
            let now = own.mutated - before;
            let sent = self.sent.fetch_add(now, Ordering::Relaxed);
            if let Err((number, stop)) = result {
                return self.fail_and_add(number, &stop, &context, &own);
            }
            let every = self.options.honest_every.max(1);
            if sent / every != (sent + now) / every {
                let context = Context::new(self.config.clone(), "honest");
                if let Err(stop) = self.honest(&context, &mut own) {
                    return self.fail_and_add(first, &stop, &context, &own);
                }
            }
        }
        self.add(&own);
    }

    fn fail_and_add(&self, number: u64, stop: &Stop, context: &Context, own: &Tally) {
        self.fail(number, stop, context);
        self.add(own);
    }

    fn add(&self, own: &Tally) {
        if let Ok(mut total) = self.total.lock() {
            total.add(own);
        }
    }

    /// A session as it should be, which has to work.
    fn honest(&self, context: &Context, tally: &mut Tally) -> Try<()> {
        let since = Instant::now();
        honest(context).map_err(|e| Stop::Failed(format!("an honest session: {e}")))?;
        tally.honest += 1;
        let took = since.elapsed();
        tally.times.honest += took.as_secs_f64();
        if took > 4 * self.bounds.answer {
            return Err(Stop::Failed(format!("an honest session took {took:?}")));
        }
        Ok(())
    }
}

/// A file that is written and read by RDMA.
fn honest(context: &Context) -> Try<()> {
    const LEN: usize = 128 << 10;
    let mut session = context.session(Offer::usual(), Dialects::All)?;
    let file = session.create(talk::FILE)?;
    let data = pattern_bytes(LEN as u64, LEN);
    let region = session.pipe.register(LEN, Rights::Read)?;
    region.buffer.put(0, &data);
    let other = session.create(&context.file_name())?;
    // the first is for sessions of the fuzzer, which change it at any time
    for to in [file, other] {
        let list = [whole(&region)];
        let response = session.write_by(to, 0, LEN as u32, Channel::RdmaV1, &list)?;
        check_written(&response, LEN as u32)?;
    }
    pattern_same("the file", &session.read_back(other, LEN)?, &data)?;
    session.close(other)?;
    session.close(file)
}

fn tell(options: &Options, run: &Run<'_>, seconds: f64) -> Result<(), String> {
    let total = run.total.lock().map_err(|e| e.to_string())?;
    let failures = run.failures.lock().map_err(|e| e.to_string())?;
    for f in failures.iter() {
        println!("FAIL seed {} message {}: {}", options.seed, f.number, f.why);
        println!("     again: --seed {} --replay {}", options.seed, f.number);
        f.transcript.iter().for_each(|line| println!("     {line}"));
    }
    let rate = total.mutated as f64 / seconds;
    println!(
        "{} mutated messages ({} negotiate requests) and {} others on {} connections ({} with a \
         session) in {seconds:.0} s, {rate:.0} a second; {} requests had to be answered and were; \
         {} connections ended by the server, the slowest after {:.2} s; {} honest sessions",
        total.mutated,
        total.requests,
        total.others,
        total.connections,
        total.sessions,
        total.answered,
        total.ended,
        total.slowest_end,
        total.honest
    );
    for (kind, f) in &total.kinds {
        println!(
            "  {:7} {kind:26} lives {:6}  ends {:6}  open {:6}",
            f.sent, f.lives, f.ends, f.open
        );
    }
    for (why, n) in &total.reasons {
        println!("  {n:7} had to end: {why}");
    }
    println!("  seconds of the threads: {:.1?}", total.times);
    if let Some(path) = &options.json {
        let report = Report {
            seed: options.seed,
            count: options.count,
            threads: options.threads,
            seconds,
            messages_per_second: rate,
            failures: failures.len(),
            total: &total,
        };
        let text = serde_json::to_string_pretty(&report).map_err(|e| e.to_string())?;
        std::fs::write(path, text + "\n").map_err(|e| format!("{}: {e}", path.display()))?;
    }
    Ok(())
}

/// True if nothing was wrong.
pub fn run(options: &Options) -> Result<bool, String> {
    let patience = options.patience.max(1);
    let bounds = Bounds {
        answer: Duration::from_secs(30) * patience,
        end: crate::smbd::DISCONNECT * patience,
    };
    let config = Arc::new(Config {
        server: options.server,
        port: options.port.map_or(Port::ByDevice, Port::Number),
        share: options.share.clone(),
        user: None,
        second: None,
        mount: None,
    });
    if let Some(number) = options.replay {
        return Ok(replay(options, &config, bounds, number));
    }
    let run = Run {
        options,
        config,
        bounds,
        began: Instant::now(),
        connection: AtomicU64::new(0),
        sent: AtomicU64::new(0),
        stop: AtomicBool::new(false),
        failures: Mutex::default(),
        total: Mutex::default(),
    };
    let mut own = Tally::default();
    let check = |own: &mut Tally| {
        let context = Context::new(run.config.clone(), "honest");
        let result = run.honest(&context, own);
        if let Err(stop) = &result {
            run.fail(
                run.connection.load(Ordering::Relaxed) * BLOCK,
                stop,
                &context,
            );
        }
        result.is_ok()
    };
    let mut seconds = 0.0;
    if check(&mut own) {
        let since = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..options.threads.max(1) {
                scope.spawn(|| run.thread());
            }
        });
        seconds = since.elapsed().as_secs_f64();
        check(&mut own);
    }
    run.add(&own);
    tell(options, &run, seconds)?;
    let failures = run.failures.lock().map_err(|e| e.to_string())?;
    Ok(failures.is_empty())
}

fn replay(options: &Options, config: &Arc<Config>, bounds: Bounds, number: u64) -> bool {
    let context = Context::new(config.clone(), "fuzz");
    let first = number - number % BLOCK;
    let mut tally = Tally::default();
    let result = honest(&context)
        .map_err(|e| (number, e))
        .and_then(|()| talk::connection(&context, bounds, options.seed, first, number, &mut tally));
    context
        .log
        .lines()
        .iter()
        .for_each(|line| println!("{line}"));
    match &result {
        Ok(()) => println!("nothing wrong; fates: {:?}", tally.kinds),
        Err((number, stop)) => println!("FAIL message {number}: {stop}"),
    }
    result.is_ok()
}
