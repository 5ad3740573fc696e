# SPDX-License-Identifier: GPL-2.0
"""Judging a kernel log: which lines mean that something is wrong."""

import re

BAD = re.compile(
    r"BUG:|WARNING:|Oops|KASAN|KFENCE|UBSAN|DEBUG_LOCKS_WARN|Kernel panic"
    r"|INFO: task .* blocked|INFO: suspicious|INFO: trying to register non-static"
    r"|possible .*(locking|deadlock)|inconsistent lock state"
    r"|general protection|Call Trace|unreferenced object"
    r"|refcount_t: |list_(add|del) corruption|scheduling while atomic"
    r"|sleeping function called|rust_kernel: panicked|self-detected stall"
    r"|Unknown symbol|disagrees about version"
)

# After one of these the kernel cannot be trusted to go on.
FATAL = re.compile(r"Oops|Kernel panic|BUG: unable|kernel BUG at|general protection|soft lockup")

STAMP = re.compile(r"^(<\d+>)?\[ *\d+\.\d+\](\[[^\]]*\])? ?")


def text(line):
    """A console line without its time stamp."""
    return STAMP.sub("", line)


class Judge:
    """Collects bad lines; a case may allow some by regular expression."""

    def __init__(self):
        self.bad = []
        self.fatal = False
        self.allowed = []

    def start(self, allowed=()):
        self.bad, self.allowed = [], [re.compile(a) for a in allowed]

    def line(self, line):
        t = text(line)
        if not BAD.search(t) or any(a.search(t) for a in self.allowed):
            return
        self.bad.append(t.strip())
        if FATAL.search(t):
            self.fatal = True
