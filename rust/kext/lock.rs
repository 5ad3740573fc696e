// SPDX-License-Identifier: GPL-2.0

//! Locks with a name and a class of their own, also when a generic function makes them.
//!
//! lockdep wants a class to have its name at one address. A literal in a generic function has an address in every crate that instantiates the function, while
//! a `static` there, as the class is one, exists once. The kernel crate's macros take a literal, these make it a `static`. Else they are the same.

/// The name of a lock, at one address.
#[macro_export]
macro_rules! lock_name {
    ($name:literal) => {{
        static NAME: &kernel::str::CStr = kernel::c_str!($name);
        NAME
    }};
}

/// Creates a `Mutex` initialiser.
#[macro_export]
macro_rules! new_mutex {
    ($inner:expr, $name:literal $(,)?) => {
        kernel::sync::Mutex::new(
            $inner,
            $crate::lock_name!($name),
            kernel::static_lock_class!(),
        )
    };
}

/// Creates a `SpinLockIrq` initialiser.
#[macro_export]
macro_rules! new_spinlock_irq {
    ($inner:expr, $name:literal $(,)?) => {
        kernel::sync::SpinLockIrq::new(
            $inner,
            $crate::lock_name!($name),
            kernel::static_lock_class!(),
        )
    };
}
