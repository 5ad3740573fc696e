// SPDX-License-Identifier: GPL-2.0

//! Manual pages say what the code does, and are proper roff.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)] // a test that panics has failed

use smbdirect_core::settings::{Mode, Number};
use smbdirectctl::{
    check::fault::Fault,
    manual::{
        mount,
        page::{escape, Page},
        settings, tool,
    },
    mount::{FAILED, SYSTEM, USAGE},
    names::Parameter,
    trace::events::Group,
};

/// The text of a page, as a reader has it.
fn plain(page: &str) -> String {
    page.replace("\\-", "-").replace("\\e", "\\")
}

/// The same with its lines filled.
fn filled(page: &str) -> String {
    plain(page).split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn every_parameter() {
    let text = plain(&settings::page());
    for parameter in Parameter::all() {
        assert!(
            text.contains(&format!("\n.TP\n\\fB{}\\fR\n", parameter.name())),
            "{parameter:?}"
        );
    }
    for mode in Mode::ALL {
        assert!(text.contains(&format!("\\fB{}\\fR", mode.name())));
    }
    for number in Number::ALL {
        let spec = number.spec();
        let range = format!(
            "{} to {} {}; default ",
            spec.min,
            spec.max,
            spec.unit.name()
        );
        assert!(filled(&settings::page()).contains(&range), "{range}");
    }
}

/// The example of the page is a file that is right.
#[test]
fn example() {
    let page = plain(&settings::page());
    let begin = page.find(".nf\n").unwrap() + 4;
    let end = page.find(".fi\n").unwrap();
    let mut out = smbdirectctl::diagnostics::Diagnostics::default();
    let config = smbdirectctl::config::read(&page.as_bytes()[begin..end], &mut out);
    assert!(!out.refused());
    assert_eq!(config.shares[0].mode, Some(Mode::Required));
    assert_eq!(config.numbers.get(Number::MaxConnections), Some(256));
}

#[test]
fn every_exit_status() {
    let text = plain(&tool());
    for fault in Fault::ALL {
        let about = fault.about();
        assert!(text.contains(&format!("\\fB{} ({})\\fR", about.exit, about.name)));
        assert!(filled(&tool()).contains(about.meaning), "{}", about.meaning);
    }
    for exit in 0..8 {
        assert!(text.contains(&format!("\n.TP\n\\fB{exit}\\fR\n")), "{exit}");
    }
}

/// The page of the mount helper has what the helper takes, and what it ends with.
#[test]
fn helper() {
    let page = mount::page();
    let text = filled(&page);
    for word in [
        "rdma=auto",
        "rdma=required",
        "rdma=off",
        "nordma",
        "-n, -s, -v, -r, -w",
    ] {
        assert!(
            text.contains(&format!("\\fB{word}")) || text.contains(word),
            "{word}"
        );
    }
    for exit in [USAGE, SYSTEM, FAILED] {
        assert!(
            plain(&page).contains(&format!("\n.TP\n\\fB{exit}\\fR\n")),
            "{exit}"
        );
    }
    // a line that begins with a dot is a request of man(7), and one of these
    for line in page.lines().filter(|line| line.starts_with('.')) {
        let request = line.split_whitespace().next().unwrap();
        assert!(
            [".\\\"", ".TH", ".SH", ".PP", ".TP", ".RS", ".RE", ".nf", ".fi"].contains(&request),
            "{line}"
        );
    }
}

#[test]
fn every_group_of_events() {
    let text = plain(&tool());
    let help = smbdirectctl::trace::args::command()
        .render_long_help()
        .to_string();
    for group in Group::ALL {
        assert!(
            text.contains(&format!("\n.TP\n\\fB{}\\fR\n", group.name())),
            "{group:?}"
        );
        assert!(filled(&tool()).contains(group.about()), "{group:?}");
        assert!(help.contains(group.name()), "{group:?}");
    }
}

#[test]
fn roff() {
    assert_eq!(escape(".SH"), "\\&.SH");
    assert_eq!(escape("'x"), "\\&'x");
    assert_eq!(escape("a\\b-c"), "a\\eb\\-c");
    let mut page = Page::new("x", 8);
    page.section("Name");
    page.text("x - y");
    page.text(".z");
    page.text(&"1234 ".repeat(20));
    let lines: Vec<String> = page.finish().lines().skip(2).map(Into::into).collect();
    assert_eq!(
        lines,
        [
            ".SH NAME",
            "x \\- y",
            ".PP",
            "\\&.z",
            ".PP",
            &["1234"; 16].join(" "),
            &["1234"; 4].join(" ")
        ]
    );
    let heading = Page::new("a.b", 5).finish();
    assert!(heading.lines().nth(1).unwrap().starts_with(".TH A.B 5 20"));
}
