# SPDX-License-Identifier: GPL-2.0
"""Where the instructions of an operation went: by module, by function, and
within smbdirect.ko by source line (inlined code counts where it was written)."""

import collections
import os
import re
import subprocess

from labvm.lab import TOP

from . import counts, vm


def _inside(root, out, *command, text=None):
    return subprocess.run([os.path.join(TOP, "scripts/lab/enter"), root, f"{out}:/lab/out", "--",
                           *command], check=False, input=text, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True).stdout


def _average(boot, test):
    """Instructions and calls per operation, summed over rounds."""
    functions, calls, places, rounds = (collections.Counter() for _ in range(4))
    for name, operations, many, few, _ in boot.each():
        if name != test:
            continue
        rounds[test] += 1
        for sign, p in ((1, many), (-1, few)):
            if p:
                for key, n in p.instructions.items():
                    functions[key] += sign * n / operations
                for (function, offset), n in p.executions.items():
                    if offset == 0:
                        calls[function] += sign * n / operations
                for (function, module, offset), n in p.blocks.items():
                    if module == "smbdirect":
                        places[function, offset] += sign * n / operations
    n = rounds[test]
    if not n:
        raise SystemExit(f"error: no passes of {test}; there are: "
                         + " ".join(sorted({p[0] for p in boot.phases})))
    return [{k: v / n for k, v in c.items() if v} for c in (functions, calls, places)]


def _lines(root, directory, module, places):
    """Instructions by source line. `places` are (function, offset)."""
    nm = _inside(root, directory, "nm", f"/lab/out/{module}")
    where = {}
    for line in nm.splitlines():
        words = line.split()
        if len(words) == 3 and words[1] in "tT":
            where[words[2]] = int(words[0], 16)
    known = [(place, n) for place, n in places.items() if place[0] in where]
    asked = "".join(f"{where[f] + offset:#x}\n" for (f, offset), _ in known)
    answer = _inside(root, directory, "addr2line", "-j", ".text", "-e", f"/lab/out/{module}",
                     text=asked).splitlines()
    found = collections.Counter()
    for (_, n), line in zip(known, answer):
        found[re.sub(r" \(discriminator.*", "", line.replace("/lab/src/", ""))] += n
    return found


def _readable(root, out, names):
    """Names of Rust functions without the hashes of their crates."""
    text = _inside(root, out, "c++filt", text="\n".join(names))
    return re.sub(r"\[[0-9a-f]{14,16}\]", "", text).split("\n")


def show(lab, out, subject, test, count=45):
    """Print the profile of the last run of `subject`."""
    boot = counts.Boot(vm.left_by(out, subject))
    functions, calls, places = _average(boot, test)
    total = sum(functions.values())
    print(f"{test}, {subject}: {total:,.0f} instructions per operation\n\nby module")
    modules = collections.Counter()
    for (_, module), n in functions.items():
        modules[module] += n
    for module, n in modules.most_common(12):
        print(f"{n:12,.0f} {n / total:7.1%}  {module}")
    for title, wanted in (("smbdirect.ko", lambda m: m == "smbdirect"),
                          ("everything else", lambda m: m != "smbdirect")):
        ranked = sorted(((n, f, m) for (f, m), n in functions.items() if wanted(m)), reverse=True)
        ranked = ranked[:count]
        names = _readable(lab.root, out, [f for _, f, _ in ranked])
        print(f"\n{title}: instructions, calls, instructions a call")
        for (n, f, m), name in zip(ranked, names):
            c = calls.get(f, 0)
            print(f"{n:12,.0f} {c:9.2f} {n / c if c > 0.01 else 0:10,.0f}  "
                  f"{name}{'' if m in ('vmlinux', 'smbdirect', 'user') else f' [{m}]'}")
    found = _lines(lab.root, os.path.join(out, subject), "smbdirect.ko", places)
    if found:
        print("\nsmbdirect.ko by source line (the first of each block)")
        for line, n in found.most_common(count):
            print(f"{n:12,.0f}  {line}")
    return 0


def compare(lab, out, test, count=40):
    """Print which functions cost more, and which less, than with the C module."""
    both = []
    for subject in ("c", "rust"):
        functions, calls, _ = _average(counts.Boot(vm.left_by(out, subject)), test)
        both.append((functions, calls))
    (c, c_calls), (ours, our_calls) = both
    change = sorted(((ours.get(k, 0) - c.get(k, 0), k) for k in {*c, *ours}), reverse=True)
    print(f"{test}: {sum(c.values()):,.0f} instructions per operation with the C module,"
          f" {sum(ours.values()):,.0f} with ours")
    for title, part in (("more with ours", change[:count]), ("less with ours", change[:-count:-1])):
        print(f"\n{title}: instructions, calls with C, with ours")
        names = _readable(lab.root, out, [f for _, (f, _) in part])
        for (n, (f, m)), name in zip(part, names):
            print(f"{n:+12,.0f} {c_calls.get(f, 0):9.2f} {our_calls.get(f, 0):9.2f}  {name} [{m}]")
    return 0
