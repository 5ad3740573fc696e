# SPDX-License-Identifier: GPL-2.0
"""The second part of the quick tier: a few cases in the sanitizer kernel
(tests/vm/sanitized-quick), by another run of the runner.

To build that kernel takes longer than all tests, so by itself a run only uses one
that is there. SANITIZED=no leaves the part out, SANITIZED=build builds the kernel if
there is time: the run is not older than SANITIZED_BEGIN seconds, and the build
takes no more than SANITIZED_BUILD seconds. A run that is older than SANITIZED_LATEST
seconds leaves the part out in any case, so that a slow machine ends in time. What is left
out is reported as skipped."""

import os
import re
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET

from . import cases
from .lab import TOP, results
from .machine import die_with_parent
from .report import SECOND

# The kernel, and the prefix of the cases' names.
NAME = "sanitized"
RESULT = re.compile(r"\s*\d+/\d+\s+(pass|fail|skip)\s")


def selected():
    """The cases of this part."""
    if os.environ.get("SANITIZED") == "no":
        return []
    found = cases.discover(cases.listed("sanitized-quick"))
    return [c for c in found if not c.control and c.runs_in(NAME)]


def _limit(name, default):
    return float(os.environ.get(name) or default)


def _kernel(began):
    """Why there is no kernel, or no time for it; empty if there is one."""
    age = time.monotonic() - began
    if age > _limit("SANITIZED_LATEST", 4000):
        return f"no time for the sanitizer kernel: this run began {age:.0f} s ago"
    script = os.path.join(TOP, "scripts/lab/sanitized")
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    if subprocess.run([script], env=dict(os.environ, LAB_ONLY_CACHED="1"), check=False, **quiet).returncode == 0:
        return ""
    if os.environ.get("SANITIZED") != "build":
        return "the sanitizer kernel is not built: make test-sanitized does it, in 15 to 25 minutes"
    if age > _limit("SANITIZED_BEGIN", 2400):
        return f"no time to build the sanitizer kernel: this run began {age:.0f} s ago"
    limit = _limit("SANITIZED_BUILD", 1500)
    p = subprocess.Popen([script], stdout=subprocess.DEVNULL, start_new_session=True, preexec_fn=die_with_parent)
    try:
        return f"the sanitizer kernel could not be built (exit status {p.returncode})" if p.wait(limit) else ""
    except subprocess.TimeoutExpired:
        os.killpg(p.pid, signal.SIGTERM)
        p.wait()
        return f"building the sanitizer kernel took more than {limit:.0f} s"


def _cases(junit):
    """name, status, seconds, why, logs, description of each in a junit.xml"""
    for t in ET.parse(junit).getroot():
        bad, skip = t.find("failure"), t.find("skipped")
        status = "fail" if bad is not None else "skip" if skip is not None else "pass"
        element = bad if bad is not None else skip
        said = (t.findtext("system-out") or "").split("\n")
        unsteady = next((x for x in said if x.startswith(SECOND)), "")
        yield (f"{t.get('classname').replace('.', '/')}/{t.get('name')}", status, float(t.get("time")),
               element.get("message") if element is not None else unsteady,
               tuple(x for x in said if x.endswith(".log")), said[0])


def run(report, found, began):
    """Run the cases and add their results."""
    why = _kernel(began)
    missing = {c.name: c.desc for c in found}
    if why:
        for name, desc in missing.items():
            report.add(f"{NAME}/{name}", "skip", 0.0, why, (), False, desc)
        return
    p = subprocess.Popen([sys.executable, os.path.join(TOP, "scripts/run-tests"), "--kernel", NAME,
                          "--no-control", *missing], stdout=subprocess.PIPE, text=True,
                         env=dict(os.environ, LAB_HITS="quiet"), preexec_fn=die_with_parent)
    for line in p.stdout:
        if not line.strip():
            break
        if not RESULT.match(line) and not line.startswith("               "):
            report.line(line.rstrip("\n"))
    rest = p.stdout.read()
    p.wait()
    junit = os.path.join(results(NAME), "junit.xml")
    for name, status, seconds, reason, logs, desc in _cases(junit) if os.path.exists(junit) else ():
        missing.pop(name, None)
        report.add(f"{NAME}/{name}", status, seconds, reason, logs, False, desc)
    for name, desc in missing.items():
        report.add(f"{NAME}/{name}", "fail", 0.0, f"no result: the runner ended with {p.returncode}", (), False, desc)
    foreign = rest.partition("reports of the kernel that do not go through smbdirect")
    if foreign[1]:
        report.line(foreign[1] + foreign[2].partition("\ntime:")[0])
