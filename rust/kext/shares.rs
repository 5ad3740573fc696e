// SPDX-License-Identifier: GPL-2.0

//! What the module has in common with a server about its shares: how their names are compared, and the static key that says whether any share needs a look.

use crate::{bindings, ctx::ProcessCtx, name::Name};
use kernel::{error::to_result, prelude::*};

/// A name as ksmbd compares it: folded by Unicode, or in ASCII if that does not work. `-E2BIG` if it is too long. Sleeps.
pub fn fold(_ctx: &ProcessCtx, name: &CStr) -> Result<Name> {
    let mut folded = Ok(());
    let out = Name::written(|to, size| {
        // SAFETY: The name ends in NUL; `size` bytes may be written.
        folded = to_result(unsafe { bindings::smbd_casefold(name.as_char_ptr(), to, size) });
    });
    folded.map(|()| out)
}

/// Switches `smbdirect_policy_key`. Sleeps; never two at a time.
pub fn set_policy_key(_ctx: &ProcessCtx, on: bool) {
    // SAFETY: No preconditions but process context.
    unsafe { bindings::smbd_policy_key_set(on) }
}
