// SPDX-License-Identifier: GPL-2.0

//! Draws it.

use super::{
    app::{App, Latency, Row},
    panel,
};
use crate::{
    state::connections::Connection,
    table::{bytes, count, duration, plain, rate},
};
use ratatui::{
    layout::{Alignment, Constraint, Layout, Rect},
    style::{Modifier, Style, Stylize},
    text::{Line, Span},
    widgets::{Block, Cell, Paragraph, Row as Cells, Sparkline, Table, TableState},
    Frame,
};

/// Height of a graph with its frame, and of what is said of one connection.
const GRAPH: u16 = 6;
const DETAILS: u16 = 6;
/// The same with a line of latencies.
const DETAILS_LATENCY: u16 = 7;

/// Heading, width, and whether it is a number.
const COLUMNS: [(&str, u16, bool); 9] = [
    ("ID", 6, true),
    ("ROLE", 6, false),
    ("PEER", 24, false),
    ("DEVICE", 10, false),
    ("RDMA", 11, true),
    ("INLINE", 11, true),
    ("OP/S", 8, true),
    ("STALLS/S", 8, true),
    ("CREDITS", 7, true),
];

/// All of it.
pub fn all(frame: &mut Frame<'_>, app: &App) {
    let high = match app.latency {
        Latency::On(_) => DETAILS_LATENCY,
        _ => DETAILS,
    };
    let [head, graph, list, details, keys] = Layout::vertical([
        Constraint::Length(2),
        Constraint::Length(GRAPH),
        Constraint::Min(3),
        Constraint::Length(high),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    header(frame, app, head);
    let (graph, beside) = panel::beside(app, graph);
    throughput(frame, app, graph);
    if let Some(area) = beside {
        panel::latency(frame, app, area);
    }
    connections(frame, app, list);
    selected(frame, app, details);
    frame.render_widget(
        Paragraph::new("q quit   s sort   r reverse   p pause   l latency   up, down select").dim(),
        keys,
    );
}

fn header(frame: &mut Frame<'_>, app: &App, area: Rect) {
    let (word, text, style) = match app.verdict() {
        Some(v) if v.in_use => (v.word(), plain(&v.text), Style::new().green()),
        Some(v) => (v.word(), plain(&v.text), Style::new().red()),
        None => ("?", String::new(), Style::new()),
    };
    let verdict = Line::from(vec![
        Span::raw("RDMA in use: "),
        Span::styled(word, style.add_modifier(Modifier::BOLD)),
        Span::raw(format!(" ({text})")),
    ]);
    let t = &app.total;
    let totals = format!(
        "RDMA in {}, out {}   inline in {}, out {}   {} op/s   {} stalls/s{}",
        rate(t.rdma_in),
        rate(t.rdma_out),
        rate(t.inline_in),
        rate(t.inline_out),
        count(t.operations),
        count(t.stalls),
        if app.paused { "   PAUSED" } else { "" }
    );
    frame.render_widget(Paragraph::new(vec![verdict, Line::from(totals)]), area);
}

/// A graph of bytes in a second, the newest at the right.
fn spark<'d>(data: &'d [u64], title: String) -> Sparkline<'d> {
    Sparkline::default()
        .block(Block::bordered().title(title))
        .data(data)
        .cyan()
}

fn inside(area: Rect) -> usize {
    area.width.saturating_sub(2).into()
}

#[allow(clippy::cast_precision_loss)] // shown with three digits
fn throughput(frame: &mut Frame<'_>, app: &App, area: Rect) {
    let title = format!(
        " all: {}, most {} ",
        rate(app.total.bytes()),
        rate(app.history.most() as f64)
    );
    let data = app.history.last(inside(area));
    frame.render_widget(spark(&data, title), area);
}

fn cells(row: &Row) -> [String; COLUMNS.len()] {
    let (c, r) = (&row.connection, &row.rates);
    [
        c.id.to_string(),
        c.role.name().into(),
        plain(&c.peer),
        plain(&c.device),
        rate(r.rdma()),
        rate(r.inline()),
        count(r.operations),
        count(r.stalls),
        c.info.value("send_credits").to_string(),
    ]
}

fn connections(frame: &mut Frame<'_>, app: &App, area: Rect) {
    let align = |texts: [String; COLUMNS.len()]| {
        texts
            .into_iter()
            .zip(COLUMNS)
            .map(|(text, (_, _, number))| {
                let side = if number {
                    Alignment::Right
                } else {
                    Alignment::Left
                };
                Cell::from(Line::from(text).alignment(side))
            })
    };
    let heading = Cells::new(align(COLUMNS.map(|(name, _, _)| name.into())));
    let rows = app.rows().iter().map(|row| {
        let line = Cells::new(align(cells(row)));
        if row.connection.is_connected() {
            line
        } else {
            line.dim()
        }
    });
    let arrow = if app.reverse { "reversed" } else { "sorted" };
    let title = format!(
        " {} connections, {arrow} by {} ",
        app.rows().len(),
        app.sort.name()
    );
    let table = Table::new(rows, COLUMNS.map(|(_, width, _)| Constraint::Length(width)))
        .header(heading.bold())
        .row_highlight_style(Style::new().reversed())
        .block(Block::bordered().title(title));
    let mut state = TableState::new().with_selected(app.place());
    frame.render_stateful_widget(table, area, &mut state);
}

fn about(c: &Connection) -> Vec<Line<'static>> {
    let n = |name: &str| c.info.value(name);
    vec![
        Line::from(format!(
            "{}, {} old, {}",
            plain(&c.status),
            duration(n("age_msec")),
            match c.end_cause.as_str() {
                "none" => "in use".into(),
                cause => format!("ended: {}", plain(cause)),
            }
        )),
        Line::from(format!(
            "RDMA {}  inline {}",
            bytes(c.rdma_bytes()),
            bytes(c.inline_bytes())
        )),
        Line::from(format!(
            "outstanding: {} sends, {} RDMA, {} regions",
            n("sends_outstanding"),
            n("rdma_outstanding"),
            n("registrations")
        )),
        Line::from(format!(
            "receives: {} granted, {} posted; memory {}",
            n("recv_credits_granted"),
            n("recv_posted"),
            bytes(n("memory_bytes"))
        )),
    ]
}

fn selected(frame: &mut Frame<'_>, app: &App, area: Rect) {
    let Some((row, history)) = app.selected() else {
        let none = Paragraph::new("no connection").block(Block::bordered());
        frame.render_widget(none, area);
        return;
    };
    let [left, right] =
        Layout::horizontal([Constraint::Percentage(50), Constraint::Percentage(50)]).areas(area);
    let title = format!(" {} {} ", row.connection.id, plain(&row.connection.peer));
    let mut lines = about(&row.connection);
    if let Latency::On(latencies) = &app.latency {
        let all = latencies.of(row.connection.id);
        lines.push(Line::from(format!("RDMA latency: {all}")));
    }
    frame.render_widget(
        Paragraph::new(lines).block(Block::bordered().title(title)),
        left,
    );
    let data = history.map_or_else(Vec::new, |h| h.last(inside(right)));
    frame.render_widget(
        spark(&data, format!(" {} ", rate(row.rates.bytes()))),
        right,
    );
}
