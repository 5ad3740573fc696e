// SPDX-License-Identifier: GPL-2.0

//! `smbdirectctl`: steers SMB Direct of the kernel's SMB server. See `Documentation/steering.md`.

pub mod check;
pub mod cli;
pub mod config;
pub mod diagnostics;
pub mod kernel;
pub mod manual;
pub mod metrics;
pub mod mount;
pub mod names;
pub mod probe;
pub mod program;
pub mod rates;
pub mod root;
pub mod run;
pub mod smbconf;
pub mod state;
pub mod status;
pub mod table;
pub mod text;
pub mod top;
pub mod trace;
pub mod verdict;
pub mod view;
