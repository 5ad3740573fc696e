// SPDX-License-Identifier: GPL-2.0
//! What a client asks about files, the file system and directories (MS-FSCC 2.4, 2.5).

use super::packet::{utf16, Out, Request, HEADER};
use super::share::{Node, Share};
use crate::smb2::status;

fn times(out: Out, node: &Node) -> Out {
    let t = node.changed;
    out.u64(t).u64(t).u64(t).u64(t)
}

/// EndOfFile and AllocationSize do not come in the same order everywhere.
fn allocation(node: &Node) -> u64 {
    node.len().next_multiple_of(4096)
}

/// The fields that CREATE, CLOSE and FileNetworkOpenInformation share.
pub fn network_open(out: Out, node: &Node) -> Out {
    times(out, node)
        .u64(allocation(node))
        .u64(node.len())
        .u32(node.attributes())
}

fn basic(out: Out, node: &Node) -> Out {
    times(out, node).u32(node.attributes()).u32(0)
}

fn standard(out: Out, node: &Node) -> Out {
    out.u64(allocation(node))
        .u64(node.len())
        .u32(1)
        .u8(0)
        .u8(u8::from(node.is_directory()))
        .u16(0)
}

fn file_information(class: u8, node: &Node) -> Result<Out, u32> {
    let out = Out::new();
    Ok(match class {
        4 => basic(out, node),
        5 => standard(out, node),
        6 => out.u64(node.id),
        7 | 16 | 17 => out.u32(0),
        8 => out.u32(0x001f_01ff),
        14 => out.u64(0),
        18 => standard(basic(out, node), node)
            .u64(node.id)
            .u32(0)
            .u32(0x001f_01ff)
            .u64(0)
            .u32(0)
            .u32(0)
            .u32(2)
            .bytes(&utf16("\\")),
        34 => network_open(out, node).u32(0),
        35 => out.u32(node.attributes()).u32(0),
        15 => return Err(status::NO_EAS),
        _ => return Err(status::NOT_SUPPORTED),
    })
}

fn file_system_information(class: u8) -> Result<Out, u32> {
    const UNITS: u64 = 1 << 20;
    let out = Out::new();
    Ok(match class {
        1 => out.u64(0).u32(0x5eed).u32(8).u16(0).bytes(&utf16("PEER")),
        3 => out.u64(UNITS).u64(UNITS).u32(8).u32(512),
        4 => out.u32(7).u32(0x20),
        5 => out.u32(3).u32(255).u32(8).bytes(&utf16("NTFS")),
        7 => out.u64(UNITS).u64(UNITS).u64(UNITS).u32(8).u32(512),
        11 => out.u32(512).u32(512).u32(512).u32(512).zeros(12),
        _ => return Err(status::NOT_SUPPORTED),
    })
}

/// The body of a response with a buffer: QUERY_INFO, QUERY_DIRECTORY.
fn buffer(content: &[u8]) -> Out {
    Out::new()
        .u16(9)
        .u16((HEADER + 8) as u16)
        .u32(content.len() as u32)
        .bytes(content)
}

/// QUERY_INFO (MS-SMB2 2.2.37).
pub fn query(share: &Share, request: &Request, file: u64) -> Result<Out, u32> {
    let (kind, class) = (request.u8(HEADER + 2), request.u8(HEADER + 3));
    let node = share.node(file)?;
    let found = match kind {
        1 => file_information(class, node)?,
        2 => file_system_information(class)?,
        _ => return Err(status::NOT_SUPPORTED),
    };
    let limit = request.u32(HEADER + 4) as usize;
    if found.0.len() > limit {
        return Err(status::INVALID_PARAMETER);
    }
    Ok(buffer(&found.0))
}

/// SET_INFO (MS-SMB2 2.2.39): sizes, names, deletion; times are taken and forgotten.
pub fn set(share: &mut Share, request: &Request, file: u64) -> Result<Out, u32> {
    let at = request.u16(HEADER + 8) as usize;
    match (request.u8(HEADER + 2), request.u8(HEADER + 3)) {
        (1, 4 | 19) => {
            share.node(file)?;
        }
        (1, 10) => {
            let name = request.text(at + 20, request.u32(at + 16) as usize);
            share.rename(file, &name)?;
        }
        (1, 13) => share.handle(file)?.delete = request.u8(at) != 0,
        (1, 20) => share.resize(file, request.u64(at))?,
        _ => return Err(status::NOT_SUPPORTED),
    }
    Ok(Out::new().u16(2))
}

/// QUERY_DIRECTORY (MS-SMB2 2.2.33) of FileDirectoryInformation and
/// FileIdFullDirectoryInformation.
pub fn list(share: &mut Share, request: &Request, file: u64) -> Result<Out, u32> {
    const ID_FULL: u8 = 38;
    let class = request.u8(HEADER + 2);
    let flags = request.u8(HEADER + 3);
    if class != ID_FULL && class != 1 {
        return Err(status::NOT_SUPPORTED);
    }
    let own = share.node(file)?.clone();
    if !own.is_directory() {
        return Err(status::INVALID_PARAMETER);
    }
    let handle = share.handle(file)?;
    let again = flags & 0x11 != 0;
    let from = handle.listed.filter(|_| !again).unwrap_or(0);
    let path = handle.path.clone();
    let mut all = vec![(".".to_string(), own.clone()), ("..".to_string(), own)];
    all.extend(share.entries(&path));
    let limit = (request.u32(HEADER + 28) as usize).min(65536);
    let mut content: Vec<u8> = Vec::new();
    let mut last = None;
    let mut given = from;
    for (name, node) in all.iter().skip(from) {
        let name = utf16(name);
        let mut entry = times(Out::new().u32(0).u32(0), node)
            .u64(node.len())
            .u64(allocation(node))
            .u32(node.attributes())
            .u32(name.len() as u32);
        if class == ID_FULL {
            entry = entry.u32(0).u32(0).u64(node.id);
        }
        let entry = entry.bytes(&name).0;
        let at = content.len().next_multiple_of(8);
        if at + entry.len() > limit {
            break;
        }
        if let Some(before) = last {
            let next = (at - before) as u32;
            content[before..before + 4].copy_from_slice(&next.to_le_bytes());
        }
        content.resize(at, 0);
        content.extend(entry);
        last = Some(at);
        given += 1;
        if flags & 2 != 0 {
            break;
        }
    }
    share.handle(file)?.listed = Some(given);
    if last.is_none() {
        return Err(status::NO_MORE_FILES);
    }
    Ok(buffer(&content))
}
