// SPDX-License-Identifier: GPL-2.0
//! What a server answers to each command.

use super::connection::Connection;
use super::info;
use super::packet::{command, compound, Answer, Data, Out, Request, HEADER};
use super::session;
use super::share::Share;
use crate::smb2::status;
use crate::smbd::wire::Descriptor;
use crate::stop::Try;
use crate::verbs::Transfer;

/// Bytes of a message, and the key that shall be invalidated with it.
pub struct Reply {
    pub bytes: Vec<u8>,
    pub token: Option<u32>,
}

/// FSCTL_DFS_GET_REFERRALS.
const GET_REFERRALS: u32 = 0x0006_0194;

impl Connection {
    /// The response to a message, whose data is moved before; None if there is none to give.
    pub fn answer(&mut self, share: &mut Share, message: &[u8]) -> Try<Option<Reply>> {
        let mut parts = Vec::new();
        let mut token = None;
        let mut file = 0;
        for request in Request::all(message) {
            if request.command() == command::CANCEL {
                continue;
            }
            if !request.is_related() {
                file = request.file();
            }
            let answer = match self.one(share, &request, &mut file)? {
                Ok(answer) => answer,
                Err(status) => Answer::error(status),
            };
            if matches!(request.command(), command::READ | command::WRITE) {
                token = token.or(Data::of(&request).token());
            }
            parts.push(answer.message(&request));
        }
        Ok((!parts.is_empty()).then(|| Reply {
            bytes: compound(parts),
            token,
        }))
    }

    /// The answer to one request; `file` is the one that related requests mean.
    fn one(
        &mut self,
        share: &mut Share,
        request: &Request,
        file: &mut u64,
    ) -> Try<Result<Answer, u32>> {
        let simple = || Ok(Answer::ok(Out::new().u16(4).u16(0)));
        Ok(match request.command() {
            command::NEGOTIATE => Ok(session::negotiate(request)),
            command::SESSION_SETUP => Ok(session::setup(request, self.session_id)),
            command::TREE_CONNECT => Ok(session::tree(request)),
            command::LOGOFF | command::TREE_DISCONNECT | command::ECHO | command::LOCK => simple(),
            command::FLUSH => share.node(*file).and_then(|_| simple()),
            command::CREATE => create(share, request, file),
            command::CLOSE => close(share, request, *file),
            command::READ => return self.read(share, request, *file),
            command::WRITE => return self.write(share, request, *file),
            command::QUERY_INFO => info::query(share, request, *file).map(Answer::ok),
            command::SET_INFO => info::set(share, request, *file).map(Answer::ok),
            command::QUERY_DIRECTORY => info::list(share, request, *file).map(Answer::ok),
            command::IOCTL if request.u32(HEADER + 4) == GET_REFERRALS => Err(status::NO_REFERRAL),
            _ => Err(status::NOT_SUPPORTED),
        })
    }

    fn read(&mut self, share: &Share, request: &Request, file: u64) -> Try<Result<Answer, u32>> {
        let wanted = Data::of(request);
        let data = match share.read(file, wanted.offset, wanted.length) {
            Ok(data) => data,
            Err(status) => return Ok(Err(status)),
        };
        let len = data.len() as u32;
        let head = Out::new().u16(17).u8((HEADER + 16) as u8).u8(0);
        if wanted.channel == 0 {
            let body = head.u32(len).u32(0).u32(0).bytes(&data);
            return Ok(Ok(Answer::ok(body)));
        }
        if !enough(&wanted.descriptors, data.len()) {
            return Ok(Err(status::INVALID_PARAMETER));
        }
        self.push(&data, &wanted.descriptors)?;
        Ok(Ok(Answer::ok(head.u32(0).u32(len).u32(0))))
    }

    fn write(
        &mut self,
        share: &mut Share,
        request: &Request,
        file: u64,
    ) -> Try<Result<Answer, u32>> {
        let wanted = Data::of(request);
        let len = wanted.length as usize;
        let data = if wanted.channel == 0 {
            request.part(request.u16(HEADER + 2) as usize, len).to_vec()
        } else if wanted.length > session::LARGEST || !enough(&wanted.descriptors, len) {
            return Ok(Err(status::INVALID_PARAMETER));
        } else {
            self.pull(len, &wanted.descriptors)?
        };
        if data.len() != len {
            return Ok(Err(status::INVALID_PARAMETER));
        }
        let body = Out::new().u16(17).u16(0).u32(wanted.length).u32(0).u32(0);
        Ok(share
            .write(file, wanted.offset, &data)
            .map(|()| Answer::ok(body)))
    }

    /// RDMA write to the client.
    pub fn push(&mut self, data: &[u8], to: &[Descriptor]) -> Try<()> {
        self.staging.buffer.put(0, data);
        self.link
            .transfer(Transfer::Write, &self.staging, data.len(), to)
    }

    /// RDMA read from the client.
    pub fn pull(&mut self, len: usize, from: &[Descriptor]) -> Try<Vec<u8>> {
        self.link
            .transfer(Transfer::Read, &self.staging, len, from)?;
        Ok(self.staging.buffer.take(0, len))
    }
}

fn enough(list: &[Descriptor], len: usize) -> bool {
    let sum: u64 = list.iter().map(|d| u64::from(d.length)).sum();
    sum >= len as u64
}

fn create(share: &mut Share, request: &Request, file: &mut u64) -> Result<Answer, u32> {
    let b = HEADER;
    let name = request.text(request.u16(b + 44) as usize, request.u16(b + 46) as usize);
    let (opened, action) = share.open(&name, request.u32(b + 36), request.u32(b + 40))?;
    *file = opened;
    let head = Out::new().u16(89).u8(0).u8(0).u32(action);
    let body = info::network_open(head, share.node(opened)?)
        .u32(0)
        .u64(0)
        .u64(opened)
        .u64(0);
    Ok(Answer::ok(body))
}

fn close(share: &mut Share, request: &Request, file: u64) -> Result<Answer, u32> {
    let wanted = request.u16(HEADER + 2) & 1;
    let node = share.close(file)?;
    let head = Out::new().u16(60);
    Ok(Answer::ok(match node.filter(|_| wanted != 0) {
        Some(node) => info::network_open(head.u16(1).u32(0), &node),
        None => head.zeros(58),
    }))
}
