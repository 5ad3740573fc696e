# SPDX-License-Identifier: GPL-2.0
"""The comparison of our exported functions with those of the kernel's header,
which needs no guest, as one result in the table of tests."""

import fnmatch
import os
import subprocess
import time

from .lab import TOP

NAME = "abi/header"
DESC = "symbols, namespace, prototypes and structures equal those of the kernel's header"


def wanted(patterns):
    """Is it among the cases that were asked for?"""
    return not patterns or any(p.rstrip("/") == "abi" or fnmatch.fnmatchcase(NAME, p)
                               for p in patterns)


def run(directory):
    """One result: name, status, seconds, why, logs, control, description."""
    log = os.path.join(directory, "abi-header.log")
    began = time.monotonic()
    done = subprocess.run([os.path.join(TOP, "scripts/check-abi")], check=False, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    with open(log, "w", encoding="utf-8") as f:
        f.write(done.stdout)
    bad = [line for line in done.stdout.splitlines() if line.startswith("FAIL")]
    why = "; ".join(bad[:3]) or f"exit status {done.returncode}"
    return (NAME, "fail" if done.returncode else "pass", time.monotonic() - began,
            why if done.returncode else "", (os.path.relpath(log, TOP),), False, DESC)
