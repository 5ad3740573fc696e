# SPDX-License-Identifier: GPL-2.0
"""From executed blocks to instructions and calls per function."""

import array
import bisect
import collections
import os


class Symbols:
    """The guest's /proc/kallsyms."""

    def __init__(self, path):
        found = []
        with open(path, encoding="ascii", errors="replace") as f:
            for line in f:
                words = line.split()
                if words[1] in "tTwW":
                    module = words[3].strip("[]") if len(words) > 3 else "vmlinux"
                    found.append((int(words[0], 16), words[2], module))
        found.sort()
        self.found = found
        self.starts = [x[0] for x in found]

    def of(self, address):
        """(function, module, offset); all of user space is one function."""
        if address < 1 << 47:
            return "user", "user", 1
        at = bisect.bisect_right(self.starts, address) - 1
        if at < 0:
            return "?", "vmlinux", 1
        start, name, module = self.found[at]
        return name, module, address - start


class Pass:
    """What was executed between two marks."""

    def __init__(self, path, symbols):
        self.instructions = collections.Counter()   # by (function, module)
        self.calls = collections.Counter()          # by function
        self.blocks = collections.Counter()         # by (function, module, offset)
        data = array.array("Q")
        with open(path, "rb") as f:
            data.frombytes(f.read())
        for i in range(0, len(data), 3):
            address, insns, times = data[i:i + 3]
            name, module, offset = symbols.of(address)
            self.instructions[name, module] += insns * times
            if module != "user":
                self.blocks[name, module, offset] += insns * times
                if offset == 0:
                    self.calls[name] += times

    @property
    def total(self):
        return sum(self.instructions.values())

    def module(self, name):
        return sum(n for (_, m), n in self.instructions.items() if m == name)


def passes(directory):
    """Yields (test, kind, operations, Pass, number) in order."""
    symbols = Symbols(os.path.join(directory, "kallsyms"))
    with open(os.path.join(directory, "phases"), encoding="ascii") as f:
        for number, line in enumerate(f):
            test, kind, ops = line.split()
            yield test, kind, int(ops), Pass(
                os.path.join(directory, f"phase-{number:04}"), symbols), number
