// SPDX-License-Identifier: GPL-2.0
//! What the kernel of the client says: its log, RDMA resources, counters, tasks.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::stop::{Stop, Try};

const STATS: &str = "/sys/kernel/debug/smbdirect/stats";
const CONNECTIONS: &str = "/sys/kernel/debug/smbdirect/connections";

/// Whether software iWARP is there, which does not do all that an adapter does.
pub fn has_siw() -> bool {
    Path::new("/sys/module/siw").exists()
}

/// From which size on cifs has data moved by RDMA: beyond everything, until this
/// is dropped. cifs looks at it when it connects.
pub struct AllInline(String);

impl AllInline {
    const FILE: &str = "/proc/fs/cifs/rdma_readwrite_threshold";

    pub fn set() -> Try<Self> {
        let Ok(usual) = fs::read_to_string(Self::FILE) else {
            return Err(Stop::Skipped(format!("{} is not there", Self::FILE)));
        };
        fs::write(Self::FILE, "16777216")?;
        Ok(AllInline(usual.trim().into()))
    }
}

impl Drop for AllInline {
    fn drop(&mut self) {
        let _ = fs::write(Self::FILE, &self.0);
    }
}

/// Receives that the client has posted on its connection, of which there must be one
/// only; None with the C module, which does not tell.
pub fn receives_posted() -> Option<u64> {
    let text = fs::read_to_string(CONNECTIONS).ok()?;
    let numbers = text.lines().filter_map(|l| l.trim().split_once(' '));
    let mut found = numbers.filter(|(name, _)| *name == "recv_posted");
    match (found.next(), found.next()) {
        (Some((_, n)), None) => n.trim().parse().ok(),
        _ => None,
    }
}

/// The kernel log from a moment on.
pub struct KernelLog {
    file: File,
    lines: Vec<String>,
}

impl KernelLog {
    pub fn from_now() -> Try<Self> {
        let mut file = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NONBLOCK)
            .open("/dev/kmsg")
            .map_err(|e| Stop::Skipped(format!("/dev/kmsg: {e}")))?;
        file.seek(SeekFrom::End(0))?;
        Ok(KernelLog {
            file,
            lines: Vec::new(),
        })
    }

    /// All lines so far.
    pub fn lines(&mut self) -> &[String] {
        let mut record = vec![0; 8192];
        // each read gives one record; an error means that there is none now
        while let Ok(n) = self.file.read(&mut record) {
            let text = String::from_utf8_lossy(&record[..n]);
            if let Some((_, line)) = text.split_once(';') {
                self.lines
                    .push(line.lines().next().unwrap_or_default().to_string());
            }
            if n == 0 {
                break;
            }
        }
        &self.lines
    }

    /// Lines that no peer may cause.
    pub fn alarming(&mut self) -> Vec<String> {
        const WORDS: [&str; 8] = [
            "BUG:",
            "WARNING:",
            "Oops",
            "Call Trace",
            "blocked for more than",
            "refcount_t:",
            "KASAN",
            "UBSAN",
        ];
        let bad = |line: &&String| WORDS.iter().any(|w| line.contains(w));
        self.lines().iter().filter(bad).cloned().collect()
    }

    /// The error with which cifs's last attempt to connect to this port ended:
    /// the mount itself says ENOENT for all of them.
    pub fn connect_error(&mut self, port: u16) -> Option<String> {
        let mark = format!(":{port} failed: -");
        let found = self.lines().iter().rev().find_map(|line| {
            let (_, rest) = line.split_once(&mark)?;
            Some(rest.trim().to_string())
        });
        found
    }
}

/// When cifs tried to connect. The kernel prints at most 10 lines of one kind in
/// 5 s, and a mount that fails gives two, one for each port.
static ATTEMPTS: Mutex<Vec<Instant>> = Mutex::new(Vec::new());

/// cifs is about to connect.
pub fn attempt() {
    if let Ok(mut attempts) = ATTEMPTS.lock() {
        attempts.push(Instant::now());
    }
}

/// Whether the kernel will print with which error the next attempt ends.
pub fn log_has_room() -> bool {
    const WINDOW: Duration = Duration::from_millis(5_200);
    const MOST: usize = 4;
    let Ok(mut attempts) = ATTEMPTS.lock() else {
        return true;
    };
    attempts.retain(|at| at.elapsed() < WINDOW);
    attempts.len() < MOST
}

/// What must be the same after a case as before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// qp, pd, mr and cm_id of all devices.
    rdma: Vec<(String, u64)>,
    /// Sockets and bytes that the module counts; none with the C module.
    module: Vec<(String, u64)>,
}

impl State {
    pub fn now() -> Self {
        const KINDS: [&str; 4] = ["qp", "pd", "mr", "cm_id"];
        let shown = Command::new("rdma").args(["resource", "show"]).output();
        let shown = shown.map(|o| String::from_utf8_lossy(&o.stdout).into_owned());
        let shown = shown.unwrap_or_default();
        let words: Vec<&str> = shown.split_whitespace().collect();
        let sum = |kind: &str| {
            let pairs = words.windows(2).filter(|w| w[0] == kind);
            pairs.filter_map(|w| w[1].parse::<u64>().ok()).sum()
        };
        State {
            rdma: KINDS.iter().map(|&k| (k.to_string(), sum(k))).collect(),
            module: ["sockets", "connections_active", "memory_bytes"]
                .iter()
                .filter_map(|&name| Some((name.to_string(), counter(name)?)))
                .collect(),
        }
    }
}

/// A counter of the module over all connections; None with the C module.
pub fn counter(name: &str) -> Option<u64> {
    let text = fs::read_to_string(STATS).ok()?;
    let mut pairs = text.lines().filter_map(|l| l.split_once(' '));
    pairs.find(|(n, _)| *n == name)?.1.trim().parse().ok()
}

/// Tasks that wait uninterruptibly (state D), by name.
pub fn stuck_tasks() -> Vec<String> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let state = |entry: fs::DirEntry| {
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        let (name, rest) = stat.rsplit_once(')')?;
        rest.trim_start()
            .starts_with('D')
            .then(|| name.replace('(', ""))
    };
    entries.filter_map(Result::ok).filter_map(state).collect()
}
