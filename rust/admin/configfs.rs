// SPDX-License-Identifier: GPL-2.0

//! What an administrator can set: `/sys/kernel/config/smbdirect`. `Documentation/steering.md`, 5, has the format.
//!
//! The files of the directory itself are what is in force. A directory made in it is a draft, which has the same files and its shares; but `probes` holds probes. configfs counts the
//! module once for each directory that was made, so the module stays while there are any.
#![forbid(unsafe_code)]

mod directories;

use crate::{
    probes::{File, Probe},
    transport::{
        policy::{self, OTHERS},
        settings::{mode_name, parse_mode, Item, Record, Settings, UNSET},
    },
};
use core::fmt::{self, Write};
use kernel::{
    configfs::{AttributeOperations, Group, ItemType, Subsystem},
    configfs_attrs,
    page::PAGE_SIZE,
    prelude::*,
    sync::{
        atomic::{Atomic, Relaxed},
        Arc, Mutex,
    },
};
use smbdirect_core::settings::{Mode, Number};
use smbdirect_kext::{ctx::ProcessCtx, name::Name, sysfs::Text};

/// Most drafts.
const MAX_DRAFTS: u32 = 8;
/// The one directory that a draft can have.
const SHARES: &[u8] = b"shares";
/// The directory of probes, beside the drafts.
const PROBES: &[u8] = b"probes";

/// What the directories are made of.
#[derive(Clone, Copy)]
pub(crate) struct Types {
    draft: &'static ItemType<Group<Branch>, Branch>,
    probes: &'static ItemType<Group<Branch>, Branch>,
    shares: &'static ItemType<Group<Leaf>, Leaf>,
    probe: &'static ItemType<Group<Leaf>, Leaf>,
    share: &'static ItemType<Group<Entry>, Entry>,
}

/// `smbdirect/`: what is in force.
pub(crate) struct Root(Types);

/// The settings of a draft.
#[pin_data]
struct Content {
    /// Held while a draft is committed, before the mutex of changes.
    #[pin]
    settings: Mutex<Settings>,
}

/// What is made in `smbdirect/`. Its type of directory, with files and what is made in it, is chosen with it.
pub(crate) enum Branch {
    Draft(Draft),
    Probes(Types),
}

/// What is made in one of those.
pub(crate) enum Leaf {
    Shares(Shares),
    Probe(Arc<Probe>),
}

/// `smbdirect/DRAFT/`.
pub(crate) struct Draft {
    content: Arc<Content>,
    types: Types,
    _place: Place,
}

/// `smbdirect/DRAFT/shares/`.
pub(crate) struct Shares {
    content: Arc<Content>,
    types: Types,
}

/// `smbdirect/DRAFT/shares/SHARE/`. Dropping it takes the share out of the draft.
pub(crate) struct Entry {
    content: Arc<Content>,
    key: Name,
}

/// A draft's place among [`MAX_DRAFTS`].
struct Place;

static DRAFTS: Atomic<u32> = Atomic::new(0);

impl Place {
    fn take() -> Result<Self> {
        // configfs makes directories one at a time.
        let taken = DRAFTS.load(Relaxed);
        if taken >= MAX_DRAFTS {
            return Err(ENOSPC);
        }
        DRAFTS.add(1, Relaxed);
        Ok(Self)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        DRAFTS.fetch_sub(1, Relaxed);
    }
}

// ---- files ----

/// The files that what is in force and drafts have, and more. Those of numbers come first, under the names of the table and in its order.
macro_rules! files {
    ($($args:tt)*) => {
        files_named! {
            [
                max_connections: 0,
                max_connections_per_address: 1,
                max_half_open: 2,
                receive_credits: 3,
                send_credits: 4,
                max_send_size: 5,
                max_receive_size: 6,
                max_fragmented_size: 7,
                max_read_write_size: 8,
                keepalive_interval: 9,
                negotiate_timeout: 10,
                credit_timeout: 11,
            ],
            $($args)*
        }
    };
}

macro_rules! files_named {
    ([$($name:ident: $number:literal,)*], $container:ty, $data:ident, $child:ident, $($more:ident: $id:literal),*) => {{
        $(const { assert!(same(stringify!($name), Number::ALL[$number].spec().attribute)) };)*
        configfs_attrs! {
            container: $container,
            data: $data,
            child: $child,
            attributes: [
                $($name: $number,)*
                smb_direct: 12,
                interfaces: 13,
                capabilities: 14,
                $($more: $id,)*
            ],
        }
    }};
}

