// SPDX-License-Identifier: GPL-2.0

//! Socket addresses as values.

use crate::net::Net;
use core::{fmt, mem::size_of};
use kernel::{error::to_result, prelude::*};
use smbdirect_kext::{bindings, name::Name};

/// An IPv4 or IPv6 socket address, copied out of C memory.
///
/// # Invariants
///
/// The first `len` bytes are a `sockaddr_in` or `sockaddr_in6`, as its family says.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub struct SockAddr {
    bytes: [u8; size_of::<bindings::sockaddr_in6>()],
    len: u8,
}

/// The host part of an address: what limits per source are counted by.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Host([u8; 16]);

impl Host {
    /// A number for grouping: equal for equal hosts, and mostly different for others.
    pub fn group(&self) -> u32 {
        let words = self.0.chunks_exact(4);
        let mix = words.fold(0u32, |sum, word| {
            let word = word.iter().fold(0, |n, byte| n << 8 | u32::from(*byte));
            (sum.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b1)
        });
        mix >> 16
    }
}

impl Host {
    /// The host of a GID. On InfiniBand each port has one; a RoCE GID is an IP address.
    pub(crate) fn of_gid(gid: [u8; 16], infiniband: bool) -> Self {
        let host = Self(gid);
        if infiniband || host.is_v4() {
            host
        } else {
            host.prefix()
        }
    }

    fn is_v4(&self) -> bool {
        self.0
            .starts_with(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff])
    }

    /// The 64-bit prefix of an IPv6 host, which has all addresses below it.
    fn prefix(mut self) -> Self {
        if let Some(low) = self.0.get_mut(8..) {
            low.fill(0);
        }
        self
    }

    /// The address in 16 bytes, IPv4 in the v4-mapped form.
    pub fn octets(&self) -> [u8; 16] {
        self.0
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d] = self.0 {
            return write!(f, "{a}.{b}.{c}.{d}");
        }
        for (i, pair) in self.0.chunks_exact(2).enumerate() {
            if i > 0 {
                f.write_str(":")?;
            }
            write!(f, "{:x}", u16::from_be_bytes([pair[0], pair[1]]))?;
        }
        Ok(())
    }
}

impl SockAddr {
    /// Copies the address at `addr`; `None` if the family is neither IPv4 nor IPv6.
    ///
    /// # Safety
    ///
    /// `addr` points to a `sockaddr` whose memory is as long as its family says.
    pub unsafe fn copy_from(addr: *const bindings::sockaddr) -> Option<Self> {
        // SAFETY: By the safety requirement at least the family may be read.
        let len = usize::try_from(unsafe { bindings::smbd_sockaddr_len(addr) }).ok()?;
        if len == 0 {
            return None;
        }
        let mut bytes = [0u8; size_of::<bindings::sockaddr_in6>()];
        // SAFETY: By the safety requirement `len` bytes may be read; `len` is at most the size of a `sockaddr_in6`.
        unsafe { core::ptr::copy_nonoverlapping(addr.cast::<u8>(), bytes.as_mut_ptr(), len) };
        // INVARIANT: `len` is that of the family just read.
        Some(Self {
            bytes,
            len: len as u8,
        })
    }

    /// The IPv4 or IPv6 address that a text names, without a port. `%` and the name or number of a network device of `net` may follow a link-local one. `-EINVAL`
    /// if it names none.
    pub fn parse(net: Net<'_>, text: &Name) -> Result<Self> {
        let mut addr = bindings::sockaddr_in6::default();
        // SAFETY: The namespace is alive; the text ends with a NUL; the address is valid for writes, and has room for either family.
        to_result(unsafe {
            bindings::smbd_addr_parse(net.as_ptr(), text.as_char_ptr(), &raw mut addr)
        })?;
        // SAFETY: It was filled with an address of its family.
        let addr = unsafe { Self::copy_from((&raw const addr).cast()) }.ok_or(EINVAL)?;
        // The kernel's parser ends an IPv4 address at a colon.
        if addr.is_v4() && text.as_bytes().contains(&b':') {
            return Err(EINVAL);
        }
        Ok(addr)
    }

    /// The same host with this port.
    pub fn with_port(mut self, port: u16) -> Self {
        // INVARIANT: The port is not the family; both families have it at the same place.
        let [high, low] = port.to_be_bytes();
        (self.bytes[2], self.bytes[3]) = (high, low);
        self
    }

    /// Pointer for C calls that copy the address.
    pub(crate) fn as_mut_ptr(&mut self) -> *mut bindings::sockaddr {
        self.bytes.as_mut_ptr().cast()
    }

    /// Pointer for C calls that only read the address.
    pub(crate) fn as_ptr(&self) -> *const bindings::sockaddr {
        self.bytes.as_ptr().cast()
    }

    /// The address as C has it, filled with zeros to the length of the longest.
    pub fn raw(&self) -> &[u8; size_of::<bindings::sockaddr_in6>()] {
        &self.bytes
    }

    fn is_v4(&self) -> bool {
        usize::from(self.len) == size_of::<bindings::sockaddr_in>()
    }

    /// Whom to charge for what comes from the address: an IPv4 host, in whichever family it is written, or the 64-bit prefix of an IPv6 one.
    pub fn source(&self) -> Host {
        let host = self.host();
        if host.is_v4() {
            host
        } else {
            host.prefix()
        }
    }

    /// The host part; IPv4 in the v4-mapped form.
    pub fn host(&self) -> Host {
        let mut host = [0u8; 16];
        let from = if self.is_v4() { 4..8 } else { 8..24 };
        if let Some(part) = self.bytes.get(from) {
            if self.is_v4() {
                host = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0];
            }
            if let Some(to) = host.get_mut(16 - part.len()..) {
                to.copy_from_slice(part);
            }
        }
        Host(host)
    }

    /// The port, in host order.
    pub fn port(&self) -> u16 {
        u16::from_be_bytes([self.bytes[2], self.bytes[3]])
    }
}

impl fmt::Display for SockAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (host, port) = (self.host(), self.port());
        if self.is_v4() {
            write!(f, "{host}:{port}")
        } else {
            write!(f, "[{host}]:{port}")
        }
    }
}
