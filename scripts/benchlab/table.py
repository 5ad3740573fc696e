# SPDX-License-Identifier: GPL-2.0
"""The figures as text."""

SUBJECTS = {"c": "C", "rust": "ours", "tcp": "TCP"}
WORK = [("work_requests", "work req"), ("doorbells", "doorbells"), ("completions", "completions"),
        ("packets", "packets"), ("registrations", "registr."), ("wake_ups", "wake-ups"),
        ("switches", "switches")]


def mean(test, subject, metric):
    """A mean or None."""
    value = test.get(subject, {}).get(metric)
    return None if value is None else value["mean"]


def ratio(test, subject, other, metric="instructions"):
    a, b = mean(test, subject, metric), mean(test, other, metric)
    return a / b if a is not None and b else None


def _number(value):
    if value is None:
        return "-"
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.2f}"


def _ratio(value):
    return "-" if value is None else f"{value:.3f}"


def _grid(head, rows):
    widths = [max(len(r[i]) for r in [head, *rows]) for i in range(len(head))]
    line = [head[0].ljust(widths[0])] + [h.rjust(w) for h, w in zip(head[1:], widths[1:])]
    yield "  ".join(line)
    yield "  ".join("-" * w for w in widths)
    for r in rows:
        yield "  ".join([r[0].ljust(widths[0])] + [c.rjust(w) for c, w in zip(r[1:], widths[1:])])


def instructions(tests, subjects):
    """Instructions per operation and the ratios."""
    head = ["test", *(SUBJECTS[s] for s in subjects), "ours/C", "ours/TCP",
            "module C", "module ours", "ours/C", "spread %"]
    rows = []
    for name, test in tests.items():
        spread = max(test[s]["instructions"]["spread_percent"] for s in subjects if s in test)
        rows.append([
            name, *(_number(mean(test, s, "instructions")) for s in subjects),
            _ratio(ratio(test, "rust", "c")), _ratio(ratio(test, "rust", "tcp")),
            _number(mean(test, "c", "in_smbdirect")), _number(mean(test, "rust", "in_smbdirect")),
            _ratio(ratio(test, "rust", "c", "in_smbdirect")), f"{spread:.2f}"])
    return _grid(head, rows)


def work(tests, subjects):
    """What one operation makes adapter and scheduler do: one column for each
    kind of work with the figures of all subjects."""
    head = ["test", *(title for _, title in WORK)]
    rows = []
    for name, test in tests.items():
        rows.append([name, *(
            " / ".join("-" if mean(test, s, m) is None else f"{mean(test, s, m):.1f}"
                       for s in subjects) for m, _ in WORK)])
    return _grid(head, rows)


def report(result):
    """All of it."""
    tests, subjects = result["tests"], result["subjects"]
    names = " / ".join(SUBJECTS[s] for s in subjects)
    lines = [
        "",
        "Guest instructions per operation, client and server together"
        " (module: those in smbdirect.ko alone)",
        "", *instructions(tests, subjects), "",
        f"Work per operation, {names}",
        "", *work(tests, subjects), ""]
    over = [n for n, t in tests.items() if (ratio(t, "rust", "c") or 0) > 1]
    if over:
        lines.append(f"more instructions than the C module in: {' '.join(over)}")
    elif {"rust", "c"} <= set(subjects):
        lines.append("no test needs more instructions than with the C module")
    wide = [n for n, t in tests.items()
            if any(t[s]["instructions"]["spread_percent"] > 2 for s in subjects if s in t)]
    if wide:
        lines.append(f"rounds differ by more than 2 %: {' '.join(wide)}")
    return lines
