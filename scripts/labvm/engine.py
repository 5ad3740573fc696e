# SPDX-License-Identifier: GPL-2.0
"""The coverage-guided fuzzer of the protocol core: build it, run it for so
many seconds of processor time. tests/fuzz has the targets."""

import os
import re
import shutil
import signal
import subprocess
import time

from .lab import TOP
from .machine import die_with_parent

DIR = os.path.join(TOP, "tests/fuzz")
TARGETS = ("wire", "negotiate", "link", "queue", "slices", "pair", "differential", "dialogue")

# Stable options of rustc, which hand LLVM's instrumentation to libFuzzer.
FLAGS = ["--cfg", "fuzzing", "-Cpasses=sancov-module"] + [
    "-Cllvm-args=-sanitizer-coverage-" + x
    for x in ("level=4", "inline-8bit-counters", "pc-table", "trace-compares")]


class Unavailable(Exception):
    """This host cannot fuzz; the message says why."""


class BuildFailed(Exception):
    """The sources do not build."""


def work(*parts):
    """Where the fuzzer keeps its things: build/fuzz/..."""
    return os.path.join(os.environ.get("BUILD", os.path.join(TOP, "build")), "fuzz", *parts)


def require():
    """The host's target triple, if everything is there."""
    if not shutil.which("cargo") or not shutil.which("rustc"):
        raise Unavailable("no cargo: install rustup")
    if not shutil.which(os.environ.get("CXX", "c++")):
        raise Unavailable("no C++ compiler for libFuzzer: install g++")
    said = subprocess.run(["rustc", "-vV"], cwd=DIR, stdout=subprocess.PIPE, text=True, check=False).stdout
    host = re.search(r"^host: (\S+)", said, re.M)
    if not host:
        raise Unavailable("rustc does not work")
    if "-linux-" not in host[1]:
        raise Unavailable(f"not tried on {host[1]}")
    os.makedirs(work(), exist_ok=True)
    tried = subprocess.run(["rustc", *FLAGS, "--crate-type=lib", "--crate-name=probe", "-o", work("probe.rlib"), "-"],
                           input="pub fn f(x: u32) -> bool { x == 7 }", cwd=DIR, text=True, check=False,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if tried.returncode:
        raise Unavailable("this rustc does not instrument: " + tried.stdout.strip().split("\n")[0])
    return host[1]


def build(log, source=DIR, target_dir=None):
    """Build the engine; its path. What cargo says goes to the file `log`."""
    host = require()
    target_dir = target_dir or work("target")
    env = dict(os.environ, CARGO_ENCODED_RUSTFLAGS="\x1f".join(FLAGS))
    with open(log, "ab") as f:
        done = subprocess.run(
            ["cargo", "build", "--locked", "--release", "--features", "engine", "--bin", "engine",
             "--target", host, "--target-dir", target_dir],
            cwd=source, env=env, check=False, stdin=subprocess.DEVNULL, stdout=f,
            stderr=subprocess.STDOUT, preexec_fn=die_with_parent)
    if done.returncode:
        with open(log, encoding="utf-8", errors="replace") as f:
            said = [x for x in f.read().split("\n") if x.startswith("error")]
        raise BuildFailed((said or ["the engine was not built"])[0][:200])
    return os.path.join(target_dir, host, "release/engine")


def behind_others():
    """Run in the child: get what nobody else wants. The guests have sessions
    of their own, and between sessions the kernel may only look at the
    niceness of the session (autogroup)."""
    os.nice(19)
    try:
        with open("/proc/self/autogroup", "w", encoding="ascii") as f:
            f.write("19")
    except OSError:
        pass


def cpu_seconds(pid):
    """Processor time that a process has used."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
            fields = f.read().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Run:
    """What one target has come to, over one or more runs of the engine."""

    def __init__(self, target, log, corpus=None, findings=None, seeds=None):
        self.target, self.log = target, log
        self.corpus = corpus or work("corpus", target)
        self.findings = findings or work("findings", target)
        self.seeds = seeds or os.path.join(DIR, "corpus", target)
        self.cpu, self.runs, self.edges = 0.0, 0, 0
        self.why = self.reproducer = ""

    @property
    def inputs(self):
        """Inputs that are worth keeping: those in the tree and those found."""
        return sum(len(os.listdir(d)) for d in (self.corpus, self.seeds) if os.path.isdir(d))

    def figures(self):
        return f"{self.runs:,} executions, {self.edges} edges, {self.inputs} inputs, {self.cpu:.0f} s of processor time"

    def go(self, engine, seconds, stop=lambda: False, behind=False):
        """Run for `seconds` of processor time, or until `stop()`; false if
        something was found."""
        for d in (self.corpus, self.findings):
            os.makedirs(d, exist_ok=True)
        env = dict(os.environ, FUZZ_TARGET=self.target, RUST_BACKTRACE="1")
        # The limit of time for one input is wall time on a busy machine.
        args = [engine, "-max_len=1024", "-timeout=300", "-rss_limit_mb=1024", "-print_final_stats=1",
                f"-artifact_prefix={self.findings}/", self.corpus, self.seeds, self.findings]

        def child():
            die_with_parent()
            if behind:
                behind_others()

        with open(self.log, "ab") as f:
            begin = f.tell()
            p = subprocess.Popen(args, env=env, stdin=subprocess.DEVNULL, stdout=f, stderr=subprocess.STDOUT,
                                 start_new_session=True, preexec_fn=child)
        used, told = 0.0, None
        try:
            while p.poll() is None:
                used = max(used, cpu_seconds(p.pid))
                if told is None and (used >= seconds or stop()):
                    p.send_signal(signal.SIGUSR1)  # "end when this input is done"
                    told = used
                elif told is not None and used > told + 30:
                    p.kill()  # an input without end
                time.sleep(0.1)
        finally:
            if p.poll() is None:
                p.kill()
                p.wait()
        self.cpu += used
        with open(self.log, encoding="utf-8", errors="replace") as f:
            f.seek(begin)
            self._read(f.read(), p.returncode)
        return not self.why

    def _read(self, text, code):
        runs = re.findall(r"^stat::number_of_executed_units:\s+(\d+)", text, re.M) \
            or re.findall(r"^#(\d+)\t", text, re.M)
        self.runs += int(runs[-1]) if runs else 0
        edges = re.findall(r"\bcov: (\d+)", text)
        self.edges = max(self.edges, int(edges[-1]) if edges else 0)
        if code == 0 and "inline 8-bit counters" not in text:
            self.why = "the engine runs without coverage"
        elif code and code != -signal.SIGUSR1:  # told to end before it could listen: no runs
            what = re.search(r"panicked at (\S+?):?\n(.+?)\n(?:stack backtrace|note|==\d+==)", text, re.S)
            other = re.search(r"^(?:==\d+== ?)?ERROR: (.*)", text, re.M)
            self.why = (f"{what[1]}: {' '.join(what[2].split())}" if what else other[1] if other
                        else f"exit status {code} of the engine")[:300]
            left = re.findall(r"Test unit written to (\S+)", text)
            self.reproducer = left[-1] if left else ""

    def replay(self):
        """The command that shows the finding again."""
        return f"scripts/fuzz --replay {self.target} {os.path.relpath(self.reproducer, TOP)}" if self.reproducer else ""
