// SPDX-License-Identifier: GPL-2.0
//! I: remote invalidation (MS-SMBD 3.1.4.2; MS-SMB2 2.2.19, 2.2.21).

use super::pattern;
use super::rdma::write;
use super::{case, Case, Context};
use crate::smb2::{
    check_read, check_written, status, whole, Channel, Dialects, File, Response, Session,
};
use crate::smbd::{Link, Offer, DISCONNECT};
use crate::stop::{Stop, Try};
use crate::verbs::{Region, Rights};
use crate::{ensure, ensure_eq, fail};

pub const CASES: &[Case] = &[
    case(
        "I-01",
        "BVT_Smb2OverRdma_Smb302_Write_SMB2_CHANNEL_RDMA_V1_INVALIDATE",
        write_twice,
    ),
    case(
        "I-02",
        "BVT_Smb2OverRdma_Smb302_Read_SMB2_CHANNEL_RDMA_V1_INVALIDATE",
        read_twice,
    ),
    case(
        "I-03",
        "Smb2OverRdma_Write_SMB2_CHANNEL_RDMA_V1",
        write_kept,
    ),
    case("I-04", "Smb2OverRdma_Read_SMB2_CHANNEL_RDMA_V1", read_kept),
    case(
        "I-05",
        "Smb2OverRdma_Smb300_Write_SMB2_CHANNEL_RDMA_V1_INVALIDATE",
        write_in_300,
    ),
    case(
        "I-06",
        "Smb2OverRdma_Smb300_Read_SMB2_CHANNEL_RDMA_V1_INVALIDATE",
        read_in_300,
    ),
];

const INVALIDATE: Channel = Channel::RdmaV1Invalidate;

fn set_up(c: &Context) -> Try<(Session<Link>, File)> {
    c.with_file(Offer::usual(), Dialects::All)
}

/// The response must have invalidated the region's key. Software iWARP does
/// not tell user space of it: there, only what follows shows it.
fn must_be_invalidated(c: &mut Context, link: &Link, r: &Response, region: &Region) -> Try<()> {
    if link.is_iwarp() {
        c.note("the adapter does not report invalidations");
        return Ok(());
    }
    ensure_eq!(
        "the keys that the response invalidated",
        &r.invalidated[..],
        &[region.key()][..]
    );
    Ok(())
}

/// The key was invalidated: who uses it again loses the connection.
fn must_end(session: &mut Session<Link>, again: Try<Response>) -> Try<()> {
    match again {
        Err(Stop::Gone(_)) => Ok(()),
        Err(other) => Err(other),
        Ok(r) if r.status == status::SUCCESS => fail!("an invalidated key could be used again"),
        Ok(r) => session
            .pipe
            .must_end(
                DISCONNECT,
                &format!("remote access failed, the answer was {:#010x}", r.status),
            )
            .map(drop),
    }
}

fn write_twice(c: &mut Context) -> Try<()> {
    let (mut session, file) = set_up(c)?;
    let len = session.limits.write;
    let data = pattern::bytes(21, len as usize);
    let region = session
        .pipe
        .register_invalidatable(data.len(), Rights::Read)?;
    region.buffer.put(0, &data);
    let response = session.write_by(file, 0, len, INVALIDATE, &[whole(&region)])?;
    check_written(&response, len)?;
    must_be_invalidated(c, &session.pipe, &response, &region)?;
    pattern::same("the file", &session.read_back(file, data.len())?, &data)?;
    let again = session.write_by(file, 0, len, INVALIDATE, &[whole(&region)]);
    must_end(&mut session, again)?;
    c.still_there()
}

fn read_twice(c: &mut Context) -> Try<()> {
    let (mut session, file) = set_up(c)?;
    let len = session.limits.write.min(session.limits.read);
    let data = pattern::bytes(22, len as usize);
    let from = session
        .pipe
        .register_invalidatable(data.len(), Rights::Read)?;
    from.buffer.put(0, &data);
    let response = session.write_by(file, 0, len, INVALIDATE, &[whole(&from)])?;
    check_written(&response, len)?;
    must_be_invalidated(c, &session.pipe, &response, &from)?;
    let to = session
        .pipe
        .register_invalidatable(data.len(), Rights::Write)?;
    let response = session.read_by(file, 0, len, INVALIDATE, &[whole(&to)])?;
    check_read(&response, len)?;
    must_be_invalidated(c, &session.pipe, &response, &to)?;
    pattern::same("what was read", &to.buffer.take(0, data.len()), &data)?;
    let again = session.read_by(file, 0, len, INVALIDATE, &[whole(&to)]);
    must_end(&mut session, again)?;
    c.still_there()
}

fn must_be_kept(response: &Response) -> Try<()> {
    ensure!(
        response.invalidated.is_empty(),
        "channel V1 must not invalidate, but keys {:x?} were",
        response.invalidated
    );
    Ok(())
}

fn write_kept(c: &mut Context) -> Try<()> {
    let (mut session, file) = set_up(c)?;
    let len = session.limits.write;
    let region = session.pipe.register(len as usize, Rights::Read)?;
    let mut data = Vec::new();
    for seed in 0..2 {
        data = pattern::bytes(23 + seed, len as usize);
        region.buffer.put(0, &data);
        let response = session.write_by(file, 0, len, Channel::RdmaV1, &[whole(&region)])?;
        check_written(&response, len)?;
        must_be_kept(&response)?;
    }
    pattern::same("the file", &session.read_back(file, data.len())?, &data)?;
    session.close(file)
}

fn read_kept(c: &mut Context) -> Try<()> {
    let (mut session, file) = set_up(c)?;
    let len = session.limits.write.min(session.limits.read);
    let data = pattern::bytes(25, len as usize);
    write(&mut session, file, 0, &data)?;
    let region = session.pipe.register(data.len(), Rights::Write)?;
    for _ in 0..2 {
        region.buffer.fill(0);
        let response = session.read_by(file, 0, len, Channel::RdmaV1, &[whole(&region)])?;
        check_read(&response, len)?;
        must_be_kept(&response)?;
        pattern::same("what was read", &region.buffer.take(0, data.len()), &data)?;
    }
    session.close(file)
}

/// SMB 3.0 knows no invalidation (MS-SMB2 3.3.5.13).
fn write_in_300(c: &mut Context) -> Try<()> {
    let (mut session, file) = c.with_file(Offer::usual(), Dialects::V300)?;
    let len = session.limits.write;
    let region = session
        .pipe
        .register_invalidatable(len as usize, Rights::Read)?;
    let response = session.write_by(file, 0, len, INVALIDATE, &[whole(&region)])?;
    ensure!(
        response.status == status::INVALID_PARAMETER,
        "the server answers {:#010x}, should be {:#010x}",
        response.status,
        status::INVALID_PARAMETER
    );
    Ok(())
}

fn read_in_300(c: &mut Context) -> Try<()> {
    let (mut session, file) = c.with_file(Offer::usual(), Dialects::V300)?;
    let len = session.limits.read.min(session.limits.write);
    write(&mut session, file, 0, &pattern::bytes(26, len as usize))?;
    let region = session
        .pipe
        .register_invalidatable(len as usize, Rights::Write)?;
    let response = session.read_by(file, 0, len, INVALIDATE, &[whole(&region)])?;
    ensure!(
        response.status == status::INVALID_PARAMETER,
        "the server answers {:#010x}, should be {:#010x}",
        response.status,
        status::INVALID_PARAMETER
    );
    Ok(())
}
