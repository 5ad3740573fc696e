// SPDX-License-Identifier: GPL-2.0
//! R: data by RDMA (MS-SMBD 3.1.4.5, 3.1.4.6; MS-SMB2 3.3.5.12, 3.3.5.13).

use super::pattern;
use super::{case, Case, Context};
use crate::smb2::{
    check_read, check_written, whole, Channel, Credentials, Dialects, File, Interface, Limits,
    Session,
};
use crate::smbd::wire::Descriptor;
use crate::smbd::{Link, Offer};
use crate::stop::{Stop, Try};
use crate::verbs::Rights;
use crate::{ensure, ensure_eq};
use std::net::IpAddr;

pub const CASES: &[Case] = &[
    case("R-01", "BVT_Smb2OverRdmaChannel_ReadLargeFile", read_large),
    case(
        "R-02",
        "BVT_Smb2OverRdmaChannel_WriteLargeFile",
        write_large,
    ),
    case(
        "R-03",
        "Smb2OverRdmaChannel_ReadMultipleOperation",
        read_many,
    ),
    case(
        "R-04",
        "Smb2OverRdmaChannel_WriteMultipleOperation",
        write_many,
    ),
    case(
        "R-05",
        "Smb2OverRdmaChannel_ReadWriteMultipleBufferDescriptorList",
        descriptor_list,
    ),
    case(
        "R-06",
        "BVT_Smb2MultipleChannel_2Channels_DiffNicTypeDiffTransport",
        other_interface,
    ),
    case(
        "R-07",
        "Smb2Multichannel_2Channels_DiffTransport",
        same_interface,
    ),
];

/// A session of the suite's usual numbers with a file open.
fn set_up(c: &mut Context) -> Try<(Session<Link>, File, Limits)> {
    let (session, file) = c.with_file(Offer::usual(), Dialects::All)?;
    let limits = session.limits;
    ensure!(
        limits.read > 0 && limits.write > 0,
        "the server reads or writes nothing at all"
    );
    c.note(format!("read {}, write {}", limits.read, limits.write));
    Ok((session, file, limits))
}

/// WRITE all of `data` by RDMA at `offset` in one request; it must succeed.
pub fn write(session: &mut Session<Link>, file: File, offset: u64, data: &[u8]) -> Try<()> {
    let region = session.pipe.register(data.len(), Rights::Read)?;
    region.buffer.put(0, data);
    let len = data.len() as u32;
    let response = session.write_by(file, offset, len, Channel::RdmaV1, &[whole(&region)])?;
    check_written(&response, len)
}

/// A file of that size, by as many WRITEs as it takes.
pub fn fill(session: &mut Session<Link>, file: File, data: &[u8]) -> Try<()> {
    let most = session.limits.write as usize;
    for (i, piece) in data.chunks(most).enumerate() {
        write(session, file, (i * most) as u64, piece)?;
    }
    Ok(())
}

fn read_large(c: &mut Context) -> Try<()> {
    let (mut session, file, limits) = set_up(c)?;
    let data = pattern::bytes(11, limits.read as usize);
    fill(&mut session, file, &data)?;
    pattern::same(
        "what was read",
        &session.read_back(file, data.len())?,
        &data,
    )?;
    session.close(file)
}

fn write_large(c: &mut Context) -> Try<()> {
    let (mut session, file, limits) = set_up(c)?;
    let data = pattern::bytes(12, limits.write as usize);
    write(&mut session, file, 0, &data)?;
    pattern::same(
        "the file",
        &read_whole(&mut session, file, data.len())?,
        &data,
    )?;
    session.close(file)
}

/// A file by as many READs as it takes.
fn read_whole(session: &mut Session<Link>, file: File, len: usize) -> Try<Vec<u8>> {
    let region = session.pipe.register(len, Rights::Write)?;
    let most = session.limits.read as usize;
    for at in (0..len).step_by(most) {
        let n = (len - at).min(most);
        let one = Descriptor {
            offset: region.buffer.address() + at as u64,
            token: region.key(),
            length: n as u32,
        };
        let response = session.read_by(file, at as u64, n as u32, Channel::RdmaV1, &[one])?;
        check_read(&response, n as u32)?;
    }
    Ok(region.buffer.take(0, len))
}

/// 64 READs at rising offsets.
fn read_many(c: &mut Context) -> Try<()> {
    let (mut session, file, limits) = set_up(c)?;
    let data = pattern::bytes(13, limits.read as usize);
    fill(&mut session, file, &data)?;
    let step = limits.read / 64;
    for i in 0..64u32 {
        let region = session.pipe.register(step as usize, Rights::Write)?;
        let at = u64::from(i * step);
        let response = session.read_by(file, at, step, Channel::RdmaV1, &[whole(&region)])?;
        check_read(&response, step)?;
        let from = (i * step) as usize;
        let want = &data[from..from + step as usize];
        pattern::same(
            &format!("READ {i}"),
            &region.buffer.take(0, step as usize),
            want,
        )?;
    }
    session.close(file)
}

