// SPDX-License-Identifier: GPL-2.0

//! Time as a plain value.

/// A point in time or a length of time in milliseconds.
///
/// Points count from an origin of the caller's choice; the clock must not run backwards. If it
/// does, differences saturate at zero and a timer fires late.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millis(pub u64);

impl Millis {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// A time of whole seconds.
    #[inline]
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1000))
    }

    /// The point `span` after this one, at most the end of time.
    #[inline]
    #[must_use]
    pub const fn after(self, span: Self) -> Self {
        Self(self.0.saturating_add(span.0))
    }

    /// The time from `earlier` to this point; zero if that lies in the future.
    #[inline]
    #[must_use]
    pub const fn since(self, earlier: Self) -> Self {
        Self(self.0.saturating_sub(earlier.0))
    }
}
