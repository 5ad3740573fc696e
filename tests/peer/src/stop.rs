// SPDX-License-Identifier: GPL-2.0
//! Why a case ends before its end.

use std::fmt;
use std::io;

/// The reason.
#[derive(Debug)]
pub enum Stop {
    /// The server did what it must not, or did not what it must.
    Failed(String),
    /// The server has no such feature, or the set-up lacks something.
    Skipped(String),
    /// The connection ended when it should not have.
    Gone(String),
}

pub type Try<T> = Result<T, Stop>;

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stop::Failed(why) | Stop::Skipped(why) => f.write_str(why),
            Stop::Gone(how) => write!(f, "the connection has ended ({how})"),
        }
    }
}

impl From<io::Error> for Stop {
    fn from(e: io::Error) -> Self {
        match e.kind() {
            io::ErrorKind::NotConnected => Stop::Gone("noticed when sending".into()),
            _ => Stop::Failed(e.to_string()),
        }
    }
}

/// End the case as failed.
#[macro_export]
macro_rules! fail {
    ($($arg:tt)*) => { return Err($crate::stop::Stop::Failed(format!($($arg)*))) };
}

/// End the case as failed unless the condition holds.
#[macro_export]
macro_rules! ensure {
    ($condition:expr, $($arg:tt)*) => {
        if !$condition {
            $crate::fail!($($arg)*);
        }
    };
}

/// End the case as failed unless both are equal; says which was which.
#[macro_export]
macro_rules! ensure_eq {
    ($what:expr, $got:expr, $want:expr) => {{
        let (got, want) = ($got, $want);
        if got != want {
            $crate::fail!("{} is {got:?}, should be {want:?}", $what);
        }
    }};
}
