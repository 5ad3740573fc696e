// SPDX-License-Identifier: GPL-2.0
//! The pace of the kernel that all this runs in.

/// How many times longer everything may take in a slow kernel.
pub fn patience() -> u32 {
    let set = std::env::var("PATIENCE").ok();
    set.and_then(|p| p.parse().ok()).unwrap_or(1).max(1)
}
