// SPDX-License-Identifier: GPL-2.0
//! What a server may do with the client's memory while a request is under way: read or write, as
//! it was registered, with its key, from its first byte to its last.
//!
//! The memory of a READ or WRITE is the program's own buffer, which has bytes around it that belong
//! to nobody's request. The misdeed follows a transfer that is allowed, so that it is not refused
//! for another reason; the connection is kept, and it is the client that has to end it.

use std::cell::RefCell;
use std::fs::{self, File};
use std::io::{self, Read};

use super::bench::{pattern, same, Bench, FILE, FILE_LEN, SOON};
use super::case;
use super::memory::by_rdma;
use super::system::has_siw;
use crate::cases::Case;
use crate::server::{command, Connection, Manner, Next};
use crate::smbd::wire::Descriptor;
use crate::stop::{Stop, Try};
use crate::verbs::{Rights, Transfer};
use crate::{ensure, fail};

pub const CASES: &[Case] = &[
    case("HL-13", "Client_Write_To_Wrong_Key", wrong_key),
    case("HL-14", "Client_Write_Out_Of_Bounds", write_outside),
    case("HL-17", "Client_Read_Of_Memory_To_Write", read_instead),
    case("HL-23", "Client_Write_To_Memory_To_Read", write_instead),
    case("HL-24", "Client_Read_Out_Of_Bounds", read_outside),
];

/// Bytes in front of and behind the memory of a request.
const GUARD: usize = 8192;
/// What they are, and the memory before; what a server has that must not write or read, and what
/// it writes rightly.
const QUIET: u8 = 0xc5;
const EVIL: u8 = 0xee;
const GOOD: u8 = 0x11;

/// One transfer that the client's adapter has to refuse.
struct Misdeed {
    why: &'static str,
    how: Transfer,
    to: To,
    len: usize,
}

/// Where it goes, seen from the memory that the client gave.
#[derive(Clone, Copy)]
enum To {
    Within,
    AcrossEnd,
    Behind,
    InFront,
    /// Within, with a key that differs in these bits.
    OtherKey(u32),
}

impl To {
    /// Address and key, from what the client gave.
    fn place(self, d: &Descriptor) -> (u64, u32) {
        let end = d.offset + u64::from(d.length);
        match self {
            To::Within => (d.offset, d.token),
            To::AcrossEnd => (end - 100, d.token),
            To::Behind => (end, d.token),
            To::InFront => (d.offset - 1, d.token),
            To::OtherKey(difference) => (d.offset, d.token ^ difference),
        }
    }
}

fn wrong_key(bench: &mut Bench) -> Try<()> {
    for (why, difference) in [
        ("a write with a key that nobody gave", 0x0055_5500),
        ("a write with another key of the same region", 1),
    ] {
        let misdeed = Misdeed {
            why,
            how: Transfer::Write,
            to: To::OtherKey(difference),
            len: 4096,
        };
        while_read(bench, &misdeed)?;
    }
    Ok(())
}

/// Over the bounds at each side, from inside and beside.
fn outside(
    bench: &mut Bench,
    how: Transfer,
    whys: [&'static str; 3],
    during: fn(&mut Bench, &Misdeed) -> Try<()>,
) -> Try<()> {
    let places = [(To::AcrossEnd, 4096), (To::Behind, 1), (To::InFront, 1)];
    for (why, (to, len)) in whys.into_iter().zip(places) {
        during(bench, &Misdeed { why, how, to, len })?;
    }
    Ok(())
}

fn write_outside(bench: &mut Bench) -> Try<()> {
    let whys = [
        "a write from inside to beyond the end",
        "a write of the byte behind the end",
        "a write of the byte in front",
    ];
    outside(bench, Transfer::Write, whys, while_read)
}

fn read_instead(bench: &mut Bench) -> Try<()> {
    let misdeed = Misdeed {
        why: "a read of what may only be written",
        how: Transfer::Read,
        to: To::Within,
        len: 4096,
    };
    while_read(bench, &misdeed)
}

fn write_instead(bench: &mut Bench) -> Try<()> {
    let misdeed = Misdeed {
        why: "a write to what may only be read",
        how: Transfer::Write,
        to: To::Within,
        len: 4096,
    };
    while_written(bench, &misdeed)
}

fn read_outside(bench: &mut Bench) -> Try<()> {
    let whys = [
        "a read from inside to beyond the end",
        "a read of the byte behind the end",
        "a read of the byte in front",
    ];
    outside(bench, Transfer::Read, whys, while_written)
}

impl Misdeed {
    /// Do it, and wait for the client to end the connection. What our adapter said.
    fn commit(&self, c: &mut Connection, d: &Descriptor) -> Try<Result<(), String>> {
        let region = c.link.register(self.len, Rights::Write)?;
        region.buffer.fill(EVIL);
        let done = c
            .link
            .transfer_part(self.how, &region, (0, self.len), self.to.place(d))?;
        if done.is_ok() && self.how == Transfer::Read && c.link.is_iwarp() && has_siw() {
            // siw_qp_sq_proc_tx has the memory of a read response looked at for its
            // key, its bounds and no right (siw_check_sgl_tx)
            ensure!(
                matches!(self.to, To::Within),
                "{}: siw carried it out",
                self.why
            );
            let had = |b: &u8| [GOOD, QUIET].contains(b);
            ensure!(
                region.buffer.take(0, self.len).iter().all(had),
                "{}: siw gave other bytes",
                self.why
            );
            return Err(Stop::Skipped(format!(
                "siw reads memory that was registered to be written only, whoever registered it: \
                 {} gave {} bytes of the client's program",
                self.why, self.len
            )));
        }
        // an iWARP adapter does not hear what became of a write; all others, and
        // all reads, end with an error
        let unheard = self.how == Transfer::Write && c.link.is_iwarp();
        ensure!(
            done.is_err() || unheard,
            "{}: the client's adapter carried it out",
            self.why
        );
        c.link.client_must_end(self.why)?;
        ensure!(
            region.buffer.take(0, self.len).iter().all(|&b| b == EVIL),
            "{}: our memory has changed",
            self.why
        );
        Ok(done)
    }

    /// Serve the client until the first request of this kind by RDMA; then do what is `allowed`, and the misdeed.
    fn manner<'a>(
        &'a self,
        request: u16,
        number: u32,
        told: &'a RefCell<Option<Result<(), String>>>,
        allowed: impl Fn(&mut Connection, &Descriptor) -> Try<()> + 'a,
    ) -> Manner<'a> {
        let mut manner = Manner::good();
        manner.message = Box::new(move |c, _, message| match by_rdma(message) {
            Some((command, data)) if command == request && c.number == number => {
                let Some(d) = data.descriptors.first() else {
                    fail!("a request by RDMA came without a descriptor");
                };
                allowed(c, d)?;
                *told.borrow_mut() = Some(self.commit(c, d)?);
                Err(Stop::Gone("by the client, after a transfer".into()))
            }
            _ => Ok(Next::Answer),
        });
        manner
    }

    fn note(&self, bench: &mut Bench, told: RefCell<Option<Result<(), String>>>) -> Try<()> {
        match told.into_inner() {
            Some(Err(error)) => bench.note(format!("{}: {error}", self.why)),
            Some(Ok(())) => bench.note(format!("{}: sent without an error", self.why)),
            None => fail!("no transfer was made"),
        }
        Ok(())
    }
}

