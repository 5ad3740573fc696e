// SPDX-License-Identifier: GPL-2.0

//! The options of a mount: ours are taken out, all others stay byte for byte.
//!
//! Commas separate them, but for two in a row, which cifs reads as one in a value, and those in double quotes.

/// What is wanted of RDMA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// If the server takes it.
    Auto,
    /// That or nothing.
    Required,
    /// No.
    Off,
}

/// The options that go on to `mount.cifs`.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Options(Vec<Vec<u8>>);

/// Cuts at commas.
fn split(text: &[u8]) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = length(rest);
        let (option, after) = rest.split_at(end);
        if !option.is_empty() {
            out.push(option.to_owned());
        }
        rest = after.get(1..).unwrap_or_default();
    }
    out
}

/// How long the first option is.
fn length(text: &[u8]) -> usize {
    let quoted = |at: usize| -> Option<usize> {
        // a quote right behind `=` that is closed at the end of the option
        let inside = text.get(at.checked_add(2)?..)?;
        (text.get(at)? == &b'=' && text.get(at.checked_add(1)?)? == &b'"').then_some(())?;
        let close = inside.iter().position(|b| *b == b'"')?;
        let end = at.checked_add(3)?.checked_add(close)?;
        matches!(text.get(end), None | Some(b',')).then_some(end)
    };
    let mut at = 0usize;
    // whether it is a value that may have commas; ours has none
    let ours = text.starts_with(b"rdma=");
    let mut value = false;
    while let Some(byte) = text.get(at) {
        let next = text.get(at.saturating_add(1));
        match byte {
            b'=' if !value && !ours => {
                value = true;
                if let Some(end) = quoted(at) {
                    return end;
                }
            }
            // in a value only: elsewhere it is an option without a name
            b',' if value && next == Some(&b',') => at = at.saturating_add(1),
            b',' => return at,
            _ => {}
        }
        at = at.saturating_add(1);
    }
    text.len()
}

fn name_and_value(option: &[u8]) -> (&[u8], Option<&[u8]>) {
    match option.iter().position(|b| *b == b'=') {
        Some(at) => (
            option.get(..at).unwrap_or_default(),
            option.get(at.saturating_add(1)..),
        ),
        None => (option, None),
    }
}

impl Options {
    /// Takes `rdma` out, of which the last counts; without it, it is [`Wish::Auto`]. `Err` says what is wrong with it.
    pub fn take(text: &[u8]) -> Result<(Wish, Self), String> {
        let mut wish = Wish::Auto;
        let mut rest = Vec::new();
        for option in split(text) {
            match name_and_value(&option) {
                // as cifs has it, alone: RDMA and nothing else
                (b"rdma", None | Some(b"required")) => wish = Wish::Required,
                (b"rdma", Some(b"auto")) => wish = Wish::Auto,
                (b"rdma", Some(b"off")) => wish = Wish::Off,
                (b"rdma", Some(_)) => {
                    return Err("rdma is one of auto, required and off".into());
                }
                (b"nordma", None) => wish = Wish::Off,
                _ => rest.push(option),
            }
        }
        Ok((wish, Self(rest)))
    }

    /// Whether there is one of that name.
    pub fn has(&self, name: &str) -> bool {
        self.0
            .iter()
            .any(|option| name_and_value(option).0 == name.as_bytes())
    }

    /// The value of the last one of these names, if it is UTF-8 and not empty.
    pub fn value(&self, names: &[&str]) -> Option<&str> {
        self.0.iter().rev().find_map(|option| {
            let (name, value) = name_and_value(option);
            let value = std::str::from_utf8(value?).ok()?;
            (names.iter().any(|n| n.as_bytes() == name) && !value.is_empty()).then_some(value)
        })
    }

    /// Adds one.
    pub fn add(&mut self, option: &str) {
        self.0.push(option.as_bytes().to_owned());
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// With commas between.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0.join(&b',')
    }
}
