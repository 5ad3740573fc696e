// SPDX-License-Identifier: GPL-2.0

//! Draws how long RDMA takes.

use super::{
    app::{App, Latency},
    histogram::{Histogram, BARS},
    latency::{Latencies, Side, SECONDS},
};
use crate::table::{count, micros, plain};
use ratatui::{
    layout::{Constraint, Layout, Rect},
    style::Stylize,
    widgets::{Block, Paragraph, Sparkline, Wrap},
    Frame,
};

/// Where all of it can be seen, each bar two columns wide, with its frame.
pub const WIDTH: u16 = 2 * BARS as u16 + 2;
/// Below the bars: each label at its bar, which is a power of two.
const AXIS: [(usize, &str); 5] = [
    (0, "1 µs"),
    (5, "32 µs"),
    (10, "1 ms"),
    (15, "32 ms"),
    (20, "1 s"),
];

/// The graph of throughput, and what there is beside it.
pub fn beside(app: &App, area: Rect) -> (Rect, Option<Rect>) {
    if matches!(app.latency, Latency::Off) {
        return (area, None);
    }
    let width = WIDTH.min(area.width / 2);
    let width = if area.width >= WIDTH.saturating_add(20) {
        WIDTH
    } else {
        width
    };
    let [left, right] =
        Layout::horizontal([Constraint::Fill(1), Constraint::Length(width)]).areas(area);
    (left, Some(right))
}

/// Both ends are of this machine: median and 99 % of each.
fn short(all: &Histogram) -> String {
    let text = |percent| all.quantile(percent).map_or_else(String::new, micros);
    format!("{}/{}", text(50), text(99))
}

fn title(server: &Histogram, client: &Histogram) -> String {
    if server.count() == 0 || client.count() == 0 {
        let all = server.clone().plus(client);
        return format!(" RDMA latency, {SECONDS} s: {all} ");
    }
    format!(
        " {SECONDS} s: server {}, client {} ",
        short(server),
        short(client)
    )
}

/// A line below bars of that width.
fn axis(width: usize) -> String {
    let mut line = String::new();
    let mut used = 0usize;
    for (bar, label) in AXIS {
        let at = bar.saturating_mul(width);
        if at > used || used == 0 {
            line.push_str(&" ".repeat(at.saturating_sub(used)));
            line.push_str(label);
            used = at.saturating_add(label.chars().count());
        }
    }
    line
}

/// The bars, or why there are none.
pub fn latency(frame: &mut Frame<'_>, app: &App, area: Rect) {
    let why = match &app.latency {
        Latency::On(latencies) => return bars(frame, latencies, area),
        Latency::None(why) => plain(&why.text),
        Latency::Off | Latency::Asked => String::new(),
    };
    let text = Paragraph::new(why)
        .wrap(Wrap { trim: true })
        .dim()
        .block(Block::bordered().title(" RDMA latency: no tracing "));
    frame.render_widget(text, area);
}

fn bars(frame: &mut Frame<'_>, latencies: &Latencies, area: Rect) {
    let (server, client) = (latencies.all(Side::Server), latencies.all(Side::Client));
    let mut block = Block::bordered().title(title(&server, &client));
    if latencies.lost() != 0 {
        #[allow(clippy::cast_precision_loss)] // shown with three digits
        let text = format!(" {} events lost ", count(latencies.lost() as f64));
        block = block.title_bottom(text.red());
    }
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let [graph, scale] =
        Layout::vertical([Constraint::Fill(1), Constraint::Length(1)]).areas(inner);
    let width = if inner.width >= WIDTH.saturating_sub(2) {
        2
    } else {
        1
    };
    let all = server.plus(&client).bars();
    // a bar that would not be seen is shown as a low one
    let least = all.iter().max().map_or(0, |most| most.div_ceil(24));
    let data: Vec<u64> = all
        .iter()
        .flat_map(|n| std::iter::repeat_n(if *n == 0 { 0 } else { (*n).max(least) }, width))
        .collect();
    frame.render_widget(Sparkline::default().data(data).magenta(), graph);
    frame.render_widget(Paragraph::new(axis(width)).dim(), scale);
}
