// SPDX-License-Identifier: GPL-2.0

//! RDMA devices: read-only queries.
//!
//! C header: [`include/rdma/ib_verbs.h`](srctree/include/rdma/ib_verbs.h)

use core::{marker::PhantomData, ptr::NonNull};
use kernel::{prelude::*, str::CStr};
use smbdirect_kext::{bindings, name::Name};

/// Node types of devices that can carry SMB Direct, and the "none" value, as C encodes them.
pub mod node_type {
    /// InfiniBand or RoCE (`RDMA_NODE_IB_CA`).
    pub const IB_CA: u8 = 1;
    /// iWARP (`RDMA_NODE_RNIC`).
    pub const RNIC: u8 = 4;
    /// Neither (`RDMA_NODE_UNSPECIFIED`).
    pub const UNSPECIFIED: u8 = 7;
}

const _: () = {
    use smbdirect_kext::bindings as b;
    assert!(b::RDMA_NODE_IB_CA == node_type::IB_CA as u32);
    assert!(b::RDMA_NODE_RNIC == node_type::RNIC as u32);
    assert!(b::RDMA_NODE_UNSPECIFIED == node_type::UNSPECIFIED as u32);
};

/// Tells devices apart that are registered at the same time.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct DeviceId(usize);

/// A view of a device that something else pins: a cm_id bound to it, or the ib_client callback that handed it out.
///
/// # Invariants
///
/// `raw` is a registered `ib_device` for all of `'a`.
#[derive(Clone, Copy)]
pub struct Device<'a> {
    raw: NonNull<bindings::ib_device>,
    _pinned: PhantomData<&'a ()>,
}

impl<'a> Device<'a> {
    /// Wraps a raw device.
    ///
    /// # Safety
    ///
    /// The device stays registered for `'a`.
    pub(crate) unsafe fn from_raw(raw: NonNull<bindings::ib_device>) -> Self {
        // INVARIANT: By the safety requirement.
        Self {
            raw,
            _pinned: PhantomData,
        }
    }

    pub(crate) fn as_ptr(&self) -> *mut bindings::ib_device {
        self.raw.as_ptr()
    }

    /// Which device it is.
    pub fn id(&self) -> DeviceId {
        DeviceId(self.raw.as_ptr() as usize)
    }

    fn attrs(&self) -> &bindings::ib_device_attr {
        // SAFETY: By the type invariant; attributes do not change while a device is registered.
        unsafe { &(*self.raw.as_ptr()).attrs }
    }

    /// The device's name, such as `rxe0`.
    pub fn name(&self) -> &CStr {
        // SAFETY: By the type invariant; the name ends in NUL inside the device, also while it is being changed.
        unsafe { CStr::from_char_ptr(core::ptr::addr_of!((*self.raw.as_ptr()).name).cast()) }
    }

    /// A copy of the name, for what has to be one name from beginning to end while an administrator may rename the device.
    pub fn short_name(&self) -> Name {
        Name::new(self.name().to_bytes())
    }

    /// Node type, see [`node_type`].
    pub fn node_type(&self) -> u8 {
        // SAFETY: By the type invariant.
        unsafe { (*self.raw.as_ptr()).node_type }
    }

    /// Whether memory can be registered by work requests (FRWR), which SMB Direct needs.
    pub fn frwr_supported(&self) -> bool {
        frwr_supported(self.attrs())
    }

    /// A device this transport can use: FRWR and InfiniBand, RoCE or iWARP.
    pub fn is_capable(&self) -> bool {
        self.frwr_supported() && matches!(self.node_type(), node_type::IB_CA | node_type::RNIC)
    }

    /// Whether the port speaks iWARP.
    pub fn is_iwarp(&self, port: u32) -> bool {
        // SAFETY: By the type invariant.
        unsafe { bindings::smbd_port_is_iwarp(self.as_ptr(), port) }
    }

    /// Whether it is soft-iWARP (siw).
    pub fn is_siw(&self) -> bool {
        self.driver() == bindings::rdma_driver_id_RDMA_DRIVER_SIW
    }

    fn driver(&self) -> bindings::rdma_driver_id {
        // SAFETY: By the type invariant.
        unsafe { (*self.raw.as_ptr()).ops.driver_id }
    }

    /// Whether an RDMA read may complete with success although its data has not arrived. Soft-RoCE does that when the answer's packets come out of order, and has
    /// the QP in the error state before it looks at the next work request. (A peer that breaks the protocol of RoCE can still make it believe an answer with too few
    /// bytes; that is the peer's own data.)
    pub fn reads_may_lie(&self) -> bool {
        self.driver() == bindings::rdma_driver_id_RDMA_DRIVER_RXE
    }

    /// Whether the port speaks InfiniBand, on a fabric of its own.
    pub fn is_infiniband(&self, port: u32) -> bool {
        // SAFETY: By the type invariant.
        unsafe { bindings::smbd_port_is_infiniband(self.as_ptr(), port) }
    }

    /// Whether the port speaks InfiniBand or RoCE.
    pub fn is_ib_or_roce(&self, port: u32) -> bool {
        // SAFETY: By the type invariant.
        unsafe { bindings::smbd_port_is_ib_or_roce(self.as_ptr(), port) }
    }

    /// Number of physical ports.
    pub fn ports(&self) -> u32 {
        // SAFETY: By the type invariant.
        unsafe { (*self.raw.as_ptr()).phys_port_cnt }
    }

    /// Longest work queue of a QP.
    pub fn max_qp_wr(&self) -> u32 {
        self.attrs().max_qp_wr
    }

    /// Most entries of a CQ.
    pub fn max_cqe(&self) -> u32 {
        self.attrs().max_cqe
    }

    /// Most SGEs of a send work request.
    pub fn max_send_sge(&self) -> u32 {
        self.attrs().max_send_sge
    }

    /// RDMA reads a QP can serve at once.
    pub fn max_qp_rd_atom(&self) -> u32 {
        self.attrs().max_qp_rd_atom
    }

    /// RDMA reads a QP can have outstanding as requester.
    pub fn max_qp_init_rd_atom(&self) -> u32 {
        self.attrs().max_qp_init_rd_atom
    }

    /// Most pages of a fast-registration MR.
    pub fn max_fast_reg_pages(&self) -> u32 {
        self.attrs().max_fast_reg_page_list_len
    }

    /// The longest piece of memory that can be mapped for it, in bytes: whole pages.
    pub fn longest_piece(&self) -> usize {
        // SAFETY: By the type invariant.
        unsafe { bindings::smbd_sg_longest(self.as_ptr()) }
    }

    /// Whether an MR may describe pages with gaps.
    pub fn supports_sg_gaps(&self) -> bool {
        // SAFETY: By the type invariant.
        let caps = unsafe { bindings::smbd_device_kernel_cap_flags(self.as_ptr()) };
        caps & u64::from(bindings::ib_kernel_cap_flags_IBK_SG_GAPS_REG) != 0
    }
}

/// FRWR support by attributes: `IB_DEVICE_MEM_MGT_EXTENSIONS` and a page list (contract §4.2).
pub fn frwr_supported(attrs: &bindings::ib_device_attr) -> bool {
    attrs.device_cap_flags
        & u64::from(bindings::ib_device_cap_flags_IB_DEVICE_MEM_MGT_EXTENSIONS as u32)
        != 0
        && attrs.max_fast_reg_page_list_len != 0
}
