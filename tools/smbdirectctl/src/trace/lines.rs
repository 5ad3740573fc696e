// SPDX-License-Identifier: GPL-2.0

//! Lines out of bytes that come in pieces of any size.

use super::line::LONGEST;

/// The part of a line that has come, of a source that may be anything.
#[derive(Debug, Default)]
pub struct Lines {
    begun: Vec<u8>,
}

impl Lines {
    /// Takes what has come, and hands over each line that it completes, without its end. Memory is bounded by [`LONGEST`] whatever comes: what is longer is several lines.
    pub fn push(&mut self, bytes: &[u8], mut line: impl FnMut(&str)) {
        for part in bytes.split_inclusive(|b| *b == b'\n') {
            let (mut text, whole) = match part.split_last() {
                Some((b'\n', text)) => (text, true),
                _ => (part, false),
            };
            while !text.is_empty() {
                let room = LONGEST.saturating_sub(self.begun.len());
                let (now, later) = text.split_at_checked(room).unwrap_or((text, &[]));
                self.begun.extend(now);
                text = later;
                if self.begun.len() >= LONGEST {
                    self.flush(&mut line);
                }
            }
            if whole {
                self.flush(&mut line);
            }
        }
    }

    /// The last line, which may have no end.
    pub fn flush(&mut self, mut line: impl FnMut(&str)) {
        if !self.begun.is_empty() {
            let text = String::from_utf8_lossy(&self.begun);
            line(text.trim_end_matches('\r'));
        }
        self.begun.clear();
    }
}
