// SPDX-License-Identifier: GPL-2.0

//! Short names as values.

use core::fmt;
use kernel::ffi::c_char;

/// Bytes of a [`Name`], with the NUL at its end.
pub const NAME_BYTES: usize = 64;

/// A name of at most 63 bytes: of a share, a device, a command. May be empty.
///
/// # Invariants
///
/// The last byte is NUL.
#[derive(Clone, Copy)]
pub struct Name([u8; NAME_BYTES]);

impl Name {
    /// No name.
    pub const EMPTY: Self = Self([0; NAME_BYTES]);

    /// A copy, cut to what fits.
    pub fn new(from: &[u8]) -> Self {
        let mut name = Self::EMPTY;
        // INVARIANT: The last byte is not among those written.
        for (to, from) in name.0.iter_mut().take(NAME_BYTES - 1).zip(from) {
            *to = *from;
        }
        name
    }

    /// A copy of what C writes into a buffer of [`NAME_BYTES`], of which the last byte is not used.
    pub fn written(write: impl FnOnce(*mut c_char, usize)) -> Self {
        let mut bytes = [0; NAME_BYTES];
        write(bytes.as_mut_ptr().cast(), NAME_BYTES);
        Self::new(&bytes)
    }

    /// What is before the first NUL.
    pub fn as_bytes(&self) -> &[u8] {
        let len = self.0.iter().position(|b| *b == 0).unwrap_or(0);
        self.0.get(..len).unwrap_or(&[])
    }

    /// The text, unless it is empty or no UTF-8.
    pub fn text(&self) -> Option<&str> {
        core::str::from_utf8(self.as_bytes())
            .ok()
            .filter(|text| !text.is_empty())
    }

    /// For C, which may read up to the NUL.
    pub fn as_char_ptr(&self) -> *const c_char {
        self.0.as_ptr().cast()
    }
}

/// With what a log must not hold in escapes.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.text() {
            Some(text) if !text.contains(char::is_control) => f.write_str(text),
            _ => self
                .as_bytes()
                .iter()
                .try_for_each(|byte| write!(f, "{}", core::ascii::escape_default(*byte))),
        }
    }
}
