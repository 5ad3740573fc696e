// SPDX-License-Identifier: GPL-2.0

//! One line of a recording: what the kernel prints in `trace` and `trace_pipe`, and what `trace-cmd report` and `perf script` make of the same.
//!
//! ```text
//!   kworker/u8:1-63  [001] ..s1.   103.123456: smbd_send: conn=4 length=240 ...
//! ```
//!
//! A recording is somebody else's word: nothing in it is trusted, and what is not understood is passed over.

use super::events::PREFIX;
use std::fmt;

/// Nanoseconds in a second.
const SECOND: u64 = 1_000_000_000;
/// Longest part of a line that is looked at, in bytes.
pub const LONGEST: usize = 8192;

/// When something happened, by the clock of the recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time {
    /// Nanoseconds, or events if the clock counts those.
    pub value: u64,
    /// Whether the clock counts nanoseconds.
    pub real: bool,
}

impl Time {
    /// `103.123456`; without a point it is the number of an event (clock `counter`).
    pub fn parse(text: &str) -> Option<Self> {
        let Some((whole, part)) = text.split_once('.') else {
            let value = text.parse().ok()?;
            return Some(Self { value, real: false });
        };
        if part.is_empty() || part.len() > 9 || !part.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let whole: u64 = whole.parse().ok()?;
        let unit = 10u64.checked_pow(u32::try_from(part.len()).ok()?)?;
        let part: u64 = part.parse().ok()?;
        let nanos = part.checked_mul(SECOND.checked_div(unit)?)?;
        let value = whole.checked_mul(SECOND)?.checked_add(nanos)?;
        Some(Self { value, real: true })
    }

    /// Since another moment.
    pub fn since(self, begin: Self) -> i128 {
        i128::from(self.value).saturating_sub(i128::from(begin.value))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.value / SECOND, self.value % SECOND);
        match self.real {
            true => write!(f, "{whole}.{part:09}"),
            false => write!(f, "{}", self.value),
        }
    }
}

/// One event of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event<'l> {
    /// When.
    pub time: Time,
    /// On which processor.
    pub cpu: u32,
    /// In which task, if that is known: the number of a thread.
    pub task: Option<u32>,
    /// Its name, without `smbd_`.
    pub name: &'l str,
    /// Its fields, in order.
    pub fields: Vec<(&'l str, &'l str)>,
}

impl<'l> Event<'l> {
    /// A field as text; `None`: there is no such field.
    pub fn text(&self, name: &str) -> Option<&'l str> {
        self.fields.iter().find(|(n, _)| *n == name).map(|f| f.1)
    }

    /// A field as a number. `WR flushed (5)` is 5.
    pub fn number(&self, name: &str) -> Option<u64> {
        number(self.text(name)?)
    }

    /// A field as a number that may be negative.
    pub fn signed(&self, name: &str) -> Option<i64> {
        self.text(name)?.parse().ok()
    }

    /// The number of the connection.
    pub fn conn(&self) -> Option<u64> {
        self.number("conn")
    }
}

