// SPDX-License-Identifier: GPL-2.0

//! From lines of a recording to what is printed and written.

use super::{
    capture::Capture,
    conns::Conns,
    json, ladder,
    line::{self, Event, Line, Time},
    words, Options,
};
use crate::table;
use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
};

/// What is written into the recording when it ends.
pub const END: &str = "end";
/// So many bytes that are no line of a recording, one after the other, and it is none.
const PATIENCE: u64 = 64 << 20;

/// Why it cannot go on.
#[derive(Debug)]
pub enum Stop {
    /// Whoever reads standard output has gone: no fault.
    Gone,
    /// Nothing of a recording in a lot of bytes.
    NoRecording,
    /// A file, which is named.
    File(String, io::Error),
}

type Out = Box<dyn Write>;

/// What has been seen, for the last line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Events that were wanted.
    pub shown: u64,
    /// Events that were lost, as far as it is known how many.
    pub lost: u64,
    /// Places where events were lost.
    pub gaps: u64,
    /// Events of connections of which it is not known whether they are wanted.
    pub unknown: u64,
    /// Lines of any recording.
    pub lines: u64,
    /// Whether the recording's end was seen.
    pub ended: bool,
}

/// Everything that is known while lines come.
pub struct Session<'o> {
    options: &'o Options,
    /// The width of the terminal.
    width: Option<usize>,
    conns: Conns,
    capture: Option<(String, Capture<Out>)>,
    /// What to add to the recording's clock for that on the wall.
    shift: Option<i128>,
    begin: Option<Time>,
    /// Text for standard output.
    text: String,
    strange: u64,
    /// What has been seen.
    pub seen: Seen,
}

fn create(path: &Path) -> Result<(String, Out), Stop> {
    if path.as_os_str() == "-" {
        return Ok(("standard output".into(), Box::new(io::stdout())));
    }
    let name = path.display().to_string();
    match File::create(path) {
        Ok(file) => Ok((name, Box::new(file))),
        Err(e) => Err(Stop::File(name, e)),
    }
}

/// A file that cannot be written, or a reader that has gone.
fn stop(name: &str, e: io::Error) -> Stop {
    match e.kind() {
        io::ErrorKind::BrokenPipe => Stop::Gone,
        _ => Stop::File(name.into(), e),
    }
}

impl<'o> Session<'o> {
    /// Begins; `conns`: what is known of connections.
    pub fn new(options: &'o Options, conns: Conns, width: Option<usize>) -> Result<Self, Stop> {
        let capture = match &options.pcapng {
            Some(path) => {
                let (name, file) = create(path)?;
                let capture = Capture::new(Box::new(BufWriter::new(file)) as Out)
                    .map_err(|e| stop(&name, e))?;
                Some((name, capture))
            }
            None => None,
        };
        let mut session = Self {
            options,
            width,
            conns,
            capture,
            shift: None,
            begin: None,
            text: String::new(),
            strange: 0,
            seen: Seen::default(),
        };
        if !options.quiet && !options.json {
            session.print(ladder::HEADING);
        }
        Ok(session)
    }