/// The misdeed while the client reads, in memory that may be written.
fn while_read(bench: &mut Bench, misdeed: &Misdeed) -> Try<()> {
    bench.mount(&mut Manner::good())?;
    let told = RefCell::new(None);
    let mut manner = misdeed.manner(command::READ, bench.server.count, &told, |c, d| {
        let region = c.link.register(100, Rights::Write)?;
        region.buffer.fill(GOOD);
        c.link
            .transfer_part(Transfer::Write, &region, (0, 100), (d.offset, d.token))?
            .map_err(Stop::Gone)
    });
    let path = bench.dir.join(FILE);
    let (got, buffer) = bench.during(&mut manner, "read between guards", SOON, move || {
        let mut buffer = vec![QUIET; GUARD + FILE_LEN + GUARD];
        let got = File::open(path)
            .and_then(|mut file| file.read_exact(&mut buffer[GUARD..GUARD + FILE_LEN]));
        (got, buffer)
    })?;
    drop(manner);
    misdeed.note(bench, told)?;
    let (front, rest) = buffer.split_at(GUARD);
    let (data, behind) = rest.split_at(FILE_LEN);
    ensure!(
        front.iter().chain(behind).all(|&b| b == QUIET),
        "{}: bytes outside of the memory of the READ have changed",
        misdeed.why
    );
    ensure!(
        !data.contains(&EVIL) || got.is_ok(),
        "{}: it is in the memory of the READ",
        misdeed.why
    );
    bench.read_right_or_error(got.map(|()| data.to_vec()))?;
    bench.umount(&mut Manner::good())
}

/// The misdeed while the client writes, in memory that may be read.
fn while_written(bench: &mut Bench, misdeed: &Misdeed) -> Try<()> {
    const NAME: &str = "guarded";
    const LEN: usize = 150_001;
    let source = pattern(5, GUARD + LEN + GUARD);
    let data = source[GUARD..GUARD + LEN].to_vec();
    bench.mount(&mut Manner::good())?;
    let told = RefCell::new(None);
    let mut manner = misdeed.manner(command::WRITE, bench.server.count, &told, |c, d| {
        let region = c.link.register(100, Rights::Write)?;
        c.link
            .transfer_part(Transfer::Read, &region, (0, 100), (d.offset, d.token))?
            .map_err(Stop::Gone)?;
        same(&region.buffer.take(0, 100), &data[..100])
    });
    let (path, buffer) = (bench.dir.join(NAME), source.clone());
    let (got, buffer): (io::Result<()>, Vec<u8>) =
        bench.during(&mut manner, "write between guards", SOON, move || {
            (fs::write(path, &buffer[GUARD..GUARD + LEN]), buffer)
        })?;
    drop(manner);
    misdeed.note(bench, told)?;
    ensure!(
        buffer == source,
        "{}: the memory of the WRITE, or what is around it, has changed",
        misdeed.why
    );
    bench.note(format!("the operation: {got:?}"));
    if got.is_ok() {
        same(bench.server.share.data(NAME).unwrap_or_default(), &data)?;
    }
    bench.umount(&mut Manner::good())
}
