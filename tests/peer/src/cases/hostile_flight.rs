// SPDX-License-Identifier: GPL-2.0
//! HD, with many requests in flight: all shapes of descriptor lists, READs and
//! WRITEs, right ones and such with too little room, at the same time.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::hostile_descriptors::{shapes, split, with_room, Sum, LARGEST};
use super::pattern;
use super::{case, Case, Context};
use crate::patience::patience;
use crate::smb2::{
    check_read, check_written, status, Channel, Dialects, File, ReadRequest, Response, Session,
    WriteRequest,
};
use crate::smbd::wire::descriptors;
use crate::smbd::{Link, Offer, PATIENCE};
use crate::stop::{Stop, Try};
use crate::verbs::{Region, Rights};
use crate::{ensure, fail};

pub const CASES: &[Case] = &[
    case("HD-13", "Descriptors_All_Shapes_8_In_Flight", |c| {
        all_shapes(c, 8)
    }),
    case("HD-14", "Descriptors_All_Shapes_64_In_Flight", |c| {
        all_shapes(c, 64)
    }),
    case("HD-15", "Descriptors_1_To_31_In_30_Seconds", one_by_one),
];

/// SMB2 credits, of 64 KiB each: all that there are, for 64 requests of 8 MiB.
const CREDITS: u32 = 8192;
/// Descriptors and bytes that may be in flight: all that a case asks for, but in a kernel
/// that is many times slower (PATIENCE) as many fewer.
const DESCRIPTORS: usize = 64 * 4095;
const BYTES: usize = 64 * LARGEST;
const SUMS: [Sum; 4] = [Sum::Equal, Sum::Longer, Sum::EmptyBetween, Sum::Shorter];

/// What request `i` of a batch is.
fn plan(i: usize) -> (bool, Sum) {
    (i.is_multiple_of(2), SUMS[i / 2 % SUMS.len()])
}

struct Batch<'a> {
    file: File,
    size: usize,
    n: usize,
    from: &'a Region,
    /// A sink for each request, as far as there is memory for that.
    to: Vec<Region>,
}

impl Batch<'_> {
    fn message(&self, session: &mut Session<Link>, i: usize) -> Vec<u8> {
        let (write, sum) = plan(i);
        let len = self.size as u32;
        let room = self.size - usize::from(sum == Sum::Shorter);
        if write {
            let info = descriptors(&split(self.from, room, self.n, sum));
            let body = WriteRequest::by(self.file.0, 0, len, Channel::RdmaV1, info).body();
            session.request(9, &body, len)
        } else {
            let info = descriptors(&split(&self.to[i / 2 % self.to.len()], room, self.n, sum));
            let request = ReadRequest::new(self.file.0, 0, len);
            session.request(8, &request.by(Channel::RdmaV1, info).body(), len)
        }
    }

    fn check(&self, i: usize, r: &Response) -> Try<()> {
        match plan(i) {
            (_, Sum::Shorter) => ensure!(
                r.status != status::SUCCESS,
                "success with one byte less of room than data"
            ),
            (true, _) => check_written(r, self.size as u32)?,
            (false, _) => check_read(r, self.size as u32)?,
        }
        Ok(())
    }
}

/// A batch of `count` requests for each shape. All WRITEs write what the file
/// has already, so every READ has to find it, whatever the order.
fn all_shapes(c: &mut Context, count: usize) -> Try<()> {
    let (mut session, file) = with_room(c)?;
    session.collect(CREDITS)?;
    let data = pattern::bytes(94, LARGEST);
    super::rdma::fill(&mut session, file, &data)?;
    let from = session.pipe.register(LARGEST + 4096, Rights::Read)?;
    from.buffer.put(0, &data);
    let (mut requests, mut slowest, mut fewer) = (0, Duration::ZERO, Vec::new());
    let slower = patience() as usize;
    for (size, n) in shapes() {
        let most = (DESCRIPTORS / n).min(BYTES / size) / slower;
        let here = count.min(most);
        if here < count {
            fewer.push((size, n, here));
        }
        let sinks = here.div_ceil(2).min((16 << 20) / size).max(1);
        let to: Try<Vec<Region>> = (0..sinks)
            .map(|_| session.pipe.register(size + 4096, Rights::Write))
            .collect();
        let batch = Batch {
            file,
            size,
            n,
            from: &from,
            to: to?,
        };
        let since = Instant::now();
        run(&mut session, &batch, here, &data[..size]).map_err(|e| match e {
            Stop::Skipped(why) => Stop::Skipped(why),
            other => Stop::Failed(format!(
                "{here} requests of {size} bytes in {n} descriptors: {other}"
            )),
        })?;
        slowest = slowest.max(since.elapsed());
        requests += here;
    }
    c.note(format!(
        "{requests} requests, the slowest batch took {:.1} s",
        slowest.as_secs_f64()
    ));
    for (size, n, here) in fewer {
        c.note(format!(
            "requests of {size} bytes in {n} descriptors: {here} in flight"
        ));
    }
    session.close(file)
}

