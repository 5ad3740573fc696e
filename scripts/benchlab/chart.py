# SPDX-License-Identifier: GPL-2.0
"""Draw bench.json as bench.svg: instructions per operation of our module and of
TCP relative to the C module. Runs where matplotlib is (scripts/bench-chart).

    chart.py BENCH.JSON OUT.SVG
"""

import json
import sys

import matplotlib
matplotlib.use("svg")
from matplotlib import pyplot  # noqa: E402

COLOURS = {"c": "#7f7f7f", "rust": "#b7410e", "tcp": "#4878a8"}
NAMES = {"c": "C module", "rust": "this module", "tcp": "TCP"}


def bars(axes, tests, subjects, metric, title):
    """One group of bars per test, in percent of the C module (or of the first
    subject when C was not measured)."""
    base = "c" if "c" in subjects else subjects[0]
    names = [n for n, t in tests.items() if all(metric in t.get(s, {}) for s in subjects)
             and t[base][metric]["mean"]]
    width = 0.8 / len(subjects)
    for i, subject in enumerate(subjects):
        at = [x + (i - (len(subjects) - 1) / 2) * width for x in range(len(names))]
        values = [tests[n][subject][metric]["mean"] / tests[n][base][metric]["mean"]
                  for n in names]
        axes.bar(at, values, width * 0.92, label=NAMES[subject], color=COLOURS[subject])
        if subject != base:
            for x, v in zip(at, values):
                axes.text(x, v + 0.01, f"{v:.2f}", ha="center", va="bottom", fontsize=6)
    axes.axhline(1, color="black", linewidth=0.6)
    axes.set_xticks(range(len(names)), names, rotation=35, ha="right", fontsize=8)
    axes.set_ylabel(f"relative to {NAMES[base]}")
    axes.set_title(title, fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)


def main(source, target):
    with open(source, encoding="utf-8") as f:
        result = json.load(f)
    tests, subjects = result["tests"], result["subjects"]
    rdma = [s for s in subjects if s != "tcp"]
    matplotlib.rcParams["svg.hashsalt"] = "smbdirect"
    figure, (above, below) = pyplot.subplots(
        2, 1, figsize=(max(7, 0.62 * len(tests) + 2), 8), layout="constrained")
    bars(above, tests, subjects, "instructions",
         f"Guest instructions per operation, {result['kernel']}, soft-RoCE (less is better)")
    bars(below, tests, rdma or subjects, "in_smbdirect" if rdma else "instructions",
         "Of these, in smbdirect.ko itself")
    above.legend(frameon=False, fontsize=8, ncols=3, loc="upper right")
    figure.savefig(target, metadata={"Date": None})


if __name__ == "__main__":
    main(*sys.argv[1:])
