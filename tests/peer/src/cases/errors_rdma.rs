// SPDX-License-Identifier: GPL-2.0
//! descriptors of memory that is not there.

use std::time::{Duration, Instant};

use super::pattern;
use super::rdma::fill;
use super::{case, Case, Context};
use crate::fail;
use crate::smb2::{status, whole, Channel, Dialects, ReadRequest, Response};
use crate::smbd::wire::{descriptors, Descriptor};
use crate::smbd::Offer;
use crate::stop::{Stop, Try};
use crate::verbs::{Region, Rights};

pub const CASES: &[Case] = &[
    case(
        "X-17",
        "Smb2OverRdmaChannel_InvalidBufferDescriptor_Offset",
        |c| {
            read_to(c, 0, |region| Descriptor {
                offset: region.buffer.len() as u64 + 1,
                ..whole(region)
            })
        },
    ),
    case(
        "X-18",
        "Smb2OverRdmaChannel_InvalidBufferDescriptor_Length",
        |c| {
            read_to(c, 1, |region| {
                let right = whole(region);
                Descriptor {
                    length: right.length + 1,
                    ..right
                }
            })
        },
    ),
    case(
        "X-19",
        "Smb2OverRdmaChannel_InvalidBufferDescriptor_Token",
        |c| {
            read_to(c, 0, |region| {
                let right = whole(region);
                Descriptor {
                    token: right.token.wrapping_add(1),
                    ..right
                }
            })
        },
    ),
    case(
        "X-20",
        "Smb2OverRdmaChannel_InvalidBufferDescriptor_DeregisteredBuffer",
        |c| {
            read_to(c, 0, |region| {
                let right = whole(region);
                region.deregister();
                right
            })
        },
    ),
];

/// READ all that one request may, into `less` bytes fewer of registered memory,
/// with a descriptor that is wrong. The file has as many bytes, so the server
/// does try. No success may come of it, and the server must live.
fn read_to(c: &mut Context, less: usize, spoil: impl FnOnce(&mut Region) -> Descriptor) -> Try<()> {
    let (mut session, file) = c.with_file(Offer::usual(), Dialects::All)?;
    let len = session.limits.read;
    fill(&mut session, file, &pattern::bytes(30, len as usize))?;
    let mut region = session.pipe.register(len as usize - less, Rights::Write)?;
    let descriptor = spoil(&mut region);
    let body = ReadRequest::new(file.0, 0, len).by(Channel::RdmaV1, descriptors(&[descriptor]));
    let message = session.request(8, &body.body(), len);
    session.pipe.send_message(&message)?;
    let asked = Instant::now();
    let outcome = loop {
        match session
            .pipe
            .poll_data(Duration::from_secs(30).saturating_sub(asked.elapsed()))
        {
            Err(Stop::Gone(_)) => break "the connection ended".to_string(),
            Err(other) => return Err(other),
            Ok(None) => break "the server is silent".to_string(),
            Ok(Some(m)) if m.header.is_empty() => {}
            Ok(Some(m)) => {
                let response = Response::read(m.payload()?.to_vec(), Vec::new())?;
                if response.status == status::SUCCESS {
                    fail!("the READ to memory that is not there succeeded");
                }
                if response.status != status::PENDING {
                    break format!("the server answered {:#010x}", response.status);
                }
            }
        }
    };
    c.note(format!(
        "{outcome} after {:.2} s",
        asked.elapsed().as_secs_f64()
    ));
    c.still_there()
}
