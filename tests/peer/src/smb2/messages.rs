// SPDX-License-Identifier: GPL-2.0
//! Messages that the message crate does not have as they are needed here: READ
//! and WRITE with channel information, the network interface query.

use binrw::{binrw, BinRead, BinWrite};
use std::io::Cursor;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use smb_msg::FileId;

use crate::stop::{Stop, Try};

pub const HEADER: usize = 64;

/// Status values that cases expect or give (MS-ERREF).
pub mod status {
    pub const SUCCESS: u32 = 0;
    pub const PENDING: u32 = 0x0000_0103;
    pub const NOTIFY_CLEANUP: u32 = 0x0000_010B;
    pub const MORE_PROCESSING: u32 = 0xC000_0016;
    pub const ACCESS_DENIED: u32 = 0xC000_0022;
    pub const AUTH_TAG_MISMATCH: u32 = 0xC000_A002;
    pub const INVALID_PARAMETER: u32 = 0xC000_000D;
    pub const NETWORK_NAME_DELETED: u32 = 0xC000_00C9;
    pub const NO_MORE_FILES: u32 = 0x8000_0006;
    pub const END_OF_FILE: u32 = 0xC000_0011;
    pub const NAME_COLLISION: u32 = 0xC000_0035;
    pub const PATH_NOT_FOUND: u32 = 0xC000_003A;
    pub const NO_EAS: u32 = 0xC000_0052;
    pub const NOT_FOUND: u32 = 0xC000_0034;
    pub const DISK_FULL: u32 = 0xC000_007F;
    pub const IS_DIRECTORY: u32 = 0xC000_00BA;
    pub const NOT_SUPPORTED: u32 = 0xC000_00BB;
    pub const NOT_DIRECTORY: u32 = 0xC000_0103;
    pub const FILE_CLOSED: u32 = 0xC000_0128;
    pub const NO_REFERRAL: u32 = 0xC000_0225;
}

/// MS-SMB2 2.2.19, 2.2.21: how data travels if not in the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Channel {
    RdmaV1 = 1,
    RdmaV1Invalidate = 2,
    RdmaTransform = 3,
}

/// READ request (MS-SMB2 2.2.19), 48 bytes and what follows.
#[binrw]
#[brw(little)]
#[derive(Clone, Debug)]
pub struct ReadRequest {
    structure_size: u16,
    padding: u8,
    flags: u8,
    pub length: u32,
    pub offset: u64,
    pub file: FileId,
    pub minimum_count: u32,
    pub channel: u32,
    pub remaining: u32,
    info_offset: u16,
    info_length: u16,
    #[br(count = info_length)]
    info: Vec<u8>,
}

impl ReadRequest {
    pub fn new(file: FileId, offset: u64, length: u32) -> Self {
        ReadRequest {
            structure_size: 49,
            // where the data shall begin in the response
            padding: 80,
            flags: 0,
            length,
            offset,
            file,
            minimum_count: 0,
            channel: 0,
            remaining: 0,
            info_offset: 0,
            info_length: 0,
            info: Vec::new(),
        }
    }

    /// Data by RDMA write to what `info` describes.
    pub fn by(mut self, channel: Channel, info: Vec<u8>) -> Self {
        self.channel = channel as u32;
        self.info_offset = (HEADER + 48) as u16;
        self.info_length = info.len() as u16;
        self.info = info;
        self
    }

    pub fn body(&self) -> Vec<u8> {
        let mut out = write(self);
        if self.info.is_empty() {
            // the fixed part counts one byte of a buffer
            out.push(0);
        }
        out
    }
}

/// READ response (MS-SMB2 2.2.20).
#[binrw]
#[brw(little)]
#[derive(Clone, Copy, Debug)]
pub struct ReadResponse {
    structure_size: u16,
    pub data_offset: u8,
    reserved: u8,
    pub data_length: u32,
    pub data_remaining: u32,
    pub flags: u32,
}

/// WRITE request (MS-SMB2 2.2.21).
#[binrw]
#[brw(little)]
#[derive(Clone, Debug)]
pub struct WriteRequest {
    structure_size: u16,
    data_offset: u16,
    pub length: u32,
    pub offset: u64,
    pub file: FileId,
    pub channel: u32,
    pub remaining: u32,
    info_offset: u16,
    info_length: u16,
    flags: u32,
    #[br(count = info_length)]
    tail: Vec<u8>,
}

/// Bytes of a WRITE request before its data.
pub const WRITE_HEAD: usize = HEADER + 48;

