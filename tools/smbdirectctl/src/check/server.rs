// SPDX-License-Identifier: GPL-2.0

//! Steps: ksmbd, and who listens.

use super::{device, fault::Fault, kernel::would_use_smbdirect, Machine, Outcome};
use serde_json::Value;
use std::{fs, io};

/// The port of SMB, as `/proc/net/tcp` writes it.
const SMB: &str = ":01BD";
/// A listening socket there.
const LISTEN: &str = "0A";

pub(super) fn ksmbd(m: &mut Machine<'_>) -> Outcome {
    let modules = &m.state.modules;
    if !modules.ksmbd && would_use_smbdirect(m, "ksmbd") == Some(false) {
        return Outcome::fault(
            Fault::KsmbdWithoutRdma,
            "not loaded, and the one that modprobe would load does not need smbdirect",
        );
    }
    if !modules.ksmbd {
        return Outcome::fault(Fault::KsmbdNotLoaded, "no /sys/module/ksmbd");
    }
    if !modules.holds("ksmbd") {
        return Outcome::fault(
            Fault::KsmbdWithoutRdma,
            "ksmbd is not among the users of smbdirect (/sys/module/smbdirect/holders)",
        );
    }
    Outcome::good("loaded, uses smbdirect")
}

/// The inodes of sockets that listen on port 445.
fn listening(m: &Machine<'_>) -> Vec<String> {
    let mut inodes = Vec::new();
    for file in ["proc/net/tcp", "proc/net/tcp6"] {
        let Ok(text) = m.root.read(file) else {
            continue;
        };
        for line in text.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            if let (Some(local), Some(&LISTEN), Some(inode)) =
                (words.get(1), words.get(3), words.get(9))
            {
                if local.ends_with(SMB) {
                    inodes.push((*inode).to_owned());
                }
            }
        }
    }
    inodes
}

/// The program that holds one of these sockets. ksmbd's are the kernel's, which no program holds.
fn holder(m: &Machine<'_>, inodes: &[String]) -> Option<String> {
    let wanted: Vec<String> = inodes.iter().map(|i| format!("socket:[{i}]")).collect();
    let processes = m.root.names("proc");
    let pids = processes.iter().filter(|n| n.parse::<u32>().is_ok());
    for pid in pids {
        let dir = format!("proc/{pid}/fd");
        for fd in m.root.names(&dir) {
            let target = m.root.target(&format!("{dir}/{fd}"));
            if target.is_some_and(|t| wanted.contains(&t)) {
                let name = m.root.word(&format!("proc/{pid}/comm"));
                return Some(format!("{} ({pid})", name.unwrap_or_default()));
            }
        }
    }
    None
}

/// Whether we may not look at what other programs hold.
fn hidden(m: &Machine<'_>) -> bool {
    fs::read_dir(m.root.path("proc/1/fd"))
        .is_err_and(|e| e.kind() == io::ErrorKind::PermissionDenied)
}

pub(super) fn tcp_port(m: &mut Machine<'_>) -> Outcome {
    let inodes = listening(m);
    if let Some(program) = holder(m, &inodes) {
        return Outcome::fault(Fault::PortTaken, format!("port 445 belongs to {program}"));
    }
    if hidden(m) {
        return Outcome::unknown("only root sees which program holds TCP port 445");
    }
    if inodes.is_empty() {
        return Outcome::note("nobody listens on TCP port 445 yet");
    }
    Outcome::good("no program holds TCP port 445, so it is ksmbd's")
}

pub(super) fn running(m: &mut Machine<'_>) -> Outcome {
    match m.state.modules.server.as_deref() {
        None => Outcome::unknown("no /sys/class/ksmbd-control/stats"),
        Some("running") => Outcome::good("running"),
        Some(state) => Outcome::fault(
            Fault::KsmbdNotRunning,
            format!("ksmbd's state is '{state}'"),
        ),
    }
}

/// RDMA device and port where this id listens, if it does.
fn listens_at(id: &Value) -> Option<(String, u64)> {
    (device::field(id, "state")? == "LISTEN").then_some(())?;
    // "0.0.0.0:445"
    let port = device::field(id, "src-addr")?
        .rsplit_once(':')?
        .1
        .parse()
        .ok()?;
    Some((device::field(id, "ifname")?.to_owned(), port))
}

pub(super) fn listener(m: &mut Machine<'_>) -> Outcome {
    let found: Vec<_> = match m.root.rdma_resources("cm_id") {
        Ok(ids) => ids.iter().filter_map(listens_at).collect(),
        Err(why) => return Outcome::unknown(why),
    };
    let fits = device::active(m).find(|d| found.contains(&(d.name.clone(), d.smb_port().into())));
    if let Some(device) = fits {
        return Outcome::good(format!("{} port {}", device.name, device.smb_port()));
    }
    let wanted: Vec<String> = device::active(m)
        .map(|d| format!("{} port {}", d.name, d.smb_port()))
        .collect();
    let seen: Vec<String> = found.iter().map(|(d, p)| format!("{d} port {p}")).collect();
    Outcome::fault(
        Fault::NoListener,
        format!(
            "nobody listens on {}{}",
            wanted.join(" or "),
            if seen.is_empty() {
                String::new()
            } else {
                format!("; only on {}", seen.join(", "))
            }
        ),
    )
}
