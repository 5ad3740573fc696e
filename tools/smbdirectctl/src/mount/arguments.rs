// SPDX-License-Identifier: GPL-2.0

//! The command line of a mount helper, as mount(8) makes it: `mount.smbdirect SPEC DIR [-sfnv] [-N NAMESPACE] [-o OPTIONS] [-t TYPE.SUBTYPE]`.

use super::bytes;
use std::{ffi::OsString, os::unix::ffi::OsStringExt};

/// What is printed for `--help`.
pub const HELP: &str = "\
usage: mount -t smbdirect //SERVER/SHARE DIRECTORY [-o rdma=auto|required|off,...]
       mount.smbdirect //SERVER/SHARE DIRECTORY [-fnsvrw] [-o OPTIONS]

rdma=auto      over RDMA if a probe of the server succeeds, otherwise over TCP (without a word)
rdma=required  over RDMA, or not at all
rdma=off       over TCP
All other options are those of mount.cifs(8). See mount.smbdirect(8).
";

/// A mount that is asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Arguments {
    /// `//server/share`.
    pub spec: OsString,
    /// Where.
    pub dir: OsString,
    /// The options, with commas between.
    pub options: Vec<u8>,
    /// Flags that `mount.cifs` gets too.
    pub flags: Vec<OsString>,
    /// `-f`: everything but the mount.
    pub fake: bool,
    /// `-v`.
    pub verbose: bool,
}

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
pub enum Call {
    /// A mount.
    Mount(Box<Arguments>),
    /// What there is.
    Help,
    /// Which version it is.
    Version,
}

/// Reads the arguments, without the program's name; `Err` says what is wrong with them.
pub fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Call, String> {
    let mut out = Arguments::default();
    let mut places = Vec::new();
    let mut arguments = arguments.peekable();
    let mut only_places = false;
    while let Some(argument) = arguments.next() {
        let text = bytes(&argument).to_owned();
        if only_places || !text.starts_with(b"-") || text == b"-" {
            places.push(argument);
            continue;
        }
        match text.as_slice() {
            b"--" => {
                only_places = true;
                continue;
            }
            b"--help" => return Ok(Call::Help),
            b"--version" => return Ok(Call::Version),
            b"--verbose" => {
                out.verbose = true;
                out.flags.push("-v".into());
                continue;
            }
            _ => {}
        }
        let mut letters = text.iter().skip(1).copied();
        while let Some(letter) = letters.next() {
            // the rest of the argument, or the next one
            let mut value = || {
                let rest: Vec<u8> = letters.by_ref().collect();
                if rest.is_empty() {
                    arguments.next().map(OsString::into_vec)
                } else {
                    Some(rest)
                }
            };
            match letter {
                b'o' => {
                    let more = value().ok_or("-o needs options")?;
                    if !out.options.is_empty() {
                        out.options.push(b',');
                    }
                    out.options.extend(more);
                }
                // mount(8) names the type again if it has a subtype
                b't' => {
                    value().ok_or("-t needs a type")?;
                }
                b'h' | b'?' => return Ok(Call::Help),
                b'V' => return Ok(Call::Version),
                b'f' | b'n' | b's' | b'v' | b'r' | b'w' => {
                    out.fake |= letter == b'f';
                    out.verbose |= letter == b'v';
                    out.flags.push(OsString::from_vec(vec![b'-', letter]));
                }
                other => {
                    return Err(format!(
                        "-{}: no such option",
                        char::from(other).escape_default()
                    ))
                }
            }
        }
    }
    match <[OsString; 2]>::try_from(places) {
        Ok([spec, dir]) => {
            (out.spec, out.dir) = (spec, dir);
            Ok(Call::Mount(Box::new(out)))
        }
        Err(places) => Err(format!(
            "{} of //SERVER/SHARE and DIRECTORY; --help says more",
            match places.len() {
                0 => "neither",
                1 => "only one",
                _ => "more than both",
            }
        )),
    }
}
