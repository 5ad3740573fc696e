// SPDX-License-Identifier: GPL-2.0
//! HD: descriptor lists of many shapes. Each request is answered in bounded
//! time, with the right data or with an error (MS-SMBD 3.1.4.5, 3.1.4.6).

use std::collections::HashMap;

use super::pattern;
use super::{case, Case, Context};
use crate::smb2::{
    check_read, check_written, status, Channel, Dialects, File, ReadRequest, Response, Session,
    WriteRequest,
};
use crate::smbd::wire::{descriptors, Descriptor};
use crate::smbd::{Link, Offer, DISCONNECT};
use crate::stop::{Stop, Try};
use crate::verbs::{Region, Rights};
use crate::{ensure, fail};

pub const CASES: &[Case] = &[
    case("HD-01", "Descriptors_Write_Sum_Equal", |c| {
        writes(c, Sum::Equal)
    }),
    case("HD-02", "Descriptors_Read_Sum_Equal", |c| {
        reads(c, Sum::Equal)
    }),
    case("HD-03", "Descriptors_Write_Sum_Longer", |c| {
        writes(c, Sum::Longer)
    }),
    case("HD-04", "Descriptors_Read_Sum_Longer", |c| {
        reads(c, Sum::Longer)
    }),
    case("HD-05", "Descriptors_Write_Sum_Shorter", |c| {
        shorter(c, true)
    }),
    case("HD-06", "Descriptors_Read_Sum_Shorter", |c| {
        shorter(c, false)
    }),
    case("HD-07", "Descriptors_Write_Empty_Ones_Between", |c| {
        writes(c, Sum::EmptyBetween)
    }),
    case("HD-08", "Descriptors_Read_Empty_Ones_Between", |c| {
        reads(c, Sum::EmptyBetween)
    }),
    case("HD-09", "Descriptors_8_Requests_In_Flight", |c| {
        in_flight(c, 8)
    }),
    case("HD-10", "Descriptors_64_Requests_In_Flight", |c| {
        in_flight(c, 64)
    }),
    case("HD-11", "Descriptors_End_Of_Address_Space", wraps),
    case("HD-12", "Descriptors_First_One_Empty", first_empty),
];

/// What the lengths of a list add up to, measured by the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sum {
    Equal,
    Longer,
    /// Equal, with a descriptor of no bytes after each but the last.
    EmptyBetween,
    /// The caller asks for less than the data.
    Shorter,
}

const SIZES: [usize; 4] = [1, 4096, 1 << 20, 8 << 20];
const SPLITS: [usize; 8] = [1, 2, 9, 10, 17, 31, 255, 4095];
/// Channel information has 65535 bytes at most.
const MOST: usize = 4095;

/// The largest, which the server has to offer.
pub const LARGEST: usize = 8 << 20;

/// All combinations. With more descriptors than bytes, those behind the last byte
/// have none.
pub fn shapes() -> impl Iterator<Item = (usize, usize)> {
    SIZES
        .iter()
        .flat_map(|&size| SPLITS.iter().map(move |&n| (size, n)))
}

/// Descriptors for `size` bytes from the start of a region, in `n` parts.
pub fn split(region: &Region, size: usize, n: usize, sum: Sum) -> Vec<Descriptor> {
    parts(region.buffer.address(), region.key(), size, n, sum)
}

fn parts(base: u64, token: u32, size: usize, n: usize, sum: Sum) -> Vec<Descriptor> {
    // with empty ones between there are 2n - 1, and no more than fit
    let n = match sum {
        Sum::EmptyBetween => n.min(MOST.div_ceil(2)),
        _ => n,
    };
    let mut list = Vec::with_capacity(2 * n);
    let mut at = 0;
    for i in 0..n {
        let mut length = size / n + usize::from(i < size % n);
        let last = i == n - 1;
        if last && sum == Sum::Longer {
            length += 4096;
        }
        list.push(Descriptor {
            offset: base + at as u64,
            token,
            length: length as u32,
        });
        at += length;
        if sum == Sum::EmptyBetween && !last {
            list.push(Descriptor {
                offset: base + at as u64,
                token,
                length: 0,
            });
        }
    }
    list
}

/// A session with a server that reads and writes as much at a time as the cases do.
pub fn with_room(c: &Context) -> Try<(Session<Link>, File)> {
    let (session, file) = c.with_file(Offer::usual(), Dialects::All)?;
    let limits = session.limits;
    ensure!(
        limits.write.min(limits.read) as usize >= LARGEST,
        "the server reads {} bytes and writes {}, should be {LARGEST}: \
         are `smb2 max read` and `smb2 max write` set?",
        limits.read,
        limits.write
    );
    Ok((session, file))
}

