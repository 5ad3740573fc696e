// SPDX-License-Identifier: GPL-2.0

//! How much memory connections hold: every object that lives as long as its connection has a [`Charge`].
//!
//! What a provider allocates for queues and regions is not ours and not counted, nor are transfers in flight.

use kernel::sync::atomic::{Atomic, Relaxed};

/// Bytes held now, over all connections.
pub static MEMORY: Atomic<i64> = Atomic::new(0);

/// Largest size class of `kmalloc`; beyond it there are whole blocks of pages.
const LARGEST_CLASS: usize = 8192;

/// What the kernel takes for an allocation of `bytes`.
pub const fn rounded(bytes: usize) -> usize {
    match bytes {
        0 => 0,
        1..=8 => 8,
        65..=96 => 96,
        129..=192 => 192,
        _ if bytes <= LARGEST_CLASS => bytes.next_power_of_two(),
        _ => {
            let page = kernel::page::PAGE_SIZE;
            bytes.div_ceil(page).next_power_of_two() * page
        }
    }
}

/// Memory that is held, counted in [`MEMORY`] for as long as this lives.
pub struct Charge(usize);

impl Charge {
    /// For allocations that take `bytes` in all.
    pub fn new(bytes: usize) -> Self {
        MEMORY.add(bytes as i64, Relaxed);
        Self(bytes)
    }

    /// For an allocated `T`.
    pub fn of<T>() -> Self {
        Self::new(rounded(core::mem::size_of::<T>()))
    }

    /// For a `T` in an `Arc`.
    pub fn shared<T>() -> Self {
        Self::new(rounded(core::mem::size_of::<(usize, T)>()))
    }

    /// For an array of `n` of `T`.
    pub fn array<T>(n: usize) -> Self {
        Self::new(rounded(n * core::mem::size_of::<T>()))
    }

    /// With what another one holds.
    pub fn and(mut self, mut other: Self) -> Self {
        self.0 += core::mem::take(&mut other.0);
        self
    }

    /// Changes it.
    pub fn resize(&mut self, bytes: usize) {
        MEMORY.add(bytes as i64 - self.0 as i64, Relaxed);
        self.0 = bytes;
    }

    /// How much it is.
    pub fn bytes(&self) -> usize {
        self.0
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        MEMORY.add(-(self.0 as i64), Relaxed);
    }
}
