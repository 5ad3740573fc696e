// SPDX-License-Identifier: GPL-2.0

//! `seeds DIRECTORY`: writes the inputs to begin with, one file each, in a directory a target.

use std::path::Path;

fn main() -> std::io::Result<()> {
    let to = std::env::args().nth(1).unwrap_or_else(|| "corpus".into());
    for (target, name, bytes) in smbdirect_fuzz::seeds::all() {
        let directory = Path::new(&to).join(target);
        std::fs::create_dir_all(&directory)?;
        std::fs::write(directory.join(name), bytes)?;
    }
    Ok(())
}
