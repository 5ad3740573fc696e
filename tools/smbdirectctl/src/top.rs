// SPDX-License-Identifier: GPL-2.0

//! `smbdirectctl top`: connections as they work, on the whole terminal.

pub mod app;
pub mod draw;
pub mod histogram;
pub mod latency;
pub mod panel;
pub mod recorder;

use crate::{root::Root, state::State, trace};
use app::{App, Latency};
use latency::Latencies;
use ratatui::crossterm::event::{self, Event, KeyEventKind};
use recorder::{Recorder, Why};
use std::{
    io,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

/// Between two looks at the kernel's recording, which must not become full meanwhile.
const TICK: Duration = Duration::from_millis(100);

/// Until somebody ends it. `every`: between two looks; `latency`: whether how long RDMA takes is shown from the beginning.
pub fn run(root: &Root, every: Duration, latency: bool) -> io::Result<()> {
    let mut terminal = ratatui::try_init()?;
    let result = watch(root, every, latency, &mut terminal);
    ratatui::try_restore().and(result)
}

/// The recording, if there is to be one.
struct Recording<'r> {
    root: &'r Root,
    recorder: Option<Recorder>,
    began: Instant,
    /// Something of it was not looked at.
    skipped: bool,
}

impl Recording<'_> {
    /// Begins or ends it, as is asked for.
    fn follow(&mut self, app: &mut App) {
        match app.latency {
            Latency::Off => self.recorder = None,
            Latency::Asked => {
                self.began = Instant::now();
                self.skipped = false;
                match Recorder::begin(self.root) {
                    Ok(recorder) => {
                        self.recorder = Some(recorder);
                        app.latency = Latency::On(Latencies::default());
                    }
                    Err(why) => app.latency = Latency::None(why),
                }
            }
            Latency::None(_) | Latency::On(_) => {}
        }
    }

    /// Takes what there is. While nothing is updated it goes nowhere.
    fn take(&mut self, app: &mut App) {
        let (Some(recorder), Latency::On(latencies)) = (&mut self.recorder, &mut app.latency)
        else {
            return;
        };
        let result = if app.paused {
            self.skipped = true;
            recorder.look(None)
        } else {
            if std::mem::take(&mut self.skipped) {
                latencies.forget();
            }
            latencies.advance(self.began.elapsed());
            recorder.look(Some(latencies))
        };
        if let Err(why) = result {
            self.fail(app, why);
        }
    }

    fn fail(&mut self, app: &mut App, why: Why) {
        self.recorder = None;
        app.latency = Latency::None(why);
    }

    /// Whether the module went, or came.
    fn check(&mut self, app: &mut App) {
        if let Latency::None(Why { passing: true, .. }) = app.latency {
            app.latency = Latency::Asked;
        }
        if let Some(Err(why)) = self.recorder.as_ref().map(Recorder::check) {
            self.fail(app, why);
        }
    }
}

fn watch(
    root: &Root,
    every: Duration,
    latency: bool,
    terminal: &mut ratatui::DefaultTerminal,
) -> io::Result<()> {
    let stop = trace::signals()?;
    let mut app = App::default();
    if latency {
        app.latency = Latency::Asked;
    }
    let mut looked = Instant::now();
    let mut recording = Recording {
        root,
        recorder: None,
        began: looked,
        skipped: false,
    };
    app.look(State::read(root), Duration::ZERO);
    let mut changed = true;
    loop {
        recording.follow(&mut app);
        if std::mem::take(&mut changed) {
            terminal.draw(|frame| draw::all(frame, &app))?;
        }
        let left = every.saturating_sub(looked.elapsed());
        if event::poll(left.min(TICK))? {
            changed = true;
            match event::read()? {
                Event::Key(key) if key.kind != KeyEventKind::Release => app.key(key),
                _ => {}
            }
        }
        if app.ended() || stop.load(Ordering::Relaxed) {
            return Ok(());
        }
        recording.take(&mut app);
        if looked.elapsed() >= every {
            let time = looked.elapsed();
            looked = Instant::now();
            app.look(State::read(root), time);
            recording.check(&mut app);
            changed = true;
        }
    }
}