/// `12`, `0x1f`, `name (5)`.
pub fn number(text: &str) -> Option<u64> {
    if let Some((_, inner)) = text.strip_suffix(')').and_then(|t| t.rsplit_once('(')) {
        return inner.parse().ok();
    }
    match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

/// What a line says.
#[derive(Debug, PartialEq, Eq)]
pub enum Line<'l> {
    /// An event of ours.
    Event(Event<'l>),
    /// Events were lost here. `count` is `None` if it is not known how many.
    Lost {
        /// On which processor.
        cpu: u32,
        /// How many.
        count: Option<u64>,
    },
    /// So many events were overwritten before the recording begins.
    Overwritten(u64),
    /// What this program has written into the recording about it.
    Mark(Event<'l>),
    /// An event of somebody else.
    Foreign,
    /// Anything else.
    Unknown,
}

/// What the kernel calls an event that was written by a program.
const MARKS: [&str; 2] = ["tracing_mark_write", "print"];
/// What ours begin with.
pub const MARK: &str = "smbdirectctl ";

/// Whether it can be the name of a field.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// `a=1 b=two words c=3`: a value ends where ` name=` begins.
fn fields(text: &str) -> Vec<(&str, &str)> {
    let mut out = Vec::new();
    let mut rest = text.trim();
    while let Some((name, after)) = rest.split_once('=') {
        if !is_name(name) {
            break;
        }
        let next = after.match_indices(' ').find_map(|(at, _)| {
            let (value, behind) = after.split_at(at);
            let behind = behind.trim_start();
            let (name, _) = behind.split_once('=')?;
            is_name(name).then_some((value, behind))
        });
        let (value, behind) = next.unwrap_or((after, ""));
        out.push((name, value.trim_end()));
        rest = behind;
    }
    out
}

/// The name of a share can have anything in it, also what looks like a field; it is the first one.
fn policy_fields(text: &str) -> Option<Vec<(&str, &str)>> {
    let (rest, command) = text.trim().rsplit_once(" command=")?;
    let (rest, reason) = rest.rsplit_once(" reason=")?;
    let share = rest.strip_prefix("share=")?;
    Some(vec![
        ("share", share),
        ("reason", reason),
        ("command", command),
    ])
}

/// `CPU:1 [LOST 23 EVENTS]`, and `CPU:1 [23 EVENTS DROPPED]` of trace-cmd.
fn lost(line: &str) -> Option<Line<'static>> {
    let (cpu, what) = line.strip_prefix("CPU:")?.split_once(" [")?;
    let what = what.trim_end().strip_suffix(']')?;
    let count = match what.strip_prefix("LOST ") {
        Some(count) => count.strip_suffix("EVENTS")?,
        None => what.strip_suffix("EVENTS DROPPED")?,
    };
    Some(Line::Lost {
        cpu: cpu.trim().parse().ok()?,
        count: match count.trim() {
            "" => None,
            count => Some(count.parse().ok()?),
        },
    })
}

/// `# entries-in-buffer/entries-written: 100/250   #P:2`
fn overwritten(line: &str) -> Option<Line<'static>> {
    let counts = line.strip_prefix("# entries-in-buffer/entries-written:")?;
    let (kept, written) = counts.split_whitespace().next()?.split_once('/')?;
    let (kept, written): (u64, u64) = (kept.parse().ok()?, written.parse().ok()?);
    Some(match written.checked_sub(kept)? {
        0 => Line::Foreign,
        missing => Line::Overwritten(missing),
    })
}

/// What is behind `[CPU]`: at most one word of flags, then `TIME: NAME: TEXT`.
fn behind_cpu(text: &str) -> Option<(Time, &str, &str)> {
    let (first, rest) = text.trim_start().split_once(' ')?;
    let (time, rest) = match first.strip_suffix(':') {
        Some(time) => (time, rest),
        None => rest.trim_start().split_once(": ")?,
    };
    let time = Time::parse(time)?;
    let rest = rest.trim_start();
    let rest = rest.strip_prefix("smbdirect:").unwrap_or(rest);
    let (name, text) = rest.split_once(':')?;
    is_name(name).then_some((time, name, text))
}

/// What is in front of `[CPU]`: `NAME-TASK`, of perf script `NAME TASK`.
fn task(text: &str) -> Option<u32> {
    let (_, task) = text.trim_end().rsplit_once(['-', ' '])?;
    task.parse().ok()
}

/// Reads a line. Never fails; the time it takes grows with the line, of which no more than [`LONGEST`] bytes are looked at.
pub fn parse(line: &str) -> Line<'_> {
    let end = (0..=line.len().min(LONGEST))
        .rev()
        .find(|at| line.is_char_boundary(*at));
    let line = line.get(..end.unwrap_or(0)).unwrap_or("");
    if let Some(special) = lost(line).or_else(|| overwritten(line)) {
        return special;
    }
    // The name of a task stands in front, and can have anything in it.
    let found = line.match_indices('[').find_map(|(at, _)| {
        let (cpu, rest) = line.get(at..)?.strip_prefix('[')?.split_once(']')?;
        let cpu = cpu.parse::<u32>().ok()?;
        Some((at, cpu, behind_cpu(rest)?))
    });
    let Some((at, cpu, (time, name, text))) = found else {
        return Line::Unknown;
    };
    let task = line.get(..at).and_then(task);
    let event = |name, fields| Event {
        time,
        cpu,
        task,
        name,
        fields,
    };
    if let Some(name) = name.strip_prefix(PREFIX) {
        let special = match name {
            "policy_refused" => policy_fields(text),
            _ => None,
        };
        return Line::Event(event(name, special.unwrap_or_else(|| fields(text))));
    }
    match text.trim_start().strip_prefix(MARK) {
        Some(text) if MARKS.contains(&name) => Line::Mark(event(name, fields(text))),
        _ => Line::Foreign,
    }
}
