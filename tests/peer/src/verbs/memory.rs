// SPDX-License-Identifier: GPL-2.0
//! Memory that an adapter reads and writes, and the keys for it.

use std::alloc::{alloc_zeroed, dealloc, handle_alloc_error, Layout};
use std::ffi::c_int;
use std::io;
use std::ptr::NonNull;
use std::rc::Rc;

use super::cm::Id;
use super::ffi::*;
use super::library::Library;
use super::plain::Rights;

/// Memory that something else may write at any time: no references to it are
/// ever made, bytes are copied in and out.
pub struct Buffer {
    start: NonNull<u8>,
    layout: Layout,
}

impl Buffer {
    /// Zeroed and page-aligned; at least one byte.
    pub fn new(len: usize) -> Self {
        let layout = Layout::from_size_align(len.max(1), 4096).expect("a size below isize::MAX");
        // SAFETY: the layout has a size that is not zero.
        let start = unsafe { alloc_zeroed(layout) };
        let Some(start) = NonNull::new(start) else {
            handle_alloc_error(layout)
        };
        Buffer { start, layout }
    }

    pub fn len(&self) -> usize {
        self.layout.size()
    }

    /// The address of its first byte.
    pub fn address(&self) -> u64 {
        self.start.as_ptr() as u64
    }

    /// Copy `bytes` to `at`.
    pub fn put(&self, at: usize, bytes: &[u8]) {
        assert!(at <= self.len() && bytes.len() <= self.len() - at);
        // SAFETY: in bounds, as just seen; there are no references into it.
        unsafe {
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.start.as_ptr().add(at), bytes.len());
        }
    }

    /// A copy of `len` bytes from `at`.
    pub fn take(&self, at: usize, len: usize) -> Vec<u8> {
        assert!(at <= self.len() && len <= self.len() - at);
        let mut out = vec![0; len];
        // SAFETY: in bounds, as just seen; `out` has `len` bytes.
        unsafe {
            std::ptr::copy_nonoverlapping(self.start.as_ptr().add(at), out.as_mut_ptr(), len);
        }
        out
    }

    pub fn fill(&self, byte: u8) {
        // SAFETY: the whole allocation; there are no references into it.
        unsafe { std::ptr::write_bytes(self.start.as_ptr(), byte, self.len()) }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with this layout.
        unsafe { dealloc(self.start.as_ptr(), self.layout) }
    }
}

/// A protection domain.
pub struct Domain {
    pub(super) pd: NonNull<Pd>,
    pub(super) library: &'static Library,
    /// Keeps the device open for as long as anything belongs to the domain.
    _id: Rc<Id>,
}

impl Domain {
    pub(super) fn new(library: &'static Library, id: &Rc<Id>) -> io::Result<Rc<Self>> {
        // SAFETY: the open device of a resolved identifier, which is kept.
        let pd = unsafe { (library.alloc_pd)(id.verbs()) };
        NonNull::new(pd)
            .map(|pd| {
                Rc::new(Domain {
                    pd,
                    library,
                    _id: id.clone(),
                })
            })
            .ok_or_else(io::Error::last_os_error)
    }
}

impl Drop for Domain {
    fn drop(&mut self) {
        // SAFETY: whatever belongs to the domain holds an Rc of it.
        unsafe { (self.library.dealloc_pd)(self.pd.as_ptr()) };
    }
}

impl Rights {
    pub(super) fn remote(self) -> c_int {
        match self {
            Rights::Local => 0,
            Rights::Read => ACCESS_REMOTE_READ,
            Rights::Write => ACCESS_REMOTE_WRITE,
            Rights::Both => ACCESS_REMOTE_READ | ACCESS_REMOTE_WRITE,
        }
    }
}

/// A registered buffer. Dropping it takes the registration back.
pub struct Region {
    mr: Option<NonNull<Mr>>,
    window: Option<Window>,
    pub buffer: Buffer,
    domain: Rc<Domain>,
}

impl Region {
    pub(super) fn new(
        domain: &Rc<Domain>,
        buffer: Buffer,
        rights: Rights,
        for_window: bool,
    ) -> io::Result<Self> {
        let mut access = ACCESS_LOCAL_WRITE;
        // What is reached through a window only has no rights of its own.
        access |= if for_window {
            ACCESS_MW_BIND
        } else {
            rights.remote()
        };
        // SAFETY: the buffer outlives the registration (see `drop`).
        let mr = unsafe {
            (domain.library.reg_mr)(
                domain.pd.as_ptr(),
                buffer.start.as_ptr().cast(),
                buffer.len(),
                access,
            )
        };
        let mr = NonNull::new(mr).ok_or_else(io::Error::last_os_error)?;
        Ok(Region {
            mr: Some(mr),
            window: None,
            buffer,
            domain: domain.clone(),
        })
    }

    pub(super) fn lkey(&self) -> u32 {
        // SAFETY: registered as long as `mr` is there.
        self.mr.map_or(0, |mr| unsafe { mr.as_ref().lkey })
    }

    pub(super) fn mr(&self) -> *mut Mr {
        self.mr.map_or(std::ptr::null_mut(), NonNull::as_ptr)
    }

    pub(super) fn set_window(&mut self, window: Window) {
        self.window = Some(window);
    }

    /// The key that the other side needs.
    pub fn key(&self) -> u32 {
        match &self.window {
            Some(w) => w.key,
            // SAFETY: registered as long as `mr` is there.
            None => self.mr.map_or(0, |mr| unsafe { mr.as_ref().rkey }),
        }
    }

    /// Take the registration back now; the memory and the number of its key stay.
    pub fn deregister(&mut self) -> u32 {
        let key = self.key();
        self.window = None;
        if let Some(mr) = self.mr.take() {
            // SAFETY: registered, and not once more.
            unsafe { (self.domain.library.dereg_mr)(mr.as_ptr()) };
        }
        key
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        self.deregister();
    }
}

/// A memory window (type 2): a key that the other side can invalidate.
pub struct Window {
    pub(super) mw: NonNull<Mw>,
    /// The key it is bound with: each bind wants a new one.
    pub(super) key: u32,
    domain: Rc<Domain>,
}

impl Window {
    pub(super) fn new(domain: &Rc<Domain>) -> io::Result<Self> {
        // SAFETY: the domain's context is open as long as the domain is there.
        let mw = unsafe {
            let context = domain.pd.as_ref().context;
            let alloc = (*context).alloc_mw.ok_or(io::ErrorKind::Unsupported)?;
            alloc(domain.pd.as_ptr(), MW_TYPE_2)
        };
        let mw = NonNull::new(mw).ok_or_else(io::Error::last_os_error)?;
        // SAFETY: just allocated. Its low byte is the owner's to choose.
        let key = unsafe { mw.as_ref().rkey };
        let key = (key & !0xff) | (key.wrapping_add(1) & 0xff);
        Ok(Window {
            mw,
            key,
            domain: domain.clone(),
        })
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        // SAFETY: as in `new`; a provider that allocates windows frees them.
        unsafe {
            if let Some(free) = (*self.domain.pd.as_ref().context).dealloc_mw {
                free(self.mw.as_ptr());
            }
        }
    }
}
