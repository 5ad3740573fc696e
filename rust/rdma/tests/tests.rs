// SPDX-License-Identifier: GPL-2.0

//! KUnit suites of the RDMA layer, with real queue pairs: on the first device that the module knows, which has to have an IPv4 address.
//!
//! Both ends of each connection are in this kernel. Completions come from the device as they do for the transport: in softirq.

#[path = "data.rs"]
mod data;
#[path = "node.rs"]
mod node;
#[path = "quiesce.rs"]
mod quiesce;
#[path = "regions.rs"]
mod regions;
#[path = "stages.rs"]
mod stages;
#[path = "transfers.rs"]
mod transfers;
