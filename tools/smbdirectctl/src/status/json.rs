// SPDX-License-Identifier: GPL-2.0

//! Status for programs. Names do not change or go; new ones may come. A change that breaks this has another `format`.

use crate::{
    rates::{Interval, Rates},
    state::{
        connections::Connection, counters::Counters, devices::Device, interfaces::Interface,
        shares::Shares, State,
    },
    verdict::Verdict,
};
use serde_json::{json, Map, Value};
use smbdirect_core::settings::Mode;

/// Version of what is printed.
pub const FORMAT: u32 = 1;

/// All of it. What cannot be told is null.
pub fn all(now: &State, before: Option<&Interval<'_>>, verdict: &Verdict) -> Value {
    let m = &now.modules;
    let connections = now.connections.iter().map(|c| connection(c, before));
    json!({
        "format": FORMAT,
        "rdma_in_use": verdict.known(),
        "reason": verdict.reason,
        "text": verdict.text,
        "modules": {
            "smbdirect": m.smbdirect.word(),
            "ksmbd": m.ksmbd,
            "ksmbd_rdma": m.holds("ksmbd"),
            "ksmbd_state": m.server,
            "ksmbd_enforces_policy": m.enforced,
            "cifs": m.cifs,
            "cifs_rdma": m.holds("cifs"),
        },
        "stats": counters(&now.stats),
        "failures": counters(&now.failures),
        "protocol_errors": counters(&now.protocol_errors),
        "devices": now.devices.iter().map(device).collect::<Vec<_>>(),
        "interfaces": now.interfaces.iter().map(interface).collect::<Vec<_>>(),
        "connections": connections.collect::<Vec<_>>(),
        "shares": shares(&now.shares),
        "shares_left_off": now.shares.left_off(),
    })
}

fn counters(of: &Counters) -> Value {
    let map: Map<String, Value> = of.iter().map(|(n, v)| (n.into(), json!(v))).collect();
    Value::Object(map)
}

fn device(d: &Device) -> Value {
    let port = |p: &crate::state::devices::Port| {
        json!({
            "port": p.number,
            "state": p.state,
            "physical_state": p.physical,
            "link_layer": p.layer,
            "rate": p.rate,
            "netdev": p.netdev,
        })
    };
    json!({
        "name": d.name,
        "kind": d.kind(),
        "served": d.shown,
        "ports": d.ports.iter().map(port).collect::<Vec<_>>(),
        "stats": counters(&d.stats),
        "failures": counters(&d.failures),
        "protocol_errors": counters(&d.protocol_errors),
    })
}

/// Addresses are null if they could not be read.
fn interface(i: &Interface) -> Value {
    let addresses = i
        .addresses
        .as_ref()
        .map(|list| list.iter().map(ToString::to_string).collect::<Vec<_>>());
    json!({
        "name": i.name,
        "up": i.up,
        "carrier": i.carrier,
        "mtu": i.mtu,
        "speed_mbps": i.speed,
        "addresses": addresses,
        "rdma_devices": i.devices,
    })
}

fn rates(r: &Rates) -> Value {
    json!({
        "rdma_in_bytes": r.rdma_in,
        "rdma_out_bytes": r.rdma_out,
        "inline_in_bytes": r.inline_in,
        "inline_out_bytes": r.inline_out,
        "operations": r.operations,
        "stalls": r.stalls,
    })
}

fn connection(c: &Connection, before: Option<&Interval<'_>>) -> Value {
    let mut value = json!({
        "id": c.id,
        "role": c.role.name(),
        "peer": c.peer,
        "device": c.device,
        "status": c.status,
        "end_cause": c.end_cause,
        "info": counters(&c.info),
        "stats": counters(&c.stats),
    });
    if let (Some(r), Some(map)) = (before.and_then(|i| i.of(c)), value.as_object_mut()) {
        map.insert("per_second".into(), rates(&r));
    }
    value
}

/// Null: the module offers none.
fn shares(of: &Shares) -> Value {
    let Shares::Listed { list, .. } = of else {
        return Value::Null;
    };
    list.iter()
        .map(|s| {
            json!({
                "name": s.name,
                "smb_direct": s.mode.name(),
                "set": s.set.map(Mode::name),
                "refused_over_rdma": s.over_rdma,
                "refused_over_tcp": s.over_tcp,
                "refused_cannot_move": s.cannot_move,
            })
        })
        .collect()
}
