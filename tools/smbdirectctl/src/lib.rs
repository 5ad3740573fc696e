// SPDX-License-Identifier: GPL-2.0

//! `smbdirectctl`: steers SMB Direct of the kernel's SMB server. See `Documentation/steering.md`.

pub mod cli;
pub mod config;
pub mod diagnostics;
pub mod kernel;
pub mod names;
pub mod run;
pub mod smbconf;
pub mod text;
