# SPDX-License-Identifier: GPL-2.0
"""Draw bench.json as bench.svg: instructions per operation relative to the C
module. Runs where pygal is (scripts/bench-chart).

    chart.py BENCH.JSON OUT.SVG
"""

import json
import sys

import pygal
from pygal.style import Style

NAMES = {"c": "C module", "rust": "this module", "tcp": "TCP"}
COLOURS = {"c": "#9a9a9a", "rust": "#b7410e", "tcp": "#4878a8", "inside": "#e8a582"}


def relative(tests, subject, base, metric):
    """One figure per test; None where it was not measured."""
    out = []
    for test in tests.values():
        try:
            out.append(round(test[subject][metric]["mean"] / test[base][metric]["mean"], 3))
        except (KeyError, ZeroDivisionError):
            out.append(None)
    return out


def main(source, target):
    with open(source, encoding="utf-8") as f:
        result = json.load(f)
    tests, subjects = result["tests"], result["subjects"]
    base = "c" if "c" in subjects else subjects[0]
    series = [(NAMES[s], COLOURS[s], relative(tests, s, base, "instructions")) for s in subjects]
    if {"c", "rust"} <= set(subjects):
        series.append(("this module, smbdirect.ko alone", COLOURS["inside"],
                       relative(tests, "rust", "c", "in_smbdirect")))
    style = Style(background="white", plot_background="white", colors=[c for _, c, _ in series],
                  value_font_size=8, label_font_size=11, title_font_size=15,
                  legend_font_size=11, opacity="1")
    chart = pygal.Bar(
        title=f"Guest instructions per operation relative to the {NAMES[base]}\n"
              f"(less is better), kernel {result['kernel']}, soft-RoCE",
        style=style, width=max(700, 78 * len(tests) + 150), height=520, js=[], no_prefix=True,
        print_values=True, print_values_position="top", value_formatter=lambda v: f"{v:.2f}",
        x_label_rotation=35, legend_at_bottom=True, legend_at_bottom_columns=len(series),
        range=(0, max(1.1, *(v for _, _, vs in series for v in vs if v))), show_y_guides=True)
    chart.x_labels = list(tests)
    for name, _, values in series:
        chart.add(name, values)
    chart.render_to_file(target)


if __name__ == "__main__":
    main(*sys.argv[1:])
