# SPDX-License-Identifier: GPL-2.0
"""Results as they come (a table) and as a whole (JUnit XML, counts)."""

import os
import re
import sys
import threading
import time
import xml.etree.ElementTree as ET

# What is said of a case that failed at first.
SECOND = "passed at the second run"


def class_and_name(name):
    """`interop/copy[rust/c,DEV=rxe]` as JUnit has it: what is in brackets
    belongs to the name, whatever it contains."""
    plain, bracket, choice = name.partition("[")
    folder, _, base = plain.rpartition("/")
    return (folder or "host").replace("/", "."), base + bracket + choice


class Report:
    """Prints each result when it arrives; safe to use from several threads."""

    def __init__(self, directory, total):
        self.directory, self.total = directory, total
        self.rows = []
        self.controls = {"pass": 0, "fail": 0, "skip": 0}
        self.counts = {"pass": 0, "fail": 0, "skip": 0}
        self.unsteady = []
        self.foreign = {}
        self.lock = threading.Lock()
        self.color = sys.stdout.isatty()
        self.began = time.monotonic()

    def _paint(self, status):
        code = {"pass": 32, "fail": 31, "skip": 33}[status]
        return f"\x1b[{code}m{status}\x1b[0m" if self.color else status

    def add(self, name, status, seconds, why="", logs=(), control=False, desc="", first=None):
        """One result. `control` ones are shown but not counted; `first` is why a run
        before this one failed, and its logs."""
        if first:
            why = f"{SECOND if status == 'pass' else 'failed again: ' + why}; the first: {first[0]}"
            logs = (*first[1], *logs)
        with self.lock:
            self.rows.append((name, status, seconds, why, logs, control, desc))
            if status == "pass" and why.startswith(SECOND):
                self.unsteady.append((name, why, logs))
            (self.controls if control else self.counts)[status] += 1
            n = len(self.rows)
            mark = "  (control)" if control else ""
            print(f"{n:4d}/{self.total:<4d} {self._paint(status)}  {seconds:6.1f} s  {name}{mark}",
                  flush=True)
            if why:
                print(f"               {why}", flush=True)
            if status == "fail":
                print(f"               log: {' '.join(logs)}", flush=True)

    def others(self, name, reports):
        """Reports of the kernel during a case that are not about smbdirect."""
        with self.lock:
            for head, why in reports:
                self.foreign.setdefault((why, re.sub(r"0x[0-9a-f]+|\d+", "N", head)), []).append((name, head))

    def line(self, text):
        with self.lock:
            print(text, flush=True)

    def junit(self):
        """JUnit XML; controls are marked as skipped when they fail."""
        suite = ET.Element("testsuite", name="smbdirect", tests=str(len(self.rows)),
                           failures=str(self.counts["fail"]),
                           skipped=str(self.counts["skip"] + self.controls["skip"] + self.controls["fail"]),
                           time=f"{time.monotonic() - self.began:.1f}")
        for name, status, seconds, why, logs, control, desc in self.rows:
            plain = re.sub(r"[\x00-\x08\x0b-\x1f]", "?", why)
            folder, base = class_and_name(name)
            case = ET.SubElement(suite, "testcase", classname=folder, name=base,
                                 time=f"{seconds:.2f}")
            if status == "fail" and not control:
                ET.SubElement(case, "failure", message=plain).text = plain + "\n" + "\n".join(logs)
            elif status != "pass":
                ET.SubElement(case, "skipped",
                              message=("control failed: " if control and status == "fail" else "") + plain)
            said = [desc, plain] if status == "pass" and plain else [desc]
            ET.SubElement(case, "system-out").text = "\n".join([*said, *logs])
        path = os.path.join(self.directory, "junit.xml")
        ET.ElementTree(suite).write(path, encoding="utf-8", xml_declaration=True)
        return path

    def summary(self, phases):
        """Everything that a reader wants at the end; the counts come last."""
        print()
        failed = [r for r in self.rows if r[1] == "fail" and not r[5]]
        if failed:
            print("failed:")
            for name, _, _, why, logs, _, _ in failed:
                print(f"  {name}: {why}\n    {' '.join(logs)}")
        text = "".join(f"  {name}: {why}\n    {' '.join(logs)}\n" for name, why, logs in self.unsteady)
        if text:
            print("unsteady, to be looked into:\n" + text, end="")
        with open(os.path.join(self.directory, "unsteady"), "w", encoding="utf-8") as f:
            f.write(text)
        skipped = [r for r in self.rows if r[1] == "skip"]
        if skipped:
            print("skipped:")
            for r in skipped:
                print(f"  {r[0]}: {r[3]}")
        if self.foreign:
            print("reports of the kernel that do not go through smbdirect (see tests/vm/foreign-reports):")
            for (why, _), seen in sorted(self.foreign.items()):
                print(f"  {len(seen)} times, first in {seen[0][0]}: {seen[0][1]}\n    {why}")
        if any(self.controls.values()):
            c = self.controls
            print(f"controls (C module, not counted): {c['pass']} passed, {c['fail']} failed,"
                  f" {c['skip']} skipped")
        print("time: " + ", ".join(f"{name} {state} {secs} s" if state else f"{name} {secs} s"
                                   for name, state, secs in phases))
        print(f"report: {self.junit()}")
        if self.unsteady:
            print(f"unsteady: {len(self.unsteady)} of the cases that passed did so at the second run only, see above")
        c = self.counts
        line = f"{c['pass']} passed, {c['fail']} failed, {c['skip']} skipped"
        with open(os.path.join(self.directory, "counts"), "w", encoding="ascii") as f:
            f.write(line + "\n")
        print(line, flush=True)
