// SPDX-License-Identifier: GPL-2.0

//! What a file says about SMB Direct.

use crate::{
    diagnostics::{quoted, Diagnostics},
    names::{meaning, nearest, Meaning, Parameter, INTERFACES, MODE},
    smbconf::{self, Entry, Section},
};
use smbdirect_core::{
    interfaces::{self, ListError, What, Word},
    settings::{Mode, Number, NumberError, Numbers, Unit},
};
use std::collections::BTreeMap;

/// A share and what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// Its name, as written.
    pub name: String,
    /// `None`: as `[global]` says.
    pub mode: Option<Mode>,
}

/// A configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// For shares that say nothing; `None`: not set.
    pub mode: Option<Mode>,
    /// The numeric parameters.
    pub numbers: Numbers,
    /// Where connections are taken.
    pub interfaces: Vec<String>,
    /// What is advertised whatever detection says: name, and whether it is RDMA.
    pub capabilities: Vec<(String, bool)>,
    /// All shares, but `[ipc$]`.
    pub shares: Vec<Share>,
}

/// Reads a file.
pub fn read(bytes: &[u8], out: &mut Diagnostics) -> Config {
    let sections = smbconf::parse(bytes, out);
    let mut config = Config::default();
    let (mut modes, mut numbers) = (Vec::new(), BTreeMap::new());
    for section in &sections {
        let mut seen = Seen::default();
        for entry in &section.entries {
            let parameter = match meaning(&entry.key) {
                Meaning::Ours(parameter) => parameter,
                Meaning::Misspelt(parameter) => {
                    out.error(
                        entry.line,
                        format!(
                            "{} is no parameter; the nearest is '{}'",
                            quoted(&entry.key),
                            parameter.name()
                        ),
                    );
                    continue;
                }
                Meaning::Foreign => {
                    foreign(section, entry, &mut config, out);
                    continue;
                }
            };
            if !right_section(section, parameter, entry, out) || !seen.first(parameter, entry, out)
            {
                continue;
            }
            match parameter {
                Parameter::Mode => {
                    if let Some(mode) = read_mode(entry, out) {
                        modes.push((section.name.clone(), mode, entry.line));
                    }
                }
                Parameter::Interfaces => read_interfaces(entry, &mut config, out),
                Parameter::Number(number) => {
                    if let Some(value) = read_number(number, entry, out) {
                        let _ = config.numbers.set(number, Some(value));
                        numbers.insert(number as usize, entry.line);
                    }
                }
            }
        }
        near_global(section, out);
    }
    if let Some((each, all)) = config.numbers.contradiction() {
        let line = numbers.get(&(each as usize)).copied().unwrap_or(0);
        out.error(
            line,
            format!(
                "'{}' is more than '{}'",
                Parameter::Number(each).name(),
                Parameter::Number(all).name()
            ),
        );
    }
    config.collect(&sections, &modes);
    config.advise(&sections, &modes, out);
    config
}

impl Config {
    fn collect(&mut self, sections: &[Section], modes: &[(String, Mode, usize)]) {
        let of = |name: &str| modes.iter().find(|m| m.0 == name).map(|m| m.1);
        for section in sections {
            if section.is_global() {
                self.mode = of(&section.name);
            } else if !section.is_ipc() {
                self.shares.push(Share {
                    name: section.name.clone(),
                    mode: of(&section.name),
                });
            }
        }
    }

    /// What is allowed and yet may surprise.
    fn advise(&self, sections: &[Section], modes: &[(String, Mode, usize)], out: &mut Diagnostics) {
        let required = modes.iter().find(|(_, mode, _)| *mode == Mode::Required);
        let global = sections.iter().find(|s| s.is_global());
        let multichannel = global
            .into_iter()
            .flat_map(|s| &s.entries)
            .find(|e| {
                e.key.eq_ignore_ascii_case("server multi channel support") && !e.value().is_empty()
            })
            .is_some_and(|e| {
                let value = e.value().to_ascii_lowercase();
                ["yes", "1", "true", "enable"]
                    .iter()
                    .any(|yes| value.starts_with(yes))
            });
        if let (Some((_, _, line)), false) = (required, multichannel) {
            out.warning(
                *line,
                "'required' without 'server multi channel support = yes' in [global]: clients that begin on TCP, as Windows does, cannot move to RDMA and are refused",
            );
        }
    }

    /// Whether some share asks for a policy that ksmbd has to enforce.
    pub fn needs_enforcement(&self) -> bool {
        self.shares
            .iter()
            .map(|share| share.mode)
            .chain([self.mode])
            .any(|mode| mode.is_some_and(|mode| mode != Mode::Auto))
    }

    /// What a share's requests meet.
    pub fn effective(&self, share: &Share) -> Mode {
        share.mode.or(self.mode).unwrap_or_default()
    }
}

