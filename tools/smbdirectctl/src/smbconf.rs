// SPDX-License-Identifier: GPL-2.0

//! The syntax of `ksmbd.conf`, character by character as ksmbd-tools 3.5 reads it.
//!
//! Lines end at LF; blanks are space and tab; `;` and `#` begin a comment anywhere; there is neither continuation nor include. What ksmbd-tools refuses is
//! refused, because ksmbd would not start. Values are delivered as they stand, with everything that may follow them.

use crate::diagnostics::{quoted, Diagnostics};

/// Longest name of a section, in bytes (`KSMBD_REQ_MAX_SHARE_NAME` with its NUL).
const MAX_SECTION: usize = 63;

/// One line of a section.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its line in the file, from 1.
    pub line: usize,
    /// The name, without blanks around it, as it was written.
    pub key: String,
    /// All that follows `=`, without blanks in front.
    pub raw: String,
}

impl Entry {
    /// The value: up to a comment, without blanks around it.
    pub fn value(&self) -> &str {
        self.raw
            .split([';', '#'])
            .next()
            .unwrap_or("")
            .trim_matches(blank)
    }

    /// The same where double quotes protect `;` and `#`. `None`: a quote is not closed.
    pub fn quoted_value(&self) -> Option<&str> {
        let mut inside = false;
        let mut end = self.raw.len();
        for (at, c) in self.raw.char_indices() {
            match c {
                '"' => inside = !inside,
                ';' | '#' if !inside => {
                    end = at;
                    break;
                }
                _ => {}
            }
        }
        let value = self.raw.get(..end).unwrap_or("").trim_matches(blank);
        (!inside).then_some(value)
    }

    /// What a comment on the line begins with.
    pub fn comment(&self) -> &str {
        self.raw
            .split_once([';', '#'])
            .map_or("", |(_, comment)| comment.trim_matches(blank))
    }
}

/// A section: all lines under headings of the same name.
#[derive(Clone, Debug)]
pub struct Section {
    /// The line of its first heading.
    pub line: usize,
    /// The name, as it was written first.
    pub name: String,
    /// In order; the first value of a name that is not empty counts.
    pub entries: Vec<Entry>,
}

impl Section {
    /// Whether it is `[global]`.
    pub fn is_global(&self) -> bool {
        fold(&self.name) == "global"
    }

    /// Whether it is `[ipc$]`.
    pub fn is_ipc(&self) -> bool {
        fold(&self.name) == "ipc$"
    }
}

/// Space and tab.
fn blank(c: char) -> bool {
    c == ' ' || c == '\t'
}

/// Names of shares are compared in this form. The kernel folds them by its own tables when a configuration is applied, and refuses two that are equal then.
pub fn fold(name: &str) -> String {
    name.chars().flat_map(char::to_lowercase).collect()
}

fn printable(c: char) -> bool {
    (c >= ' ' && c != '\u{7f}') || c == '\t'
}

/// What a character that is not printable is called.
fn character(c: char) -> String {
    match c {
        '\r' => "a carriage return".into(),
        '\0' => "a NUL byte".into(),
        c => format!("the control character 0x{:02X}", u32::from(c)),
    }
}

/// Reads a file. What is wrong goes to `out`; the sections hold the rest.
pub fn parse(bytes: &[u8], out: &mut Diagnostics) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    let mut current: Option<usize> = None;
    let text = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    for (at, bytes) in text.split(|b| *b == b'\n').enumerate() {
        let line = at.saturating_add(1);
        // Comments may hold anything; ksmbd-tools looks at the rest byte by byte, and names of sections must be UTF-8.
        let text = String::from_utf8_lossy(bytes);
        let text = text.trim_start_matches(blank);
        if text.is_empty() || text.starts_with([';', '#']) {
            continue;
        }
        if line == 1 && text.starts_with('\u{feff}') {
            out.error(
                line,
                "the file begins with a byte order mark, which ksmbd refuses: save it as plain UTF-8",
            );
            continue;
        }
        if let Some(rest) = text.strip_prefix('[') {
            match heading(rest, bytes) {
                Ok(name) => current = Some(enter(&mut sections, line, name)),
                Err(why) => {
                    out.error(line, format!("{}: {why}", quoted(text)));
                    // What follows belongs nowhere.
                    current = Some(enter(&mut sections, line, ""));
                }
            }
            continue;
        }
        match key_value(text) {
            Ok((key, raw)) => match current.and_then(|at| sections.get_mut(at)) {
                Some(section) => section.entries.push(Entry {
                    line,
                    key: key.into(),
                    raw: raw.into(),
                }),
                None => out.error(
                    line,
                    format!(
                        "{} stands before the first section: ksmbd refuses it",
                        quoted(key)
                    ),
                ),
            },
            Err(why) => out.error(line, why),
        }
    }
    sections.retain(|section| !section.name.is_empty());
    sections
}

fn enter(sections: &mut Vec<Section>, line: usize, name: &str) -> usize {
    let same = |s: &Section| fold(&s.name) == fold(name);
    sections.iter().position(same).unwrap_or_else(|| {
        sections.push(Section {
            line,
            name: name.into(),
            entries: Vec::new(),
        });
        sections.len().saturating_sub(1)
    })
}

/// The name in a heading; `rest` is what follows `[`.
fn heading<'t>(rest: &'t str, bytes: &[u8]) -> Result<&'t str, String> {
    let Some((name, after)) = rest.split_once(']') else {
        return Err("the ] of the section is missing".into());
    };
    if name.is_empty() {
        return Err("the section has no name".into());
    }
    if let Some(c) = name.chars().find(|c| !printable(*c)) {
        return Err(format!("the name of the section contains {}", character(c)));
    }
    if name.contains('[') {
        return Err("the name of the section contains [".into());
    }
    if name.contains('\u{fffd}') && std::str::from_utf8(bytes).is_err() {
        return Err("the name of the section is not UTF-8".into());
    }
    if name.len() > MAX_SECTION {
        return Err(format!(
            "the name of the section has {} bytes, more than {MAX_SECTION}",
            name.len()
        ));
    }
    let after = after.trim_start_matches(blank);
    match after.chars().next() {
        None | Some(';' | '#') => Ok(name),
        Some(c) if !printable(c) => Err(format!(
            "{} follows the section: ksmbd refuses it{}",
            character(c),
            dos(c)
        )),
        Some(_) => Err(format!("{} follows the section", quoted(after))),
    }
}

/// A hint for files from another system.
fn dos(c: char) -> &'static str {
    if c == '\r' {
        "; the file has DOS line ends"
    } else {
        ""
    }
}

/// Name, and what follows `=`.
fn key_value(text: &str) -> Result<(&str, &str), String> {
    let Some((key, raw)) = text.split_once('=') else {
        return Err(format!("{}: no = in the line", quoted(text)));
    };
    if key.is_empty() {
        return Err(format!("{}: no name in front of =", quoted(text)));
    }
    if key.contains([';', '#']) {
        return Err(format!(
            "{}: a comment begins in front of =",
            quoted(text.split([';', '#']).next().unwrap_or(text))
        ));
    }
    let key = key.trim_end_matches(blank);
    let raw = raw.trim_start_matches(blank);
    let value = raw.split([';', '#']).next().unwrap_or("");
    for (what, text) in [("name", key), ("value", value)] {
        if let Some(c) = text.chars().find(|c| !printable(*c)) {
            return Err(format!(
                "{}: {} in the {what}: ksmbd refuses it{}",
                quoted(key),
                character(c),
                dos(c)
            ));
        }
    }
    Ok((key, raw))
}
