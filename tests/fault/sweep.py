#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The fault sweep: the same life of a connection again and again, and in the
n-th run the n-th allocation or verbs call of smbdirect.ko fails.

    sweep.py CASE OUT [FIRST]

CASE is one of smbdirect_abitest.ko, which is loaded, as smbdirect_fault.ko is.
Each run has to end, with success or with an error; all sockets, memory and RDMA
objects have to be gone then; and a connection without faults has to work. It is
over when a run has not come to its n-th call. Every point goes to OUT."""

import os
import re
import subprocess
import sys
import time

DEBUGFS = "/sys/kernel/debug"
PATIENCE = int(os.environ.get("PATIENCE", "1"))
IDLE = 15 * PATIENCE    # seconds for everything to go away
OFF = 0
MOST = 10               # that many bad runs are enough


def read(name):
    with open(f"{DEBUGFS}/{name}", encoding="utf-8", errors="replace") as f:
        return f.read()


def write(name, value):
    with open(f"{DEBUGFS}/{name}", "w", encoding="ascii") as f:
        f.write(f"{value}")


def objects():
    """What is there of the module's own account and of RDMA objects."""
    stats = dict(x.split() for x in read("smbdirect/stats").splitlines() if len(x.split()) == 2)
    held = {k: int(stats[k]) for k in ("sockets", "memory_bytes")}
    shown = subprocess.run(["rdma", "resource", "show"], check=True, stdout=subprocess.PIPE, text=True).stdout
    for kind in ("cm_id", "qp", "cq", "pd", "mr"):
        held[kind] = sum(int(n) for n in re.findall(rf"\b{kind} (\d+)", shown))
    return held


def run(case):
    """Verdict and text of the case."""
    write("smbdirect_abitest/run", case)
    for line in read("smbdirect_abitest/results").splitlines():
        m = re.match(rf"(ok|FAIL|skip) {case}(?:: (.*?))?(?: \[\d+ ms\])?$", line)
        if m:
            return m[1], m[2] or ""
    return "FAIL", "no verdict"


class Sweep:
    """One case, and what came of it."""

    def __init__(self, case, out):
        self.case, self.out = case, out
        self.bad = self.errors = self.successes = self.excused = 0
        self.symbols = {}
        self.base = None

    def settled(self):
        """Waits until there is no more than before the first run."""
        end = time.monotonic() + IDLE
        while True:
            now = objects()
            if all(now[k] <= self.base[k] for k in now):
                return ""
            if time.monotonic() > end:
                return "left behind: " + ", ".join(
                    f"{k} {now[k]} instead of {self.base[k]}" for k in now if now[k] > self.base[k])
            time.sleep(0.05)

    def plain(self):
        """A connection without faults."""
        write("smbdirect_fault/nth", OFF)
        status, why = run("fault_connect")
        return "" if (status, why) == ("ok", "") else f"the next connection: {status} {why}"

    def one(self, n):
        """The n-th call fails; False if there are not that many."""
        write("smbdirect_fault/nth", n)
        status, note = run(self.case)
        where = read("smbdirect_fault/where").splitlines()
        seen = read("smbdirect_fault/seen").strip()
        write("smbdirect_fault/nth", OFF)
        problems = [f"FAIL {note}"] if status != "ok" else []
        problems += [x for x in (self.settled(), self.plain(), self.settled()) if x]
        excused = bool(where) and "excused: " in where[0]
        if where:
            self.symbols[where[0]] = self.symbols.get(where[0], 0) + 1
        if note and (excused or not where):
            problems.append(f"an error without a fault: {note}")
        what = f"{n} {where[0] if where else 'not reached'}: {'; '.join(problems) or note or 'success'}"
        with open(self.out, "a", encoding="utf-8") as f:
            f.write(f"{what} (of {seen})\n" + "".join(f"    {x}\n" for x in where[1:]))
        if problems:
            self.bad += 1
            print(what)
            for x in where[1:]:
                print("    " + x)
        elif excused:
            self.excused += 1
        elif where:
            self.errors += bool(note)
            self.successes += not note
        if where and n % 25 == 0:
            print(f"{n} of about {seen}: {self.errors} errors, {self.successes} successes,"
                  f" {self.bad} bad, {time.monotonic() - self.began:.0f} s", flush=True)
        return bool(where)

    def all(self, first):
        """Until a run has not come to its fault."""
        self.began = time.monotonic()
        self.base = {k: 1 << 60 for k in objects()}
        write("smbdirect_fault/nth", OFF)
        if (why := self.plain()):
            raise SystemExit(f"without faults: {why}")
        time.sleep(1)
        self.base = objects()
        n = first
        while self.one(n) and self.bad < MOST:
            n += 1
        print(f"{self.case}: {n - first} fault points: {self.errors} ended with an error,"
              f" {self.successes} with success, {self.excused} excused, {self.bad} badly; {time.monotonic() - self.began:.0f} s")
        for symbol, count in sorted(self.symbols.items()):
            print(f"    {symbol} {count}")
        return self.bad


def main():
    sweep = Sweep(sys.argv[1], sys.argv[2])
    sys.exit(1 if sweep.all(int(sys.argv[3]) if len(sys.argv) > 3 else 1) else 0)


main()
