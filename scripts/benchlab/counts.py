# SPDX-License-Identifier: GPL-2.0
"""From executed blocks to instructions and calls per function."""

import array
import bisect
import collections
import json
import os

USER_END = 1 << 47


class Symbols:
    """The guest's /proc/kallsyms."""

    def __init__(self, path):
        self.found = []
        with open(path, encoding="ascii", errors="replace") as f:
            for line in f:
                words = line.split()
                if words[1] in "tTwW":
                    module = words[3].strip("[]") if len(words) > 3 else "vmlinux"
                    self.found.append((int(words[0], 16), words[2], module))
        self.found.sort()
        self.starts = [x[0] for x in self.found]
        self.names = {x[1] for x in self.found}

    def of(self, address):
        """(function, module, offset); all of user space is one function."""
        if address < USER_END:
            return "user", "user", address + 1
        at = bisect.bisect_right(self.starts, address) - 1
        if at < 0:
            return "?", "vmlinux", 1
        start, name, module = self.found[at]
        return name, module, address - start


class Pass:
    """What was executed between two marks: instructions by (function, module),
    executions by (function, offset)."""

    def __init__(self, path, symbols):
        self.instructions = collections.Counter()
        self.executions = collections.Counter()
        self.blocks = collections.Counter()
        data = array.array("Q")
        with open(path, "rb") as f:
            data.frombytes(f.read())
        for i in range(0, len(data), 3):
            address, insns, times = data[i:i + 3]
            name, module, offset = symbols.of(address)
            self.instructions[name, module] += insns * times
            self.executions[name, offset] += times
            self.blocks[name, module, offset] += insns * times

    @property
    def total(self):
        return sum(self.instructions.values())

    def of_module(self, name):
        return sum(n for (_, m), n in self.instructions.items() if m == name)

    def calls(self, name):
        """How often the first instruction of a function was executed."""
        return self.executions[name, 0]


class Boot:
    """All passes of one boot. `each` yields (test, operations, long pass, short
    pass or None, fio's report of the long one or None) once per round."""

    def __init__(self, directory):
        self.directory = directory
        self.symbols = Symbols(os.path.join(directory, "kallsyms"))
        with open(os.path.join(directory, "phases"), encoding="ascii") as f:
            self.phases = [line.split() for line in f]

    def _pass(self, number):
        return Pass(os.path.join(self.directory, f"phase-{number:04}"), self.symbols)

    def _fio(self):
        """The jobs of all runs of fio by number of the pass."""
        jobs = {}
        for name in os.listdir(self.directory):
            if name.startswith("fio-"):
                with open(os.path.join(self.directory, name), encoding="utf-8") as f:
                    text = f.read()
                for job in json.loads(text[text.index("{"):])["jobs"]:
                    jobs[int(job["jobname"].split("-")[1])] = job
        return jobs

    def each(self):
        short, jobs = None, self._fio()
        for number, (test, kind, operations) in enumerate(self.phases):
            operations = int(operations)
            if kind == "short":
                short = (operations, self._pass(number))
            elif kind == "long":
                less, before = short or (0, None)
                short = None
                yield test, operations - less, self._pass(number), before, jobs.get(number)
