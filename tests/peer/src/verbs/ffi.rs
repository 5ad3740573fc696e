// SPDX-License-Identifier: GPL-2.0
//! What of libibverbs and librdmacm is used, as their headers lay it out.
//!
//! Both libraries keep these layouts (their sonames have been `.so.1` from the
//! start); the assertions at the end hold what a C compiler says of them. Only
//! the fields that are read or written here have names.

use std::ffi::{c_int, c_void};

/// `struct ibv_device`; the name is needed for messages only.
#[repr(C)]
pub struct Device {
    head: [u8; 16],
    pub node_type: c_int,
    pub transport_type: c_int,
    pub name: [u8; 64],
}

/// `ibv_transport_type` of iWARP.
pub const TRANSPORT_IWARP: c_int = 1;

pub type PollCq = unsafe extern "C" fn(*mut Cq, c_int, *mut Wc) -> c_int;
pub type ReqNotify = unsafe extern "C" fn(*mut Cq, c_int) -> c_int;
pub type PostSend = unsafe extern "C" fn(*mut Qp, *mut SendWr, *mut *mut SendWr) -> c_int;
pub type PostRecv = unsafe extern "C" fn(*mut Qp, *mut RecvWr, *mut *mut RecvWr) -> c_int;
pub type AllocMw = unsafe extern "C" fn(*mut Pd, c_int) -> *mut Mw;
pub type DeallocMw = unsafe extern "C" fn(*mut Mw) -> c_int;

/// The part of `struct ibv_context` that the inline functions of the header go
/// through: the provider's operations.
#[repr(C)]
pub struct Context {
    pub device: *mut Device,
    compat_a: [*mut c_void; 7],
    pub alloc_mw: Option<AllocMw>,
    bind_mw: *mut c_void,
    pub dealloc_mw: Option<DeallocMw>,
    compat_b: *mut c_void,
    pub poll_cq: Option<PollCq>,
    pub req_notify_cq: Option<ReqNotify>,
    compat_c: [*mut c_void; 12],
    pub post_send: Option<PostSend>,
    pub post_recv: Option<PostRecv>,
}

#[repr(C)]
pub struct Pd {
    pub context: *mut Context,
}

#[repr(C)]
pub struct Mr {
    head: [u8; 36],
    pub lkey: u32,
    pub rkey: u32,
}

#[repr(C)]
pub struct Mw {
    head: [u8; 16],
    pub rkey: u32,
}

#[repr(C)]
pub struct Cq {
    pub context: *mut Context,
}

#[repr(C)]
pub struct CompChannel {
    context: *mut Context,
    pub fd: c_int,
}

#[repr(C)]
pub struct Qp {
    pub context: *mut Context,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct QpCap {
    pub max_send_wr: u32,
    pub max_recv_wr: u32,
    pub max_send_sge: u32,
    pub max_recv_sge: u32,
    pub max_inline_data: u32,
}

#[repr(C)]
pub struct QpInitAttr {
    pub qp_context: *mut c_void,
    pub send_cq: *mut Cq,
    pub recv_cq: *mut Cq,
    pub srq: *mut c_void,
    pub cap: QpCap,
    pub qp_type: c_int,
    pub sq_sig_all: c_int,
}

pub const QPT_RC: c_int = 2;

#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Sge {
    pub addr: u64,
    pub length: u32,
    pub lkey: u32,
}

/// `struct ibv_send_wr` with the part for memory windows; the part for RDMA
/// and atomics lies before it and is not used here.
#[repr(C)]
pub struct SendWr {
    pub wr_id: u64,
    pub next: *mut SendWr,
    pub sg_list: *mut Sge,
    pub num_sge: c_int,
    pub opcode: c_int,
    pub send_flags: u32,
    /// Immediate data, or the key to invalidate.
    pub imm_or_key: u32,
    pub remote_addr: u64,
    pub remote_key: u32,
    rest: [u32; 7],
    pub mw: *mut Mw,
    pub mw_rkey: u32,
    pub mw_mr: *mut Mr,
    pub mw_addr: u64,
    pub mw_length: u64,
    pub mw_access: u32,
}

pub const WR_RDMA_WRITE: c_int = 0;
pub const WR_RDMA_WRITE_WITH_IMM: c_int = 1;
pub const WR_SEND: c_int = 2;
pub const WR_SEND_WITH_IMM: c_int = 3;
pub const WR_RDMA_READ: c_int = 4;
pub const WR_BIND_MW: c_int = 8;
pub const WR_SEND_WITH_INV: c_int = 9;
pub const SEND_SIGNALED: u32 = 2;