/// Which parameters a section had, where, and with what value.
#[derive(Default)]
struct Seen(Vec<(Parameter, usize, String)>);

impl Seen {
    /// Whether the entry is the one that counts. An empty value is none, as for ksmbd.
    fn first(&mut self, parameter: Parameter, entry: &Entry, out: &mut Diagnostics) -> bool {
        let value = entry.quoted_value().unwrap_or(entry.value());
        if value.is_empty() {
            if !entry.comment().is_empty() && parameter != Parameter::Mode {
                out.warning(
                    entry.line,
                    format!("'{}' has no value, only a comment", parameter.name()),
                );
            }
            return false;
        }
        match self.0.iter().find(|(p, _, _)| *p == parameter) {
            Some((_, line, same)) if same.eq_ignore_ascii_case(value) => {
                out.warning(
                    entry.line,
                    format!("'{}' is in line {line} already", parameter.name()),
                );
                false
            }
            Some((_, line, other)) => {
                out.error(
                    entry.line,
                    format!(
                        "'{}' is {} in line {line} already, and here {}",
                        parameter.name(),
                        quoted(other),
                        quoted(value)
                    ),
                );
                false
            }
            None => {
                self.0.push((parameter, entry.line, value.into()));
                true
            }
        }
    }
}

fn right_section(
    section: &Section,
    parameter: Parameter,
    entry: &Entry,
    out: &mut Diagnostics,
) -> bool {
    if section.is_global() {
        return true;
    }
    if section.is_ipc() {
        out.error(
            entry.line,
            format!(
                "'{}' in [{}]: IPC$ is always served over both",
                parameter.name(),
                section.name
            ),
        );
        return false;
    }
    if parameter != Parameter::Mode {
        out.error(
            entry.line,
            format!(
                "'{}' in the share [{}]: it belongs into [global]",
                parameter.name(),
                section.name
            ),
        );
        return false;
    }
    true
}

/// `[ global]` is a share to ksmbd.
fn near_global(section: &Section, out: &mut Diagnostics) {
    if section.is_global() || section.is_ipc() {
        return;
    }
    let name = smbconf::fold(section.name.trim());
    let ours = section
        .entries
        .iter()
        .any(|e| matches!(meaning(&e.key), Meaning::Ours(_)));
    if name == "global" || (ours && nearest(&name, ["global"].into_iter()).is_some()) {
        out.error(
            section.line,
            format!(
                "[{}] is the name of a share; [global] is meant",
                section.name
            ),
        );
    }
}

fn read_mode(entry: &Entry, out: &mut Diagnostics) -> Option<Mode> {
    let value = entry.value();
    let mode = Mode::from_name(value);
    if mode.is_none() {
        let names = || Mode::ALL.into_iter().map(Mode::name);
        let hint = match (synonym(value), nearest(value, names())) {
            (Some(hint), _) => hint.into(),
            (None, Some(name)) => format!("; the nearest is '{name}'"),
            (None, None) => String::new(),
        };
        out.error(
            entry.line,
            format!(
                "{MODE} = {}: not one of auto, off, required{hint}",
                quoted(value)
            ),
        );
    }
    mode
}

/// Words of Samba and ksmbd for much the same.
fn synonym(value: &str) -> Option<&'static str> {
    match value.to_ascii_lowercase().as_str() {
        "no" | "false" | "disabled" | "disable" | "0" | "none" => Some("; 'off' is meant"),
        "yes" | "true" | "on" | "enabled" | "enable" | "1" | "default" | "desired"
        | "if_required" => Some("; 'auto' is meant"),
        "mandatory" | "force" | "always" | "only" => Some("; 'required' is meant"),
        _ => None,
    }
}

fn read_number(number: Number, entry: &Entry, out: &mut Diagnostics) -> Option<u32> {
    let spec = number.spec();
    let value = entry.value();
    match number.parse(value) {
        Ok(value) => Some(value),
        Err(why) => {
            let why = match why {
                NumberError::Range => format!(
                    "out of range, {} to {} {}",
                    spec.min,
                    spec.max,
                    spec.unit.name()
                ),
                NumberError::Rest if spec.unit == Unit::Seconds => {
                    format!("{why}; it counts seconds and takes no unit")
                }
                NumberError::Rest if value.ends_with('\\') => {
                    format!("{why}; lines are not continued")
                }
                NumberError::NoNumber if value.starts_with('-') => format!(
                    "out of range, {} to {} {}",
                    spec.min,
                    spec.max,
                    spec.unit.name()
                ),
                why => why.to_string(),
            };
            out.error(
                entry.line,
                format!(
                    "{} = {}: {why}",
                    Parameter::Number(number).name(),
                    quoted(value)
                ),
            );
            None
        }
    }
}

