# SPDX-License-Identifier: GPL-2.0
"""One boot of the benchmark: a guest with deterministic time and the counting
plugin, its files in a directory of the results."""

import os
import shutil
import subprocess
import tarfile

from labvm import cases, machine, session
from labvm.klog import Judge
from labvm.lab import TOP

from .build import MARKS

SCRIPT = os.path.join(TOP, "tests/vm/bench/bench.sh")


class CountingMachine(machine.Machine):
    """A machine with the plugin."""

    plugin = None

    def command(self):
        counts = os.path.join(self.share, "out/c0")
        return [*super().command(), "-plugin", f"{self.plugin},out={counts},marks={MARKS:x}"]


class CountingSession(session.Session):
    """A session of one counting machine."""

    plugin = None

    def _prepare(self):
        super()._prepare()
        # without debug information the guest has less to read
        modules = os.path.join(self.share, "modules/a")
        done = subprocess.run(
            [os.path.join(TOP, "scripts/lab/enter"), self.lab.root,
             f"{modules}:/lab/modules:rw", "--",
             "sh", "-c", "strip --strip-debug /lab/modules/*.ko"], check=False)
        if done.returncode:
            raise SystemExit("error: the modules cannot be stripped")

    def _boot(self):
        case = self.cases[0]
        os.makedirs(os.path.join(self.share, "out/c0"))
        m = CountingMachine("a", self.lab, self.share, self.run_dir, memory=case.memory,
                            smp=1, icount=True)
        m.plugin = self.plugin
        self.machines.append(m)
        self.judges["a"] = Judge()
        m.start()


def boot(lab, programs, subject, params, out, on_line):
    """Run the guest script for one subject (c, rust or tcp; TCP with the C
    module loaded). Its files are then in left_by(); raises RuntimeError with the
    reason if it fails."""
    plugin, program = programs
    (case,) = cases.load(SCRIPT)
    case.params = {"TRANSPORT": "tcp" if subject == "tcp" else "rdma", **params}
    case.modules = ("rust" if subject == "rust" else "c",)
    case.name = "run"
    case.files = (program,)
    if subject == "rust" and os.environ.get("BENCH_KSMBD") == "policy":
        case.files += ("build/ksmbd/policy/ksmbd.ko",)
        case.params["SHARE_POLICY"] = "yes"
        lab.build_files(case.files[1:])
    target = os.path.join(out, subject)
    shutil.rmtree(target, ignore_errors=True)
    os.makedirs(target)
    # what was measured, for the profile
    shutil.copy(lab.smbdirect(case.modules[0]), os.path.join(target, "smbdirect.ko"))
    results = []
    s = CountingSession(lab, [case], target, 0, on_result=results.append, on_line=on_line)
    s.plugin = plugin
    s.run()
    log = os.path.join(target, "boot-000.log")
    # Guest time leaps while the guest waits for the host's files, so that the
    # clean-up after the measurement may run into its deadline (status 99).
    why = results[0].why if results else "no result"
    if not results or (results[0].status != "pass" and not why.startswith("exit status a: 99")):
        raise RuntimeError(f"{subject}: {why}; console: {log}")
    with tarfile.open(os.path.join(left_by(out, subject), "results.tar")) as tar:
        tar.extractall(left_by(out, subject))


def left_by(out, subject):
    """Where the files of the last boot of a subject are."""
    return os.path.join(out, subject, "files/run")