fn run(session: &mut Session<Link>, batch: &Batch<'_>, count: usize, data: &[u8]) -> Try<()> {
    // what is answered first may have waited for all others: a MiB a second
    let all = Duration::from_millis((batch.size * count) as u64 >> 10);
    session.pipe.patience = (PATIENCE + all) * patience();
    batch.to.iter().for_each(|to| to.buffer.fill(0xee));
    let mut sent = HashMap::new();
    for i in 0..count {
        let message = batch.message(session, i);
        let id = u64::from_le_bytes(message[24..32].try_into().unwrap_or_default());
        sent.insert(id, i);
        session.send(&message)?;
    }
    while !sent.is_empty() {
        let response = session.response("one of many responses")?;
        let Some(i) = sent.remove(&response.message_id) else {
            fail!("a response to message {}, not sent", response.message_id);
        };
        batch.check(i, &response).map_err(|e| {
            let (write, sum) = plan(i);
            let what = if write { "WRITE" } else { "READ" };
            Stop::Failed(format!("request {i}, a {what}, sum {sum:?}: {e}"))
        })?;
    }
    // a sink that no good READ had is as it was, or has a part of the data
    for (k, to) in batch.to.iter().enumerate() {
        let good = (0..count)
            .filter(|i| i % 2 == 1 && i / 2 % batch.to.len() == k)
            .any(|i| plan(i).1 != Sum::Shorter);
        if good {
            pattern::same("the data", &to.buffer.take(0, batch.size), data)?;
        }
        let rest = to.buffer.take(batch.size, 4096);
        ensure!(
            rest.iter().all(|&b| b == 0xee),
            "bytes after the data were written"
        );
    }
    Ok(())
}

/// For a comparison: each on a connection of its own, so that one which is not
/// answered does not hide the next.
fn one_by_one(c: &mut Context) -> Try<()> {
    const LEN: usize = 64 << 10;
    let mut missing = Vec::new();
    for n in [1, 2, 9, 10, 17, 31] {
        for write in [true, false] {
            let since = Instant::now();
            if !answered(c, n, write, LEN)? {
                let what = if write { "WRITE" } else { "READ" };
                missing.push(format!("{what} with {n} descriptors"));
            }
            c.note(format!(
                "{n} descriptors, write {write}: {:.1} s",
                since.elapsed().as_secs_f64()
            ));
        }
    }
    ensure!(
        missing.is_empty(),
        "no answer within 30 s: {}",
        missing.join(", ")
    );
    Ok(())
}

fn answered(c: &Context, n: usize, write: bool, len: usize) -> Try<bool> {
    let (mut session, file) = c.with_file(Offer::usual(), Dialects::All)?;
    session.write_inline(file, 0, &pattern::bytes(93, len))?;
    let region = session.pipe.register(len + 4096, Rights::Both)?;
    let info = descriptors(&split(&region, len, n, Sum::Equal));
    let size = len as u32;
    let message = if write {
        let body = WriteRequest::by(file.0, 0, size, Channel::RdmaV1, info).body();
        session.request(9, &body, size)
    } else {
        let request = ReadRequest::new(file.0, 0, size);
        session.request(8, &request.by(Channel::RdmaV1, info).body(), size)
    };
    session.send(&message)?;
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        let left = until.saturating_duration_since(Instant::now());
        match session.pipe.poll_data(left) {
            // only messages without data come before the response
            Ok(Some(m)) if m.header.length == 0 => {}
            Ok(Some(m)) => {
                let response = Response::read(m.payload()?.to_vec(), Vec::new())?;
                if response.status == status::PENDING {
                    continue;
                }
                match write {
                    true => check_written(&response, size)?,
                    false => check_read(&response, size)?,
                }
                return Ok(true);
            }
            Ok(None) => return Ok(false),
            Err(other) => return Err(other),
        }
    }
}
