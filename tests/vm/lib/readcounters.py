#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Reads the counters again and again while others work.

    readcounters.py TIMES [DIR]

Each file must have the lines that it had at first, whole, with numbers of 64
bits, and no counter may go back. Connections may come and go. Prints how often
each was read and how many counters moved."""

import glob
import os
import re
import sys

times = int(sys.argv[1])
where = sys.argv[2] if len(sys.argv) > 2 else "/sys/kernel/smbdirect"
GOES_BACK = {"connections_active", "memory_bytes"}
LINE = re.compile(r"([a-z0-9_]+) (0|[1-9][0-9]{0,19})")
last, reads, moved = {}, {}, set()


def look(path):
    """One reading of one file; None if it is gone."""
    try:
        with open(path, encoding="ascii") as f:
            text = f.read()
    except OSError:
        return False
    if not text.endswith("\n"):
        sys.exit(f"{path}: the last line is not whole: {text[-60:]!r}")
    now = {}
    for line in text.splitlines():
        match = LINE.fullmatch(line)
        if not match or match[1] in now:
            sys.exit(f"{path}: bad line {line!r}")
        now[match[1]] = int(match[2])
        if now[match[1]] >= 1 << 64:
            sys.exit(f"{path}: {line!r} is too large")
    before = last.get(path)
    if before is not None:
        if list(before) != list(now):
            sys.exit(f"{path}: other lines than before")
        for name, value in now.items():
            if value < before[name] and name not in GOES_BACK:
                sys.exit(f"{path}: {name} went from {before[name]} to {value}")
            if value != before[name]:
                moved.add((path, name))
    last[path] = now
    reads[path] = reads.get(path, 0) + 1
    return True


for i in range(times):
    files = [f"{where}/{name}" for name in ("stats", "failures", "protocol_errors")]
    files += glob.glob(f"{where}/devices/*/stats") + glob.glob(f"{where}/connections/*/stats")
    for path in files:
        if not look(path) and "/connections/" not in path:
            sys.exit(f"{path} cannot be read")
    for path in glob.glob(f"{where}/connections/*/info"):
        try:
            with open(path, encoding="ascii") as f:
                if not f.read().startswith("role "):
                    sys.exit(f"{path}: what is this?")
        except OSError:
            pass
if reads[f"{where}/stats"] != times:
    sys.exit("the sums were not read as often as asked")
if (f"{where}/stats", "messages_sent") not in moved:
    sys.exit("nothing moved: there was no load")
print(f"{sum(reads.values())} readings of {len(reads)} files, "
      f"{len(moved)} counters moved, {len(os.listdir(where + '/connections'))} connections")
