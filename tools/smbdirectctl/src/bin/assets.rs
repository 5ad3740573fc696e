// SPDX-License-Identifier: GPL-2.0

//! Writes man pages and shell completion into a directory. Part of the build, not of what is installed.

use clap_complete::Shell;
use smbdirectctl::{cli, manual};
use std::{fs, io, path::PathBuf};

fn main() -> io::Result<()> {
    let out = PathBuf::from(
        std::env::args_os()
            .nth(1)
            .ok_or_else(|| io::Error::other("usage: assets DIRECTORY"))?,
    );
    let (man, completion) = (out.join("man"), out.join("completion"));
    fs::create_dir_all(&man)?;
    fs::create_dir_all(&completion)?;
    let command = cli::command();
    pages(&command, "smbdirectctl", &man)?;
    fs::write(man.join("smbdirect.conf.5"), manual::settings::page())?;
    fs::write(man.join("mount.smbdirect.8"), manual::mount::page())?;
    fs::write(
        man.join("smbdirect.7"),
        include_str!("../../man/smbdirect.7"),
    )?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, &mut command.clone(), "smbdirectctl", &completion)?;
    }
    Ok(())
}

/// A page for a command and for each below it: `smbdirectctl-config-check.8`.
fn pages(command: &clap::Command, name: &str, dir: &std::path::Path) -> io::Result<()> {
    // clap takes names that live for ever; there are a handful, and then the program ends.
    let forever: &'static str = Box::leak(name.to_owned().into_boxed_str());
    let typed = name.replace('-', " ");
    let named = command
        .clone()
        .name(forever)
        .display_name(forever)
        .bin_name(typed);
    let man = clap_mangen::Man::new(named.disable_help_subcommand(true)).section("8");
    let mut page = manual::page::Page::new(name, 8).finish().into_bytes();
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    // the page of the program itself says more than its help
    let more = if command.get_name() == name {
        manual::tool()
    } else {
        manual::command()
    };
    page.extend(more.into_bytes());
    fs::write(dir.join(format!("{name}.8")), page)?;
    for below in command.get_subcommands().filter(|c| c.get_name() != "help") {
        pages(below, &format!("{name}-{}", below.get_name()), dir)?;
    }
    Ok(())
}
