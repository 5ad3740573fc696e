// SPDX-License-Identifier: GPL-2.0

//! What is in force: configfs of the module (`Documentation/steering.md`, 5).

use crate::{
    config::{Config, Share},
    diagnostics::quoted,
};
use smbdirect_core::settings::{Mode, Number};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// How many drafts of one process are tried, should others have left some.
const TRIES: u32 = 8;
const UNSET: &str = "default";

/// Why something with the kernel did not work.
#[derive(Debug)]
pub enum Problem {
    /// There is no such directory.
    NoModule(String),
    /// The kernel refused.
    Refused(String),
}

/// Where the kernel shows its things.
pub struct Kernel {
    /// `/sys`
    sys: PathBuf,
}

impl Default for Kernel {
    fn default() -> Self {
        Self::at("/sys")
    }
}

impl Kernel {
    /// A kernel whose `/sys` is there: for tests.
    pub fn at(sys: impl Into<PathBuf>) -> Self {
        Self { sys: sys.into() }
    }

    /// The module's directory, if it is there.
    fn directory(&self) -> Result<PathBuf, Problem> {
        let configfs = self.sys.join("kernel/config");
        let dir = configfs.join("smbdirect");
        if dir.is_dir() {
            return Ok(dir);
        }
        Err(Problem::NoModule(
            if !self.sys.join("module/smbdirect").exists() {
                "smbdirect.ko is not loaded: modprobe smbdirect"
            } else if !configfs.is_dir() {
                "configfs is not there: modprobe configfs"
            } else if fs::read_dir(&configfs).is_ok_and(|mut d| d.next().is_none()) {
                "configfs is not mounted: mount -t configfs none /sys/kernel/config"
            } else {
                "the loaded smbdirect.ko is not the one of this project, or an older one: it has no /sys/kernel/config/smbdirect"
            }
            .into(),
        ))
    }

    /// Whether the policy of shares is enforced; `None`: ksmbd is not loaded.
    pub fn enforced(&self) -> Option<bool> {
        let ksmbd = self.sys.join("module/ksmbd");
        ksmbd
            .is_dir()
            .then(|| ksmbd.join("parameters/smbdirect_policy").exists())
    }
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
pub fn read(kernel: &Kernel) -> Result<Config, Problem> {
    let dir = kernel.directory()?;
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
    config.shares = shares(kernel, &dir)?;
    Ok(config)
}

/// The shares that were applied: names, which may hold blanks, and then four words.
fn shares(kernel: &Kernel, dir: &Path) -> Result<Vec<Share>, Problem> {
    let all = kernel.sys.join("kernel/debug/smbdirect/shares");
    let short = dir.join("shares");
    let text = match fs::read_to_string(all) {
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
        let own = format!("apply.{}", std::process::id());
        // One that is there already was left behind by a process that was killed.
        let names = (1..TRIES).map(|n| format!("{own}.{n}"));
        for name in [own.clone()].into_iter().chain(names) {
            let dir = root.join(name);
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
                        root.display()
                    )))
                }
                Err(e) => return Err(refused("make", &dir, &e)),
            }
        }
        Err(Problem::Refused(format!(
            "{}: drafts {own} to {own}.{} are there already: remove them with rmdir",
            root.display(),
            TRIES.saturating_sub(1)
        )))
    }

    fn write(path: &Path, text: &str) -> Result<(), Problem> {
        fs::write(path, text)
            .map_err(|e| Problem::Refused(format!("{}: '{text}' is refused: {e}", path.display())))
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
pub fn apply(kernel: &Kernel, config: &Config) -> Result<(), Problem> {
    let mut draft = Draft::make(&kernel.directory()?)?;
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
