// SPDX-License-Identifier: GPL-2.0

//! Names of parameters: ours, ksmbd's, and what is meant by one that is neither.

use smbdirect_core::settings::Number;

/// What stands in front of each of our names.
pub const PREFIX: &str = "smb direct";
/// The policy of a share.
pub const MODE: &str = PREFIX;
/// The list of interfaces.
pub const INTERFACES: &str = "smb direct interfaces";

/// Farther than that from one of our names, a word means something else.
const NEAR: usize = 2;

/// One of our parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parameter {
    /// `smb direct`.
    Mode,
    /// `smb direct interfaces`.
    Interfaces,
    /// Any other.
    Number(Number),
}

impl Parameter {
    /// All.
    pub fn all() -> impl Iterator<Item = Self> {
        [Self::Mode, Self::Interfaces]
            .into_iter()
            .chain(Number::ALL.into_iter().map(Self::Number))
    }

    /// The name in the file.
    pub fn name(self) -> String {
        match self {
            Self::Mode => MODE.into(),
            Self::Interfaces => INTERFACES.into(),
            Self::Number(number) => format!("{PREFIX} {}", number.spec().name),
        }
    }
}

/// Parameters of ksmbd-tools that could be taken for a misspelling of one of ours, or that ours are not to be confused with.
const KSMBD: [&str; 4] = [
    "interfaces",
    "bind interfaces only",
    "max connections",
    "smbd max io size",
];

/// What a name means.
#[derive(Debug, PartialEq, Eq)]
pub enum Meaning {
    /// Ours.
    Ours(Parameter),
    /// Meant to be ours, but no parameter; the nearest that is one.
    Misspelt(Parameter),
    /// Not ours.
    Foreign,
}

/// More of a word is not compared: it costs time and memory by the square, and nothing of ours is that long.
const COMPARED: usize = 80;

fn distance(word: &str, to: &str) -> usize {
    let word: String = word.chars().take(COMPARED).collect();
    strsim::damerau_levenshtein(&word, to)
}

/// A name in the form that spellings are compared in.
fn plain(key: &str) -> String {
    let key: String = key.chars().take(COMPARED).collect();
    let lower = key.to_lowercase().replace(['_', '-', ':', '.'], " ");
    let words: Vec<&str> = lower.split_whitespace().collect();
    let joined = words.join(" ");
    match joined.strip_prefix("smbdirect") {
        Some(rest) => format!("{PREFIX} {}", rest.trim_start()).trim_end().into(),
        None => joined,
    }
}

/// What a name in the file means.
pub fn meaning(key: &str) -> Meaning {
    let lower = key.to_ascii_lowercase();
    if let Some(parameter) = Parameter::all().find(|p| p.name() == lower) {
        return Meaning::Ours(parameter);
    }
    if KSMBD.contains(&lower.as_str()) {
        return Meaning::Foreign;
    }
    let plain = plain(key);
    let nearest = Parameter::all()
        .map(|p| (distance(&plain, &p.name()), p))
        .min_by_key(|(distance, _)| *distance);
    match nearest {
        Some((distance, parameter)) if distance <= NEAR || plain.starts_with(PREFIX) => {
            Meaning::Misspelt(parameter)
        }
        _ => Meaning::Foreign,
    }
}

/// The nearest of some words, if one is near.
pub fn nearest<'w>(word: &str, among: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    let word = word.to_lowercase();
    among
        .map(|w| (distance(&word, w), w))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, w)| *distance <= NEAR && *distance < w.len())
        .map(|(_, w)| w)
}
