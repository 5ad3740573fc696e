// SPDX-License-Identifier: GPL-2.0

//! Directories below `/sys/kernel` with read-only text files.
//!
//! C header: [`include/linux/kobject.h`](srctree/include/linux/kobject.h)

use crate::{bindings, ctx::ProcessCtx};
use core::{fmt, marker::PhantomData, ptr::NonNull};
use kernel::{container_of, error::to_result, ffi::c_char, prelude::*, types::Opaque};

/// Most bytes of a file: what the kernel gives a `show` function.
pub const MAX_FILE: usize = kernel::page::PAGE_SIZE;

/// What the files of a [`Directory`] show.
pub trait Files: Send + Sync + 'static {
    /// The names of the files.
    const NAMES: &'static [&'static CStr];

    /// Writes file `number` of [`NAMES`](Self::NAMES). Process context. What goes beyond [`MAX_FILE`] bytes is cut off.
    fn show(&self, number: usize, out: &mut Text<'_>) -> fmt::Result;
}

/// A directory without files.
pub struct Empty;

impl Files for Empty {
    const NAMES: &'static [&'static CStr] = &[];

    fn show(&self, _number: usize, _out: &mut Text<'_>) -> fmt::Result {
        Ok(())
    }
}

/// The page that a file's text is written to.
pub struct Text<'a> {
    page: &'a mut [u8],
    len: usize,
}

impl<'a> Text<'a> {
    /// Nothing yet, on a page.
    pub fn new(page: &'a mut [u8]) -> Self {
        Self { page, len: 0 }
    }

    /// Bytes written so far.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Takes back what was written beyond `len` bytes.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }
}

impl fmt::Write for Text<'_> {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        let part = s.len().min(self.page.len() - self.len);
        let end = self.len + part;
        if let (Some(to), Some(from)) = (self.page.get_mut(self.len..end), s.as_bytes().get(..part))
        {
            to.copy_from_slice(from);
        }
        self.len = end;
        Ok(())
    }
}

/// What the kernel knows of a directory.
///
/// # Invariants
///
/// `kobj` is initialised, and was made for exactly this `T`; the node is in a box that `release` frees. `attributes` has an entry for each name and does not
/// move or change while the directory exists.
#[repr(C)]
struct Node<T: Files> {
    kobj: Opaque<bindings::kobject>,
    attributes: KVec<bindings::attribute>,
    data: T,
}

/// A directory that exists while this does. Dropping it waits for whoever reads its files (sleeps).
///
/// # Invariants
///
/// The node is valid; one reference of its kobject is ours.
pub struct Directory<T: Files> {
    node: NonNull<Node<T>>,
    _owns: PhantomData<T>,
}

// SAFETY: The data may be used from every thread (`T: Send + Sync`); kobjects are counted atomically.
unsafe impl<T: Files> Send for Directory<T> {}
// SAFETY: As above.
unsafe impl<T: Files> Sync for Directory<T> {}

/// Where a directory is made.
#[derive(Clone, Copy)]
pub struct Parent<'a>(*mut bindings::kobject, PhantomData<&'a ()>);

impl Parent<'static> {
    /// `/sys/kernel`.
    pub fn kernel() -> Self {
        // SAFETY: Set at boot and never changed; only the pointer is read.
        Self(unsafe { bindings::kernel_kobj }, PhantomData)
    }
}