fn about(e: Stop, size: usize, n: usize) -> Stop {
    match e {
        Stop::Skipped(why) => Stop::Skipped(why),
        other => Stop::Failed(format!("{size} bytes in {n} descriptors: {other}")),
    }
}

fn writes(c: &mut Context, sum: Sum) -> Try<()> {
    let (mut session, file) = with_room(c)?;
    let mut count = 0;
    for (size, n) in shapes() {
        let region = session.pipe.register(size + 4096, Rights::Read)?;
        let data = pattern::bytes((size + n) as u64, size);
        region.buffer.put(0, &data);
        let list = split(&region, size, n, sum);
        session
            .write_by(file, 0, size as u32, Channel::RdmaV1, &list)
            .and_then(|r| check_written(&r, size as u32))
            .and_then(|()| session.read_back(file, size))
            .and_then(|got| pattern::same("the file", &got, &data))
            .map_err(|e| about(e, size, n))?;
        count += 1;
    }
    c.note(format!("{count} WRITEs"));
    session.close(file)
}

fn reads(c: &mut Context, sum: Sum) -> Try<()> {
    let (mut session, file) = with_room(c)?;
    let data = pattern::bytes(99, LARGEST);
    super::rdma::fill(&mut session, file, &data)?;
    let mut count = 0;
    for (size, n) in shapes() {
        let region = session.pipe.register(size + 4096, Rights::Write)?;
        region.buffer.fill(0xee);
        let list = split(&region, size, n, sum);
        session
            .read_by(file, 0, size as u32, Channel::RdmaV1, &list)
            .and_then(|r| check_read(&r, size as u32))
            .and_then(|()| pattern::same("the data", &region.buffer.take(0, size), &data[..size]))
            .and_then(|()| {
                let rest = region.buffer.take(size, 4096);
                ensure!(
                    rest.iter().all(|&b| b == 0xee),
                    "bytes after the data were written"
                );
                Ok(())
            })
            .map_err(|e| about(e, size, n))?;
        count += 1;
    }
    c.note(format!("{count} READs"));
    session.close(file)
}

/// Less room than data, or none at all: an error, never success.
fn shorter(c: &mut Context, write: bool) -> Try<()> {
    let mut answers: HashMap<String, u32> = HashMap::new();
    let (mut session, file) = with_room(c)?;
    super::rdma::fill(&mut session, file, &pattern::bytes(98, LARGEST))?;
    for (size, n) in shapes() {
        let rights = if write { Rights::Read } else { Rights::Write };
        let region = session.pipe.register(size, rights)?;
        let list = split(&region, size - 1, n, Sum::Equal);
        let answer = match write {
            true => session.write_by(file, 0, size as u32, Channel::RdmaV1, &list),
            false => session.read_by(file, 0, size as u32, Channel::RdmaV1, &list),
        };
        let what = match answer {
            Ok(r) if r.status == status::SUCCESS => {
                fail!("{size} bytes with {n} descriptors of one byte less in all: success")
            }
            Ok(r) => format!("{:#010x}", r.status),
            Err(Stop::Gone(_)) => {
                fail!("{size} bytes, {n} descriptors of one byte less: the connection ended");
            }
            Err(other) => return Err(about(other, size, n)),
        };
        *answers.entry(what).or_default() += 1;
    }
    c.note(format!("answers: {answers:?}"));
    session.close(file)
}

/// The part of the file that request `i` moves.
const PART: usize = 64 << 10;

/// Many requests at once; the answers may come in any order.
fn in_flight(c: &mut Context, count: usize) -> Try<()> {
    let (mut session, file) = with_room(c)?;
    let data = pattern::bytes(97, count * PART);
    let from = session.pipe.register(data.len(), Rights::Read)?;
    from.buffer.put(0, &data);
    let to = session.pipe.register(data.len(), Rights::Write)?;
    to.buffer.fill(0);
    let part = |region: &Region, i: usize| -> Vec<u8> {
        let (base, token) = (region.buffer.address() + (i * PART) as u64, region.key());
        let step = PART / 17;
        let list: Vec<_> = (0..17)
            .map(|k| Descriptor {
                offset: base + (k * step) as u64,
                token,
                length: if k == 16 { PART - 16 * step } else { step } as u32,
            })
            .collect();
        descriptors(&list)
    };
    let rounds: [(u16, &Region); 2] = [(9, &from), (8, &to)];
    for (command, region) in rounds {
        let mut sent = HashMap::new();
        for i in 0..count {
            let (at, len) = ((i * PART) as u64, PART as u32);
            let body = match command {
                9 => WriteRequest::by(file.0, at, len, Channel::RdmaV1, part(region, i)).body(),
                _ => ReadRequest::new(file.0, at, len)
                    .by(Channel::RdmaV1, part(region, i))
                    .body(),
            };
            let message = session.request(command, &body, len);
            let id = u64::from_le_bytes(message[24..32].try_into().unwrap_or_default());
            sent.insert(id, i);
            session.send(&message)?;
        }
        while !sent.is_empty() {
            let response: Response = session.response("one of many responses")?;
            let Some(i) = sent.remove(&response.message_id) else {
                fail!(
                    "a response to message {}, which was not sent",
                    response.message_id
                );
            };
            let checked = match command {
                9 => check_written(&response, PART as u32),
                _ => check_read(&response, PART as u32),
            };
            checked.map_err(|e| Stop::Failed(format!("request {i} of {count}: {e}")))?;
        }
    }
    pattern::same("what was read", &to.buffer.take(0, data.len()), &data)?;
    session.close(file)
}

