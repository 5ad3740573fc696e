// SPDX-License-Identifier: GPL-2.0

//! Lists of interfaces: where connections are taken, and what is advertised (`Documentation/steering.md`, 3).
//!
//! A list is kept as its text: words separated by single spaces, each of which is checked once. Looking at it again costs a parse of a few bytes per word,
//! and only when a connection arrives or a client asks for interfaces.

use core::{fmt, net::IpAddr};

/// Most words of a list.
pub const MAX_WORDS: usize = 64;
/// Longest list, in bytes.
pub const MAX_TEXT: usize = 1024;
/// Longest name of an RDMA device; those of network devices are shorter.
const MAX_NAME: usize = 63;

/// What a word stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What<'t> {
    /// A network or RDMA device.
    Name(&'t str),
    /// All of them whose name begins so.
    Prefix(&'t str),
    /// Local addresses: the network, IPv4 in its v4-mapped form, and how many bits of it count.
    Net([u8; 16], u8),
}

/// A word of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word<'t> {
    /// `!` stands in front of it.
    pub except: bool,
    /// What it stands for.
    pub what: What<'t>,
}

/// Why a word is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WordError {
    /// Nothing, or nothing after `!`.
    Empty,
    /// Neither the name of an interface nor an address.
    Name,
    /// `*` elsewhere than at the end.
    Star,
    /// An address that is none.
    Address,
    /// A prefix length that is no number or too long.
    PrefixLength,
    /// Bits of the address are set beyond the prefix.
    HostBits,
}

impl fmt::Display for WordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "nothing is there",
            Self::Name => "neither the name of an interface nor an address",
            Self::Star => "* may only be at the end of a name",
            Self::Address => "not an address",
            Self::PrefixLength => "the prefix length is no number in 0 to 32 (IPv6: 128)",
            Self::HostBits => "the address has bits beyond the prefix length",
        })
    }
}

/// An address in 16 bytes, IPv4 in its v4-mapped form; and how many bits the prefix lengths of its family lack.
fn mapped(addr: IpAddr) -> ([u8; 16], u8) {
    match addr {
        IpAddr::V4(v4) => (v4.to_ipv6_mapped().octets(), 96),
        IpAddr::V6(v6) => (v6.octets(), 0),
    }
}

/// The first `bits` bits of an address; the others are 0.
fn masked(addr: [u8; 16], bits: u8) -> [u8; 16] {
    let keep = u128::MAX
        .checked_shl(128u32.saturating_sub(u32::from(bits)))
        .unwrap_or(0);
    (u128::from_be_bytes(addr) & keep).to_be_bytes()
}

/// What a name must be made of: no separators of ours, nothing that a terminal or a log would not print.
fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= MAX_NAME
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'@' | b'+'))
}

impl<'t> Word<'t> {
    /// Reads one word.
    pub fn parse(text: &'t str) -> Result<Self, WordError> {
        let (except, text) = match text.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let what = Self::parse_what(text)?;
        Ok(Self { except, what })
    }

    fn parse_what(text: &'t str) -> Result<What<'t>, WordError> {
        if text.is_empty() {
            return Err(WordError::Empty);
        }
        if let Some((addr, len)) = text.split_once('/') {
            let addr: IpAddr = addr.parse().map_err(|_| WordError::Address)?;
            let (bytes, lacking) = mapped(addr);
            let own: u8 = len.parse().map_err(|_| WordError::PrefixLength)?;
            let bits = own
                .checked_add(lacking)
                .filter(|bits| *bits <= 128 && !len.starts_with('+'))
                .ok_or(WordError::PrefixLength)?;
            if masked(bytes, bits) != bytes {
                return Err(WordError::HostBits);
            }
            return Ok(What::Net(bytes, bits));
        }
        if let Ok(addr) = text.parse() {
            return Ok(What::Net(mapped(addr).0, 128));
        }
        if text.contains(':') || text.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
            return Err(WordError::Address);
        }
        match text.split_once('*') {
            Some((begin, "")) if begin.is_empty() || is_name(begin) => Ok(What::Prefix(begin)),
            Some((_, rest)) if !rest.is_empty() => Err(WordError::Star),
            None if is_name(text) => Ok(What::Name(text)),
            _ => Err(WordError::Name),
        }
    }
}

