// SPDX-License-Identifier: GPL-2.0
/* Defines the tracepoints of smbdirect_trace.h, and what Rust calls to emit one. */
#define CREATE_TRACE_POINTS
#define CREATE_RUST_TRACE_POINTS
#include "smbdirect_trace.h"
