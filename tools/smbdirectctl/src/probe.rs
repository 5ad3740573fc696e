// SPDX-License-Identifier: GPL-2.0

//! One RDMA connection to a server, which the module makes as cifs would, and ends: a probe in its configfs (`Documentation/steering.md`, 5).

use crate::{
    kernel,
    root::Root,
    state::{module, CONFIGFS},
};
use serde_json::{json, Map, Value};
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

/// How often a directory is tried: others may take `probes` away, or have left a probe.
const TRIES: u32 = 8;
/// `EPERM`: what a module without probes says.
const NOT_PERMITTED: i32 = 1;
/// The reason with which a connection manager of InfiniBand says that nobody listens.
const NO_SUCH_SERVICE: &str = "8";

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// SMB Direct was negotiated.
    Connected,
    /// No device that can be used leads there.
    NoDevice,
    /// Nobody answers there.
    Unreachable,
    /// Nobody listens there.
    NoListener,
    /// It was rejected.
    Rejected,
    /// The negotiation was refused.
    Refused,
    /// The negotiate request was not answered.
    Silent,
    /// Something else.
    Failed,
}

/// The lines of a probe's `result`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts(BTreeMap<String, String>);

impl Facts {
    /// From the file's text. Lines that have no value are passed over.
    pub fn parse(text: &str) -> Self {
        Self(
            text.lines()
                .filter_map(|line| line.split_once(' '))
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        )
    }

    /// A line's value.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// What it means; `None`: there is no result.
    pub fn verdict(&self) -> Option<Verdict> {
        match self.get("outcome")? {
            "connected" => return Some(Verdict::Connected),
            "failed" => {}
            _ => return None,
        }
        let nobody = matches!(self.get("reject_reason"), None | Some(NO_SUCH_SERVICE));
        Some(match (self.get("stage")?, self.get("cause")?) {
            ("address" | "route", "device") => Verdict::NoDevice,
            ("address" | "route" | "connect", "unreachable" | "handshake_timeout") => {
                Verdict::Unreachable
            }
            ("connect", "refused") if nobody => Verdict::NoListener,
            ("connect", "refused") => Verdict::Rejected,
            ("negotiate", "refused") => Verdict::Refused,
            ("negotiate", "handshake_timeout") => Verdict::Silent,
            _ => Verdict::Failed,
        })
    }

    /// For people, in a line.
    pub fn text(&self) -> String {
        let of = |name| self.get(name).unwrap_or("?");
        let place = match self.get("device") {
            None | Some("-") => format!("port {}", of("port")),
            Some(device) => format!("{device} port {}", of("port")),
        };
        let Some(verdict) = self.verdict() else {
            return "no result".into();
        };
        let what = match verdict {
            Verdict::Connected => {
                return format!(
                    "negotiated over {place} in {} ms; largest RDMA transfer {} bytes",
                    of("msec"),
                    of("max_read_write_size")
                )
            }
            Verdict::NoDevice => "no RDMA device that can be used leads there".into(),
            Verdict::Unreachable => "no answer over RDMA".into(),
            Verdict::NoListener => "nobody takes RDMA connections there".into(),
            Verdict::Rejected => match self.get("reject_reason") {
                Some(reason) => format!("rejected, reason {reason}"),
                None => "rejected".into(),
            },
            Verdict::Refused => match self.get("negotiate_status") {
                Some(status) => format!("the negotiation was refused with status {status}"),
                None => "the server speaks another version of SMB Direct".into(),
            },
            Verdict::Silent => "the negotiate request was not answered".into(),
            Verdict::Failed => "failed".into(),
        };
        format!(
            "{place}: {what} (stage {}, cause {}, errno {}, {} ms)",
            of("stage"),
            of("cause"),
            of("errno"),
            of("msec")
        )
    }

