// SPDX-License-Identifier: GPL-2.0

//! An instance of the kernel's tracing of our own: what others record is not touched, and it goes away with this program.

use super::events::{Names, PREFIX};
use crate::root::Root;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process,
};

/// Where it may be mounted.
const MOUNTS: [&str; 2] = ["sys/kernel/tracing", "sys/kernel/debug/tracing"];
/// What the names of our instances begin with; the number of the process follows.
const NAME: &str = "smbdirectctl-";
/// What the kernel calls a process of this program.
const PROGRAM: &str = "smbdirectctl";
/// Nanoseconds since the machine started, the same on all processors.
const CLOCK: &str = "mono";
/// Options that change what lines look like; an instance inherits those of the machine.
const PLAIN: [&str; 7] = [
    "noraw",
    "nohex",
    "nobin",
    "nofields",
    "norecord-tgid",
    "context-info",
    "markers",
];

/// Why there is none.
#[derive(Debug)]
pub enum Fault {
    /// The events are not there: the module is not loaded, or is another one.
    NoEvents(String),
    /// Anything else.
    Other(String),
}

fn explain(what: &Path, e: &io::Error) -> Fault {
    Fault::Other(match e.kind() {
        io::ErrorKind::PermissionDenied => format!(
            "{}: {e}; only root may trace, and nobody where the kernel is locked down",
            what.display()
        ),
        _ => format!("{}: {e}", what.display()),
    })
}

/// The directory of tracefs.
fn tracefs(root: &Root) -> Result<PathBuf, Fault> {
    let found = MOUNTS
        .iter()
        .find(|dir| root.exists(&format!("{dir}/instances")));
    if let Some(dir) = found {
        return Ok(root.path(dir));
    }
    // What only root may enter looks as if it were not there.
    let closed = |dir: &&&str| {
        fs::read_dir(root.path(dir)).is_err_and(|e| e.kind() == io::ErrorKind::PermissionDenied)
    };
    Err(match MOUNTS.iter().find(closed) {
        Some(dir) => explain(
            &root.path(dir),
            &io::Error::from(io::ErrorKind::PermissionDenied),
        ),
        None => Fault::Other(
            "tracefs is not mounted: mount -t tracefs tracefs /sys/kernel/tracing".into(),
        ),
    })
}

/// Removes instances of processes that are gone. One that is in use all the same refuses to go.
fn sweep(root: &Root, dir: &Path) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|n| n.strip_prefix(NAME));
        let Some(pid) = pid.and_then(|p| p.parse::<u32>().ok()) else {
            continue;
        };
        // numbers of processes are used again, also for this one
        let lives = root.word(&format!("proc/{pid}/comm")).as_deref() == Some(PROGRAM);
        if !lives || pid == process::id() {
            let _ = fs::remove_dir(entry.path());
        }
    }
}

/// One instance; it is removed when this goes.
#[derive(Debug)]
pub struct Instance {
    dir: PathBuf,
    pipe: Option<File>,
}

impl Instance {
    /// Makes it. `buffer`: KiB for each processor; the kernel's default if `None`.
    pub fn make(root: &Root, buffer: Option<u32>) -> Result<Self, Fault> {
        let tracefs = tracefs(root)?;
        if !tracefs.join("events/smbdirect/smbd_send").exists() {
            return Err(Fault::NoEvents(
                "there are no events smbdirect:*: smbdirect.ko is not loaded, or is the C module; `smbdirectctl status` says which".into(),
            ));
        }
        let instances = tracefs.join("instances");
        sweep(root, &instances);
        let dir = instances.join(format!("{NAME}{}", process::id()));
        fs::create_dir(&dir).map_err(|e| explain(&dir, &e))?;
        // from here on it is removed again
        let instance = Self { dir, pipe: None };
        instance.set_up(buffer)
    }

    fn set_up(mut self, buffer: Option<u32>) -> Result<Self, Fault> {
        self.write("trace_clock", CLOCK)?;
        for option in PLAIN {
            // not every kernel has each of them
            let _ = self.write("trace_options", option);
        }
        if let Some(kib) = buffer {
            self.write("buffer_size_kb", &kib.to_string())?;
        }
        let path = self.dir.join("trace_pipe");
        let pipe = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(&path)
            .map_err(|e| explain(&path, &e))?;
        self.pipe = Some(pipe);
        Ok(self)
    }

    fn write(&self, file: &str, text: &str) -> Result<(), Fault> {
        let path = self.dir.join(file);
        OpenOptions::new()
            .write(true)
            .open(&path)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(|e| explain(&path, &e))
    }

    /// Writes a line of ours into the recording.
    pub fn mark(&self, text: &str) -> Result<(), Fault> {
        self.write("trace_marker", text)
    }

    /// Begins to record. `filter`: for those events that have connections. An event that this module does not have is passed over.
    pub fn record(&self, names: &Names, filter: Option<&str>) -> Result<(), Fault> {
        for name in names {
            let event = format!("events/smbdirect/{PREFIX}{name}");
            if !self.dir.join(&event).exists() {
                continue;
            }
            if let (Some(filter), true) = (filter, *name != "policy_refused") {
                self.write(&format!("{event}/filter"), filter)?;
            }
            self.write(&format!("{event}/enable"), "1")?;
        }
        Ok(())
    }

    /// Records no more; what was recorded can still be read.
    pub fn stop(&self) {
        let _ = self.write("events/smbdirect/enable", "0");
    }

    /// Whether the module is still there.
    pub fn has_events(&self) -> bool {
        self.dir.join("events/smbdirect").exists()
    }

    /// The recording, as it comes. A read that finds nothing says [`io::ErrorKind::WouldBlock`].
    pub fn pipe(&mut self) -> Option<&mut File> {
        self.pipe.as_mut()
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // an instance with a reader cannot be removed
        self.pipe = None;
        let _ = fs::remove_dir(&self.dir);
    }
}
