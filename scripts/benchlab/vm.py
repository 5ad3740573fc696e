# SPDX-License-Identifier: GPL-2.0
"""One boot of the benchmark: a guest with deterministic time and the counting
plugin, its files in a directory of the results."""

import glob
import os
import shutil

from labvm import cases, machine, session
from labvm.klog import Judge
from labvm.lab import TOP

from .build import MARKS

SCRIPT = os.path.join(TOP, "tests/vm/bench/bench.sh")


class CountingMachine(machine.Machine):
    """A machine with the plugin."""

    plugin = None

    def command(self):
        cmd = super().command()
        counts = os.path.join(self.share, "out/c0")
        return [*cmd, "-plugin", f"{self.plugin},out={counts},marks={MARKS:x}"]


class CountingSession(session.Session):
    """A session of one counting machine."""

    plugin = None

    def _boot(self):
        case = self.cases[0]
        os.makedirs(os.path.join(self.share, "out/c0"))
        m = CountingMachine("a", self.lab, self.share, self.run_dir, memory=case.memory,
                            smp=1, icount=True)
        m.plugin = self.plugin
        self.machines.append(m)
        self.judges["a"] = Judge()
        m.start()


def boot(lab, plugin, program, kind, name, params, out, on_line):
    """Run the guest script with one module and transport. Returns the
    directory with what it left behind."""
    (case,) = cases.load(SCRIPT)
    case.params = params
    case.modules = (kind,)
    case.name = name
    case.files = (program,)
    target = os.path.join(out, name)
    shutil.rmtree(target, ignore_errors=True)
    os.makedirs(target)
    results = []
    s = CountingSession(lab, [case], target, 0, on_result=results.append, on_line=on_line)
    s.plugin = plugin
    s.run()
    if not results or results[0].status != "pass":
        why = results[0].why if results else "no result"
        raise SystemExit(f"error: {name}: {why}\nconsole: {glob.glob(target + '/*.log')}")
    (left,) = glob.glob(os.path.join(target, "files/*"))
    return left
