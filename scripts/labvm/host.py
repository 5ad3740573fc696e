# SPDX-License-Identifier: GPL-2.0
"""The tests that run on the host with cargo: those of the protocol core and of smbdirectctl."""

import os
import re
import shutil
import subprocess
import time
import xml.etree.ElementTree as ET

from .lab import TOP

DIR = os.path.join(TOP, "tests/host")
FUZZ = os.path.join(TOP, "tests/fuzz")
TOOL = os.path.join(TOP, "tools/smbdirectctl")


def _from_junit(path):
    """Results of cargo-nextest's JUnit report."""
    for case in ET.parse(path).getroot().iter("testcase"):
        bad = case.find("failure")
        if bad is None:
            bad = case.find("error")
        why = "" if bad is None else (bad.get("message") or bad.text or "").strip().split("\n")[0]
        status = "skip" if case.find("skipped") is not None else "fail" if bad is not None else "pass"
        name = case.get("classname", "host").split("::")[-1] + "::" + case.get("name")
        yield f"host/{name}", status, float(case.get("time") or 0), why or ("ignored" if status == "skip" else "")


def _from_text(text):
    """Results of `cargo test`: one line per test."""
    target = "host"
    for line in text.splitlines():
        m = re.search(r"(?:Running|Doc-tests) (\S+)", line)
        if m:
            target = os.path.basename(m[1]).split(".")[0]
        m = re.match(r"test (.+?) \.\.\. (ok|FAILED|ignored)", line)
        if m:
            status = {"ok": "pass", "FAILED": "fail", "ignored": "skip"}[m[2]]
            yield f"host/{target}::{m[1]}", status, 0.0, "ignored" if status == "skip" else ""


def _cargo(args, log, directory=DIR):
    """Run cargo and keep what it prints; a sign of life every ten seconds."""
    with open(log, "ab") as f:
        begin = f.tell()
        p = subprocess.Popen(args, cwd=directory, stdout=f, stderr=subprocess.STDOUT,
                             stdin=subprocess.DEVNULL)
        t0 = time.monotonic()
        while True:
            try:
                p.wait(10)
                break
            except subprocess.TimeoutExpired:
                print(f"   host     {time.monotonic() - t0:3.0f} s  {' '.join(args)}", flush=True)
    with open(log, encoding="utf-8", errors="replace") as f:
        f.seek(begin)
        return p.returncode, f.read()


def run(directory):
    """All results as (name, status, seconds, why, logs)."""
    log = os.path.join(directory, "host.log")
    logs = (os.path.relpath(log, TOP),)
    if not os.path.exists(os.path.join(DIR, "Cargo.toml")):
        return [("host/core", "fail", 0.0, "tests/host is not there", logs)]
    if not shutil.which("cargo"):
        return [("host/core", "skip", 0.0, "no cargo: install rustup", logs)]
    print("== host tests of the protocol core", flush=True)
    have_nextest = subprocess.run(["cargo", "nextest", "--version"], cwd=DIR, check=False,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0
    out, junit = [], None
    if have_nextest:
        config = os.path.join(directory, "nextest.toml")
        with open(config, "w", encoding="ascii") as f:
            f.write('[profile.default]\nfail-fast = false\n'
                    '[profile.default.junit]\npath = "junit.xml"\n')
        junit = os.path.join(DIR, "target/nextest/default/junit.xml")
        if os.path.exists(junit):
            os.unlink(junit)
        code, text = _cargo(["cargo", "nextest", "run", "--locked", "--config-file", config], log)
        if os.path.exists(junit):
            out += _from_junit(junit)
        what = ["cargo", "test", "--locked", "--doc"]
    else:
        code, text, what = 0, "", ["cargo", "test", "--locked", "--no-fail-fast"]
    code2, text = _cargo(what, log)
    # a package without doc tests says so with an error
    if "no library targets found" in text:
        code2 = 0
    out += _from_text(text)
    # the inputs of the fuzzer, without its engine
    if os.path.exists(os.path.join(FUZZ, "Cargo.toml")):
        code3, text3 = _cargo(["cargo", "test", "--locked", "--test", "corpus"], log, FUZZ)
        out += _from_text(text3)
        if code3:
            code2, text = code3, text3
    if os.path.exists(os.path.join(TOOL, "Cargo.toml")):
        code4, text4 = _cargo(["cargo", "test", "--locked", "--no-fail-fast", "--tests"], log, TOOL)
        out += [(name.replace("host/", "host/smbdirectctl-", 1), *rest) for name, *rest in _from_text(text4)]
        if code4:
            code2, text = code4, text4
    if (code or code2) and not any(r[1] == "fail" for r in out):
        out.append(("host/build", "fail", 0.0, text.strip().split("\n")[-1][:200], logs))
    return [(*r, logs) for r in out if len(r) == 4] + [r for r in out if len(r) == 5]
