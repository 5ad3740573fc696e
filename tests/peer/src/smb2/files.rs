// SPDX-License-Identifier: GPL-2.0
//! Files of a session, and their data by RDMA.

use smb_msg::{
    CloseRequest, CreateDisposition, CreateOptions, CreateRequest, CreateResponse, FileId,
    ImpersonationLevel, OplockLevel, ShareAccessFlags,
};

use super::messages::{
    body_of, status, Channel, Interface, IoctlRequest, ReadRequest, ReadResponse, Response,
    WriteRequest, WriteResponse,
};
use super::session::{Pipe, Session};
use crate::smbd::wire::{descriptors, Descriptor};
use crate::smbd::Link;
use crate::stop::Try;
use crate::verbs::{Region, Rights};
use crate::{ensure, ensure_eq};

/// An open file.
#[derive(Clone, Copy, Debug)]
pub struct File(pub FileId);

impl<P: Pipe> Session<P> {
    /// CREATE: a file that is made if it is not there.
    pub fn create(&mut self, name: &str) -> Try<File> {
        let body = create_body(name, false)?;
        let response = self.must(5, &body, 0, &format!("CREATE {name}"))?;
        let got: CreateResponse = response.parse()?;
        Ok(File(got.file_id))
    }

    /// CREATE: the directory that the share is.
    pub fn open_root(&mut self) -> Try<File> {
        let response = self.must(5, &create_body("", true)?, 0, "CREATE of the root")?;
        let got: CreateResponse = response.parse()?;
        Ok(File(got.file_id))
    }

    pub fn close(&mut self, file: File) -> Try<()> {
        self.must(6, &close_body(file.0)?, 0, "CLOSE").map(drop)
    }

    /// The whole SMB2 message of a WRITE with its data inside.
    pub fn write_message(&mut self, file: File, offset: u64, data: &[u8]) -> Vec<u8> {
        let body = WriteRequest::inline(file.0, offset, data).body();
        self.request(9, &body, data.len() as u32)
    }

    /// A WRITE with the data inside that must succeed.
    pub fn write_inline(&mut self, file: File, offset: u64, data: &[u8]) -> Try<()> {
        let message = self.write_message(file, offset, data);
        self.pipe.send(&message)?;
        let response = self.response("the response to WRITE")?;
        check_written(&response, data.len() as u32)
    }

    /// A READ with the data in the response: the status and what came.
    pub fn read_message(&mut self, file: File, offset: u64, len: u32) -> Vec<u8> {
        self.request(8, &ReadRequest::new(file.0, offset, len).body(), len)
    }

    /// WRITE by RDMA; any status.
    pub fn write_by(
        &mut self,
        file: File,
        offset: u64,
        len: u32,
        channel: Channel,
        list: &[Descriptor],
    ) -> Try<Response> {
        self.write_info(file, offset, len, channel, descriptors(list))
    }

    /// WRITE by RDMA with channel information as it is; any status.
    pub fn write_info(
        &mut self,
        file: File,
        offset: u64,
        len: u32,
        channel: Channel,
        info: Vec<u8>,
    ) -> Try<Response> {
        let body = WriteRequest::by(file.0, offset, len, channel, info).body();
        self.call(9, &body, len, &format!("WRITE of {len} bytes by RDMA"))
    }

    /// READ by RDMA; any status.
    pub fn read_by(
        &mut self,
        file: File,
        offset: u64,
        len: u32,
        channel: Channel,
        list: &[Descriptor],
    ) -> Try<Response> {
        let body = ReadRequest::new(file.0, offset, len)
            .by(channel, descriptors(list))
            .body();
        self.call(8, &body, len, &format!("READ of {len} bytes by RDMA"))
    }

    /// FSCTL_QUERY_NETWORK_INTERFACE_INFO; any status.
    pub fn query_interfaces(&mut self) -> Try<Response> {
        let body = IoctlRequest::query_interfaces().body();
        self.call(11, &body, 65536, "FSCTL_QUERY_NETWORK_INTERFACE_INFO")
    }

    /// Its list; it must succeed.
    pub fn interfaces(&mut self) -> Try<Vec<Interface>> {
        let response = self.query_interfaces()?;
        ensure_eq!("the status of the query", response.status, status::SUCCESS);
        Interface::list(&response)
    }
}

impl Session<Link> {
    /// The whole of a file by RDMA (channel V1), as the test suites check content.
    pub fn read_back(&mut self, file: File, len: usize) -> Try<Vec<u8>> {
        let region = self.pipe.register(len, Rights::Write)?;
        let response = self.read_by(file, 0, len as u32, Channel::RdmaV1, &[whole(&region)])?;
        check_read(&response, len as u32)?;
        Ok(region.buffer.take(0, len))
    }
}

/// The descriptor of a whole region.
pub fn whole(region: &Region) -> Descriptor {
    Descriptor {
        offset: region.buffer.address(),
        token: region.key(),
        length: region.buffer.len() as u32,
    }
}

/// A WRITE response with success for all bytes (MS-SMB2 2.2.22).
pub fn check_written(response: &Response, len: u32) -> Try<()> {
    ensure_eq!("the command of the response", response.command, 9);
    ensure!(
        response.status == status::SUCCESS,
        "WRITE of {len} bytes: the server answers {:#010x}",
        response.status
    );
    let got: WriteResponse = response.body()?;
    ensure_eq!("Count of the WRITE response", got.count, len);
    Ok(())
}

/// A READ response with all data by RDMA (MS-SMB2 3.3.5.12).
pub fn check_read(response: &Response, len: u32) -> Try<()> {
    ensure!(
        response.status == status::SUCCESS,
        "READ of {len} bytes: the server answers {:#010x}",
        response.status
    );
    let got: ReadResponse = response.body()?;
    ensure_eq!("DataLength of the READ response", got.data_length, 0);
    ensure_eq!("DataOffset of the READ response", got.data_offset, 80);
    ensure_eq!(
        "DataRemaining of the READ response",
        got.data_remaining,
        len
    );
    ensure!(
        response.bytes.len() <= 81,
        "the READ response carries {} bytes",
        response.bytes.len() - 80
    );
    Ok(())
}

/// The body of a CREATE of a file, made if it is not there, or of a directory.
pub fn create_body(name: &str, directory: bool) -> Try<Vec<u8>> {
    body_of(&CreateRequest {
        requested_oplock_level: OplockLevel::None,
        impersonation_level: ImpersonationLevel::Impersonation,
        desired_access: smb_msg_access(),
        file_attributes: Default::default(),
        share_access: ShareAccessFlags::new()
            .with_read(true)
            .with_write(true)
            .with_delete(true),
        create_disposition: CreateDisposition::OpenIf,
        create_options: CreateOptions::new()
            .with_non_directory_file(!directory)
            .with_directory_file(directory),
        name: name.into(),
        contexts: Default::default(),
    })
}

pub fn close_body(file: FileId) -> Try<Vec<u8>> {
    let mut body = body_of(&CloseRequest { file_id: file })?;
    body.truncate(24);
    Ok(body)
}

fn smb_msg_access() -> smb_fscc::FileAccessMask {
    smb_fscc::FileAccessMask::new()
        .with_generic_read(true)
        .with_generic_write(true)
        .with_delete(true)
}
