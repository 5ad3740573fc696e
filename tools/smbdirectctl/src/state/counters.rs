// SPDX-License-Identifier: GPL-2.0

//! Files of lines with a name and a number.

use crate::root::Root;

/// More lines are not kept: the module's files are a page at most.
const MOST: usize = 1000;

/// Names and numbers, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters(Vec<(String, u64)>);

impl Counters {
    /// Reads a file; one that cannot be read has no lines.
    pub fn read(root: &Root, name: &str) -> Self {
        Self::parse(&root.read(name).unwrap_or_default())
    }

    /// Takes the lines that are a name, a space and a decimal number below 2^64, and passes over all others: new ones may come.
    pub fn parse(text: &str) -> Self {
        let line = |line: &str| {
            let (name, value) = line.split_once(' ')?;
            let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_';
            let digits = !value.is_empty() && value.bytes().all(|c| c.is_ascii_digit());
            let named =
                name.starts_with(|c: char| c.is_ascii_lowercase()) && name.bytes().all(plain);
            (named && digits).then_some(())?;
            Some((name.to_owned(), value.parse().ok()?))
        };
        Self(text.lines().filter_map(line).take(MOST).collect())
    }

    /// The same but for some names.
    pub fn without(mut self, names: &[&str]) -> Self {
        self.0.retain(|(name, _)| !names.contains(&name.as_str()));
        self
    }

    /// The number of that name.
    pub fn get(&self, name: &str) -> Option<u64> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, v)| *v)
    }

    /// The same; 0 if there is none.
    pub fn value(&self, name: &str) -> u64 {
        self.get(name).unwrap_or(0)
    }

    /// The sum over some names.
    pub fn sum(&self, names: &[&str]) -> u64 {
        names
            .iter()
            .fold(0, |sum, name| sum.saturating_add(self.value(name)))
    }

    /// All.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(name, value)| (name.as_str(), *value))
    }

    /// Those that are not 0.
    pub fn nonzero(&self) -> impl Iterator<Item = (&str, u64)> {
        self.iter().filter(|(_, value)| *value != 0)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