const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut i = 0;
    while i < a.len() && i < b.len() && a[i] == b[i] {
        i += 1;
    }
    i == a.len() && i == b.len()
}

/// What a file of those stands for.
const fn item(number: usize) -> Item {
    match number {
        12 => Item::Mode,
        13 => Item::Interfaces,
        14 => Item::Capabilities,
        number => Item::Number(Number::ALL[number]),
    }
}

/// Who has settings.
trait Holder {
    fn look<R>(&self, f: impl FnOnce(&Settings) -> R) -> R;
    fn edit(&self, f: impl FnOnce(&mut Settings) -> Result) -> Result;
}

impl Holder for Root {
    fn look<R>(&self, f: impl FnOnce(&Settings) -> R) -> R {
        match policy::current() {
            Some(policy) => f(&policy.settings),
            None => f(&Settings::new()),
        }
    }

    fn edit(&self, f: impl FnOnce(&mut Settings) -> Result) -> Result {
        policy::change(&ProcessCtx::enter(), f)
    }
}

/// Of a draft: no other directory has the files.
impl Holder for Branch {
    fn look<R>(&self, f: impl FnOnce(&Settings) -> R) -> R {
        match self {
            Self::Draft(draft) => f(&draft.content.settings.lock()),
            Self::Probes(_) => f(&Settings::new()),
        }
    }

    fn edit(&self, f: impl FnOnce(&mut Settings) -> Result) -> Result {
        match self {
            Self::Draft(draft) => f(&mut draft.content.settings.lock()),
            Self::Probes(_) => Err(EINVAL),
        }
    }
}

/// What was written, without the end of the line.
pub(crate) fn written(bytes: &[u8]) -> Result<&str> {
    core::str::from_utf8(bytes)
        .map(|text| text.trim_matches([' ', '\t', '\n']))
        .map_err(|_| EINVAL)
}

/// Refuses everything but `1`.
pub(crate) fn one(bytes: &[u8]) -> Result {
    match written(bytes)? {
        "1" => Ok(()),
        _ => Err(EINVAL),
    }
}

/// Fills a file.
pub(crate) fn fill(
    page: &mut [u8; PAGE_SIZE],
    write: impl FnOnce(&mut Text<'_>) -> fmt::Result,
) -> Result<usize> {
    let mut text = Text::new(page);
    write(&mut text).map_err(|_| EIO)?;
    Ok(text.len())
}

fn show(settings: &Settings, item: Item, out: &mut Text<'_>) -> fmt::Result {
    let list = |text: &str, out: &mut Text<'_>| match text {
        "" => writeln!(out, "{UNSET}"),
        text => writeln!(out, "{text}"),
    };
    match item {
        Item::Number(number) => match settings.numbers.get(number) {
            Some(value) => writeln!(out, "{value}"),
            None => writeln!(out, "{UNSET}"),
        },
        Item::Mode => writeln!(out, "{}", mode_name(settings.mode)),
        Item::Interfaces => list(settings.interfaces.text(), out),
        Item::Capabilities => list(settings.capabilities.text(), out),
    }
}

macro_rules! settings_files {
    ($type:ident: $($number:literal)*) => {$(
        #[vtable]
        impl AttributeOperations<$number> for $type {
            type Data = $type;

            fn show(data: &$type, page: &mut [u8; PAGE_SIZE]) -> Result<usize> {
                data.look(|settings| fill(page, |out| show(settings, const { item($number) }, out)))
            }

            fn store(data: &$type, bytes: &[u8]) -> Result {
                let text = written(bytes)?;
                data.edit(|settings| settings.set(const { item($number) }, text))
            }
        }
    )*};
}
settings_files!(Root: 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14);
settings_files!(Branch: 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14);

/// A share and what was refused on it: name, mode, counts by reason.
fn share_line(out: &mut dyn Write, name: &str, mode: Option<Mode>, record: &Record) -> fmt::Result {
    let [over_rdma, over_tcp, cannot_move] = record.counts();
    writeln!(
        out,
        "{name} {} {over_rdma} {over_tcp} {cannot_move}",
        mode_name(mode)
    )
}

/// Calls `f` for all shares, those that were not applied by name first, as `*`.
fn each_share(
    settings: &Settings,
    mut f: impl FnMut(&str, Option<Mode>, &Record) -> fmt::Result,
) -> fmt::Result {
    f("*", settings.mode, &OTHERS)?;
    settings.shares().iter().try_for_each(|share| {
        f(
            share.record.name.text().unwrap_or("?"),
            share.mode,
            &share.record,
        )
    })
}

