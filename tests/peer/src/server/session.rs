// SPDX-License-Identifier: GPL-2.0
//! What a client says before it has a tree: dialect, NTLM, trees. Everybody is a guest, so nothing
//! is signed and nobody's password is looked at.

use super::packet::{utf16, Answer, Out, Request, HEADER};
use super::share::now;
use crate::smb2::status;

/// The biggest READ and WRITE.
pub const LARGEST: u32 = 1 << 20;

/// NEGOTIATE (MS-SMB2 2.2.4): the newest dialect from 3.0 on that is offered.
pub fn negotiate(request: &Request) -> Answer {
    let offered = (0..request.u16(HEADER + 2) as usize).map(|i| request.u16(HEADER + 36 + 2 * i));
    let Some(dialect) = offered.filter(|d| (0x0300..=0x0311).contains(d)).max() else {
        return Answer::error(status::NOT_SUPPORTED);
    };
    let modern = dialect == 0x0311;
    let head = Out::new()
        .u16(65)
        // signing is possible
        .u16(1)
        .u16(dialect)
        .u16(u16::from(modern))
        .bytes(b"smbd-peer server")
        // large MTU
        .u32(4)
        .u32(LARGEST)
        .u32(LARGEST)
        .u32(LARGEST)
        .u64(now())
        .u64(0)
        // no token: the client takes NTLM without SPNEGO around it
        .u16(128)
        .u16(0);
    Answer::ok(if modern {
        // pre-authentication integrity, SHA-512, with a salt
        let context = Out::new().u16(1).u16(38).u32(0);
        let context = context.u16(1).u16(32).u16(1).bytes(&[0x5a; 32]);
        head.u32(128).bytes(&context.0)
    } else {
        head.u32(0)
    })
}

/// SESSION_SETUP (MS-SMB2 2.2.6): a challenge for the first token, then the
/// client is a guest.
pub fn setup(request: &Request, session_id: u64) -> Answer {
    let token = request.part(
        request.u16(HEADER + 12) as usize,
        request.u16(HEADER + 14) as usize,
    );
    let reply = |flags: u16, token: &[u8]| {
        Out::new()
            .u16(9)
            .u16(flags)
            .u16((HEADER + 8) as u16)
            .u16(token.len() as u16)
            .bytes(token)
    };
    let mut answer = match token.get(8) {
        Some(1) if token.starts_with(b"NTLMSSP\0") => {
            Answer::with(status::MORE_PROCESSING, reply(0, &challenge()))
        }
        Some(3) if token.starts_with(b"NTLMSSP\0") => Answer::ok(reply(1, &[0])),
        _ => Answer::error(status::INVALID_PARAMETER),
    };
    answer.session_id = Some(session_id);
    answer
}

/// The CHALLENGE token of MS-NLMP 2.2.1.2.
fn challenge() -> Vec<u8> {
    // Unicode, request target, sign, NTLM, always sign, server, extended session
    // security, target info, 128 bits, key exchange, 56 bits
    const FLAGS: u32 = 0xe08a_8215;
    let target = utf16("PEER");
    let pair = |out: Out, kind: u16| out.u16(kind).u16(target.len() as u16).bytes(&target);
    let info = pair(pair(Out::new(), 2), 1).u32(0).0;
    let at = 48;
    Out::new()
        .bytes(b"NTLMSSP\0")
        .u32(2)
        .u16(target.len() as u16)
        .u16(target.len() as u16)
        .u32(at)
        .u32(FLAGS)
        .bytes(b"nonce: 8")
        .u64(0)
        .u16(info.len() as u16)
        .u16(info.len() as u16)
        .u32(at + target.len() as u32)
        .bytes(&target)
        .bytes(&info)
        .0
}

/// TREE_CONNECT (MS-SMB2 2.2.10): IPC$ is a pipe, every other name is the disk.
pub fn tree(request: &Request) -> Answer {
    let name = request.text(
        request.u16(HEADER + 4) as usize,
        request.u16(HEADER + 6) as usize,
    );
    let pipe = name.to_ascii_uppercase().ends_with("\\IPC$");
    let body = Out::new()
        .u16(16)
        .u8(if pipe { 2 } else { 1 })
        .u8(0)
        // no caching of the client's
        .u32(0x30)
        .u32(0)
        .u32(0x001f_01ff);
    let mut answer = Answer::ok(body);
    answer.tree_id = Some(if pipe { 1 } else { 2 });
    answer
}