impl WriteRequest {
    /// Data in the message itself.
    pub fn inline(file: FileId, offset: u64, data: &[u8]) -> Self {
        WriteRequest {
            structure_size: 49,
            data_offset: WRITE_HEAD as u16,
            length: data.len() as u32,
            offset,
            file,
            channel: 0,
            remaining: 0,
            info_offset: 0,
            info_length: 0,
            flags: 0,
            tail: data.to_vec(),
        }
    }

    /// `length` bytes that the server fetches by RDMA read.
    pub fn by(file: FileId, offset: u64, length: u32, channel: Channel, info: Vec<u8>) -> Self {
        WriteRequest {
            data_offset: 0,
            length: 0,
            channel: channel as u32,
            remaining: length,
            info_offset: WRITE_HEAD as u16,
            info_length: info.len() as u16,
            tail: info,
            ..Self::inline(file, offset, &[])
        }
    }

    pub fn body(&self) -> Vec<u8> {
        write(self)
    }
}

/// WRITE response (MS-SMB2 2.2.22).
#[binrw]
#[brw(little)]
#[derive(Clone, Copy, Debug)]
pub struct WriteResponse {
    structure_size: u16,
    reserved: u16,
    pub count: u32,
    pub remaining: u32,
    info_offset: u16,
    info_length: u16,
}

/// IOCTL request without input (MS-SMB2 2.2.31).
#[binrw]
#[brw(little)]
#[derive(Clone, Debug)]
pub struct IoctlRequest {
    structure_size: u16,
    reserved: u16,
    code: u32,
    file: FileId,
    input_offset: u32,
    input_count: u32,
    max_input_response: u32,
    output_offset: u32,
    output_count: u32,
    max_output_response: u32,
    flags: u32,
    reserved2: u32,
    buffer: u8,
}

pub const FSCTL_QUERY_NETWORK_INTERFACE_INFO: u32 = 0x0014_01FC;
pub const FSCTL_SRV_REQUEST_RESUME_KEY: u32 = 0x0014_0078;
pub const FSCTL_SRV_COPYCHUNK: u32 = 0x0014_40F2;
pub const FSCTL_SRV_COPYCHUNK_WRITE: u32 = 0x0014_80F2;
pub const FSCTL_DUPLICATE_EXTENTS_TO_FILE: u32 = 0x0009_8344;
pub const FSCTL_SET_ZERO_DATA: u32 = 0x0009_80c8;

impl IoctlRequest {
    pub fn query_interfaces() -> Self {
        Self::without_input(FSCTL_QUERY_NETWORK_INTERFACE_INFO, FileId::FULL)
    }

    pub fn without_input(code: u32, file: FileId) -> Self {
        IoctlRequest {
            structure_size: 57,
            reserved: 0,
            code,
            file,
            input_offset: 0,
            input_count: 0,
            max_input_response: 0,
            output_offset: 0,
            output_count: 0,
            max_output_response: 65536,
            flags: 1,
            reserved2: 0,
            buffer: 0,
        }
    }

    pub fn body(&self) -> Vec<u8> {
        write(self)
    }
}

/// An IOCTL request with input.
pub fn ioctl_body(code: u32, file: FileId, input: &[u8]) -> Vec<u8> {
    let mut out = write(&IoctlRequest {
        input_offset: (HEADER + 56) as u32,
        input_count: input.len() as u32,
        ..IoctlRequest::without_input(code, file)
    });
    out.truncate(56);
    out.extend_from_slice(input);
    out
}

/// The output of an IOCTL response, if it is all there.
pub fn ioctl_output(response: &Response) -> Option<&[u8]> {
    let b = &response.bytes;
    let at = u32_at(b, HEADER + 32)? as usize;
    let len = u32_at(b, HEADER + 36)? as usize;
    b.get(at..at.checked_add(len)?)
}

/// An entry of the network interface query (MS-SMB2 2.2.32.5).
#[derive(Clone, Debug)]
pub struct Interface {
    pub index: u32,
    pub rdma_capable: bool,
    pub family: u16,
    pub address: Option<IpAddr>,
}

impl Interface {
    pub const V4: u16 = 0x0002;
    pub const V6: u16 = 0x0017;