/// What is known of the place where a connection came in, or of an interface.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place<'p> {
    /// Names: of the network device, of the RDMA device.
    pub names: [Option<&'p str>; 2],
    /// A local address, IPv4 in its v4-mapped form.
    pub addr: Option<[u8; 16]>,
}

impl What<'_> {
    /// Whether the place is one that this stands for.
    #[must_use]
    pub fn covers(&self, place: &Place<'_>) -> bool {
        let names = || place.names.iter().flatten();
        match self {
            Self::Name(name) => names().any(|n| n == name),
            Self::Prefix(begin) => names().any(|n| n.starts_with(begin)),
            Self::Net(net, bits) => place.addr.is_some_and(|addr| masked(addr, *bits) == *net),
        }
    }
}

/// The words of a list that was checked.
fn words(list: &str) -> impl Iterator<Item = &str> {
    list.split(' ').filter(|word| !word.is_empty())
}

/// What a list says of one place. Of an interface with several addresses, which is several places, the greatest counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// No word is true of it, and others have one that would have to be.
    Unnamed,
    /// Connections are taken there.
    Taken,
    /// A word with `!` is true of it.
    Excluded,
}

/// Whether connections are taken at a place, by a list that was checked.
#[must_use]
pub fn verdict(list: &str, place: &Place<'_>) -> Verdict {
    let (mut any_positive, mut taken) = (false, false);
    for word in words(list).filter_map(|word| Word::parse(word).ok()) {
        let covered = word.what.covers(place);
        if word.except {
            if covered {
                return Verdict::Excluded;
            }
        } else {
            any_positive = true;
            taken = taken || covered;
        }
    }
    if taken || !any_positive {
        Verdict::Taken
    } else {
        Verdict::Unnamed
    }
}

/// The first word of a list that is refused, and why; or that the list is too long.
pub fn check(list: &str) -> Result<(), ListError<'_>> {
    if list.len() > MAX_TEXT || words(list).count() > MAX_WORDS {
        return Err(ListError::TooLong);
    }
    words(list).try_for_each(|text| match Word::parse(text) {
        Ok(_) => Ok(()),
        Err(why) => Err(ListError::Word(text, why)),
    })
}

/// Why a list is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListError<'t> {
    /// More than [`MAX_WORDS`] or [`MAX_TEXT`].
    TooLong,
    /// This word.
    Word(&'t str, WordError),
}

/// An override of what is advertised: `name=rdma` or `name=none`.
pub fn parse_capability(text: &str) -> Result<(What<'_>, bool), WordError> {
    let (name, value) = text.split_once('=').ok_or(WordError::Name)?;
    let rdma = match value {
        "rdma" => true,
        "none" => false,
        _ => return Err(WordError::Name),
    };
    match Word::parse(name)? {
        Word {
            except: false,
            what: what @ (What::Name(_) | What::Prefix(_)),
        } => Ok((what, rdma)),
        _ => Err(WordError::Name),
    }
}

/// Like [`check`], for a list of overrides.
pub fn check_capabilities(list: &str) -> Result<(), ListError<'_>> {
    if list.len() > MAX_TEXT || words(list).count() > MAX_WORDS {
        return Err(ListError::TooLong);
    }
    words(list).try_for_each(|text| match parse_capability(text) {
        Ok(_) => Ok(()),
        Err(why) => Err(ListError::Word(text, why)),
    })
}

/// What the first override that covers an interface says of it.
#[must_use]
pub fn capability(list: &str, place: &Place<'_>) -> Option<bool> {
    words(list)
        .filter_map(|word| parse_capability(word).ok())
        .find(|(what, _)| what.covers(place))
        .map(|(_, rdma)| rdma)
}
