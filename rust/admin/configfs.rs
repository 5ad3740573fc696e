// SPDX-License-Identifier: GPL-2.0

//! What an administrator can set: `/sys/kernel/config/smbdirect`. `Documentation/steering.md`, 5, has the format.
//!
//! The files of the directory itself are what is in force. A directory made in it is a draft, which has the same files and its shares. configfs counts the
//! module once for each directory that was made, so the module stays while there are any.
#![forbid(unsafe_code)]

use crate::transport::{
    policy::{self, OTHERS},
    settings::{mode_name, parse_mode, Item, Record, Settings, UNSET},
};
use core::fmt::{self, Write};
use kernel::{
    configfs::{AttributeOperations, Group, GroupOperations, ItemType, Subsystem},
    configfs_attrs, new_mutex,
    page::PAGE_SIZE,
    prelude::*,
    str::CString,
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

/// What the directories are made of.
#[derive(Clone, Copy)]
struct Types {
    draft: &'static ItemType<Group<Draft>, Draft>,
    shares: &'static ItemType<Group<Shares>, Shares>,
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

impl Holder for Draft {
    fn look<R>(&self, f: impl FnOnce(&Settings) -> R) -> R {
        f(&self.content.settings.lock())
    }

    fn edit(&self, f: impl FnOnce(&mut Settings) -> Result) -> Result {
        f(&mut self.content.settings.lock())
    }
}

/// What was written, without the end of the line.
fn written(bytes: &[u8]) -> Result<&str> {
    core::str::from_utf8(bytes)
        .map(|text| text.trim_matches([' ', '\t', '\n']))
        .map_err(|_| EINVAL)
}

/// Refuses everything but `1`.
fn one(bytes: &[u8]) -> Result {
    match written(bytes)? {
        "1" => Ok(()),
        _ => Err(EINVAL),
    }
}

/// Fills a file.
fn fill(
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
settings_files!(Draft: 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14);

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
impl AttributeOperations<15> for Draft {
    type Data = Draft;

    fn show(_data: &Draft, _page: &mut [u8; PAGE_SIZE]) -> Result<usize> {
        Ok(0)
    }

    fn store(data: &Draft, bytes: &[u8]) -> Result {
        one(bytes)?;
        policy::replace(&ProcessCtx::enter(), &data.content.settings.lock())
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
            draft: files!(Group<Draft>, Draft, Shares, commit: 15),
            shares: configfs_attrs! {
                container: Group<Shares>,
                data: Shares,
                child: Entry,
                attributes: [],
            },
            share: configfs_attrs! {
                container: Group<Entry>,
                data: Entry,
                attributes: [smb_direct: 0],
            },
        };
        let root = files!(Subsystem<Root>, Root, Draft, shares: 15, reset: 16);
        Subsystem::new(c"smbdirect", root, Ok(Self(types)))
    }
}

#[vtable]
impl GroupOperations for Root {
    type Child = Draft;

    fn make_group(&self, name: &CStr) -> Result<impl PinInit<Group<Draft>, Error>> {
        let place = Place::take()?;
        let content = Arc::pin_init(
            pin_init!(Content {
                settings <- new_mutex!(Settings::new(), "smbdirect::Content::settings"),
            }),
            GFP_KERNEL,
        )?;
        let draft = Draft {
            content,
            types: self.0,
            _place: place,
        };
        Ok(Group::new(
            CString::try_from(name)?,
            self.0.draft,
            Ok(draft),
        ))
    }
}

#[vtable]
impl GroupOperations for Draft {
    type Child = Shares;

    fn make_group(&self, name: &CStr) -> Result<impl PinInit<Group<Shares>, Error>> {
        if name.to_bytes() != SHARES {
            return Err(EPERM);
        }
        let shares = Shares {
            content: self.content.clone(),
            types: self.types,
        };
        Ok(Group::new(
            CString::try_from(name)?,
            self.types.shares,
            Ok(shares),
        ))
    }
}

#[vtable]
impl GroupOperations for Shares {
    type Child = Entry;

    fn make_group(&self, name: &CStr) -> Result<impl PinInit<Group<Entry>, Error>> {
        let ctx = ProcessCtx::enter();
        let entry = Entry {
            key: self.content.settings.lock().add_share(&ctx, name)?,
            content: self.content.clone(),
        };
        Ok(Group::new(
            CString::try_from(name)?,
            self.types.share,
            Ok(entry),
        ))
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.content.settings.lock().remove_share(&self.key);
    }
}