    /// For programs: all lines; numbers as such.
    pub fn json(&self) -> Value {
        let value = |text: &String| match text.parse::<i64>() {
            Ok(number) => json!(number),
            Err(_) => json!(text),
        };
        Value::Object(
            self.0
                .iter()
                .map(|(name, text)| (name.clone(), value(text)))
                .collect::<Map<_, _>>(),
        )
    }
}

/// A probe's directory, removed again whatever happens, and `probes` with it if nobody else has one.
struct Directory {
    probes: PathBuf,
    dir: PathBuf,
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.dir);
        let _ = fs::remove_dir(&self.probes);
    }
}

fn failed(what: &str, path: &Path, error: &io::Error) -> String {
    if error.raw_os_error() == Some(NOT_PERMITTED) {
        return "the loaded module is an older one, which has no probes".into();
    }
    let remedy = match error.kind() {
        io::ErrorKind::PermissionDenied => "; only root may",
        io::ErrorKind::StorageFull => {
            "; there are as many as there may be: rmdir those that nobody needs"
        }
        _ => "",
    };
    format!("cannot {what} {}: {error}{remedy}", path.display())
}

impl Directory {
    fn make(root: &Root) -> Result<Self, String> {
        let probes = root.path(CONFIGFS).join("probes");
        let own = format!("check.{}", std::process::id());
        let mut last = String::new();
        clean(root, &probes);
        for n in 0..TRIES {
            match fs::create_dir(&probes) {
                Err(e) if e.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(failed("make", &probes, &e))
                }
                _ => {}
            }
            let dir = probes.join(format!("{own}.{n}"));
            match fs::create_dir(&dir) {
                Ok(()) => return Ok(Self { probes, dir }),
                Err(e) => {
                    last = failed("make", &dir, &e);
                    match e.kind() {
                        // somebody has just removed `probes`, or a process of this number has left it
                        io::ErrorKind::NotFound | io::ErrorKind::AlreadyExists => {}
                        _ => {
                            let _ = fs::remove_dir(&probes);
                            return Err(last);
                        }
                    }
                }
            }
        }
        Err(last)
    }

    fn write(&self, name: &str, text: &str) -> Result<(), String> {
        let path = self.dir.join(name);
        fs::write(&path, text).map_err(|e| failed(&format!("write '{text}' into"), &path, &e))
    }
}

/// Removes what processes have left that were killed: each keeps the module, and there may be few.
fn clean(root: &Root, probes: &Path) {
    for entry in fs::read_dir(probes).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let process = name
            .strip_prefix("check.")
            .and_then(|rest| rest.split('.').next());
        let gone = process.is_some_and(|id| !root.exists(&format!("proc/{id}")));
        // one of another PID namespace has no number here
        let result = fs::read_to_string(entry.path().join("result")).unwrap_or_default();
        if gone && !result.contains("outcome running") {
            let _ = fs::remove_dir(entry.path());
        }
    }
}

/// Has the module connect to an address, which may have a scope (`fe80::1%eth0`), for at most so long; `Err` says why that could not be tried. Of another machine's files,
/// `commands/probe ADDRESS` has the result.
pub fn probe(root: &Root, address: &str, within: Duration) -> Result<Facts, String> {
    if module::loaded(root, "smbdirect") && !root.exists(crate::state::SYSFS) {
        return Err("the loaded smbdirect is the C module, which has no probes".into());
    }
    kernel::directory(root).map_err(|problem| problem.text().to_owned())?;
    if !root.is_live() {
        return Ok(Facts::parse(&root.output(&["probe", address])?));
    }
    let left = root.left(within).ok_or("no time is left for it")?;
    let probe = Directory::make(root)?;
    probe.write("address", address)?;
    probe.write("timeout", &left.as_secs().clamp(1, 120).to_string())?;
    probe.write("run", "1")?;
    let path = probe.dir.join("result");
    let text = fs::read_to_string(&path).map_err(|e| failed("read", &path, &e))?;
    Ok(Facts::parse(&text))
}
