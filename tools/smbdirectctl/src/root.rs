// SPDX-License-Identifier: GPL-2.0

//! Where the machine is looked at: files below `/`, and what other programs say.
//!
//! With another root, which tests have and support has of somebody else's machine, no program is run: what `rdma -j link show` would print is read
//! from the file `commands/rdma -j link show`.

use crate::program;
use serde_json::Value;
use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// More of a file is not read. Those of sysfs are at most a page; of `/proc` some are longer.
const MOST: u64 = 4 << 20;

/// Where programs are looked for: not in `PATH`, because this one runs as root.
const PROGRAMS: [&str; 4] = ["usr/sbin", "usr/bin", "sbin", "bin"];
/// How long one program may take. Resolvers ask several servers several times.
const PATIENCE: Duration = Duration::from_secs(20);

/// A machine's root directory.
#[derive(Clone, Debug)]
pub struct Root {
    dir: PathBuf,
    live: bool,
    /// When there is no more time.
    until: Option<Instant>,
}

impl Root {
    /// This machine.
    pub fn live() -> Self {
        Self {
            dir: "/".into(),
            live: true,
            until: None,
        }
    }

    /// Another one, as files.
    pub fn at(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            live: false,
            until: None,
        }
    }

    /// The same, with so much time from now on for all that could take some.
    pub fn within(mut self, time: Duration) -> Self {
        self.until = Instant::now().checked_add(time);
        self
    }

    /// What is left of the time, but at most so much; `None` if nothing is.
    pub fn left(&self, most: Duration) -> Option<Duration> {
        let left = self.until.map_or(most, |until| {
            until.saturating_duration_since(Instant::now()).min(most)
        });
        (!left.is_zero()).then_some(left)
    }

    /// Whether it is this machine.
    pub fn is_live(&self) -> bool {
        self.live
    }

    /// A path, which is given without `/` in front.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Whether there is such a file or directory.
    pub fn exists(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    /// What a file holds. What is not UTF-8 is replaced.
    pub fn read(&self, name: &str) -> io::Result<String> {
        read(&self.path(name))
    }

    /// What a file holds, without blanks around it; `None` if it cannot be read or is empty.
    pub fn word(&self, name: &str) -> Option<String> {
        let text = self.read(name).ok()?;
        let word = text.trim();
        (!word.is_empty()).then(|| word.into())
    }

    /// The names in a directory, in order; none if there is no such directory.
    pub fn names(&self, name: &str) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.path(name))
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    /// Where a symbolic link points to.
    pub fn target(&self, name: &str) -> Option<String> {
        let target = fs::read_link(self.path(name)).ok()?;
        Some(target.to_string_lossy().into_owned())
    }

    /// What a program prints; `Err` says why it does not.
    pub fn output(&self, words: &[&str]) -> Result<String, String> {
        let line = words.join(" ");
        if !self.live {
            return self
                .read(&format!("commands/{line}"))
                .map_err(|e| format!("{line}: {e}"));
        }
        let (name, arguments) = words.split_first().ok_or("no command")?;
        let program = self
            .program(name)
            .ok_or_else(|| format!("{name}: not installed"))?;
        let time = self
            .left(PATIENCE)
            .ok_or_else(|| format!("{line}: no time is left for it"))?;
        program::output(&program, arguments, time, program::MOST)
            .map_err(|why| format!("{line}: {why}"))
    }

    /// RDMA objects of a kind (`qp`, `cm_id`) of all devices, as `rdma` lists them; `Err` says why it does not.
    pub fn rdma_resources(&self, kind: &str) -> Result<Vec<Value>, String> {
        let words = ["rdma", "-j", "resource", "show", kind];
        match self.output(&words)?.trim() {
            "" => Ok(Vec::new()),
            text => serde_json::from_str(text)
                .map_err(|_| format!("what `{}` prints is not understood", words.join(" "))),
        }
    }

    /// Where a program is.
    pub fn program(&self, name: &str) -> Option<PathBuf> {
        PROGRAMS
            .iter()
            .map(|dir| self.path(dir).join(name))
            .find(|path| path.is_file())
    }
}

fn read(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MOST).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
