// SPDX-License-Identifier: GPL-2.0

//! What is said about a file.

use std::fmt;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The file is refused.
    Error,
    /// It is taken, but may not do what was meant.
    Warning,
}

impl Severity {
    /// The word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// One message.
#[derive(Clone, Debug)]
pub struct Diagnostic {
    /// Line in the file, from 1; 0: the file as a whole.
    pub line: usize,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong and, where it is known, what would be right.
    pub message: String,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line != 0 {
            write!(f, "{}: ", self.line)?;
        }
        write!(f, "{}: {}", self.severity.name(), self.message)
    }
}

/// More messages help nobody.
const MOST: usize = 200;

/// The messages about a file, in the order of its lines.
#[derive(Default, Debug)]
pub struct Diagnostics {
    list: Vec<Diagnostic>,
    refused: bool,
    more: usize,
}

impl Diagnostics {
    /// Refuses the file.
    pub fn error(&mut self, line: usize, message: impl Into<String>) {
        self.add(line, Severity::Error, message.into());
    }

    /// Says something about it.
    pub fn warning(&mut self, line: usize, message: impl Into<String>) {
        self.add(line, Severity::Warning, message.into());
    }

    fn add(&mut self, line: usize, severity: Severity, message: String) {
        self.refused |= severity == Severity::Error;
        if self.list.len() >= MOST {
            self.more = self.more.saturating_add(1);
            return;
        }
        let at = self.list.partition_point(|d| d.line <= line);
        self.list.insert(
            at,
            Diagnostic {
                line,
                severity,
                message,
            },
        );
    }

    /// Whether the file is refused.
    pub fn refused(&self) -> bool {
        self.refused
    }

    /// The messages.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.list.iter()
    }

    /// How many there would be besides.
    pub fn more(&self) -> usize {
        self.more
    }
}

/// A piece of the file for a message: in quotes, short, and without what a terminal would obey.
pub fn quoted(text: &str) -> String {
    const MOST: usize = 60;
    let mut out = String::from("'");
    for (count, c) in text.chars().enumerate() {
        if count == MOST {
            out.push_str("...");
            break;
        }
        if c.is_control() {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out.push('\'');
    out
}
