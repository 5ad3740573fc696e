# SPDX-License-Identifier: GPL-2.0
"""Fuzzing as a part of the test run: it begins with it, takes the processor
time that the guests leave, and ends when they do.

Seconds are processor time, which says the same on a busy machine. The targets
take turns, so all get about the same, whenever the end is. What they get in any
case (FUZZ_LEAST, a small part) they get after the guests if it has to be."""

import concurrent.futures
import fnmatch
import os
import threading

from . import engine
from .lab import TOP

# of a target at a time; the first is short, for little may be left of the whole
FIRST, TURN = 2, 10

DESC = "coverage-guided fuzzing of the protocol core"


def wanted(patterns):
    """The targets among what was asked for."""
    return [t for t in engine.TARGETS if not patterns or any(
        p.rstrip("/") == "fuzz" or fnmatch.fnmatchcase(f"fuzz/{t}", p) for p in patterns)]


def seconds():
    """FUZZ_SECONDS over all targets."""
    return float(os.environ.get("FUZZ_SECONDS") or 600)


def least():
    """FUZZ_LEAST over all targets."""
    return float(os.environ.get("FUZZ_LEAST") or 30)


class Fuzzing:
    """All targets, in a thread. With `behind`, only in time that nobody else
    wants, until `finish`."""

    def __init__(self, directory, total, behind=False, targets=engine.TARGETS, say=None):
        self.directory, self.behind, self.say = directory, behind, say or (lambda run: None)
        self.each = total / len(targets)
        self.least = min(self.each, least() / len(targets))
        self.log = os.path.join(directory, "fuzz-build.log")
        self.runs = [engine.Run(t, os.path.join(directory, f"fuzz-{t}.log")) for t in targets]
        self.skip = self.broken = ""
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self._work, daemon=True)

    def start(self):
        self.thread.start()
        return self

    def _work(self):
        try:
            path = engine.build(self.log)
            while self._turn(path):
                pass
        except engine.Unavailable as e:
            self.skip = str(e)
        except engine.BuildFailed as e:
            self.broken = str(e)
        except Exception as e:  # a fault of ours must not pass for a result
            self.broken = f"test runner: {e!r}"

    def _turn(self, path):
        """One turn for each target that is not done; false if all are."""
        # while the guests run, a turn ends with them
        late = self.ending.is_set()
        left = {r: (self.least if late else self.each) - r.cpu for r in self.runs if not r.why}
        left = {r: t for r, t in left.items() if t > 0}

        def go(run, limit):
            run.go(path, min(limit, left[run]), stop=lambda: not late and self.ending.is_set(),
                   behind=self.behind and not late)
            self.say(run)

        if late:
            # The processors are free: the rest at once.
            with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
                list(pool.map(lambda run: go(run, left[run]), left))
        else:
            for run in left:
                if self.ending.is_set():
                    break
                go(run, TURN if run.cpu else FIRST)
        return bool(left)

    def wait(self):
        """Until all time is used."""
        self.thread.join()
        return self.results()

    def finish(self):
        """Now, but for the least."""
        self.ending.set()
        return self.wait()

    def results(self):
        """As the report wants them: name, status, seconds, why, logs, control, description."""
        out = []
        for run in self.runs:
            logs = [os.path.relpath(run.log, TOP)]
            if self.skip:
                status, why = "skip", self.skip
            elif run.why:
                status, why = "fail", run.why
                if run.reproducer:
                    why += f"; again: {run.replay()}"
            elif self.broken:
                status, why, logs = "fail", self.broken, [os.path.relpath(self.log, TOP)]
            elif run.runs == 0 or run.cpu + 0.5 < self.least:
                status, why = "fail", f"did not run long enough: {run.figures()}"
            else:
                status, why = "pass", ""
            out.append((f"fuzz/{run.target}", status, run.cpu, why, tuple(logs), False,
                        self.skip and DESC or run.figures()))
        return out
