// SPDX-License-Identifier: GPL-2.0

//! What `mkdir` makes in the directories of configfs.
#![forbid(unsafe_code)]

use super::{Branch, Content, Draft, Entry, Leaf, Place, Root, Shares, Types, PROBES, SHARES};
use crate::{probes::Probe, transport::settings::Settings};
use kernel::{
    configfs::{Group, GroupOperations},
    new_mutex,
    prelude::*,
    str::CString,
    sync::Arc,
};
use smbdirect_kext::ctx::ProcessCtx;

#[vtable]
impl GroupOperations for Root {
    type Child = Branch;

    fn make_group(&self, name: &CStr) -> Result<impl PinInit<Group<Branch>, Error>> {
        let (kind, branch) = if name.to_bytes() == PROBES {
            (self.0.probes, Branch::Probes(self.0))
        } else {
            (self.0.draft, Branch::Draft(Draft::new(self.0)?))
        };
        Ok(Group::new(CString::try_from(name)?, kind, Ok(branch)))
    }
}

impl Draft {
    fn new(types: Types) -> Result<Self> {
        let place = Place::take()?;
        let content = Arc::pin_init(
            pin_init!(Content {
                settings <- new_mutex!(Settings::new(), "smbdirect::Content::settings"),
            }),
            GFP_KERNEL,
        )?;
        Ok(Self {
            content,
            types,
            _place: place,
        })
    }
}

#[vtable]
impl GroupOperations for Branch {
    type Child = Leaf;

    fn make_group(&self, name: &CStr) -> Result<impl PinInit<Group<Leaf>, Error>> {
        let (kind, leaf) = match self {
            Self::Draft(draft) if name.to_bytes() == SHARES => {
                let shares = Shares {
                    content: draft.content.clone(),
                    types: draft.types,
                };
                (draft.types.shares, Leaf::Shares(shares))
            }
            Self::Draft(_) => return Err(EPERM),
            Self::Probes(types) => (types.probe, Leaf::Probe(Probe::new()?)),
        };
        Ok(Group::new(CString::try_from(name)?, kind, Ok(leaf)))
    }
}

impl Leaf {
    /// The probe that files are of: no other directory has them.
    pub(super) fn probe(&self) -> Result<&Probe> {
        match self {
            Self::Probe(probe) => Ok(probe),
            Self::Shares(_) => Err(EINVAL),
        }
    }
}

#[vtable]
impl GroupOperations for Leaf {
    type Child = Entry;

    fn make_group(&self, name: &CStr) -> Result<impl PinInit<Group<Entry>, Error>> {
        // A probe's type of directory has none in it.
        let Self::Shares(shares) = self else {
            return Err(EPERM);
        };
        let ctx = ProcessCtx::enter();
        let entry = Entry {
            key: shares.content.settings.lock().add_share(&ctx, name)?,
            content: shares.content.clone(),
        };
        Ok(Group::new(
            CString::try_from(name)?,
            shares.types.share,
            Ok(entry),
        ))
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.content.settings.lock().remove_share(&self.key);
    }
}