#[repr(C)]
pub struct RecvWr {
    pub wr_id: u64,
    pub next: *mut RecvWr,
    pub sg_list: *mut Sge,
    pub num_sge: c_int,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Wc {
    pub wr_id: u64,
    pub status: c_int,
    pub opcode: c_int,
    pub vendor_err: u32,
    pub byte_len: u32,
    pub imm_or_key: u32,
    pub qp_num: u32,
    pub src_qp: u32,
    pub wc_flags: u32,
    pub tail: u64,
}

pub const WC_WITH_IMM: u32 = 1 << 1;
/// "With invalidate" as the header has it, and as the kernel numbers it: rxe
/// hands the kernel's completions to user space as they are.
pub const WC_WITH_INV: u32 = (1 << 3) | (1 << 2);

pub const ACCESS_LOCAL_WRITE: c_int = 1;
pub const ACCESS_REMOTE_WRITE: c_int = 2;
pub const ACCESS_REMOTE_READ: c_int = 4;
pub const ACCESS_MW_BIND: c_int = 16;
pub const MW_TYPE_2: c_int = 2;

/// `struct ibv_device_attr`.
#[repr(C)]
pub struct DeviceAttr {
    head: [u8; 116],
    pub device_cap_flags: u32,
    tail: [u8; 112],
}

pub const DEVICE_MEM_WINDOW_TYPE_2B: u32 = 1 << 24;

#[repr(C)]
pub struct EventChannel {
    pub fd: c_int,
}

/// `struct rdma_cm_id`.
#[repr(C)]
pub struct CmId {
    pub verbs: *mut Context,
    channel: *mut EventChannel,
    context: *mut c_void,
    pub qp: *mut Qp,
}

pub const PS_TCP: c_int = 0x0106;

#[repr(C)]
pub struct CmEvent {
    pub id: *mut CmId,
    listen_id: *mut CmId,
    pub event: c_int,
    pub status: c_int,
    /// Of a connection request: what the other side can do.
    pub conn: ConnParam,
}

/// `rdma_cm_event_type`.
pub mod event {
    use std::ffi::c_int;
    pub const ADDR_RESOLVED: c_int = 0;
    pub const ROUTE_RESOLVED: c_int = 2;
    pub const CONNECT_REQUEST: c_int = 4;
    pub const ESTABLISHED: c_int = 9;
    pub const DISCONNECTED: c_int = 10;
    pub const DEVICE_REMOVAL: c_int = 11;

    /// The name of an event, for messages.
    pub fn name(event: c_int) -> &'static str {
        const NAMES: [&str; 16] = [
            "address resolved",
            "address not resolved",
            "route resolved",
            "route not resolved",
            "connect request",
            "connect response",
            "connect error",
            "unreachable",
            "rejected",
            "established",
            "disconnected",
            "device removed",
            "multicast joined",
            "multicast error",
            "address changed",
            "timewait over",
        ];
        usize::try_from(event)
            .ok()
            .and_then(|i| NAMES.get(i))
            .copied()
            .unwrap_or("unknown event")
    }
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct ConnParam {
    pub private_data: usize,
    pub private_data_len: u8,
    pub responder_resources: u8,
    pub initiator_depth: u8,
    pub flow_control: u8,
    pub retry_count: u8,
    pub rnr_retry_count: u8,
    pub srq: u8,
    pub qp_num: u32,
}

/// `ibv_wc_status` as words, for messages.
pub fn status_name(status: c_int) -> &'static str {
    const NAMES: [&str; 22] = [
        "success",
        "local length error",
        "local QP operation error",
        "local EEC operation error",
        "local protection error",
        "flushed",
        "memory window bind error",
        "bad response",
        "local access error",
        "remote invalid request",
        "remote access error",
        "remote operation error",
        "retries exceeded",
        "RNR retries exceeded",
        "local RDD violation",
        "remote invalid RD request",
        "remote aborted",
        "invalid EEC number",
        "invalid EEC state",
        "fatal error",
        "response timeout",
        "general error",
    ];
    usize::try_from(status)
        .ok()
        .and_then(|i| NAMES.get(i))
        .copied()
        .unwrap_or("unknown status")
}

const _: () = {
    use std::mem::{offset_of, size_of};
    assert!(offset_of!(Device, transport_type) == 20 && offset_of!(Device, name) == 24);
    assert!(offset_of!(Context, alloc_mw) == 8 + 56);
    assert!(offset_of!(Context, dealloc_mw) == 8 + 72);
    assert!(offset_of!(Context, poll_cq) == 8 + 88);
    assert!(offset_of!(Context, req_notify_cq) == 8 + 96);
    assert!(offset_of!(Context, post_send) == 8 + 200);
    assert!(offset_of!(Context, post_recv) == 8 + 208);
    assert!(offset_of!(Mr, lkey) == 36 && offset_of!(Mr, rkey) == 40);
    assert!(offset_of!(Mw, rkey) == 16);
    assert!(offset_of!(CompChannel, fd) == 8);
    assert!(size_of::<QpInitAttr>() == 64);
    assert!(offset_of!(QpInitAttr, cap) == 32 && offset_of!(QpInitAttr, sq_sig_all) == 56);
    assert!(size_of::<Sge>() == 16 && size_of::<RecvWr>() == 32);
    assert!(size_of::<SendWr>() == 128);
    assert!(offset_of!(SendWr, imm_or_key) == 36 && offset_of!(SendWr, remote_addr) == 40);
    assert!(offset_of!(SendWr, remote_key) == 48 && offset_of!(SendWr, mw) == 80);
    assert!(offset_of!(SendWr, mw_rkey) == 88 && offset_of!(SendWr, mw_mr) == 96);
    assert!(offset_of!(SendWr, mw_access) == 120);
    assert!(size_of::<Wc>() == 48);
    assert!(offset_of!(Wc, imm_or_key) == 24 && offset_of!(Wc, wc_flags) == 36);
    assert!(size_of::<DeviceAttr>() == 232);
    assert!(offset_of!(CmId, qp) == 24);
    assert!(offset_of!(CmEvent, event) == 16 && offset_of!(CmEvent, conn) == 24);
    assert!(size_of::<ConnParam>() == 24);
    assert!(offset_of!(ConnParam, rnr_retry_count) == 13 && offset_of!(ConnParam, qp_num) == 16);
};
