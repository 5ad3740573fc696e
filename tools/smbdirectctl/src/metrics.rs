// SPDX-License-Identifier: GPL-2.0

//! `smbdirectctl metrics`: Prometheus' text format 0.0.4.
//!
//! A file of sysfs becomes a metric a line. Counters end in `_total`; times are in seconds, as Prometheus has them. Values of one connection have the
//! labels `connection`, `device`, `peer` and `role`; connections are few and their numbers are not used twice.

mod help;

pub use help::{COUNTERS, INFO};

use crate::{
    state::{counters::Counters, shares::Shares, State},
    verdict,
};
use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    io::{self, Write as _},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// In front of each name.
const PREFIX: &str = "smbdirect";

/// Lines of `stats` that may go down.
const GAUGES: [&str; 2] = ["connections_active", "memory_bytes"];

/// Name and value of a label.
type Label<'l> = (&'static str, &'l str);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
        }
    }
}

struct Family {
    kind: Kind,
    help: String,
    /// Labels, ready to print, and the value.
    samples: Vec<(String, String)>,
}

#[derive(Default)]
struct Families(BTreeMap<String, Family>);

/// A label's value: backslash, quote and end of line are escaped.
fn escape(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

impl Families {
    fn add(
        &mut self,
        kind: Kind,
        name: &str,
        help: &str,
        labels: &[Label<'_>],
        value: impl ToString,
    ) {
        let end = if kind == Kind::Counter { "_total" } else { "" };
        let family = self
            .0
            .entry(format!("{PREFIX}_{name}{end}"))
            .or_insert_with(|| Family {
                kind,
                // an end of line would end the comment
                help: help.replace('\\', "\\\\").replace('\n', "\\n"),
                samples: Vec::new(),
            });
        let labels: Vec<String> = labels
            .iter()
            .map(|(name, value)| format!("{name}=\"{}\"", escape(value)))
            .collect();
        family.samples.push((labels.join(","), value.to_string()));
    }

    /// The counters of a `stats`.
    fn stats(&mut self, scope: &str, whose: &str, stats: &Counters, labels: &[Label<'_>]) {
        for (name, value) in stats.iter() {
            let kind = if GAUGES.contains(&name) {
                Kind::Gauge
            } else {
                Kind::Counter
            };
            let help = format!("{} ({whose}).", help::counter(name));
            self.add(kind, &format!("{scope}{name}"), &help, labels, value);
        }
    }

    /// How connections ended, and which rules were broken.
    fn ends(&mut self, scope: &str, failures: &Counters, errors: &Counters, labels: &[Label<'_>]) {
        for (name, value) in failures.iter() {
            let Some((how, cause)) = name.split_once('_') else {
                continue;
            };
            let labels = [labels, &[("how", how), ("cause", cause)]].concat();
            let help = "Connections by how they ended: attempts that failed, established ones, requests that were refused.";
            self.add(Kind::Counter, &format!("{scope}ends"), help, &labels, value);
        }
        for (rule, value) in errors.iter() {
            let labels = [labels, &[("rule", rule)]].concat();
            let name = format!("{scope}protocol_errors_by_rule");
            self.add(
                Kind::Counter,
                &name,
                "Rules of MS-SMBD that peers broke.",
                &labels,
                value,
            );
        }
    }

    fn print(&self) -> String {
        let mut out = String::new();
        for (name, family) in &self.0 {
            let _ = writeln!(out, "# HELP {name} {}", family.help);
            let _ = writeln!(out, "# TYPE {name} {}", family.kind.name());
            for (labels, value) in &family.samples {
                let _ = match labels.as_str() {
                    "" => writeln!(out, "{name} {value}"),
                    labels => writeln!(out, "{name}{{{labels}}} {value}"),
                };
            }
        }
        out
    }
}

/// One look as metrics.
pub fn render(state: &State) -> String {
    let mut all = Families::default();
    module(&mut all, state);
    for device in &state.devices {
        let labels = [("device", device.name.as_str())];
        all.stats("device_", "of a device", &device.stats, &labels);
        all.ends(
            "device_",
            &device.failures,
            &device.protocol_errors,
            &labels,
        );
        for port in &device.ports {
            all.add(
                Kind::Gauge,
                "port_active",
                "Whether a port of an RDMA device is ACTIVE.",
                &[
                    ("device", &device.name),
                    ("port", &port.number.to_string()),
                    ("netdev", port.netdev.as_deref().unwrap_or("")),
                ],
                u8::from(port.is_active()),
            );
        }
    }
    connections(&mut all, state);
    shares(&mut all, state);
    all.print()
}

fn module(all: &mut Families, state: &State) {
    all.add(
        Kind::Gauge,
        "module_info",
        "Which smbdirect module is loaded: rust, c or none.",
        &[("module", state.modules.smbdirect.word())],
        1,
    );
    let verdict = verdict::of(state, None);
    all.add(
        Kind::Gauge,
        "in_use",
        "Whether a connection over RDMA is established, and why if not.",
        &[("reason", verdict.reason)],
        u8::from(verdict.in_use),
    );
    all.stats("", "of the module", &state.stats, &[]);
    all.ends("", &state.failures, &state.protocol_errors, &[]);
}

fn connections(all: &mut Families, state: &State) {
    for c in &state.connections {
        let id = c.id.to_string();
        let labels = [
            ("connection", id.as_str()),
            ("device", &c.device),
            ("peer", &c.peer),
            ("role", c.role.name()),
        ];
        all.stats("connection_", "of a connection", &c.stats, &labels);
        for (name, value) in c.info.iter() {
            let help = help::info(name);
            match name.strip_suffix("_msec") {
                Some(name) => {
                    let name = format!("connection_{name}_seconds");
                    all.add(Kind::Gauge, &name, &help, &labels, seconds(value));
                }
                None => all.add(
                    Kind::Gauge,
                    &format!("connection_{name}"),
                    &help,
                    &labels,
                    value,
                ),
            }
        }
        let labels = [
            labels.as_slice(),
            &[("status", &c.status), ("end_cause", &c.end_cause)],
        ]
        .concat();
        all.add(
            Kind::Gauge,
            "connection_info",
            "State of a connection, and why it ended.",
            &labels,
            1,
        );
    }
}

fn shares(all: &mut Families, state: &State) {
    if let Shares::Listed { left_off, .. } = &state.shares {
        all.add(
            Kind::Gauge,
            "shares_left_off",
            "Shares whose refusals are not shown, because the kernel's list is cut off; root sees all, with debugfs mounted.",
            &[],
            left_off,
        );
    }
    for share in state.shares.list() {
        for (why, value) in [
            ("over_rdma", share.over_rdma),
            ("over_tcp", share.over_tcp),
            ("cannot_move", share.cannot_move),
        ] {
            all.add(
                Kind::Counter,
                "share_refused_requests",
                "Requests refused for the policy of a share.",
                &[
                    ("share", &share.name),
                    ("smb_direct", share.mode.name()),
                    ("why", why),
                ],
                value,
            );
        }
    }
}

/// Milliseconds as seconds, exactly.
fn seconds(msec: u64) -> String {
    let (whole, rest) = (msec.checked_div(1000), msec.checked_rem(1000));
    format!("{}.{:03}", whole.unwrap_or(0), rest.unwrap_or(0))
}

/// Everybody may read metrics, node_exporter under its own user as well; only the owner may write them. Whatever the umask is.
const FILE_MODE: u32 = 0o644;

/// Makes the file, which must not be there: nobody's link or file is written through.
fn make(path: &Path, text: &str) -> io::Result<()> {
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(FILE_MODE)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    file.set_permissions(fs::Permissions::from_mode(FILE_MODE))
}

/// Puts the text where a reader finds the old one or the new one, never half of one: node_exporter reads at any time. Mode 0644.
pub fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut name = path
        .file_name()
        .ok_or(io::ErrorKind::InvalidInput)?
        .to_os_string();
    // not *.prom: the collector passes over it
    name.push(format!(".{}", std::process::id()));
    let new: PathBuf = path.with_file_name(name);
    // one of a process that was killed and had this number
    let _ = fs::remove_file(&new);
    let written = make(&new, text).and_then(|()| fs::rename(&new, path));
    if written.is_err() {
        let _ = fs::remove_file(&new);
    }
    written
}
