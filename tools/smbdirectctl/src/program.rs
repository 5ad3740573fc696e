// SPDX-License-Identifier: GPL-2.0

//! Another program, and what it prints: not for ever, and not without end.

use std::{
    io::Read,
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};

/// Longest output, in bytes. A firewall has long lists of rules.
pub const MOST: usize = 16 << 20;
/// What is kept of what it complains about, in bytes.
const COMPLAINT: usize = 4 << 10;
/// Time between two looks whether it has ended.
const STEP: Duration = Duration::from_millis(5);

/// Reads up to `most` bytes and one in a thread of its own: a pipe has no deadline.
fn collect(from: Option<impl Read + Send + 'static>, most: usize) -> Receiver<Vec<u8>> {
    let (to, all) = mpsc::channel();
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(from) = from {
            let _ = from.take(limit).read_to_end(&mut bytes);
        }
        let _ = to.send(bytes);
    });
    all
}

fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

/// What a program prints, if that are at most `most` bytes and it ends well within the time; `Err` says what is wrong. It is ended otherwise.
pub fn output(
    program: &Path,
    arguments: &[&str],
    within: Duration,
    most: usize,
) -> Result<String, String> {
    let until = Instant::now().checked_add(within);
    let left = || {
        until.map_or(within, |until| {
            until.saturating_duration_since(Instant::now())
        })
    };
    let mut child = Command::new(program)
        .args(arguments)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| e.to_string())?;
    let printed = collect(child.stdout.take(), most);
    let said = collect(child.stderr.take(), COMPLAINT);
    let late = || format!("no end within {} s", within.as_secs());
    let Ok(text) = printed.recv_timeout(left()) else {
        end(&mut child);
        return Err(late());
    };
    if text.len() > most {
        end(&mut child);
        return Err(format!("prints more than {most} bytes"));
    }
    // it has closed its output, and may go on all the same
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if left().is_zero() => {
                end(&mut child);
                return Err(late());
            }
            Ok(None) => thread::sleep(STEP),
            Err(e) => return Err(e.to_string()),
        }
    };
    if status.success() {
        return Ok(String::from_utf8_lossy(&text).into_owned());
    }
    let said = said.recv_timeout(left()).unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    let said = said.lines().next().unwrap_or("").trim();
    Err(format!("{status}, {said}"))
}
