// SPDX-License-Identifier: GPL-2.0
//! libibverbs and librdmacm, opened when the program runs: it can then be
//! built on a machine that has neither.

use std::ffi::{c_int, c_void};
use std::sync::OnceLock;

use super::ffi::*;

/// The functions that are called by name.
pub struct Library {
    pub reg_mr: unsafe extern "C" fn(*mut Pd, *mut c_void, usize, c_int) -> *mut Mr,
    pub dereg_mr: unsafe extern "C" fn(*mut Mr) -> c_int,
    pub alloc_pd: unsafe extern "C" fn(*mut Context) -> *mut Pd,
    pub dealloc_pd: unsafe extern "C" fn(*mut Pd) -> c_int,
    pub query_device: unsafe extern "C" fn(*mut Context, *mut DeviceAttr) -> c_int,
    pub create_comp_channel: unsafe extern "C" fn(*mut Context) -> *mut CompChannel,
    pub destroy_comp_channel: unsafe extern "C" fn(*mut CompChannel) -> c_int,
    pub create_cq:
        unsafe extern "C" fn(*mut Context, c_int, *mut c_void, *mut CompChannel, c_int) -> *mut Cq,
    pub destroy_cq: unsafe extern "C" fn(*mut Cq) -> c_int,
    pub get_cq_event:
        unsafe extern "C" fn(*mut CompChannel, *mut *mut Cq, *mut *mut c_void) -> c_int,
    pub ack_cq_events: unsafe extern "C" fn(*mut Cq, u32),
    pub create_event_channel: unsafe extern "C" fn() -> *mut EventChannel,
    pub destroy_event_channel: unsafe extern "C" fn(*mut EventChannel),
    pub create_id:
        unsafe extern "C" fn(*mut EventChannel, *mut *mut CmId, *mut c_void, c_int) -> c_int,
    pub destroy_id: unsafe extern "C" fn(*mut CmId) -> c_int,
    pub resolve_addr: unsafe extern "C" fn(*mut CmId, *const c_void, *const c_void, c_int) -> c_int,
    pub resolve_route: unsafe extern "C" fn(*mut CmId, c_int) -> c_int,
    pub create_qp: unsafe extern "C" fn(*mut CmId, *mut Pd, *mut QpInitAttr) -> c_int,
    pub destroy_qp: unsafe extern "C" fn(*mut CmId),
    pub bind_addr: unsafe extern "C" fn(*mut CmId, *const c_void) -> c_int,
    pub listen: unsafe extern "C" fn(*mut CmId, c_int) -> c_int,
    pub migrate_id: unsafe extern "C" fn(*mut CmId, *mut EventChannel) -> c_int,
    pub accept: unsafe extern "C" fn(*mut CmId, *mut ConnParam) -> c_int,
    pub connect: unsafe extern "C" fn(*mut CmId, *mut ConnParam) -> c_int,
    pub disconnect: unsafe extern "C" fn(*mut CmId) -> c_int,
    pub get_cm_event: unsafe extern "C" fn(*mut EventChannel, *mut *mut CmEvent) -> c_int,
    pub ack_cm_event: unsafe extern "C" fn(*mut CmEvent) -> c_int,
}

impl Library {
    fn open() -> Result<Self, String> {
        // SAFETY: loading these runs their constructors, which is what every
        // program that links to them does.
        let (ibv, cm) = unsafe {
            (
                libloading::Library::new("libibverbs.so.1")
                    .map_err(|e| format!("libibverbs.so.1: {e}"))?,
                libloading::Library::new("librdmacm.so.1")
                    .map_err(|e| format!("librdmacm.so.1: {e}"))?,
            )
        };
        // They stay for as long as the program runs.
        let (ibv, cm) = (Box::leak(Box::new(ibv)), Box::leak(Box::new(cm)));
        macro_rules! find {
            ($library:expr, $name:literal) => {
                // SAFETY: the types are those of the headers, see `ffi`.
                unsafe { *$library.get($name).map_err(|e| e.to_string())? }
            };
        }
        Ok(Library {
            reg_mr: find!(ibv, b"ibv_reg_mr\0"),
            dereg_mr: find!(ibv, b"ibv_dereg_mr\0"),
            alloc_pd: find!(ibv, b"ibv_alloc_pd\0"),
            dealloc_pd: find!(ibv, b"ibv_dealloc_pd\0"),
            query_device: find!(ibv, b"ibv_query_device\0"),
            create_comp_channel: find!(ibv, b"ibv_create_comp_channel\0"),
            destroy_comp_channel: find!(ibv, b"ibv_destroy_comp_channel\0"),
            create_cq: find!(ibv, b"ibv_create_cq\0"),
            destroy_cq: find!(ibv, b"ibv_destroy_cq\0"),
            get_cq_event: find!(ibv, b"ibv_get_cq_event\0"),
            ack_cq_events: find!(ibv, b"ibv_ack_cq_events\0"),
            create_event_channel: find!(cm, b"rdma_create_event_channel\0"),
            destroy_event_channel: find!(cm, b"rdma_destroy_event_channel\0"),
            create_id: find!(cm, b"rdma_create_id\0"),
            destroy_id: find!(cm, b"rdma_destroy_id\0"),
            resolve_addr: find!(cm, b"rdma_resolve_addr\0"),
            resolve_route: find!(cm, b"rdma_resolve_route\0"),
            create_qp: find!(cm, b"rdma_create_qp\0"),
            destroy_qp: find!(cm, b"rdma_destroy_qp\0"),
            bind_addr: find!(cm, b"rdma_bind_addr\0"),
            listen: find!(cm, b"rdma_listen\0"),
            migrate_id: find!(cm, b"rdma_migrate_id\0"),
            accept: find!(cm, b"rdma_accept\0"),
            connect: find!(cm, b"rdma_connect\0"),
            disconnect: find!(cm, b"rdma_disconnect\0"),
            get_cm_event: find!(cm, b"rdma_get_cm_event\0"),
            ack_cm_event: find!(cm, b"rdma_ack_cm_event\0"),
        })
    }

    /// The libraries; the first caller opens them.
    pub fn get() -> Result<&'static Library, String> {
        static LIBRARY: OnceLock<Result<Library, String>> = OnceLock::new();
        LIBRARY
            .get_or_init(Library::open)
            .as_ref()
            .map_err(Clone::clone)
    }
}
