// SPDX-License-Identifier: GPL-2.0
//! SMB2 requests to put into messages: right ones, and such with buffer
//! descriptors that are not.

use super::mutate::put;
use super::rng::Rng;
use crate::smb2::{whole, Channel, File, ReadRequest, Session, WriteRequest};
use crate::smbd::wire::{descriptors, Descriptor};
use crate::smbd::Link;
use crate::verbs::Region;

/// Bytes of the region that READs and WRITEs name.
pub const REGION: usize = 64 << 10;
/// Descriptors fit the channel information of a request.
const MOST: usize = 4095;

/// ECHO, which needs no session.
pub fn echo(session: &mut Session<Link>) -> Vec<u8> {
    session.request(13, &[4, 0, 0, 0], 0)
}

/// READ or WRITE with the data inside.
fn inline(session: &mut Session<Link>, file: File, rng: &mut Rng) -> Vec<u8> {
    let (at, n) = (rng.below(REGION) as u64, rng.within(1, 900));
    if rng.chance(50) {
        session.read_message(file, at, n as u32)
    } else {
        let data = rng.bytes(n);
        session.write_message(file, at, &data)
    }
}

/// READ or WRITE by RDMA of a part of the region, in some descriptors.
fn by_rdma(
    session: &mut Session<Link>,
    file: File,
    rng: &mut Rng,
    region: &Region,
    change: impl FnOnce(&mut Vec<Descriptor>, &mut Rng),
) -> Vec<u8> {
    let len = rng.pick(&[1, 8, 500, 4096, 10_000, REGION]);
    let n = rng.pick(&[1, 1, 2, 3, 9, 10, 17, 31, 60, 255]).min(len);
    let all = whole(region);
    let mut list = Vec::with_capacity(n);
    for i in 0..n {
        let (from, to) = (len * i / n, len * (i + 1) / n);
        list.push(Descriptor {
            offset: all.offset + from as u64,
            token: all.token,
            length: (to - from) as u32,
        });
    }
    change(&mut list, rng);
    list.truncate(MOST);
    let info = descriptors(&list);
    // plain memory does not take invalidation on every adapter
    let channel = match rng.below(12) {
        0 => Channel::RdmaV1Invalidate,
        _ => Channel::RdmaV1,
    };
    let (at, len) = (rng.below(REGION) as u64, len as u32);
    if rng.chance(50) {
        let body = ReadRequest::new(file.0, at, len).by(channel, info).body();
        session.request(8, &body, len)
    } else {
        let body = WriteRequest::by(file.0, at, len, channel, info).body();
        session.request(9, &body, len)
    }
}

/// A request that has to be answered.
pub fn good(session: &mut Session<Link>, open: Option<(File, &Region)>, rng: &mut Rng) -> Vec<u8> {
    match open {
        Some((file, _)) if rng.chance(60) => inline(session, file, rng),
        _ => echo(session),
    }
}

/// A READ or WRITE by RDMA whose descriptors are not what they should be, and
/// what was done to them.
pub fn descriptor(
    session: &mut Session<Link>,
    (file, region): (File, &Region),
    rng: &mut Rng,
) -> (Vec<u8>, &'static str) {
    let mut what = "descriptors-right";
    let mut bytes = by_rdma(session, file, rng, region, |list, rng| {
        for _ in 0..rng.within(1, 2) {
            what = change(list, rng);
        }
    });
    if rng.chance(10) {
        // channel, offset and length of the channel information; lengths
        let place = rng.pick(&[
            (96, 4),
            (100, 4),
            (104, 2),
            (106, 2),
            (108, 2),
            (110, 2),
            (68, 4),
        ]);
        let near = [0, 1, 15, 16, 17, 64, 112, 113, 0xffff, 1 << 20];
        put(&mut bytes, place, rng.pick(&near));
        what = "channel-information";
    }
    (bytes, what)
}

fn change(list: &mut Vec<Descriptor>, rng: &mut Rng) -> &'static str {
    if list.is_empty() {
        return "no-descriptor";
    }
    let i = rng.below(list.len());
    match rng.below(20) {
        0..=5 => {
            list[i].length = 0;
            "descriptor-empty"
        }
        6..=8 => {
            list[i].length = list[i].length.wrapping_sub(1);
            "descriptor-shorter"
        }
        9..=11 => {
            list[i].length = rng.pick(&[1, 65_536, 1 << 20, 0x7fff_ffff, u32::MAX]);
            "descriptor-longer"
        }
        12 => {
            list[i].token = list[i]
                .token
                .wrapping_add(rng.pick(&[1, 0x100, 0xffff_ffff]));
            "descriptor-key-near"
        }
        13 => {
            list[i].token = rng.next() as u32;
            "descriptor-key"
        }
        14 => {
            list[i].offset = rng.pick(&[
                0,
                u64::MAX,
                u64::MAX - 100,
                1 << 47,
                list[i].offset.wrapping_sub(1),
            ]);
            "descriptor-address"
        }
        15 | 16 => {
            list.remove(i);
            "descriptor-missing"
        }
        17 => {
            let copy = list[i];
            list.splice(i..i, std::iter::repeat_n(copy, rng.pick(&[1, 2, 300])));
            "descriptor-repeated"
        }
        18 => {
            let j = rng.below(list.len());
            list.swap(i, j);
            "descriptors-swapped"
        }
        _ => {
            list.clear();
            "no-descriptor"
        }
    }
}
