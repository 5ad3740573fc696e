// SPDX-License-Identifier: GPL-2.0

//! Kernel modules: which smbdirect it is, and who uses it.

use super::SYSFS;
use crate::root::Root;

/// Whose smbdirect is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// None.
    Nobody,
    /// The one of this project.
    Ours,
    /// Another: the kernel's C module.
    Foreign,
}

impl Owner {
    /// For people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nobody => "none",
            Self::Ours => "loaded, in Rust",
            Self::Foreign => "loaded, the C module",
        }
    }

    /// A word for programs.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Nobody => "none",
            Self::Ours => "rust",
            Self::Foreign => "c",
        }
    }
}

/// The version of the format that this program knows.
pub const FORMAT: &str = "1";

/// What is loaded.
#[derive(Clone, Debug)]
pub struct Modules {
    /// smbdirect.
    pub smbdirect: Owner,
    /// Version of the module's files, if it is ours.
    pub format: Option<String>,
    /// Modules that use smbdirect: ksmbd, cifs.
    pub holders: Vec<String>,
    /// Whether ksmbd is loaded.
    pub ksmbd: bool,
    /// Whether cifs is loaded.
    pub cifs: bool,
    /// What ksmbd says about itself: `startup`, `running`, `reset`, `shutdown`.
    pub server: Option<String>,
    /// Whether ksmbd enforces the policy of shares.
    pub enforced: bool,
}

/// Whether a module is loaded, or built into the kernel.
pub fn loaded(root: &Root, name: &str) -> bool {
    root.exists(&format!("sys/module/{name}"))
}

/// Whether ksmbd enforces the policy of shares; `None`: it is not loaded.
pub fn enforced(root: &Root) -> Option<bool> {
    loaded(root, "ksmbd").then(|| root.exists("sys/module/ksmbd/parameters/smbdirect_policy"))
}

impl Modules {
    /// Looks.
    pub fn read(root: &Root) -> Self {
        let smbdirect = if root.exists(SYSFS) {
            Owner::Ours
        } else if loaded(root, "smbdirect") {
            Owner::Foreign
        } else {
            Owner::Nobody
        };
        Self {
            smbdirect,
            format: root.word(&format!("{SYSFS}/format")),
            holders: root.names("sys/module/smbdirect/holders"),
            ksmbd: loaded(root, "ksmbd"),
            cifs: loaded(root, "cifs"),
            server: server(root),
            enforced: enforced(root) == Some(true),
        }
    }

    /// Whether a module uses smbdirect.
    pub fn holds(&self, name: &str) -> bool {
        self.holders.iter().any(|h| h == name)
    }
}

/// `2 running 445 10`: version, state, TCP port, time.
fn server(root: &Root) -> Option<String> {
    let text = root.word("sys/class/ksmbd-control/stats")?;
    text.split_whitespace().nth(1).map(Into::into)
}
