// SPDX-License-Identifier: GPL-2.0

//! The little of roff that the pages need (man(7)).

use std::fmt::Write;

/// When the texts were last changed.
const DATE: &str = "2026-11-28";
/// Longest line of text, in characters, where a blank allows it.
const WIDTH: usize = 78;

/// A page, or the end of one.
#[derive(Debug, Default)]
pub struct Page(String);

/// A line as it shall appear: nothing of it is a request or an escape.
pub fn escape(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    if text.starts_with(['.', '\'']) {
        format!("\\&{text}")
    } else {
        text
    }
}

/// A text in lines; they are filled again when the page is shown.
fn lines(text: &str) -> String {
    let (mut out, mut line) = (String::new(), String::new());
    for word in text.split_whitespace() {
        let long = line.chars().count().saturating_add(word.chars().count()) > WIDTH;
        if long && !line.is_empty() {
            let _ = writeln!(out, "{}", escape(&line));
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    let _ = writeln!(out, "{}", escape(&line));
    out
}

impl Page {
    /// With its heading.
    pub fn new(name: &str, section: u8) -> Self {
        let mut page = Self::default();
        let _ = writeln!(
            page.0,
            ".\\\" SPDX-License-Identifier: GPL-2.0\n.TH {} {section} {DATE} \"smbdirect {}\"",
            escape(&name.to_uppercase()),
            env!("CARGO_PKG_VERSION")
        );
        page
    }

    /// A heading.
    pub fn section(&mut self, name: &str) {
        let _ = writeln!(self.0, ".SH {}", name.to_uppercase());
    }

    /// Not right below a heading, where it would be skipped.
    fn paragraph(&mut self) {
        if !self.0.lines().last().is_some_and(|l| l.starts_with(".SH")) {
            self.0.push_str(".PP\n");
        }
    }

    /// A paragraph.
    pub fn text(&mut self, text: &str) {
        self.paragraph();
        self.0.push_str(&lines(text));
    }

    /// A name and what it is.
    pub fn tag(&mut self, name: &str, text: &str) {
        let _ = write!(self.0, ".TP\n\\fB{}\\fR\n{}", escape(name), lines(text));
    }

    /// Lines as they are typed.
    pub fn code(&mut self, lines: &[&str]) {
        self.paragraph();
        self.0.push_str(".RS 4\n.nf\n");
        for line in lines {
            let _ = writeln!(self.0, "{}", escape(line));
        }
        self.0.push_str(".fi\n.RE\n");
    }

    /// All of it.
    pub fn finish(self) -> String {
        self.0
    }
}