    /// All entries of an IOCTL response; nothing if it makes no sense.
    pub fn list(response: &Response) -> Try<Vec<Interface>> {
        let bad = || Stop::Failed("the list of network interfaces makes no sense".into());
        let mut rest = ioctl_output(response).ok_or_else(bad)?;
        let mut out = Vec::new();
        while !rest.is_empty() {
            let e = rest.get(..152).ok_or_else(bad)?;
            let family = u16::from_le_bytes([e[24], e[25]]);
            let address = match family {
                Self::V4 => Some(IpAddr::V4(Ipv4Addr::new(e[28], e[29], e[30], e[31]))),
                Self::V6 => {
                    let octets: [u8; 16] = e[32..48].try_into().map_err(|_| bad())?;
                    Some(IpAddr::V6(Ipv6Addr::from(octets)))
                }
                _ => None,
            };
            let next = u32_at(e, 0).ok_or_else(bad)? as usize;
            let capability = u32_at(e, 8).ok_or_else(bad)?;
            out.push(Interface {
                index: u32_at(e, 4).ok_or_else(bad)?,
                rdma_capable: capability & 2 != 0,
                family,
                address,
            });
            if next == 0 {
                break;
            }
            rest = rest.get(next..).ok_or_else(bad)?;
        }
        Ok(out)
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// A response as it came, and what of its header matters.
#[derive(Clone, Debug)]
pub struct Response {
    pub status: u32,
    pub command: u16,
    pub message_id: u64,
    pub session_id: u64,
    pub tree_id: u32,
    pub credits: u16,
    pub bytes: Vec<u8>,
    /// Keys that were invalidated with it.
    pub invalidated: Vec<u32>,
}

impl Response {
    pub fn read(bytes: Vec<u8>, invalidated: Vec<u32>) -> Try<Self> {
        let bad = |why: &str| Stop::Failed(format!("the server's message {why}"));
        if bytes.len() < HEADER + 2 || !bytes.starts_with(b"\xfeSMB") {
            return Err(bad("is no SMB2 message"));
        }
        let u16_at = |i: usize| u16::from_le_bytes([bytes[i], bytes[i + 1]]);
        let long = |i: usize| {
            u64::from(u32_at(&bytes, i).unwrap_or(0))
                | u64::from(u32_at(&bytes, i + 4).unwrap_or(0)) << 32
        };
        if bytes[16] & 1 == 0 {
            return Err(bad("is no response"));
        }
        Ok(Response {
            status: u32_at(&bytes, 8).unwrap_or(0),
            command: u16_at(12),
            credits: u16_at(14),
            message_id: long(24),
            tree_id: u32_at(&bytes, 36).unwrap_or(0),
            session_id: long(40),
            bytes,
            invalidated,
        })
    }

    /// The body as one of our structures.
    pub fn body<T: for<'a> BinRead<Args<'a> = ()> + binrw::meta::ReadEndian>(&self) -> Try<T> {
        let mut cursor = Cursor::new(&self.bytes[HEADER..]);
        T::read(&mut cursor).map_err(|e| Stop::Failed(format!("a response does not parse: {e}")))
    }

    /// The body as a structure of the message crate, whose offsets count from
    /// the header.
    pub fn parse<T: for<'a> BinRead<Args<'a> = ()>>(&self) -> Try<T> {
        let mut cursor = Cursor::new(&self.bytes);
        cursor.set_position(HEADER as u64);
        T::read_le(&mut cursor).map_err(|e| Stop::Failed(format!("a response does not parse: {e}")))
    }
}

/// A body of the message crate as bytes: its offsets count from the header.
pub fn body_of<T: for<'a> BinWrite<Args<'a> = ()>>(value: &T) -> Try<Vec<u8>> {
    let mut out = Cursor::new(vec![0; HEADER]);
    out.set_position(HEADER as u64);
    value
        .write_le(&mut out)
        .map_err(|e| Stop::Failed(format!("writing a request: {e}")))?;
    Ok(out.into_inner().split_off(HEADER))
}

fn write<T: for<'a> BinWrite<Args<'a> = ()> + binrw::meta::WriteEndian>(value: &T) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    value
        .write(&mut out)
        .expect("a structure of ours fits a vector");
    out.into_inner()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fixed_parts_have_their_sizes() {
        let info = vec![0; 16];
        assert_eq!(ReadRequest::new(FileId::EMPTY, 0, 1).body().len(), 49);
        assert_eq!(
            ReadRequest::new(FileId::EMPTY, 0, 1)
                .by(Channel::RdmaV1, info.clone())
                .body()
                .len(),
            64
        );
        assert_eq!(
            WriteRequest::inline(FileId::EMPTY, 0, b"12345")
                .body()
                .len(),
            53
        );
        let by = WriteRequest::by(FileId::EMPTY, 0, 9, Channel::RdmaV1, info).body();
        assert_eq!(by.len(), 64);
        assert_eq!(by[2..8], [0; 6]);
        assert_eq!(by[36..40], 9u32.to_le_bytes());
        assert_eq!(by[40..44], [112, 0, 16, 0]);
        assert_eq!(IoctlRequest::query_interfaces().body().len(), 57);
        let copy = ioctl_body(FSCTL_SRV_COPYCHUNK, FileId::EMPTY, &[7; 9]);
        assert_eq!(copy.len(), 56 + 9);
        assert_eq!(copy[24..32], [120, 0, 0, 0, 9, 0, 0, 0]);
    }
}
