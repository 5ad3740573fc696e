// SPDX-License-Identifier: GPL-2.0
//! As much SMB2 as it takes to open a file and to move data by RDMA.

mod crypto;
mod files;
mod messages;
mod ntlm;
mod probe;
mod session;
mod tcp;

pub use crypto::{Cipher, TAG};
pub use files::{check_read, check_written, whole, File};
pub use messages::{status, Channel, Interface, ReadRequest, ReadResponse, Response, WriteRequest};
pub use probe::Place;
pub use session::{Credentials, Dialects, Limits, Pipe, Session};
pub use tcp::Tcp;
