// SPDX-License-Identifier: GPL-2.0
//! Running cases, and what is told of them.

use std::collections::BTreeMap;
use std::io::Write;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::path::PathBuf;
use std::sync::mpsc::{channel, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::cases::{Case, Config, Context, Run as Kind};
use crate::stop::Stop;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Pass,
    Fail,
    Skip,
}

/// One case's result.
#[derive(Debug, Serialize)]
pub struct Outcome {
    pub id: &'static str,
    pub name: &'static str,
    pub verdict: Verdict,
    pub seconds: f64,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub why: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// The first and the last messages of a case that failed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub transcript: Vec<String>,
}

/// All of a run.
#[derive(Debug, Serialize)]
pub struct Run {
    pub labels: BTreeMap<String, String>,
    pub cases: Vec<Outcome>,
}

/// Whose messages are kept, and where.
#[derive(Clone, Debug, Default)]
pub struct Keep {
    /// Those of cases that pass, too.
    pub always: bool,
    /// A directory for a file with every message of a case.
    pub directory: Option<PathBuf>,
}

impl Keep {
    /// The lines to be shown. All of them go to the case's file.
    fn transcript(&self, context: &mut Context) -> Vec<String> {
        let lines = context.log.lines();
        if let Some(directory) = &self.directory {
            let path = directory.join(format!("{}.messages", context.id()));
            let text = context.log.all().join("\n") + "\n";
            if let Err(e) = std::fs::write(&path, text) {
                context.note(format!("{}: {e}", path.display()));
            }
        }
        lines
    }
}

/// Run one case; a panic is a failure like any other.
fn run_one(case: &'static Case, config: &Arc<Config>, keep: &Keep) -> Outcome {
    let began = Instant::now();
    let mut context = Context::new(config.clone(), case.id);
    let result = catch_unwind(AssertUnwindSafe(|| case.run(&mut context)));
    let (verdict, why) = match result {
        Ok(Ok(())) => (Verdict::Pass, String::new()),
        Ok(Err(stop @ Stop::Skipped(_))) => (Verdict::Skip, stop.to_string()),
        Ok(Err(stop)) => (Verdict::Fail, stop.to_string()),
        Err(_) => (Verdict::Fail, "the peer itself panicked, see stderr".into()),
    };
    let transcript = if verdict == Verdict::Fail || keep.always {
        keep.transcript(&mut context)
    } else {
        Vec::new()
    };
    Outcome {
        id: case.id,
        name: case.name,
        verdict,
        seconds: began.elapsed().as_secs_f64(),
        why,
        notes: context.notes,
        transcript,
    }
}

/// How cases are run.
#[derive(Clone, Debug)]
pub struct Manner {
    pub keep: Keep,
    /// Cases that run at a time, those that wait for minutes not counted.
    pub jobs: usize,
    /// A case without a result after that has failed, and the next one begins.
    pub limit: Option<Duration>,
}

/// Run one, for as long as it may take. What is left of one that takes longer
/// goes with this process.
fn run_limited(case: &'static Case, config: &Arc<Config>, how: &Manner) -> Outcome {
    let Some(limit) = how.limit else {
        return run_one(case, config, &how.keep);
    };
    let (send, receive) = channel();
    let (config, keep) = (config.clone(), how.keep.clone());
    thread::spawn(move || send.send(run_one(case, &config, &keep)));
    receive.recv_timeout(limit).unwrap_or_else(|_| Outcome {
        id: case.id,
        name: case.name,
        verdict: Verdict::Fail,
        seconds: limit.as_secs_f64(),
        why: format!("no result within {:.0} s", limit.as_secs_f64()),
        notes: Vec::new(),
        transcript: Vec::new(),
    })
}

/// Run all: those that wait for minutes each in a thread of its own, the others
/// beside them; in the end those that want to be alone. `tell` gets each result when
/// it is there.
pub fn run(
    cases: &[&'static Case],
    config: &Arc<Config>,
    how: &Manner,
    mut tell: impl FnMut(&Outcome),
) -> Vec<Outcome> {
    let (alone, others): (Vec<_>, Vec<_>) = cases
        .iter()
        .copied()
        .partition(|c| matches!(c.run, Kind::Alone(_)));
    let (long, short): (Vec<_>, Vec<_>) = others.into_iter().partition(|c| c.long);
    let short = Mutex::new(short.into_iter());
    let next = || short.lock().ok().and_then(|mut cases| cases.next());
    let (send, receive): (Sender<Outcome>, Receiver<Outcome>) = channel();
    let mut out = Vec::new();
    thread::scope(|scope| {
        for case in long {
            let send = send.clone();
            scope.spawn(move || send.send(run_limited(case, config, how)));
        }
        for _ in 0..how.jobs.max(1) {
            let (send, next) = (send.clone(), &next);
            scope.spawn(move || {
                while let Some(case) = next() {
                    if send.send(run_limited(case, config, how)).is_err() {
                        break;
                    }
                }
            });
        }
        drop(send);
        for outcome in receive {
            tell(&outcome);
            out.push(outcome);
        }
    });
    for case in alone {
        let outcome = run_limited(case, config, how);
        tell(&outcome);
        out.push(outcome);
    }
    let place = |o: &Outcome| cases.iter().position(|c| c.id == o.id);
    out.sort_by_key(place);
    out
}

/// A line for a result, and what belongs to it.
pub fn print(outcome: &Outcome, verbose: bool) {
    let word = match outcome.verdict {
        Verdict::Pass => "ok  ",
        Verdict::Fail => "FAIL",
        Verdict::Skip => "skip",
    };
    let mut text = format!(
        "{word} {} {} ({:.1} s)",
        outcome.id, outcome.name, outcome.seconds
    );
    if !outcome.why.is_empty() {
        text += &format!(": {}", outcome.why);
    }
    if verbose {
        for note in &outcome.notes {
            text += &format!("\n       {note}");
        }
    }
    for line in &outcome.transcript {
        text += &format!("\n     {line}");
    }
    let mut out = std::io::stdout().lock();
    // a reader that went away is no reason to stop
    let _ = writeln!(out, "{text}");
    let _ = out.flush();
}
