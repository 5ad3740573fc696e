// SPDX-License-Identifier: GPL-2.0

//! Configurations as text and as JSON.

use crate::{
    config::Config,
    names::{Parameter, INTERFACES, MODE},
};
use serde_json::{json, Map, Value};
use smbdirect_core::settings::{Mode, Number, Unit};
use std::collections::BTreeMap;

/// A number as one would write it in the file.
fn number_text(number: Number, value: u32) -> String {
    const K: u32 = 1024;
    if number.spec().unit == Unit::Bytes && value != 0 {
        for (suffix, shift) in [("G", 30u32), ("M", 20), ("K", 10)] {
            let unit = K.saturating_pow(shift.wrapping_div(10));
            if value.checked_rem(unit) == Some(0) {
                return format!("{}{suffix}", value >> shift);
            }
        }
    }
    value.to_string()
}

fn default_text(number: Number) -> String {
    number
        .spec()
        .default
        .map_or("computed".into(), |value| number_text(number, value))
}

/// The lists of interfaces, joined as they are written in a file.
fn interfaces_text(config: &Config) -> String {
    let word = |name: &String| {
        let rdma = config
            .capabilities
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, rdma)| *rdma);
        match rdma {
            Some(true) => format!("\"{name};capability=RDMA\""),
            Some(false) => format!("\"{name};capability=RSS\""),
            None => name.clone(),
        }
    };
    let words: Vec<String> = config.interfaces.iter().map(word).collect();
    words.join(" ")
}

/// Overrides of interfaces that are in no list of ours, but in ksmbd's `interfaces`.
fn other_capabilities(config: &Config) -> Vec<String> {
    config
        .capabilities
        .iter()
        .filter(|(name, _)| !config.interfaces.contains(name))
        .map(|(name, rdma)| format!("{name}={}", if *rdma { "rdma" } else { "none" }))
        .collect()
}

/// As sections, which can be pasted into a file.
pub fn sections(config: &Config, all: bool) -> String {
    let mut out = String::from("[global]\n");
    let mut line = |name: &str, value: Option<String>, default: String| match value {
        Some(value) => out.push_str(&format!("\t{name} = {value}\n")),
        None if all => out.push_str(&format!("\t; {name} = {default}\n")),
        None => {}
    };
    line(
        MODE,
        config.mode.map(|mode| mode.name().into()),
        Mode::default().name().into(),
    );
    let list = interfaces_text(config);
    line(
        INTERFACES,
        (!list.is_empty()).then_some(list),
        "* (all)".into(),
    );
    for number in Number::ALL {
        line(
            &Parameter::Number(number).name(),
            config.numbers.get(number).map(|v| number_text(number, v)),
            default_text(number),
        );
    }
    for capability in other_capabilities(config) {
        out.push_str(&format!("\t; interfaces: {capability}\n"));
    }
    for share in &config.shares {
        let mode = match share.mode {
            Some(mode) => format!("\t{MODE} = {}\n", mode.name()),
            None if all => format!(
                "\t; {MODE} = {} (from [global])\n",
                config.effective(share).name()
            ),
            None => continue,
        };
        out.push_str(&format!("\n[{}]\n{mode}", share.name));
    }
    out
}

/// Version of what `config check --json` and `config show --json` print. Names do not change or go; new ones may come.
pub const FORMAT: u32 = 1;

/// For programs. What is not set is null.
pub fn to_json(config: &Config) -> Value {
    let mut numbers = Map::new();
    for number in Number::ALL {
        numbers.insert(
            number.spec().attribute.into(),
            json!(config.numbers.get(number)),
        );
    }
    let shares: Vec<Value> = config
        .shares
        .iter()
        .map(|share| {
            json!({
                "name": share.name,
                "smb_direct": share.mode.map(Mode::name),
                "effective": config.effective(share).name(),
            })
        })
        .collect();
    let capabilities: Map<String, Value> = config
        .capabilities
        .iter()
        .map(|(name, rdma)| (name.clone(), json!(rdma)))
        .collect();
    json!({
        "format": FORMAT,
        "smb_direct": config.mode.map(Mode::name),
        "interfaces": config.interfaces,
        "capabilities": capabilities,
        "numbers": numbers,
        "shares": shares,
    })
}

/// Of a side that has nothing of that name.
const NOT_SET: &str = "(not set)";
/// Of a share that says nothing: it is known by name, which decides what is advertised, and has a count of its own.
const AS_GLOBAL: &str = "(as [global] says)";

/// All that is set, and all shares, by name.
fn flat(config: &Config) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    if let Some(mode) = config.mode {
        out.insert(MODE.into(), mode.name().into());
    }
    if !config.interfaces.is_empty() {
        out.insert(INTERFACES.into(), config.interfaces.join(" "));
    }
    for (name, rdma) in &config.capabilities {
        out.insert(
            format!("capability of {name}"),
            if *rdma { "RDMA" } else { "RSS" }.into(),
        );
    }
    for number in Number::ALL {
        if let Some(value) = config.numbers.get(number) {
            out.insert(Parameter::Number(number).name(), number_text(number, value));
        }
    }
    for share in &config.shares {
        out.insert(
            format!("[{}] {MODE}", crate::smbconf::fold(&share.name)),
            share.mode.map_or(AS_GLOBAL, Mode::name).into(),
        );
    }
    out
}

/// What changes on the way from `old` to `new`, a line each.
pub fn difference(old: &Config, new: &Config) -> String {
    let (old, new) = (flat(old), flat(new));
    let names: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    names
        .into_iter()
        .filter(|name| old.get(*name) != new.get(*name))
        .map(|name| {
            let of = |side: &BTreeMap<String, String>| {
                side.get(name).map_or(NOT_SET.into(), Clone::clone)
            };
            format!("{name}: {} -> {}\n", of(&old), of(&new))
        })
        .collect()
}