impl<T: Files> Directory<T> {
    const OPS: &'static bindings::sysfs_ops = &bindings::sysfs_ops {
        show: Some(show::<T>),
        store: None,
    };
    const TYPE: &'static bindings::kobj_type = &bindings::kobj_type {
        release: Some(release::<T>),
        sysfs_ops: Self::OPS,
        default_groups: core::ptr::null_mut(),
        child_ns_type: None,
        namespace: None,
        get_ownership: None,
    };

    /// Makes a directory with its files. Sleeps.
    pub fn new(_ctx: &ProcessCtx, parent: Parent<'_>, name: &CStr, data: T) -> Result<Self> {
        let mut attributes = KVec::with_capacity(T::NAMES.len(), GFP_KERNEL)?;
        for name in T::NAMES {
            let mut attribute = bindings::attribute::default();
            // SAFETY: A valid attribute; the name is static.
            unsafe { bindings::smbd_attribute_init(&mut attribute, name.as_char_ptr()) };
            attributes.push(attribute, GFP_KERNEL)?;
        }
        let node = KBox::new(
            Node {
                kobj: Opaque::zeroed(),
                attributes,
                data,
            },
            GFP_KERNEL,
        )?;
        let node = NonNull::from(KBox::leak(node));
        // SAFETY: The node is valid, and is not moved any more.
        let kobj = unsafe { (*node.as_ptr()).kobj.get() };
        // SAFETY: A zeroed kobject; the parent exists for the call and is kept by the child; the name is copied. Whatever this returns, the kobject is
        // initialised afterwards, and `release` frees the node when its last reference is dropped.
        let added = unsafe {
            bindings::kobject_init_and_add(
                kobj,
                Self::TYPE,
                parent.0,
                c"%s".as_char_ptr(),
                name.as_char_ptr(),
            )
        };
        // INVARIANT: Made above; dropped, which gives the reference back, if something fails from here on.
        let this = Self {
            node,
            _owns: PhantomData,
        };
        to_result(added)?;
        for attribute in this.node().attributes.iter() {
            // SAFETY: The kobject is added; the attribute is in the node, which outlives its file.
            to_result(unsafe {
                bindings::sysfs_create_file_ns(kobj, attribute, core::ptr::null())
            })?;
        }
        Ok(this)
    }

    fn node(&self) -> &Node<T> {
        // SAFETY: By the type invariant; a node is not written after it was made.
        unsafe { self.node.as_ref() }
    }

    /// As the place for other directories, which should go before this one.
    pub fn parent(&self) -> Parent<'_> {
        Parent(self.node().kobj.get(), PhantomData)
    }

    /// What its files show.
    pub fn data(&self) -> &T {
        &self.node().data
    }
}

impl<T: Files> Drop for Directory<T> {
    fn drop(&mut self) {
        kernel::task::might_sleep();
        let kobj = self.node().kobj.get();
        // SAFETY: Initialised, by the type invariant. This removes the directory with its files and waits for those who are reading them.
        unsafe { bindings::kobject_del(kobj) };
        // SAFETY: Our reference; the node is not used afterwards.
        unsafe { bindings::kobject_put(kobj) };
    }
}

/// Writes a file.
///
/// # Safety
///
/// Called by sysfs for a file of a `Directory<T>`, with a page at `page`.
unsafe extern "C" fn show<T: Files>(
    kobj: *mut bindings::kobject,
    attribute: *mut bindings::attribute,
    page: *mut c_char,
) -> isize {
    // SAFETY: By the safety requirement the kobject is in a node of this type, which exists until the file is removed, and this call is waited for then.
    let node: &Node<T> = unsafe { &*container_of!(kobj.cast::<Opaque<_>>(), Node<T>, kobj) };
    let number = node
        .attributes
        .iter()
        .position(|a| core::ptr::eq(a, attribute));
    // SAFETY: By the safety requirement a page, which is ours for the call and zeroed.
    let page = unsafe { core::slice::from_raw_parts_mut(page.cast::<u8>(), MAX_FILE) };
    let mut text = Text::new(page);
    match number.map(|number| node.data.show(number, &mut text)) {
        Some(Ok(())) => text.len as isize,
        _ => EIO.to_errno() as isize,
    }
}

/// The last reference of a kobject is gone.
///
/// # Safety
///
/// Called once for the kobject of a `Node<T>` in a box.
unsafe extern "C" fn release<T: Files>(kobj: *mut bindings::kobject) {
    // SAFETY: By the safety requirement.
    let node: *mut Node<T> = unsafe { container_of!(kobj.cast::<Opaque<_>>(), Node<T>, kobj) };
    // SAFETY: As above: it came from a box, and nobody refers to it any more.
    drop(unsafe { KBox::from_raw(node) });
}
