# SPDX-License-Identifier: GPL-2.0
"""Judging a kernel log: which lines mean that something is wrong, and whose
fault it is."""

import os
import re

BAD = re.compile(
    r"BUG:|WARNING:|Oops|KASAN|KCSAN|KFENCE|UBSAN|ODEBUG|DEBUG_LOCKS_WARN|Kernel panic"
    r"|INFO: task .* blocked|INFO: suspicious|INFO: trying to register non-static"
    r"|possible .*(locking|deadlock)|inconsistent lock state|suspicious RCU usage"
    r"|general protection|Call Trace|unreferenced object"
    r"|refcount_t: |list_(add|del) corruption|scheduling while atomic|pagealloc: "
    r"|sleeping function called|rust_kernel: panicked|self-detected stall"
    r"|Unknown symbol|disagrees about version|page allocation failure|vmalloc error: "
)

# After one of these the kernel cannot be trusted to go on.
FATAL = re.compile(r"Oops|Kernel panic|BUG: unable|kernel BUG at|general protection|soft lockup")

STAMP = re.compile(r"^(<\d+>)?\[ *\d+\.\d+\](\[[^\]]*\])? ?")

HEAD = re.compile(r"^(BUG|WARNING|INFO|UBSAN): ")

# A line that is sure to be about smbdirect.ko (of whatever kind): a stack frame
# that the unwinder vouches for, or a panic.
OURS = re.compile(r"^(?!\? ).*\+0x[0-9a-f]+/0x[0-9a-f]+ \[smbdirect\]"
                  r"|RIP: .*\[smbdirect\]| in .*\[smbdirect\]|rust_kernel: panicked")

# Reports that are not about us: regular expressions of frames or lines, with the
# reason.
FOREIGN = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))),
                       "tests/vm/foreign-reports")

LONGEST = 200


def text(line):
    """A console line without its time stamp."""
    return STAMP.sub("", line)


def foreign_list(path=FOREIGN):
    """(regular expression, reason) of reports that others have to answer for."""
    out = []
    with open(path, encoding="utf-8") as f:
        for line in f:
            line = line.rstrip("\n")
            if line and not line.startswith("#"):
                expr, sep, why = line.partition(" -- ")
                if not sep or not why.strip():
                    raise SystemExit(f"error: {path}: ' -- ' and a reason are missing: {line}")
                out.append((re.compile(expr), why.strip()))
    return out


class Trouble:
    """A line that is bad, with what the kernel says after it: mostly a trace."""

    def __init__(self, line, allowed=False):
        self.head, self.lines, self.allowed = line, [line], allowed
        self.race = "KCSAN" in line
        self.framed = "KASAN" in line or self.race
        self.open = True

    def takes(self, line):
        """Is this line still part of it?"""
        if not self.open:
            return False
        fresh = HEAD.search(line) and any("Call Trace" in x for x in self.lines)
        if fresh or line.startswith("lab: ") or len(self.lines) >= LONGEST:
            self.open = False
            return False
        self.lines.append(line)
        last = line.startswith("=" * 40) if self.framed else "</TASK>" in line or "end trace" in line
        self.open = not last
        return True

    def ours(self):
        """Does its trace go through smbdirect?"""
        return any(OURS.search(x.strip()) for x in self.lines)

    def fatal(self):
        """Was it the end of the kernel?"""
        return any(FATAL.search(x) for x in self.lines)

    def crash(self, known):
        """Why it is somebody else's that the kernel crashed where it did (`known` begins
        with ^RIP), or None. Whom an interrupt found at work has no part in it."""
        trace = list(self.lines)
        end = next((i for i, x in enumerate(trace) if "</IRQ>" in x), len(trace))
        if any(OURS.search(x.strip()) for x in trace[:end]):
            return None
        return next((why for expr, why in known
                     if expr.pattern.startswith("^RIP") and any(expr.search(x.strip()) for x in trace[:end])), None)

    def foreign(self, known):
        """Why it is somebody else's, or None."""
        if self.race and not self.ours():
            return "a data race that smbdirect has no part in"
        if self.fatal():
            return self.crash(known)
        # a race for data of a device that we called is not ours for that
        if self.ours() and not self.race:
            return None
        return next((why for expr, why in known if any(expr.search(x) for x in self.lines)), None)


class Judge:
    """Collects what is bad; a case may allow some lines by regular expression,
    and `known` are reports of others, which are kept apart."""

    def __init__(self, known=()):
        self.known, self.allowed = known, []
        self.troubles = []
        self.fatal = False

    def start(self, allowed=()):
        """A case begins."""
        self.troubles, self.allowed = [], [re.compile(a) for a in allowed]

    def line(self, line):
        """The next line of the log."""
        t = text(line)
        last = self.troubles[-1] if self.troubles else None
        inside = last is not None and (last.takes(t) or "Kernel panic" in t and last.fatal())
        if not BAD.search(t):
            return
        allowed = any(a.search(t) for a in self.allowed)
        # its own trace is part of a report, what else is bad only if the report is
        if not inside or (last.allowed and not allowed and "Call Trace" not in t):
            self.troubles.append(Trouble(t.strip(), allowed))
        if FATAL.search(t) and not allowed:
            self.fatal = True

    @property
    def bad(self):
        """First lines of what counts against the case."""
        return [x.head for x in self.troubles if not x.allowed and not x.foreign(self.known)]

    @property
    def others(self):
        """(first line, reason) of what does not."""
        return [(x.head, why) for x in self.troubles if not x.allowed and (why := x.foreign(self.known))]
