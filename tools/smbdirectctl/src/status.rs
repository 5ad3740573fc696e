// SPDX-License-Identifier: GPL-2.0

//! `smbdirectctl status`: devices, interfaces, connections, shares, and whether RDMA is in use.

pub mod json;
pub mod tables;

use crate::{rates::Interval, root::Root, run::print, state::State, verdict};
use std::{
    io::{self, IsTerminal, Write},
    thread,
    time::{Duration, Instant},
};

/// What a terminal does for it: cursor to the top left, clear.
const CLEAR: &str = "\x1b[H\x1b[2J";

/// One look, as text or JSON.
pub fn render(now: &State, before: Option<&Interval<'_>>, as_json: bool) -> String {
    let verdict = verdict::of(now, before.map(|i| i.then));
    if as_json {
        format!("{:#}\n", json::all(now, before, &verdict))
    } else {
        tables::all(now, before, &verdict)
    }
}

/// Prints it; with `watch` again and again, until the reader is gone. Whether RDMA is in use.
pub fn run(root: &Root, as_json: bool, watch: Option<Duration>) -> Result<bool, (String, u8)> {
    let mut at = Instant::now();
    let mut state = State::read(root);
    let Some(every) = watch else {
        print(&render(&state, None, as_json))?;
        return Ok(verdict::of(&state, None).in_use);
    };
    let clear = !as_json && io::stdout().is_terminal();
    let mut text = render(&state, None, as_json);
    loop {
        let mut out = io::stdout().lock();
        let front = if clear { CLEAR } else { "" };
        let back = if clear || as_json { "" } else { "\n" };
        let written = write!(out, "{front}{text}{back}").and_then(|()| out.flush());
        drop(out);
        if written.is_err() {
            return Ok(verdict::of(&state, None).in_use);
        }
        thread::sleep(every);
        let (then, moment) = (state, at);
        (at, state) = (Instant::now(), State::read(root));
        let interval = Interval {
            then: &then,
            time: at.saturating_duration_since(moment),
        };
        text = render(&state, Some(&interval), as_json);
    }
}