/// 64 WRITEs, and the READs with one descriptor used again each time.
fn write_many(c: &mut Context) -> Try<()> {
    let (mut session, file, limits) = set_up(c)?;
    let step = limits.write / 64;
    let data = pattern::bytes(14, 64 * step as usize);
    for (i, piece) in data.chunks(step as usize).enumerate() {
        write(&mut session, file, i as u64 * u64::from(step), piece)?;
    }
    let region = session.pipe.register(step as usize, Rights::Write)?;
    for (i, want) in data.chunks(step as usize).enumerate() {
        region.buffer.fill(0);
        let at = i as u64 * u64::from(step);
        let response = session.read_by(file, at, step, Channel::RdmaV1, &[whole(&region)])?;
        check_read(&response, step)?;
        pattern::same(
            &format!("READ {i}"),
            &region.buffer.take(0, step as usize),
            want,
        )?;
    }
    session.close(file)
}

/// 4095 descriptors that have more room than the data; they lie in memory in
/// another order than in the list.
fn descriptor_list(c: &mut Context) -> Try<()> {
    const COUNT: usize = 4095;
    let (mut session, file, limits) = set_up(c)?;
    let size = limits.read.min(limits.write) as usize;
    let each = size / COUNT + 1;
    // 2 has no common factor with 4095: a permutation
    let place = |i: usize| (i * 2 + 7) % COUNT * each;
    let list = |base: u64, token: u32| -> Vec<Descriptor> {
        (0..COUNT)
            .map(|i| Descriptor {
                offset: base + place(i) as u64,
                token,
                length: each as u32,
            })
            .collect()
    };
    let data = pattern::bytes(15, size);
    let from = session.pipe.register(COUNT * each, Rights::Read)?;
    for (i, piece) in data.chunks(each).enumerate() {
        from.buffer.put(place(i), piece);
    }
    let (len, tokens) = (size as u32, list(from.buffer.address(), from.key()));
    let response = session.write_by(file, 0, len, Channel::RdmaV1, &tokens)?;
    check_written(&response, len)?;
    let to = session.pipe.register(COUNT * each, Rights::Write)?;
    to.buffer.fill(0xee);
    let tokens = list(to.buffer.address(), to.key());
    let response = session.read_by(file, 0, len, Channel::RdmaV1, &tokens)?;
    check_read(&response, len)?;
    let mut got = Vec::with_capacity(COUNT * each);
    for i in 0..COUNT {
        got.extend(to.buffer.take(place(i), each));
    }
    pattern::same("what was read", &got[..size], &data)?;
    ensure!(
        got[size..].iter().all(|&b| b == 0xee),
        "the server wrote beyond the data into descriptors that it did not need"
    );
    session.close(file)
}

/// Main channel by TCP on an interface without RDMA.
fn other_interface(c: &mut Context) -> Try<()> {
    let who = c.user()?;
    let second = c.second()?;
    two_channels(c, second, &who)
}

/// Main channel by TCP on the RDMA interface.
fn same_interface(c: &mut Context) -> Try<()> {
    let who = c.user()?;
    let same = c.config.server;
    two_channels(c, same, &who)
}

const LARGE: usize = 1000 << 10;

fn two_channels(c: &mut Context, main_address: IpAddr, who: &Credentials) -> Try<()> {
    let share = c.config.share.clone();
    let mut main = Session::open(c.tcp(main_address)?, Dialects::V300, who, &share)?;
    let file = main.create(&c.file_name())?;
    let data = pattern::bytes(16, LARGE);
    let step = main.limits.write.clamp(1, 1 << 18) as usize;
    for (i, piece) in data.chunks(step).enumerate() {
        main.write_inline(file, (i * step) as u64, piece)?;
    }
    let list = main.interfaces()?;
    let capable = |i: &&Interface| i.rdma_capable && i.address == Some(c.config.server);
    let Some(found) = list.iter().find(capable) else {
        return Err(Stop::Failed(format!(
            "no RDMA capable interface with {} in {list:?}",
            c.config.server
        )));
    };
    ensure!(found.index != 0, "the interface has no index");
    let mut second = Session::new(c.negotiated(Offer::usual())?);
    second.same_client(&main);
    second.negotiate(Dialects::V300)?;
    second.bind(who, &main)?;
    ensure_eq!(
        "the session of the second channel",
        second.session_id,
        main.session_id
    );
    second.tree_id = main.tree_id;
    let region = second.pipe.register(LARGE, Rights::Both)?;
    let response = second.read_by(file, 0, LARGE as u32, Channel::RdmaV1, &[whole(&region)])?;
    check_read(&response, LARGE as u32)?;
    pattern::same("what was read", &region.buffer.take(0, LARGE), &data)?;
    second.close(file)
}
