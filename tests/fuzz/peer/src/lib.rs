// SPDX-License-Identifier: GPL-2.0

//! The SMB Direct layer of `tests/peer`, the same files, with a queue in memory in the place of an
//! adapter. It shares no code with the protocol core, so each can be judged by the other.

// Much of it is for cases of the peer.
#![allow(dead_code, unused_imports, unused_macros, clippy::new_without_default)]

#[path = "../../../peer/src/fuzz/model.rs"]
pub mod model;
#[path = "../../../peer/src/patience.rs"]
pub mod patience;
#[path = "../../../peer/src/smbd/mod.rs"]
pub mod smbd;
#[path = "../../../peer/src/stop.rs"]
pub mod stop;
#[path = "../../../peer/src/transcript.rs"]
pub mod transcript;
pub mod verbs;
