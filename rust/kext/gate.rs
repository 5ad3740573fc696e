// SPDX-License-Identifier: GPL-2.0

//! A value that many may use and one may take away: [`Gated`].

use crate::{
    ctx::ProcessCtx,
    wait::{Mode, WaitQueue},
};
use core::{cell::UnsafeCell, ops::Deref};
use kernel::{
    prelude::*,
    sync::{
        atomic::{Acquire, Atomic, Full, Relaxed},
        rcu,
    },
};

/// The gate refuses newcomers: it has not been opened yet, or it was closed.
const SHUT: i64 = 1 << 62;
/// Bits of the word that count the permits.
const PERMITS: i64 = SHUT - 1;

/// Life of the value: nobody has put one in, somebody is doing so, it is in, closing began, it was taken or will never be.
const EMPTY: i32 = 0;
const FILLING: i32 = 1;
const FILLED: i32 = 2;
const CLOSED: i32 = 3;
const TAKEN: i32 = 4;

/// Whether a gate with this word refuses newcomers. While one thread opens it and another closes it, `SHUT` is in the word twice.
#[inline]
const fn is_shut(word: i64) -> bool {
    word as u64 >= SHUT as u64
}

/// A value behind a gate.
///
/// [`enter`](Self::enter) gives a [`Permit`] through which the value is used, possibly while sleeping. [`close`](Self::close) lets nobody in
/// any more; [`take`](Self::take) waits until everybody has left and returns the value. So "used while being freed" cannot be
/// written. The value is put in once by [`open`](Self::open).
///
/// The memory of the gate itself must outlive an RCU grace period after the last user could have entered, because a refused or a
/// leaving user touches the counter inside an RCU read section after the taker may have gone on.
///
/// # Invariants
///
/// * While the low bits of `word` count a permit, `value` is `Some` and not written.
/// * `value` is written only (a) by `open` between its entry to the stage `FILLING` and its exit from it or, if it was closed meanwhile, its return, when
///   the gate is shut, and (b) by `take` in the stage `TAKEN` that it entered from `CLOSED`, after the gate was shut and the count was seen at zero. `FILLING`
///   is entered once, and `CLOSED` only from `FILLED`.
#[pin_data]
pub struct Gated<T> {
    word: Atomic<i64>,
    stage: Atomic<i32>,
    value: UnsafeCell<Option<T>>,
    #[pin]
    left: WaitQueue,
}

// SAFETY: A `Gated<T>` hands out `&T` to many threads (needs `T: Sync`) and moves the `T` to the thread that takes it (`T: Send`).
unsafe impl<T: Send + Sync> Sync for Gated<T> {}
// SAFETY: Owning a gate is owning the value.
unsafe impl<T: Send> Send for Gated<T> {}

impl<T> Gated<T> {
    /// Initialiser of an empty, shut gate.
    pub fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            word: Atomic::new(SHUT),
            stage: Atomic::new(EMPTY),
            value: UnsafeCell::new(None),
            left <- crate::new_wait_queue!("smbdirect::gate"),
        })
    }

    /// Puts the value in and opens the gate. Gives the value back if the gate was opened or closed before. Any context.
    pub fn open(&self, value: T) -> Result<(), T> {
        if self.stage.cmpxchg(EMPTY, FILLING, Full).is_err() {
            return Err(value);
        }
        // SAFETY: The stage changed from EMPTY to FILLING, which happens once, and the gate is still shut: nobody else uses the cell.
        let cell = unsafe { &mut *self.value.get() };
        *cell = Some(value);
        if self.stage.cmpxchg(FILLING, FILLED, Full).is_err() {
            // Closed meanwhile: the stage is TAKEN, not by way of CLOSED, so the cell is still ours alone.
            return match cell.take() {
                Some(value) => Err(value),
                None => Ok(()),
            };
        }
        // The add is fully ordered, so whoever enters sees the value.
        self.word.fetch_add(-SHUT, Full);
        Ok(())
    }

    /// Enters the gate, or returns `None` if it is shut. Any context.
    #[inline]
    pub fn enter(&self) -> Option<Permit<'_, T>> {
        let before = self.word.fetch_add(1, Acquire);
        if is_shut(before) {
            self.leave();
            return None;
        }
        // INVARIANT: The permit is counted and the gate was open.
        Some(Permit { gate: self })
    }

    #[inline]
    fn leave(&self) {
        let _rcu = rcu::read_lock();
        let before = self.word.fetch_add(-1, Full);
        if is_shut(before) && before & PERMITS == 1 {
            self.left.wake_all();
        }
    }

    /// Shuts the gate: from now on nobody enters. Returns whether this call did it. Any context.
    pub fn close(&self) -> bool {
        loop {
            let stage = self.stage.load(Acquire);
            let next = match stage {
                FILLED => CLOSED,
                // Not open yet: it stays shut, and `open` must not succeed later.
                EMPTY | FILLING => TAKEN,
                _ => return false,
            };
            // Fails only if `open` goes on at the same time, at most twice.
            if self.stage.cmpxchg(stage, next, Full).is_ok() {
                if next == CLOSED {
                    self.word.fetch_add(SHUT, Full);
                }
                return true;
            }
        }
    }

    /// Waits until everybody has left and takes the value. `None` if the gate was not closed after having been open, or the value was taken
    /// before. Sleeps.
    pub fn take(&self, ctx: &ProcessCtx) -> Option<T> {
        if self.stage.cmpxchg(CLOSED, TAKEN, Full).is_err() {
            return None;
        }
        self.left.wait(ctx, Mode::Uninterruptible, None, || {
            (self.word.load(Acquire) & PERMITS == 0).then_some(())
        });
        // SAFETY: Shut, and the count was zero: no permit exists and none can be made. The stage came from CLOSED, once, so `open` is done with the cell.
        unsafe { (*self.value.get()).take() }
    }

    /// How many permits exist now (diagnostics).
    pub fn permits(&self) -> i64 {
        self.word.load(Relaxed) & PERMITS
    }
}

/// The right to use the value behind a gate.
///
/// # Invariants
///
/// Counted in `gate.word`; made while the gate was open.
pub struct Permit<'a, T> {
    gate: &'a Gated<T>,
}

impl<T> Deref for Permit<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: By the invariants a counted permit means that the cell is `Some` and is not written.
        match unsafe { &*self.gate.value.get() } {
            Some(value) => value,
            // SAFETY: As above, `None` is impossible while a permit exists.
            None => unsafe { core::hint::unreachable_unchecked() },
        }
    }
}

impl<T> Drop for Permit<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.gate.leave();
    }
}
