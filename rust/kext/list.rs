// SPDX-License-Identifier: GPL-2.0

//! Lists of what exists, in statics that are never dropped.

use kernel::prelude::*;

/// Takes the first element that `which` is true of out of the list.
///
/// An empty list gives its memory back: in a static, nobody else would do that, and the module would leave it behind. Does not allocate.
pub fn take_first<T>(list: &mut KVec<T>, which: impl FnMut(&T) -> bool) -> Option<T> {
    let at = list.iter().position(which)?;
    let gone = list.remove(at).ok();
    if list.is_empty() {
        *list = KVec::new();
    }
    gone
}
