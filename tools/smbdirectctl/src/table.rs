// SPDX-License-Identifier: GPL-2.0

//! Aligned columns, and numbers for people.

use std::fmt::Write;
use unicode_width::UnicodeWidthStr;

/// Which side of its column a text is on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// Rows under headings.
pub struct Table {
    columns: Vec<(&'static str, Side)>,
    rows: Vec<Vec<String>>,
}

/// A text without what a terminal would obey.
pub fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

impl Table {
    /// Without rows.
    pub fn new(columns: &[(&'static str, Side)]) -> Self {
        Self {
            columns: columns.to_vec(),
            rows: Vec::new(),
        }
    }

    /// One more row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows
            .push(cells.into_iter().map(|cell| plain(&cell)).collect());
    }

    /// The lines, each behind two blanks; if there are no rows, another text.
    pub fn text_or(&self, none: &str) -> String {
        match (self.rows.is_empty(), none) {
            (true, "") => String::new(),
            (true, none) => format!("  {none}\n"),
            (false, _) => self.text(),
        }
    }

    fn text(&self) -> String {
        let width = |(at, (heading, _)): (usize, &(&str, Side))| {
            self.rows
                .iter()
                .filter_map(|row| row.get(at))
                .map(|cell| cell.width())
                .chain([heading.width()])
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = self.columns.iter().enumerate().map(width).collect();
        let heading: Vec<String> = self.columns.iter().map(|(h, _)| (*h).into()).collect();
        let mut out = String::new();
        for row in std::iter::once(&heading).chain(&self.rows) {
            let mut line = String::new();
            for ((cell, width), (_, side)) in row.iter().zip(&widths).zip(&self.columns) {
                let blanks = " ".repeat(width.saturating_sub(cell.width()));
                let (left, right) = match side {
                    Side::Left => ("", blanks.as_str()),
                    Side::Right => (blanks.as_str(), ""),
                };
                let _ = write!(line, "  {left}{cell}{right}");
            }
            let _ = writeln!(out, "{}", line.trim_end());
        }
        out
    }
}

/// A number in three or four characters and a unit: `1.5 GiB`.
#[allow(clippy::cast_precision_loss)] // shown with three digits
pub fn bytes(n: u64) -> String {
    scaled(n as f64, 1024.0, &["B", "KiB", "MiB", "GiB", "TiB", "PiB"])
}

/// The same for what is not bytes: `1.5 k`.
pub fn count(n: f64) -> String {
    scaled(n, 1000.0, &["", "k", "M", "G", "T"])
}

/// Bytes in a second.
pub fn rate(n: f64) -> String {
    scaled(n, 1000.0, &["B/s", "kB/s", "MB/s", "GB/s", "TB/s"])
}

/// A time in nanoseconds, in two digits or three and a unit from the microsecond on: `310 µs`, `2.1 ms`.
#[allow(clippy::cast_precision_loss)] // shown with three digits
pub fn micros(nanos: u64) -> String {
    let (mut n, mut unit) = (nanos as f64 / 1000.0, "µs");
    for larger in ["ms", "s"] {
        // 999.6 would become "1000"
        if n >= 999.5 {
            (n, unit) = (n / 1000.0, larger);
        }
    }
    // nor 9.96 "10.0"; a microsecond is what clocks of recordings have
    let digits = usize::from(n < 9.95 && unit != "µs");
    format!("{n:.digits$} {unit}")
}

fn scaled(mut n: f64, step: f64, units: &[&str]) -> String {
    let mut unit = "";
    for (at, name) in units.iter().enumerate() {
        unit = name;
        // 999.96 would become "1000.0"
        if n < step - 0.05 || at == units.len().saturating_sub(1) {
            break;
        }
        n /= step;
    }
    let whole = n.fract().abs() < 0.05 || n >= 100.0;
    let digits = if whole { 0 } else { 1 };
    format!("{n:.digits$} {unit}").trim_end().into()
}

/// A time: `3 d 4 h`, `5 min 6 s`, `7 s`.
pub fn duration(msec: u64) -> String {
    let seconds = msec.checked_div(1000).unwrap_or(0);
    let part = |unit: u64, of: u64| {
        seconds
            .checked_div(unit)
            .and_then(|n| n.checked_rem(of))
            .unwrap_or(0)
    };
    let (s, min, h, d) = (
        part(1, 60),
        part(60, 60),
        part(3600, 24),
        part(86_400, u64::MAX),
    );
    match (d, h, min) {
        (0, 0, 0) => format!("{s} s"),
        (0, 0, _) => format!("{min} min {s} s"),
        (0, _, _) => format!("{h} h {min} min"),
        _ => format!("{d} d {h} h"),
    }
}
