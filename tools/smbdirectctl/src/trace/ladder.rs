// SPDX-License-Identifier: GPL-2.0

//! Events as a ladder: one line an event, with time, connection and an arrow between here and the peer.

use super::{
    line::{Event, Time},
    words::{Said, Way},
};
use crate::table::plain;
use unicode_width::UnicodeWidthChar;

/// The heading.
pub const HEADING: &str = "     seconds   conn  here   peer";

/// The rungs.
const fn rung(way: Way) -> &'static str {
    match way {
        Way::Here => "*         |",
        Way::Out => "|-------->|",
        Way::In => "|<--------|",
        Way::Refused => "|x<-------|",
        Way::Calls => "|. . . . >|",
        Way::Called => "|< . . . .|",
        Way::Writes => "|========>|",
        Way::Reads => "|<========|",
    }
}

/// What fits into so many columns; a text that is cut ends in `>`.
fn cut(text: &str, width: Option<usize>) -> String {
    let text = plain(text);
    let columns = |c: char| c.width().unwrap_or(0);
    let Some(width) = width else { return text };
    let whole: usize = text.chars().map(columns).sum();
    if whole <= width {
        return text;
    }
    let mut used = 1usize;
    let mut out: String = text
        .chars()
        .take_while(|c| {
            used = used.saturating_add(columns(*c));
            used <= width
        })
        .collect();
    out.push('>');
    out
}

/// `0.001204`, or the number of the event if the clock counts those.
fn moment(time: Time, begin: Time) -> String {
    let since = time.since(begin);
    if !time.real {
        return since.to_string();
    }
    let sign = if since < 0 { "-" } else { "" };
    let micros = since.unsigned_abs() / 1000;
    format!("{sign}{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

/// The line of an event. `begin`: when the first one was; `width`: of the terminal, in columns.
pub fn line(event: &Event<'_>, said: &Said, begin: Time, width: Option<usize>) -> String {
    let conn = event.conn().map_or("-".into(), |id| id.to_string());
    let text = format!(
        "{:>12} {conn:>6}  {}  {} {}",
        moment(event.time, begin),
        rung(said.way),
        said.what,
        said.text
    );
    cut(text.trim_end(), width)
}

/// The line of something that is no event of a connection, such as lost ones.
pub fn note(text: &str, width: Option<usize>) -> String {
    cut(&format!("{:>12} {:>6}  ~~~~~~~~~~~  {text}", "", ""), width)
}
