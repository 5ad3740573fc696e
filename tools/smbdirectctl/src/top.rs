// SPDX-License-Identifier: GPL-2.0

//! `smbdirectctl top`: connections as they work, on the whole terminal.

pub mod app;
pub mod draw;

use crate::{root::Root, state::State};
use app::App;
use ratatui::crossterm::event::{self, Event, KeyEventKind};
use std::{
    io,
    time::{Duration, Instant},
};

/// Until somebody ends it. `every`: between two looks.
pub fn run(root: &Root, every: Duration) -> io::Result<()> {
    let mut terminal = ratatui::try_init()?;
    let result = watch(root, every, &mut terminal);
    ratatui::try_restore().and(result)
}

fn watch(root: &Root, every: Duration, terminal: &mut ratatui::DefaultTerminal) -> io::Result<()> {
    let mut app = App::default();
    let mut looked = Instant::now();
    app.look(State::read(root), Duration::ZERO);
    loop {
        terminal.draw(|frame| draw::all(frame, &app))?;
        let left = every.saturating_sub(looked.elapsed());
        if event::poll(left)? {
            match event::read()? {
                Event::Key(key) if key.kind != KeyEventKind::Release => app.key(key),
                _ => {}
            }
        }
        if app.ended() {
            return Ok(());
        }
        if looked.elapsed() >= every {
            let time = looked.elapsed();
            looked = Instant::now();
            app.look(State::read(root), time);
        }
    }
}
