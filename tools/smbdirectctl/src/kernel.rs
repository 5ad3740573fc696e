// SPDX-License-Identifier: GPL-2.0

//! What is in force: configfs of the module (`Documentation/steering.md`, 5).

use crate::{
    config::{Config, Share},
    diagnostics::quoted,
    root::Root,
    state::{
        module,
        shares::{Shares, ALL, OTHERS},
        CONFIGFS, UNSET,
    },
};
use smbdirect_core::settings::{Mode, Number};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// How many drafts of one process are tried, should others have left some.
const TRIES: u32 = 8;

/// Why something with the kernel did not work.
#[derive(Debug)]
pub enum Problem {
    /// There is no such directory.
    NoModule(String),
    /// What is in force cannot be told.
    Unreadable(String),
    /// The kernel refused.
    Refused(String),
}

/// The module's directory, if it is there.
pub fn directory(root: &Root) -> Result<PathBuf, Problem> {
    let dir = root.path(CONFIGFS);
    if dir.is_dir() {
        return Ok(dir);
    }
    let configfs = root.path("sys/kernel/config");
    Err(Problem::NoModule(
        if !module::loaded(root, "smbdirect") {
            "smbdirect.ko is not loaded: modprobe smbdirect"
        } else if !configfs.is_dir() {
            "configfs is not there: modprobe configfs"
        } else if fs::read_dir(&configfs).is_ok_and(|mut d| d.next().is_none()) {
            "configfs is not mounted: mount -t configfs none /sys/kernel/config"
        } else {
            "the loaded smbdirect.ko is not the one of this project, or an older one, and has no /sys/kernel/config/smbdirect: `smbdirectctl check` says how to change it"
        }
        .into(),
    ))
}

fn word(root: &Root, name: &str) -> Result<Option<String>, Problem> {
    let text = root.read(&format!("{CONFIGFS}/{name}")).map_err(|e| {
        Problem::Unreadable(format!(
            "cannot read /{CONFIGFS}/{name}: {e}; is the module of another version than this program?"
        ))
    })?;
    let text = text.trim_end_matches('\n');
    Ok((text != UNSET).then(|| text.into()))
}

fn refused(what: &str, path: &Path, error: &io::Error) -> Problem {
    let remedy = match error.kind() {
        io::ErrorKind::PermissionDenied => "; only root may",
        _ => "",
    };
    Problem::Refused(format!("cannot {what} {}: {error}{remedy}", path.display()))
}

impl Problem {
    /// What it says.
    pub fn text(&self) -> &str {
        match self {
            Self::NoModule(why) | Self::Unreadable(why) | Self::Refused(why) => why,
        }
    }
}

/// What is in force.
pub fn read(root: &Root) -> Result<Config, Problem> {
    directory(root)?;
    let mut config = Config::default();
    let strange = |name: &str, text: &str| {
        Problem::Unreadable(format!(
            "/{CONFIGFS}/{name} holds {}, which this program does not know: is it of another version than the module?",
            quoted(text)
        ))
    };
    if let Some(text) = word(root, "smb_direct")? {
        config.mode = Some(Mode::from_name(&text).ok_or_else(|| strange("smb_direct", &text))?);
    }
    for number in Number::ALL {
        let name = number.spec().attribute;
        if let Some(text) = word(root, name)? {
            let value = text.parse().ok();
            if value.is_none() || !config.numbers.set(number, value) {
                return Err(strange(name, &text));
            }
        }
    }
    if let Some(text) = word(root, "interfaces")? {
        config.interfaces = text.split(' ').map(Into::into).collect();
    }
    if let Some(text) = word(root, "capabilities")? {
        for word in text.split(' ') {
            let rdma = match word.split_once('=') {
                Some((name, "rdma")) => (name, true),
                Some((name, "none")) => (name, false),
                _ => return Err(strange("capabilities", word)),
            };
            config.capabilities.push((rdma.0.into(), rdma.1));
        }
    }
    config.shares = shares(root)?;
    Ok(config)
}

/// The shares that were applied by name. A part of them would be taken for all, so it must be all.
fn shares(root: &Root) -> Result<Vec<Share>, Problem> {
    match Shares::read(root) {
        Shares::NotOffered => Err(Problem::Unreadable(format!(
            "cannot read /{CONFIGFS}/shares: is the module of another version than this program?"
        ))),
        Shares::Listed { left_off: 0, list } => Ok(list
            .into_iter()
            .filter(|share| share.name != OTHERS)
            .map(|share| Share {
                name: share.name,
                mode: share.set,
            })
            .collect()),
        Shares::Listed { left_off, .. } => Err(Problem::Unreadable(format!(
            "/{CONFIGFS}/shares leaves {left_off} shares off; all are in /{ALL}: run it as root, with debugfs mounted"
        ))),
    }
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
    fn make(all: &Path) -> Result<Self, Problem> {
        let own = format!("apply.{}", std::process::id());
        // One that is there already was left behind by a process that was killed.
        let names = (1..TRIES).map(|n| format!("{own}.{n}"));
        for name in [own.clone()].into_iter().chain(names) {
            let dir = all.join(name);
            match fs::create_dir(&dir) {
                Ok(()) => {
                    return Ok(Self {
                        dir,
                        shares: Vec::new(),
                    })
                }
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) if e.kind() == io::ErrorKind::StorageFull => {
                    return Err(Problem::Refused(format!(
                        "there are as many drafts in {} as there can be: remove those that nobody works on (rmdir of their shares, of 'shares', then of the draft)",
                        all.display()
                    )))
                }
                Err(e) => return Err(refused("make", &dir, &e)),
            }
        }
        Err(Problem::Refused(format!(
            "{}: drafts {own} to {own}.{} are there already: remove them with rmdir",
            all.display(),
            TRIES.saturating_sub(1)
        )))
    }

    fn write(path: &Path, text: &str) -> Result<(), Problem> {
        fs::write(path, text)
            .map_err(|e| refused(&format!("write {} into", quoted(text)), path, &e))
    }

    fn set(&self, name: &str, text: &str) -> Result<(), Problem> {
        Self::write(&self.dir.join(name), text)
    }

    fn share(&mut self, share: &Share) -> Result<(), Problem> {
        let name = quoted(&share.name);
        if share.name.contains('/') || share.name == "." || share.name == ".." {
            return Err(Problem::Refused(format!(
                "the share {name} cannot be applied: configfs has no directory of that name"
            )));
        }
        let dir = self.dir.join("shares").join(&share.name);
        fs::create_dir(&dir).map_err(|e| {
            let why = match e.kind() {
                io::ErrorKind::AlreadyExists => {
                    "a share of that name, but for its case, is there already".into()
                }
                io::ErrorKind::StorageFull => "these are more shares than the module takes".into(),
                io::ErrorKind::InvalidInput => "the module takes no share of that name".into(),
                _ => e.to_string(),
            };
            Problem::Refused(format!("the share {name} cannot be applied: {why}"))
        })?;
        self.shares.push(dir.clone());
        Self::write(
            &dir.join("smb_direct"),
            share.mode.map_or(UNSET, Mode::name),
        )
    }
}

/// Puts a configuration into force, or changes nothing.
pub fn apply(root: &Root, config: &Config) -> Result<(), Problem> {
    let mut draft = Draft::make(&directory(root)?)?;
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
