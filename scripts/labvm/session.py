# SPDX-License-Identifier: GPL-2.0
"""A boot of one or two guests that runs a list of cases in order."""

import dataclasses
import os
import re
import shlex
import shutil
import subprocess
import time

from . import content
from .klog import Judge, foreign_list, text
from .lab import TOP, run_directory
from .machine import Machine

BOOT_SECONDS = 180
GRACE = 20
DIED = "a guest stopped unexpectedly"


def files_of(results, case):
    """Where the files that a case leaves behind are kept."""
    return os.path.join(results, "files", re.sub(r"[^\w.=+-]+", "_", case.name))


@dataclasses.dataclass
class Result:
    """What came of a case."""

    case: object
    status: str            # pass, fail, skip
    seconds: float = 0.0
    why: str = ""
    logs: tuple = ()
    foreign: tuple = ()    # (line, reason): reports that are not about smbdirect
    data: str = ""         # what says that data was wrong


class _Run:
    """State of the case that is running."""

    def __init__(self, case, ident):
        self.case, self.ident = case, ident
        self.codes, self.millis = {}, {}
        self.output = []
        self.began = None


class Session:
    """Boots the guests for `cases`, which share one boot key, and runs them.
    `on_result` gets a Result when a case ends, `on_line` every console line."""

    def __init__(self, lab, cases, results, number, *, on_result, on_line=None):
        self.lab, self.cases, self.results, self.number = lab, cases, results, number
        self.on_result, self.on_line = on_result, on_line
        self.names = ["a"] if cases[0].vms == 1 else ["a", "b"]
        self.machines, self.judges = [], {}
        self.paused = {}       # machine -> when it goes on
        self.run_dir = self.share = None

    # The share is what host and guests have in common.
    def _prepare(self):
        first = self.cases[0]
        self.run_dir = run_directory()
        self.share = os.path.join(self.run_dir, "share")
        for d in ["sync", "out", "case", "modules"]:
            os.makedirs(os.path.join(self.share, d))
        shutil.copytree(os.path.join(TOP, "tests/vm"), os.path.join(self.share, "guest"))
        with open(os.path.join(self.share, "vms"), "w", encoding="ascii") as f:
            f.write(f"{len(self.names)}\n")
        extra = [self.lab.file(p) for p in first.files]
        for name, kind in zip(self.names, first.modules):
            self.lab.install(kind, os.path.join(self.share, "modules", name), extra)
        with open(os.path.join(self.share, "plan"), "w", encoding="ascii") as plan:
            for i, case in enumerate(self.cases):
                ident = f"c{i}"
                d = os.path.join(self.share, "case", ident)
                os.makedirs(d)
                shutil.copy(case.script, os.path.join(d, "case.sh"))
                with open(os.path.join(d, "env"), "w", encoding="utf-8") as f:
                    f.write(self._environment(case))
                # with icount time flies, or creeps: only the host can tell it
                plan.write(f"{ident} {1000000 if case.icount else case.deadline}\n")

    def _environment(self, case):
        lines = [f"{k}={shlex.quote(v)}" for k, v in case.params.items()]
        lines.append(f"CASE_NAME={shlex.quote(case.name)}")
        lines.append("MODULES=/lab/share/modules/$VM")
        if case.vms == 1:
            lines += ["ROLE=single", f"SMBDIRECT={case.modules[0]}"]
        else:
            server, client = case.modules
            lines.append(f"if [ $VM = a ]; then ROLE=server SMBDIRECT={server} PEER={client};"
                         f" else ROLE=client SMBDIRECT={client} PEER={server}; fi")
        return "\n".join(lines) + "\n"

    def _boot(self):
        first = self.cases[0]
        known = foreign_list()
        cable = {n: os.path.join(self.run_dir, n + ".net") for n in self.names}
        for name in self.names:
            link = None
            if len(self.names) == 2:
                link = (cable[name], cable["b" if name == "a" else "a"])
            m = Machine(name, self.lab, self.share, self.run_dir, memory=first.memory,
                        smp=first.smp, icount=first.icount, link=link)
            self.machines.append(m)
            self.judges[name] = Judge(known)
            m.start()

    def run(self):
        """Run all; returns the cases that must be run in another boot."""
        done = 0
        try:
            self._prepare()
            self._boot()
            done = self._follow()
        finally:
            for m in self.machines:
                m.close()
            self._keep()
            shutil.rmtree(self.run_dir, ignore_errors=True)
        return self.cases[done:]

    def _keep(self):
        """Console logs and files that cases left behind go to the results."""
        for name in self.names:
            path = os.path.join(self.run_dir, f"{name}.console.log")
            if os.path.exists(path):
                shutil.copy(path, self._log(name))
        out = os.path.join(self.share, "out")
        for ident in sorted(os.listdir(out)) if os.path.isdir(out) else []:
            case = self.cases[int(ident[1:])]
            if os.listdir(os.path.join(out, ident)):
                shutil.copytree(os.path.join(out, ident), files_of(self.results, case), dirs_exist_ok=True)

    def _log(self, name):
        suffix = f"-{name}" if len(self.names) == 2 else ""
        return os.path.join(self.results, f"boot-{self.number:03d}{suffix}.log")

    def _follow(self):
        """Follow the guests; returns how many cases have a result."""
        run, done, ready, off = None, 0, set(), set()
        self._go(0)
        limit = time.monotonic() + BOOT_SECONDS * self.lab.patience
        fatal_at = None
        while True:
            # asked before reading: of a dead guest, everything is read then
            dead = [m.name for m in self.machines if not m.alive()]
            crash = None
            for m in self.machines:
                for channel, line in m.poll():
                    if self.on_line:
                        self.on_line(m.name, channel, line)
                    if channel == "script":
                        if run and line.strip():
                            run.output.append((m.name, line))
                        continue
                    words = text(line).split()
                    if words[:1] != ["lab:"]:
                        # What a guest says while it powers off belongs to no case.
                        if m.name not in off:
                            self.judges[m.name].line(line)
                    elif words[1] == "ready":
                        ready.add(m.name)
                        off.discard(m.name)
                    elif words[1] == "done":
                        off.add(m.name)
                    elif words[1] == "crash" and run and words[2] in self.names:
                        crash = words[2]
                    elif words[1] == "pause" and run and words[2] in self.names:
                        self._pause(words[2], float(words[3]))
                    elif words[1] == "start":
                        if run is None or run.ident != words[2]:
                            run = _Run(self.cases[int(words[2][1:])], words[2])
                            run.began = time.monotonic()
                            limit = run.began + run.case.deadline + (60 + GRACE) * self.lab.patience
                            for j in self.judges.values():
                                j.start(run.case.allow)
                    elif words[1] == "end" and run and words[2] == run.ident:
                        run.codes[m.name] = int(words[3])
                        run.millis[m.name] = int(words[4])
            # One of two may say it is done and power off while the other still
            # has its last words to say.
            lost = [n for n in dead if n not in off or len(dead) == len(self.names)]
            if crash:
                self._crash(crash, run)
                continue
            self._resume()
            if run and len(run.codes) == len(self.names):
                bad = self._bad()
                self._finish(run, bad)
                done, run = done + 1, None
                limit = time.monotonic() + 60 * self.lab.patience
                if bad or self._dirty:
                    return done
                if done == len(self.cases):
                    self._wait_off()
                    return done
                self._go(done)
            elif lost:
                why = f"{DIED}: {', '.join(lost)}"
                errors = [e for e in (m.qemu_error() for m in self.machines) if e]
                return self._abort(run, done, ready, "; ".join([why, *errors]))
            elif time.monotonic() > limit:
                what = "no answer from the guest (deadline and grace are over)" if run else \
                    "the guest did not get ready in time"
                return self._abort(run, done, ready, what)
            elif any(j.fatal for j in self.judges.values()):
                fatal_at = fatal_at or time.monotonic() + 10
                if time.monotonic() > fatal_at:
                    return self._abort(run, done, ready, "the kernel broke down")
            time.sleep(0.1)

    def _go(self, number):
        """Guests begin a case only when the one before it has been judged, so
        what they say always belongs to the case that runs."""
        open(os.path.join(self.share, "sync", f"c{number}.go"), "w", encoding="ascii").close()

    def _crash(self, name, run):
        """A case has asked for the plug of a guest to be pulled. The guest
        comes back and runs its half of the case once more, with AGAIN set."""
        m = next(m for m in self.machines if m.name == name)
        m.kill()
        for channel, line in m.poll():
            if self.on_line:
                self.on_line(name, channel, line)
        with open(os.path.join(self.share, f"again.{name}"), "w", encoding="ascii") as f:
            f.write(run.ident + "\n")
        m.log.write("-------- powered off and on again by the case\n")
        m.start()

    def _pause(self, name, seconds):
        """A case has asked for a guest to stand still for so long."""
        m = next(m for m in self.machines if m.name == name)
        m.tell("stop")
        m.log.write("-------- paused by the case\n")
        self.paused[m] = time.monotonic() + seconds

    def _resume(self):
        """Guests whose pause is over go on."""
        for m in [m for m, end in self.paused.items() if time.monotonic() >= end]:
            del self.paused[m]
            if m.alive():
                m.tell("cont")
                m.log.write("-------- goes on\n")

    def _bad(self):
        return [f"{n}: {line}" for n, j in self.judges.items() for line in j.bad]

    _dirty = False

    def _finish(self, run, bad):
        codes = set(run.codes.values())
        seconds = max(run.millis.values()) / 1000
        tail = [line for _, line in run.output[-200:]]
        status, why = "pass", ""
        if bad:
            status, why = "fail", "kernel log: " + "; ".join(bad[:3])
        elif codes == {0}:
            pass
        elif 77 in codes and codes <= {0, 77}:
            status = "skip"
            why = next((x[5:].strip() for x in tail if x.startswith("SKIP:")), "no reason given")
        else:
            status = "fail"
            why = self._reason(run, codes, tail)
        data = content.wrong(line for _, line in run.output) if status == "fail" else None
        if data and data not in why:
            why += f"; {data}"
        if status == "pass" and run.case.afterwards:
            status, why = self._afterwards(run)
        # After a plain failure the guest was brought back to its first state;
        # after these it was not, or nobody knows.
        self._dirty = bool(codes & {99, 124, 137})
        self._result(run.case, status, seconds, why, data or "")

    def _afterwards(self, run):
        """The host's part of a case: what it says goes to the log of the first
        guest, the last line is the reason."""
        done = subprocess.run(
            [os.path.join(TOP, run.case.afterwards), os.path.join(self.share, "out", run.ident)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        said = done.stdout.strip().splitlines() or [f"exit status {done.returncode}"]
        for line in said:
            self.machines[0].log.write(f"         | {line}\n")
            if self.on_line:
                self.on_line("host", "script", line)
        status = {0: "pass", 77: "skip"}.get(done.returncode, "fail")
        return status, "" if status == "pass" else f"{run.case.afterwards}: {said[-1]}"

    @staticmethod
    def _reason(run, codes, tail):
        if codes & {124, 137}:
            why = f"deadline of {run.case.deadline} s is over"
        else:
            why = "exit status " + ", ".join(f"{n}: {c}" for n, c in sorted(run.codes.items()))
        marks = [x for x in tail if x.startswith(("FAILED", "state after", "waited in vain"))]
        return "; ".join([why, *(marks[:3] or tail[-1:])])

    def _abort(self, run, done, ready, why):
        """The boot is lost: the running (or first) case fails."""
        bad = self._bad()
        if bad:
            why += "; kernel log: " + "; ".join(bad[:3])
        if run is None and len(ready) < len(self.names):
            why += " (boot)"
        if done >= len(self.cases):
            # The last case had ended: only powering off did not work.
            return done
        case = run.case if run else self.cases[done]
        last = [f"{n}: {line}" for n, line in (run.output[-1:] if run else [])]
        data = content.wrong(line for _, line in run.output) if run else None
        if data and not any(data in x for x in last):
            last.append(data)
        seconds = time.monotonic() - run.began if run else 0.0
        self._result(case, "fail", seconds, "; ".join([why, *last]), data or "")
        return done + 1

    def _result(self, case, status, seconds, why, data=""):
        logs = tuple(os.path.relpath(self._log(n), TOP) for n in self.names)
        foreign = tuple(x for j in self.judges.values() for x in j.others)
        self.on_result(Result(case, status, seconds, why, logs, foreign, data))

    def _wait_off(self):
        end = time.monotonic() + 20
        while any(m.alive() for m in self.machines) and time.monotonic() < end:
            for m in self.machines:
                m.poll()
            time.sleep(0.1)
