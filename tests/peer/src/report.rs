// SPDX-License-Identifier: GPL-2.0
//! Running cases, and what is told of them.

use std::collections::BTreeMap;
use std::io::Write;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::path::PathBuf;
use std::sync::mpsc::{channel, Receiver, Sender};
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use serde::Serialize;

use crate::cases::{Case, Config, Context};
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

/// Run all: those that wait for minutes each in a thread of its own, the others
/// one after the other beside them. `tell` gets each result when it is there.
pub fn run(
    cases: &[&'static Case],
    config: &Arc<Config>,
    keep: &Keep,
    mut tell: impl FnMut(&Outcome),
) -> Vec<Outcome> {
    let (send, receive): (Sender<Outcome>, Receiver<Outcome>) = channel();
    let (long, short): (Vec<_>, Vec<_>) = cases.iter().copied().partition(|c| c.long);
    thread::scope(|scope| {
        for case in long {
            let send = send.clone();
            scope.spawn(move || send.send(run_one(case, config, keep)));
        }
        scope.spawn(move || {
            for case in short {
                if send.send(run_one(case, config, keep)).is_err() {
                    break;
                }
            }
        });
        let mut out = Vec::new();
        for outcome in receive {
            tell(&outcome);
            out.push(outcome);
        }
        let place = |o: &Outcome| cases.iter().position(|c| c.id == o.id);
        out.sort_by_key(place);
        out
    })
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
