// SPDX-License-Identifier: GPL-2.0

//! The table in the documentation is the one of the code.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)] // a test that panics has failed

use smbdirect_core::settings::{Mode, Number};
use smbdirectctl::names::Parameter;
use std::{fs, path::Path};

#[test]
fn parameters() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Documentation/steering.md");
    let text = fs::read_to_string(path).unwrap();
    let rows: Vec<Vec<&str>> = text
        .lines()
        .filter(|line| line.starts_with("| `smb direct"))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let named = |name: &str| {
        rows.iter()
            .find(|row| row[0] == format!("`{name}`"))
            .unwrap_or_else(|| panic!("'{name}' is not documented"))
    };
    assert_eq!(rows.len(), Parameter::all().count());
    for mode in Mode::ALL {
        assert!(named("smb direct")[2].contains(&format!("`{}`", mode.name())));
    }
    // "64K to 16M"
    let number = |text: &str| -> Option<u32> {
        Number::MaxReadWriteSize
            .parse(text)
            .ok()
            .or(text.parse().ok())
    };
    for n in Number::ALL {
        let (spec, row) = (n.spec(), named(&Parameter::Number(n).name()));
        let (min, max) = row[2].split_once(" to ").expect("MIN to MAX");
        assert_eq!(
            (number(min), number(max)),
            (Some(spec.min), Some(spec.max)),
            "{row:?}"
        );
        if let (Some(default), false) = (spec.default, row[3].contains('`')) {
            assert_eq!(row[3].parse(), Ok(default), "{row:?}");
        }
        assert_eq!(row[4], spec.unit.name(), "{row:?}");
        assert_eq!(spec.attribute, spec.name.replace(' ', "_"));
    }
}