    fn print(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// Whether as many events were shown as were asked for.
    pub fn full(&self) -> bool {
        self.options
            .count
            .is_some_and(|count| self.seen.shown >= count)
    }

    /// Takes a line.
    pub fn line(&mut self, text: &str) -> Result<(), Stop> {
        if self.full() {
            return Ok(());
        }
        // nothing of it is to be obeyed by a terminal, wherever it goes
        let clean = table::plain(&text.replace('\t', " "));
        let what = line::parse(&clean);
        if what == Line::Unknown {
            self.strange = self.strange.saturating_add(text.len() as u64);
            return if self.strange > PATIENCE {
                Err(Stop::NoRecording)
            } else {
                Ok(())
            };
        }
        self.strange = 0;
        self.seen.lines = self.seen.lines.saturating_add(1);
        match what {
            Line::Event(event) => self.event(&event)?,
            Line::Mark(mark) => self.mark(&mark),
            Line::Lost { cpu, count } => {
                let many = count.map_or("an unknown number of".into(), |n| n.to_string());
                let text = format!("{many} events of processor {cpu} were lost here");
                self.lost(Some(cpu), count, &text);
            }
            Line::Overwritten(count) => {
                let text = format!("{count} events before the first one here were overwritten");
                self.lost(None, Some(count), &text);
            }
            Line::Foreign | Line::Unknown => {}
        }
        Ok(())
    }

    /// A note between the lines.
    fn note(&mut self, text: &str) {
        if !self.options.quiet && !self.options.json {
            let line = ladder::note(text, self.width);
            self.print(&line);
        }
    }

    fn lost(&mut self, cpu: Option<u32>, count: Option<u64>, text: &str) {
        self.seen.gaps = self.seen.gaps.saturating_add(1);
        self.seen.lost = self.seen.lost.saturating_add(count.unwrap_or(0));
        if let Some((_, capture)) = &mut self.capture {
            capture.lost(count.unwrap_or(1));
        }
        self.note(text);
        if self.options.json {
            let line = json::lost(cpu, count);
            self.print(&line);
        }
    }

    /// What this program has written into the recording: the time on the wall, connections, the end.
    fn mark(&mut self, mark: &Event<'_>) {
        if let Some(real) = mark.text("real_time").and_then(Time::parse) {
            self.shift = Some(real.since(mark.time));
        }
        if let Some(id) = mark.conn() {
            self.conns.learn_mark(mark);
            self.show_known(id);
        }
        self.seen.ended |= mark.text("state") == Some(END);
    }

    /// Says what a connection is that has been there before.
    fn show_known(&mut self, id: u64) {
        let conn = self.conns.get(id);
        if self.options.wanted.takes(id, conn) == Some(true) {
            let about = conn.map_or_else(String::new, |c| c.about());
            self.note(&format!("connection {id} is there already: {about}"));
        }
    }

    /// Nanoseconds since 1970, if that is known.
    fn real(&self, time: Time) -> Option<u64> {
        let shift = self.shift.filter(|_| time.real)?;
        u64::try_from(i128::from(time.value).saturating_add(shift)).ok()
    }

    fn event(&mut self, event: &Event<'_>) -> Result<(), Stop> {
        let part = self.conns.learn(event);
        match self.options.wanted.wants(event, &self.conns) {
            Some(true) => self.show(event, part)?,
            Some(false) => {}
            None => self.seen.unknown = self.seen.unknown.saturating_add(1),
        }
        if let (Some(id), "closed") = (event.conn(), event.name) {
            self.conns.forget(id);
        }
        Ok(())
    }

    fn show(&mut self, event: &Event<'_>, part: Option<super::conns::Part>) -> Result<(), Stop> {
        self.seen.shown = self.seen.shown.saturating_add(1);
        let begin = *self.begin.get_or_insert(event.time);
        let said = words::say(event, part);
        let conn = event.conn().and_then(|id| self.conns.get(id));
        let real = self.real(event.time);
        if let Some((name, capture)) = &mut self.capture {
            let time = real.unwrap_or(event.time.value);
            capture
                .add(event, &said, conn, time)
                .map_err(|e| stop(name, e))?;
        }
        if self.options.json {
            let line = json::line(event, &said, part, conn, real);
            self.print(&line);
        } else if !self.options.quiet {
            let line = ladder::line(event, &said, begin, self.width);
            self.print(&line);
        }
        Ok(())
    }

    /// What there is to print; it is printed then.
    pub fn take_text(&mut self) -> String {
        std::mem::take(&mut self.text)
    }

    /// Prints what there is, and brings the capture up to date.
    pub fn flush(&mut self) -> Result<(), Stop> {
        let text = self.take_text();
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())
            .and_then(|()| out.flush())
            .map_err(|e| stop("standard output", e))?;
        match &mut self.capture {
            Some((name, capture)) => capture.flush().map_err(|e| stop(name, e)),
            None => Ok(()),
        }
    }

    /// What it was, in a sentence.
    pub fn summary(&self) -> String {
        let mut text = format!("{} events", self.seen.shown);
        if let Some((name, capture)) = &self.capture {
            text.push_str(&format!(", {} messages in {name}", capture.written()));
        }
        if self.seen.gaps != 0 {
            text.push_str(&format!(
                "; {} or more were lost in {} places, a larger --buffer or fewer --events help",
                self.seen.lost, self.seen.gaps
            ));
        }
        if self.seen.unknown != 0 {
            text.push_str(&format!(
                "; {} more are of connections of which the recording does not say peer or device",
                self.seen.unknown
            ));
        }
        text
    }
}