/// All shares that are in force, for debugfs.
pub(crate) fn write_shares(out: &mut dyn Write) -> fmt::Result {
    let policy = policy::current();
    let none = Settings::new();
    each_share(
        policy.as_ref().map_or(&none, |policy| &policy.settings),
        |name, mode, record| share_line(out, name, mode, record),
    )
}

/// `shares`: what fits, and how many do not.
#[vtable]
impl AttributeOperations<15> for Root {
    type Data = Root;

    fn show(data: &Root, page: &mut [u8; PAGE_SIZE]) -> Result<usize> {
        /// Longest last line.
        const LAST: usize = 16;
        let mut left_off = 0u32;
        fill(page, |out| {
            data.look(|settings| {
                each_share(settings, |name, mode, record| {
                    let before = out.len();
                    if left_off == 0 {
                        share_line(out, name, mode, record)?;
                    }
                    if left_off != 0 || out.len() > PAGE_SIZE - LAST {
                        out.truncate(before);
                        left_off += 1;
                    }
                    Ok(())
                })
            })?;
            match left_off {
                0 => Ok(()),
                more => writeln!(out, "and {more} more"),
            }
        })
    }
}

/// `reset`.
#[vtable]
impl AttributeOperations<16> for Root {
    type Data = Root;

    fn show(_data: &Root, _page: &mut [u8; PAGE_SIZE]) -> Result<usize> {
        Ok(0)
    }

    fn store(_data: &Root, bytes: &[u8]) -> Result {
        one(bytes)?;
        policy::reset(&ProcessCtx::enter());
        Ok(())
    }
}

/// `commit`.
#[vtable]
impl AttributeOperations<15> for Branch {
    type Data = Branch;

    fn show(_data: &Branch, _page: &mut [u8; PAGE_SIZE]) -> Result<usize> {
        Ok(0)
    }

    fn store(data: &Branch, bytes: &[u8]) -> Result {
        one(bytes)?;
        data.edit(|settings| policy::replace(&ProcessCtx::enter(), settings))
    }
}

macro_rules! probe_files {
    ($($number:literal $file:ident,)*) => {$(
        #[vtable]
        impl AttributeOperations<$number> for Leaf {
            type Data = Leaf;

            fn show(data: &Leaf, page: &mut [u8; PAGE_SIZE]) -> Result<usize> {
                data.probe()?.show(File::$file, page)
            }

            fn store(data: &Leaf, bytes: &[u8]) -> Result {
                data.probe()?.store(File::$file, bytes)
            }
        }
    )*};
}
probe_files!(0 Address, 1 Port, 2 Timeout, 3 Run,);

/// `result`.
#[vtable]
impl AttributeOperations<4> for Leaf {
    type Data = Leaf;

    fn show(data: &Leaf, page: &mut [u8; PAGE_SIZE]) -> Result<usize> {
        data.probe()?.show(File::Result, page)
    }
}

/// `smb_direct` of a share.
#[vtable]
impl AttributeOperations<0> for Entry {
    type Data = Entry;

    fn show(data: &Entry, page: &mut [u8; PAGE_SIZE]) -> Result<usize> {
        let settings = data.content.settings.lock();
        let mode = settings.share(&data.key).and_then(|share| share.mode);
        fill(page, |out| writeln!(out, "{}", mode_name(mode)))
    }

    fn store(data: &Entry, bytes: &[u8]) -> Result {
        let mode = parse_mode(written(bytes)?)?;
        data.content.settings.lock().set_share(&data.key, mode)
    }
}

// ---- directories ----

impl Root {
    /// The directory of the module; it vanishes with the value, which nothing may be made after: from then on drafts can be.
    pub(crate) fn register() -> impl PinInit<Subsystem<Self>, Error> {
        let types = Types {
            draft: files!(Group<Branch>, Branch, Leaf, commit: 15),
            probes: configfs_attrs! {
                container: Group<Branch>,
                data: Branch,
                child: Leaf,
                attributes: [],
            },
            shares: configfs_attrs! {
                container: Group<Leaf>,
                data: Leaf,
                child: Entry,
                attributes: [],
            },
            probe: configfs_attrs! {
                container: Group<Leaf>,
                data: Leaf,
                attributes: [address: 0, port: 1, timeout: 2, run: 3, result: 4],
            },
            share: configfs_attrs! {
                container: Group<Entry>,
                data: Entry,
                attributes: [smb_direct: 0],
            },
        };
        let root = files!(Subsystem<Root>, Root, Branch, shares: 15, reset: 16);
        Subsystem::new(c"smbdirect", root, Ok(Self(types)))
    }
}
