#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Compares what smbdirectctl says with the module's files.

    ctlcheck.py SMBDIRECTCTL BYTES

Connections must be at rest. BYTES were written over RDMA and read again, so a server's
connections together moved that much each way. Counters that move at rest (keepalives,
and the age) are compared with a reading before and one after."""

import json
import os
import re
import subprocess
import sys

tool, moved = sys.argv[1], int(sys.argv[2])
ROOT = "/sys/kernel/smbdirect"
compared = 0


def lines(name):
    """A file of names and numbers or words."""
    with open(os.path.join(ROOT, name), encoding="ascii") as f:
        return dict(line.rstrip("\n").split(" ", 1) for line in f)


def number(text):
    return int(text) if text.isdigit() else None


def look():
    """All files, by name."""
    names = ["stats", "failures", "protocol_errors"]
    names += [f"devices/{d}/{n}" for d in os.listdir(f"{ROOT}/devices") for n in names[:3]]
    names += [f"connections/{c}/{n}" for c in os.listdir(f"{ROOT}/connections") for n in ("info", "stats")]
    return {name: lines(name) for name in names}


def run(*args):
    return subprocess.run([tool, *args], check=False, capture_output=True, text=True).stdout


def same(what, got, before, after):
    """It lies between two readings."""
    global compared
    compared += 1
    if got is None or not min(before, after) <= got <= max(before, after):
        sys.exit(f"{what}: smbdirectctl says {got}, the file {before} before and {after} after")


before = look()
status = json.loads(run("status", "--json"))
metrics = run("metrics")
after = look()
if set(before) != set(after):
    sys.exit("connections came or went")

said = {name: status[name] for name in ("stats", "failures", "protocol_errors")}
for device in status["devices"]:
    for name in ("stats", "failures", "protocol_errors"):
        said[f"devices/{device['name']}/{name}"] = device[name]
for c in status["connections"]:
    words = {name: c[name] for name in ("role", "peer", "device", "status", "end_cause")}
    said[f"connections/{c['id']}/info"] = c["info"] | words
    said[f"connections/{c['id']}/stats"] = c["stats"]
if set(said) != set(before):
    sys.exit(f"files: {sorted(set(said) ^ set(before))}")
for name, file in before.items():
    if set(said[name]) != set(file):
        sys.exit(f"{name}: {sorted(set(said[name]) ^ set(file))}")
    for key, text in file.items():
        if number(text) is None:
            compared += 1
            if said[name][key] != text:
                sys.exit(f"{name}: {key} is {said[name][key]!r}, not {text!r}")
        else:
            same(f"{name}: {key}", said[name][key], number(text), number(after[name][key]))

# the same as metrics
samples = {}
for line in metrics.splitlines():
    if not line.startswith("#"):
        match = re.fullmatch(r'(\w+)(?:\{(.*)\})? ([0-9.]+)', line)
        if not match:
            sys.exit(f"metrics: bad line {line!r}")
        labels = frozenset(re.findall(r'(\w+)="([^"]*)"', match[2] or ""))
        samples[match[1], labels] = float(match[3])
GAUGES = {"connections_active", "memory_bytes"}
for name, file in before.items():
    kind, *rest = name.split("/")
    scope, labels = "", {}
    if kind == "devices":
        scope, labels = "device_", {"device": rest[0]}
    elif kind == "connections":
        info = before[f"connections/{rest[0]}/info"]
        scope = "connection_"
        labels = {"connection": rest[0], "device": info["device"], "peer": info["peer"], "role": info["role"]}
    for key, text in file.items():
        if number(text) is None:
            continue
        low, high, extra = number(text), number(after[name][key]), {}
        metric = f"smbdirect_{scope}{key}"
        if name.endswith("failures"):
            how, cause = key.split("_", 1)
            metric, extra = f"smbdirect_{scope}ends_total", {"how": how, "cause": cause}
        elif name.endswith("protocol_errors"):
            metric, extra = f"smbdirect_{scope}protocol_errors_by_rule_total", {"rule": key}
        elif key == "age_msec":
            metric, low, high = f"smbdirect_{scope}age_seconds", low / 1000, high / 1000
        elif not name.endswith("info") and key not in GAUGES:
            metric += "_total"
        same(f"{metric} of {name}", samples.get((metric, frozenset((labels | extra).items()))), low, high)

servers = [c for c in status["connections"] if c["role"] == "server"]
for name in ("rdma_read_bytes", "rdma_write_bytes"):
    total = sum(c["stats"][name] for c in servers)
    if total < moved:
        sys.exit(f"{name}: {total}, but {moved} were moved")
print(f"ok: {compared} values of {len(before)} files are what smbdirectctl says; {len(samples)} metrics")
