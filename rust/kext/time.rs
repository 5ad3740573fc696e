// SPDX-License-Identifier: GPL-2.0

//! The clock of the protocol: milliseconds of jiffies, which never goes backwards.

/// Milliseconds since an arbitrary start. Any context.
#[inline]
pub fn now_ms() -> u64 {
    // SAFETY: Reads the jiffies counter; no preconditions.
    unsafe { crate::bindings::smbd_now_ms() }
}

/// Converts milliseconds to jiffies for a delay, rounding up; the result is at least 1.
pub fn jiffies(ms: u64) -> kernel::time::Jiffies {
    kernel::time::msecs_to_jiffies(u32::try_from(ms).unwrap_or(u32::MAX)).max(1)
}
