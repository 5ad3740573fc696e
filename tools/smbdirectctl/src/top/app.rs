// SPDX-License-Identifier: GPL-2.0

//! What is shown, in which order, and what keys do. Knows no terminal.

use super::{latency::Latencies, recorder::Why};
use crate::{
    rates::{Interval, Rates},
    state::{connections::Connection, State},
    verdict::{self, Verdict},
};
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use std::{
    cmp::Ordering,
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

/// How many looks a graph goes back: more than a terminal is wide.
const BACK: usize = 512;

/// Bytes in a second, look by look, the last one at the end.
#[derive(Clone, Debug, Default)]
pub struct History(VecDeque<u64>);

impl History {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // `as` saturates, and rates are not negative
    fn add(&mut self, rate: f64) {
        if self.0.len() >= BACK {
            self.0.pop_front();
        }
        self.0.push_back(rate as u64);
    }

    /// The last ones, as many as fit.
    pub fn last(&self, fit: usize) -> Vec<u64> {
        let skip = self.0.len().saturating_sub(fit);
        self.0.iter().skip(skip).copied().collect()
    }

    /// The largest of them.
    pub fn most(&self) -> u64 {
        self.0.iter().copied().max().unwrap_or(0)
    }
}

/// What connections are ordered by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// Most bytes first.
    #[default]
    Bytes,
    /// Most operations first.
    Operations,
    /// Most waits first.
    Stalls,
    /// Oldest first.
    Age,
    /// By address.
    Peer,
}

impl Sort {
    /// For the title.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bytes => "bytes",
            Self::Operations => "operations",
            Self::Stalls => "stalls",
            Self::Age => "age",
            Self::Peer => "peer",
        }
    }

    const fn next(self) -> Self {
        match self {
            Self::Bytes => Self::Operations,
            Self::Operations => Self::Stalls,
            Self::Stalls => Self::Age,
            Self::Age => Self::Peer,
            Self::Peer => Self::Bytes,
        }
    }
}

/// A connection in the list.
#[derive(Clone, Debug)]
pub struct Row {
    /// It.
    pub connection: Connection,
    /// What it moves.
    pub rates: Rates,
}

/// How long RDMA takes, and whether that is to be seen.
#[derive(Debug, Default)]
pub enum Latency {
    /// Not to be seen, and not recorded.
    #[default]
    Off,
    /// To be recorded from now on.
    Asked,
    /// It cannot be recorded.
    None(Why),
    /// It is recorded.
    On(Latencies),
}

/// All that is shown.
#[derive(Debug, Default)]
pub struct App {
    state: Option<State>,
    rows: Vec<Row>,
    /// Over all connections.
    pub total: Rates,
    /// The same, over time.
    pub history: History,
    histories: BTreeMap<u64, History>,
    /// The order.
    pub sort: Sort,
    /// The other way round.
    pub reverse: bool,
    /// Nothing is updated.
    pub paused: bool,
    /// How long RDMA takes.
    pub latency: Latency,
    selected: Option<u64>,
    verdict: Option<Verdict>,
    ended: bool,
}

impl App {
    /// Takes what there is to see now, `time` after the last look.
    pub fn look(&mut self, now: State, time: Duration) {
        if self.paused {
            // what is shown stays; rates begin here when it goes on
            self.state = Some(now);
            return;
        }
        let then = self.state.as_ref();
        let rates = |c: &Connection| {
            then.and_then(|then| Interval { then, time }.of(c))
                .unwrap_or_default()
        };
        self.rows = now
            .connections
            .iter()
            .map(|c| Row {
                rates: rates(c),
                connection: c.clone(),
            })
            .collect();
        self.total = self
            .rows
            .iter()
            .fold(Rates::default(), |sum, row| sum.plus(&row.rates));
        self.verdict = Some(verdict::of(&now, then));
        if then.is_some() {
            self.history.add(self.total.bytes());
            for row in &self.rows {
                let history = self.histories.entry(row.connection.id).or_default();
                history.add(row.rates.bytes());
            }
        }
        self.histories
            .retain(|id, _| now.connections.iter().any(|c| c.id == *id));
        self.state = Some(now);
        self.order();
    }

    fn order(&mut self) {
        let down = |a: f64, b: f64| b.total_cmp(&a);
        let age = |row: &Row| row.connection.info.value("age_msec");
        let sort = self.sort;
        self.rows.sort_by(|a, b| {
            let order = match sort {
                Sort::Bytes => down(a.rates.bytes(), b.rates.bytes()),
                Sort::Operations => down(a.rates.operations, b.rates.operations),
                Sort::Stalls => down(a.rates.stalls, b.rates.stalls),
                Sort::Age => age(b).cmp(&age(a)),
                Sort::Peer => a.connection.peer.cmp(&b.connection.peer),
            };
            match order {
                // so that idle ones do not dance
                Ordering::Equal => a.connection.id.cmp(&b.connection.id),
                other => other,
            }
        });
        if self.reverse {
            self.rows.reverse();
        }
        if self.place().is_none() {
            self.selected = self.rows.first().map(|row| row.connection.id);
        }
    }

    /// The list, in order.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Where in the list the selected connection is.
    pub fn place(&self) -> Option<usize> {
        self.rows
            .iter()
            .position(|row| Some(row.connection.id) == self.selected)
    }

    /// The selected connection, and what it moved.
    pub fn selected(&self) -> Option<(&Row, Option<&History>)> {
        let row = self.rows.get(self.place()?)?;
        Some((row, self.histories.get(&row.connection.id)))
    }

    /// Whether RDMA is in use.
    pub fn verdict(&self) -> Option<&Verdict> {
        self.verdict.as_ref()
    }

    /// Somebody has had enough.
    pub fn ended(&self) -> bool {
        self.ended
    }

    fn select(&mut self, down: bool) {
        let at = match (self.place(), down) {
            (Some(at), true) => at.saturating_add(1),
            (Some(at), false) => at.saturating_sub(1),
            (None, _) => 0,
        };
        if let Some(row) = self.rows.get(at) {
            self.selected = Some(row.connection.id);
        }
    }

    /// A key was pressed.
    pub fn key(&mut self, key: KeyEvent) {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('c') if control => self.ended = true,
            KeyCode::Char('q') | KeyCode::Esc => self.ended = true,
            KeyCode::Char('s') => self.sort = self.sort.next(),
            KeyCode::Char('r') => self.reverse = !self.reverse,
            KeyCode::Char('p') => self.paused = !self.paused,
            KeyCode::Char('l') => {
                self.latency = match self.latency {
                    Latency::Off => Latency::Asked,
                    _ => Latency::Off,
                }
            }
            KeyCode::Down | KeyCode::Char('j') => self.select(true),
            KeyCode::Up | KeyCode::Char('k') => self.select(false),
            _ => {}
        }
        self.order();
    }
}