/// The words of a list: separated by blanks and commas; double quotes hold one together.
fn words(list: &str) -> Vec<(String, bool)> {
    let (mut out, mut word, mut inside, mut was_quoted) = (Vec::new(), String::new(), false, false);
    for c in list.chars().chain([' ']) {
        match c {
            '"' => {
                inside = !inside;
                was_quoted = true;
            }
            ' ' | '\t' | ',' if !inside => {
                if was_quoted || !word.is_empty() {
                    out.push((std::mem::take(&mut word), was_quoted));
                }
                was_quoted = false;
            }
            c => word.push(c),
        }
    }
    out
}

/// Samba's `name;key=value,...`: the name, and whether it says RDMA if it says a capability.
fn capability(word: &str) -> Result<(&str, Option<bool>), String> {
    let Some((name, options)) = word.split_once(';') else {
        return Ok((word, None));
    };
    let mut rdma = None;
    for option in options.split(',') {
        let (key, value) = option.split_once('=').unwrap_or((option, ""));
        if !key.trim().eq_ignore_ascii_case("capability") {
            return Err(format!(
                "{} in {}: only 'capability' is understood",
                quoted(key.trim()),
                quoted(word)
            ));
        }
        match value.trim().to_ascii_uppercase().as_str() {
            "RDMA" => rdma = Some(true),
            "RSS" => rdma = rdma.or(Some(false)),
            _ => {
                return Err(format!(
                    "{} in {}: the capability is neither RDMA nor RSS",
                    quoted(value.trim()),
                    quoted(word)
                ))
            }
        }
    }
    Ok((name, rdma))
}

fn read_interfaces(entry: &Entry, config: &mut Config, out: &mut Diagnostics) {
    let line = entry.line;
    let Some(list) = entry.quoted_value() else {
        out.error(line, format!("{INTERFACES}: the \" is not closed"));
        return;
    };
    if entry
        .comment()
        .to_ascii_lowercase()
        .starts_with("capability")
        && !list.contains('"')
    {
        out.error(
            line,
            format!("{INTERFACES}: a comment begins at ; here: write \"name;capability=RDMA\" in double quotes"),
        );
        return;
    }
    for (word, _) in words(list) {
        let (name, rdma) = match capability(&word) {
            Ok(both) => both,
            Err(why) => {
                out.error(line, format!("{INTERFACES}: {why}"));
                continue;
            }
        };
        let hint = if name == "\\" {
            "; lines are not continued"
        } else {
            ""
        };
        match Word::parse(name) {
            Ok(parsed) => {
                if let Some(rdma) = rdma {
                    if !override_of(&parsed) {
                        out.error(
                            line,
                            format!(
                                "{INTERFACES}: {}: a capability is for the name of an interface",
                                quoted(&word)
                            ),
                        );
                        continue;
                    }
                    config.capabilities.push((name.into(), rdma));
                }
                if config.interfaces.iter().any(|w| w == name) {
                    out.warning(
                        line,
                        format!("{INTERFACES}: {} is there twice", quoted(name)),
                    );
                } else {
                    config.interfaces.push(name.into());
                }
            }
            Err(why) => out.error(
                line,
                format!("{INTERFACES}: {}: {why}{hint}", quoted(&word)),
            ),
        }
    }
    let text = config.interfaces.join(" ");
    if interfaces::check(&text) == Err(ListError::TooLong) {
        out.error(
            line,
            format!(
                "{INTERFACES}: more than {} words or {} bytes",
                interfaces::MAX_WORDS,
                interfaces::MAX_TEXT
            ),
        );
    }
}

fn override_of(word: &Word<'_>) -> bool {
    !word.except && matches!(word.what, What::Name(_) | What::Prefix(_))
}

/// ksmbd's own parameters that have to do with us.
fn foreign(section: &Section, entry: &Entry, config: &mut Config, out: &mut Diagnostics) {
    if entry.key.eq_ignore_ascii_case("include") {
        out.warning(
            entry.line,
            format!(
                "'include' is ignored by ksmbd: what is in {} does not count",
                quoted(entry.value())
            ),
        );
    }
    if !section.is_global() || !entry.key.eq_ignore_ascii_case("interfaces") {
        return;
    }
    let Some(list) = entry.quoted_value().filter(|list| list.contains('"')) else {
        return;
    };
    for (word, _) in words(list).iter().filter(|(_, quoted)| *quoted) {
        match capability(word) {
            Ok((name, Some(rdma))) if Word::parse(name).is_ok_and(|w| override_of(&w)) => {
                config.capabilities.push((name.into(), rdma));
                out.warning(
                    entry.line,
                    format!(
                        "interfaces: {} is understood here, but ksmbd itself reads '\"{name}' and finds no such interface; write it in '{INTERFACES}'",
                        quoted(word)
                    ),
                );
            }
            Ok(_) => {}
            Err(why) => out.warning(entry.line, format!("interfaces: {why}")),
        }
    }
}