/// MS-SMB2 3.3.5.13 refuses a WRITE whose first descriptor is of no bytes, and
/// has no such rule for READ: there, it has to be skipped or refused.
fn first_empty(c: &mut Context) -> Try<()> {
    let (mut session, file) = c.with_file(Offer::usual(), Dialects::All)?;
    let data = pattern::bytes(95, 65536);
    super::rdma::write(&mut session, file, 0, &data)?;
    let region = session.pipe.register(65536, Rights::Both)?;
    let right = crate::smb2::whole(&region);
    let list = [Descriptor { length: 0, ..right }, right];
    let answer = session.write_by(file, 0, 65536, Channel::RdmaV1, &list)?;
    ensure!(
        answer.status == status::INVALID_PARAMETER,
        "WRITE: the server answers {:#010x}, should be {:#010x}",
        answer.status,
        status::INVALID_PARAMETER
    );
    let answer = session.read_by(file, 0, 65536, Channel::RdmaV1, &list)?;
    if answer.status == status::SUCCESS {
        check_read(&answer, 65536)?;
        pattern::same("the data", &region.buffer.take(0, 65536), &data)?;
    }
    c.note(format!("READ: the server answers {:#010x}", answer.status));
    session.close(file)
}

/// A descriptor whose end is beyond the end of all addresses.
fn wraps(c: &mut Context) -> Try<()> {
    for write in [true, false] {
        let (mut session, file) = c.with_file(Offer::usual(), Dialects::All)?;
        super::rdma::write(&mut session, file, 0, &pattern::bytes(96, 65536))?;
        let region = session.pipe.register(65536, Rights::Both)?;
        let one = Descriptor {
            offset: u64::MAX - 100,
            token: region.key(),
            length: 65536,
        };
        let answer = match write {
            true => session.write_by(file, 0, 65536, Channel::RdmaV1, &[one]),
            false => session.read_by(file, 0, 65536, Channel::RdmaV1, &[one]),
        };
        match answer {
            Ok(r) if r.status == status::SUCCESS => fail!("such a descriptor was used"),
            Ok(r) => {
                c.note(format!("the server answers {:#010x}", r.status));
                // the data of the adapter may still make it end
                match session
                    .pipe
                    .poll_data(DISCONNECT.min(std::time::Duration::from_secs(1)))
                {
                    Ok(_) | Err(Stop::Gone(_)) => {}
                    Err(other) => return Err(other),
                }
            }
            Err(Stop::Gone(how)) => c.note(format!("the connection ended ({how})")),
            Err(other) => return Err(other),
        }
        c.still_there()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUMS: [Sum; 4] = [Sum::Equal, Sum::Longer, Sum::EmptyBetween, Sum::Shorter];

    #[test]
    fn lists_have_all_bytes_in_order() {
        for ((size, n), sum) in shapes().flat_map(|s| SUMS.map(|sum| (s, sum))) {
            let list = parts(1000, 7, size, n, sum);
            let more = if sum == Sum::Longer { 4096 } else { 0 };
            let mut at = 1000;
            for d in &list {
                assert_eq!((d.offset, d.token), (at, 7));
                at += u64::from(d.length);
            }
            assert_eq!(at, 1000 + (size + more) as u64, "{size} {n} {sum:?}");
            assert!(list[0].length > 0, "MS-SMB2 3.3.5.13");
        }
    }

    #[test]
    fn lists_have_their_lengths() {
        let empty = |list: &[Descriptor]| list.iter().filter(|d| d.length == 0).count();
        for &n in &SPLITS {
            let list = parts(0, 0, 1, n, Sum::Equal);
            assert_eq!((list.len(), empty(&list)), (n, n - 1));
            let list = parts(0, 0, 1 << 20, n, Sum::EmptyBetween);
            assert_eq!(list.len(), (2 * n - 1).min(MOST));
            assert_eq!(empty(&list), list.len() / 2);
        }
    }
}
