// SPDX-License-Identifier: GPL-2.0

//! Events for programs: one JSON object a line.

use super::{
    conns::{Conn, Part},
    events,
    line::{number, Event, Time},
    words::Said,
};
use serde_json::{json, Map, Value};

/// What is text in an event, also if it looks like a number, as a device's name may.
const TEXTS: [&str; 15] = [
    "peer", "local", "device", "why", "cause", "kind", "share", "reason", "command", "role",
    "need", "access", "op", "bytes", "event",
];

fn field(name: &str, text: &str) -> Value {
    if TEXTS.contains(&name) {
        return json!(text);
    }
    let signed = || text.parse::<i64>().ok().map(Value::from);
    number(text)
        .map(Value::from)
        .or_else(signed)
        .unwrap_or_else(|| json!(text))
}

/// Where a message is among its fragments.
fn fragment(part: Part) -> Value {
    let (number, total, last) = match part {
        Part::Empty | Part::Whole => return Value::Null,
        Part::First { total } => (1, total, false),
        Part::Middle { number, total } => (number, total, false),
        Part::Last { number, total } => (number, total, true),
    };
    json!({"number": number, "message_bytes": total, "last": last})
}

/// Seconds, as text so that no digit is lost; `null` if the clock counts events.
fn seconds(time: Time) -> Value {
    if time.real {
        json!(time.to_string())
    } else {
        Value::Null
    }
}

/// The line of an event. `real`: when it was, by the clock on the wall, in nanoseconds since 1970.
pub fn line(
    event: &Event<'_>,
    said: &Said,
    part: Option<Part>,
    conn: Option<&Conn>,
    real: Option<u64>,
) -> String {
    let fields: Map<String, Value> = (event.fields.iter())
        .filter(|(name, _)| *name != "conn")
        .map(|(name, value)| ((*name).into(), field(name, value)))
        .collect();
    let unix = real.map(|value| Time { value, real: true }.to_string());
    let all = json!({
        "time": seconds(event.time),
        "order": if event.time.real { Value::Null } else { json!(event.time.value) },
        "unix_time": unix,
        "cpu": event.cpu,
        "event": format!("{}{}", events::PREFIX, event.name),
        "group": events::find(event.name).map(|k| k.group.name()),
        "connection": event.conn(),
        "role": conn.and_then(|c| c.role).map(|r| r.name()),
        "peer": conn.and_then(|c| c.peer).map(|p| p.to_string()),
        "device": conn.and_then(|c| c.device.as_deref()),
        "direction": said.way.name(),
        "what": said.what,
        "text": said.text,
        "fragment": part.map_or(Value::Null, fragment),
        "fields": fields,
    });
    all.to_string()
}

/// The line of lost events. `count`: how many, if that is known.
pub fn lost(cpu: Option<u32>, count: Option<u64>) -> String {
    json!({"event": "lost", "cpu": cpu, "count": count}).to_string()
}
