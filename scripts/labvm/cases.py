# SPDX-License-Identifier: GPL-2.0
"""Test cases: guest scripts with a header of `# key: value` lines.

    # desc:       one line
    # vms:        1 or 2                                     (1)
    # modules:    kinds of smbdirect, `rust` or `c`; with two guests
    #             `server/client`; several: the case runs with each  (rust)
    # control:    those of them that are run for comparison: they are shown,
    #             but do not count as passed or failed
    # deadline:   seconds for one run                        (120)
    # boot-group: cases with the same group, guests and modules share a boot
    # memory:     MiB per guest                              (1024)
    # smp:        virtual CPUs per guest                     (2)
    # param:      NAME = value value ... ; the case runs with each value,
    #             and with each combination when there are several params
    # files:      built modules or files to put into $MODULES, from the top;
    #             build/lab/NAME/..., build/peer/smbd-peer, build/tool/smbdirectctl and
    #             build/ksmbd/policy/ksmbd.ko are built first
    # allow:      regular expression of a kernel log line that is expected
    #             here, then ` -- ` and the reason
    # afterwards: a program of the tree that the host runs with the directory of the
    #             case's files ($OUT) when it has passed; 0 pass, 77 skip
    # kernel:     stock, sanitized, kcsan: only with those     (all)
    # icount:     yes: deterministic time, one CPU, and idle time flies; awake: the
    #             same, but idle time passes as it does elsewhere     (no)
    # reference:  regular expression of names of known failures of the C module
"""

import dataclasses
import fnmatch
import itertools
import os
import re

from .lab import TOP

CASES = os.path.join(TOP, "tests/vm/cases")
LISTS = {"stock": "quick", "sanitized": "sanitized", "kcsan": "kcsan"}


@dataclasses.dataclass
class Case:
    """One run of one script: with one choice of modules and parameters."""

    name: str
    script: str
    desc: str = ""
    vms: int = 1
    modules: tuple = ("rust",)
    control: bool = False
    deadline: int = 120
    group: str = ""
    memory: int = 1024
    smp: int = 2
    icount: bool | str = False
    kernel: str = ""
    afterwards: str = ""
    params: dict = dataclasses.field(default_factory=dict)
    files: tuple = ()
    allow: tuple = ()

    def runs_in(self, kernel):
        """Whether it is meant for that kernel."""
        return not self.kernel or kernel in self.kernel.split()

    def boot_key(self):
        """Cases with the same key can share a boot."""
        return (self.group or self.name, self.vms, self.modules, self.memory, self.smp,
                self.icount, self.files)


def _header(path):
    found = {}
    with open(path, encoding="utf-8") as f:
        for line in f:
            if not line.startswith("#"):
                if line.strip():
                    break
                continue
            m = re.match(r"#\s*([a-z-]+):\s*(.*\S)\s*$", line)
            if m:
                found.setdefault(m[1], []).append(m[2])
    return found


def _die(path, why):
    raise SystemExit(f"error: {os.path.relpath(path, TOP)}: {why}")


KNOWN = {"desc", "vms", "modules", "control", "deadline", "boot-group", "memory", "smp", "param",
         "files", "allow", "icount", "kernel", "afterwards"}

ICOUNT = {"no": False, "yes": True, "awake": "awake"}


def load(path):
    """All runs that a case file asks for."""
    head = _header(path)
    head.pop("SPDX-License-Identifier", None)
    for key in head:
        if key not in KNOWN:
            _die(path, f"unknown header line '# {key}:'")
    one = {k: v[-1] for k, v in head.items()}
    if "desc" not in one:
        _die(path, "no '# desc:' line")
    base = os.path.relpath(path, CASES)[:-3]
    vms = int(one.get("vms", 1))
    if "afterwards" in one and not os.access(os.path.join(TOP, one["afterwards"]), os.X_OK):
        _die(path, f"'# afterwards:': {one['afterwards']} is no program")
    combos = one.get("modules", "rust" if vms == 1 else "rust/rust").split()
    params = []
    for text in head.get("param", []):
        key, _, values = text.partition("=")
        params.append([(key.strip(), v) for v in values.split()])
    allow = []
    for text in head.get("allow", []):
        expr, sep, why = text.partition(" -- ")
        if not sep or not why.strip():
            _die(path, "'# allow:' needs ' -- ' and a reason")
        allow.append(expr.strip())
    for combo, choice in itertools.product(combos, itertools.product(*params)):
        kinds = tuple(combo.split("/"))
        if len(kinds) != vms or any(k not in ("rust", "c") for k in kinds):
            _die(path, f"'{combo}' is no choice of modules for {vms} guest(s)")
        marks = [f"{k}={v}" for k, v in choice]
        if combo != ("rust" if vms == 1 else "rust/rust"):
            marks.insert(0, combo)
        if one.get("icount", "no") not in ICOUNT:
            _die(path, f"'# icount:' is one of {', '.join(ICOUNT)}")
        yield Case(
            name=base + (f"[{','.join(marks)}]" if marks else ""), script=path, desc=one["desc"],
            vms=vms, modules=kinds, control=combo in one.get("control", "").split(),
            deadline=int(one.get("deadline", 120)), group=one.get("boot-group", ""),
            memory=int(one.get("memory", 1024)), smp=int(one.get("smp", 2)),
            icount=ICOUNT[one.get("icount", "no")], kernel=one.get("kernel", ""),
            afterwards=one.get("afterwards", ""), params=dict(choice),
            files=tuple(one.get("files", "").split()), allow=tuple(allow))


def listed(name):
    """The patterns in a list of cases, tests/vm/NAME."""
    with open(os.path.join(TOP, "tests/vm", name), encoding="utf-8") as f:
        lines = [line.split("#")[0].strip() for line in f]
    return [line for line in lines if line]


def tier(kernel):
    """The patterns of the cases that run when none are named."""
    return listed(LISTS[kernel])


def discover(patterns):
    """All cases whose name or file matches one of the glob patterns."""
    out = []
    for folder, _, names in sorted(os.walk(CASES)):
        for name in sorted(names):
            if name.endswith(".sh"):
                out += load(os.path.join(folder, name))

    def wanted(case):
        plain = case.name.split("[")[0]
        for p in patterns:
            literal = p.replace("[", "\0").replace("\0", "[[]")
            if (plain == p or case.name == p or fnmatch.fnmatchcase(plain, p)
                    or fnmatch.fnmatchcase(case.name, literal) or plain.startswith(p.rstrip("/") + "/")):
                return True
        return not patterns

    return [c for c in out if wanted(c)]
