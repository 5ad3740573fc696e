// SPDX-License-Identifier: GPL-2.0

//! What is in force: configfs of the module (`Documentation/steering.md`, 5).

use crate::config::{Config, Share};
use smbdirect_core::settings::{Mode, Number};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// The module's directory.
const CONFIGFS: &str = "/sys/kernel/config/smbdirect";
/// There if the loaded ksmbd has the hook.
const HOOK: &str = "/sys/module/ksmbd/parameters/smbdirect_policy";
const KSMBD: &str = "/sys/module/ksmbd";
const UNSET: &str = "default";

/// Why something with the kernel did not work.
#[derive(Debug)]
pub enum Problem {
    /// There is no such directory.
    NoModule(String),
    /// The kernel refused.
    Refused(String),
}

/// The module's directory, if it is there.
fn directory() -> Result<PathBuf, Problem> {
    let dir = PathBuf::from(CONFIGFS);
    if dir.is_dir() {
        return Ok(dir);
    }
    Err(Problem::NoModule(
        if !Path::new("/sys/module/smbdirect").exists() {
            "smbdirect.ko is not loaded: modprobe smbdirect"
        } else if !Path::new("/sys/kernel/config").is_dir() {
            "configfs is not there: modprobe configfs"
        } else if fs::read_dir("/sys/kernel/config").is_ok_and(|mut d| d.next().is_none()) {
            "configfs is not mounted: mount -t configfs none /sys/kernel/config"
        } else {
            "the loaded smbdirect.ko is not the one of this project, or an older one: it has no /sys/kernel/config/smbdirect"
        }
        .into(),
    ))
}

/// Whether the policy of shares is enforced; `None`: ksmbd is not loaded.
pub fn enforced() -> Option<bool> {
    Path::new(KSMBD).is_dir().then(|| Path::new(HOOK).exists())
}

fn read_word(path: &Path) -> Result<Option<String>, Problem> {
    let text = fs::read_to_string(path).map_err(|e| refused("read", path, &e))?;
    let text = text.trim_end_matches('\n');
    Ok((text != UNSET).then(|| text.into()))
}

fn refused(what: &str, path: &Path, error: &io::Error) -> Problem {
    Problem::Refused(format!("cannot {what} {}: {error}", path.display()))
}

/// What is in force.
pub fn read() -> Result<Config, Problem> {
    let dir = directory()?;
    let mut config = Config::default();
    let strange = |name: &str, text: &str| {
        Problem::Refused(format!(
            "{} holds '{text}', which this program does not know: is it of another version than the module?",
            dir.join(name).display()
        ))
    };
    if let Some(text) = read_word(&dir.join("smb_direct"))? {
        config.mode = Some(Mode::from_name(&text).ok_or_else(|| strange("smb_direct", &text))?);
    }
    for number in Number::ALL {
        let name = number.spec().attribute;
        if let Some(text) = read_word(&dir.join(name))? {
            let value = text.parse().ok();
            if value.is_none() || !config.numbers.set(number, value) {
                return Err(strange(name, &text));
            }
        }
    }
    if let Some(text) = read_word(&dir.join("interfaces"))? {
        config.interfaces = text.split(' ').map(Into::into).collect();
    }
    if let Some(text) = read_word(&dir.join("capabilities"))? {
        for word in text.split(' ') {
            let (name, rdma) = word
                .split_once('=')
                .ok_or_else(|| strange("capabilities", word))?;
            config.capabilities.push((name.into(), rdma == "rdma"));
        }
    }
    config.shares = shares(&dir)?;
    Ok(config)
}

/// The shares that were applied: names, which may hold blanks, and then four words.
fn shares(dir: &Path) -> Result<Vec<Share>, Problem> {
    const DEBUGFS: &str = "/sys/kernel/debug/smbdirect/shares";
    let short = dir.join("shares");
    let text = match fs::read_to_string(DEBUGFS) {
        Ok(text) => text,
        Err(_) => fs::read_to_string(&short).map_err(|e| refused("read", &short, &e))?,
    };
    Ok(text
        .lines()
        .filter_map(|line| {
            let mut words = line.rsplitn(5, ' ');
            let mode = words.nth(3)?;
            let name = words.next()?;
            (name != "*").then(|| Share {
                name: name.into(),
                mode: Mode::from_name(mode),
            })
        })
        .collect())
}

/// A draft that is removed again whatever happens.
struct Draft {
    dir: PathBuf,
    shares: Vec<PathBuf>,
}

impl Drop for Draft {
    fn drop(&mut self) {
        for share in &self.shares {
            let _ = fs::remove_dir(share);
        }
        let _ = fs::remove_dir(self.dir.join("shares"));
        let _ = fs::remove_dir(&self.dir);
    }
}

impl Draft {
    fn make(root: &Path) -> Result<Self, Problem> {
        let dir = root.join(format!("apply.{}", std::process::id()));
        fs::create_dir(&dir).map_err(|e| refused("make", &dir, &e))?;
        Ok(Self {
            dir,
            shares: Vec::new(),
        })
    }

    fn write(path: &Path, text: &str) -> Result<(), Problem> {
        fs::write(path, text)
            .map_err(|e| Problem::Refused(format!("{}: '{text}' is refused: {e}", path.display())))
    }

    fn set(&self, name: &str, text: &str) -> Result<(), Problem> {
        Self::write(&self.dir.join(name), text)
    }

    fn share(&mut self, share: &Share) -> Result<(), Problem> {
        let dir = self.dir.join("shares").join(&share.name);
        fs::create_dir(&dir).map_err(|e| refused("make", &dir, &e))?;
        self.shares.push(dir.clone());
        Self::write(
            &dir.join("smb_direct"),
            share.mode.map_or(UNSET, Mode::name),
        )
    }
}

/// Puts a configuration into force, or changes nothing.
pub fn apply(config: &Config) -> Result<(), Problem> {
    let mut draft = Draft::make(&directory()?)?;
    if let Some(mode) = config.mode {
        draft.set("smb_direct", mode.name())?;
    }
    if !config.interfaces.is_empty() {
        draft.set("interfaces", &config.interfaces.join(" "))?;
    }
    if !config.capabilities.is_empty() {
        let words: Vec<String> = config
            .capabilities
            .iter()
            .map(|(name, rdma)| format!("{name}={}", if *rdma { "rdma" } else { "none" }))
            .collect();
        draft.set("capabilities", &words.join(" "))?;
    }
    for number in Number::ALL {
        if let Some(value) = config.numbers.get(number) {
            draft.set(number.spec().attribute, &value.to_string())?;
        }
    }
    let shares = draft.dir.join("shares");
    fs::create_dir(&shares).map_err(|e| refused("make", &shares, &e))?;
    for share in &config.shares {
        draft.share(share)?;
    }
    draft.set("commit", "1")
}
