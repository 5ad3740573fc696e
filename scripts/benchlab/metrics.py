# SPDX-License-Identifier: GPL-2.0
"""What is counted per operation, and how it is found in the executed code.

All figures are of the whole guest, client and server together, which is what
one operation costs. The soft-RoCE driver's own functions show what was asked of
the adapter; nothing is asked of the module under test, so the kernel's module
and ours are counted in the same way.
"""

import lzma
import os
import re
import subprocess

from labvm.lab import TOP

# name: functions whose calls are counted
CALLS = {
    "send_doorbells": ["rxe_post_send"],
    "recv_doorbells": ["rxe_post_recv"],
    "recv_work_requests": ["post_one_recv"],
    "registrations": ["rxe_reg_fast_mr"],
    "invalidations": ["rxe_invalidate_mr"],
    "completions": ["rxe_cq_post"],
    "cq_polls": ["__ib_process_cq"],
    "cq_rearms": ["rxe_req_notify_cq"],
    "packets": ["rxe_xmit_packet"],
    "wake_ups": ["try_to_wake_up"],
    "switches": ["__switch_to_asm"],
    "softirqs": ["handle_softirqs"],
}
# name: module whose instructions are counted
MODULES = {"in_smbdirect": "smbdirect", "in_rxe": "rdma_rxe", "in_ib_core": "ib_core",
           "in_ksmbd": "ksmbd", "in_cifs": "cifs", "in_user": "user"}

TITLES = {
    "instructions": "instructions", "in_smbdirect": "of them in smbdirect",
    "work_requests": "work requests", "doorbells": "doorbells", "completions": "completions",
    "wake_ups": "wake-ups", "switches": "context switches",
}


def _disassemble(root, out, release):
    """The send function of the guest's rxe driver."""
    found = [os.path.join(d, f) for d, _, names in
             os.walk(os.path.join(root, "usr/lib/modules", release)) for f in names
             if f.startswith("rdma_rxe.ko")]
    if len(found) != 1:
        return ""
    with (lzma.open if found[0].endswith(".xz") else open)(found[0], "rb") as f:
        data = f.read()
    with open(os.path.join(out, "rdma_rxe.ko"), "wb") as f:
        f.write(data)
    return subprocess.run(
        [os.path.join(TOP, "scripts/lab/enter"), root, f"{out}:/lab/out", "--", "objdump", "-r",
         "--disassemble=rxe_post_send", "--no-show-raw-insn", "/lab/out/rdma_rxe.ko"],
        check=False, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout


def copies_in_post_send(root, out, release):
    """rxe_post_send takes a chain of work requests. Each of them that moves
    data has its scatter list copied by one call of memcpy: offsets of the
    instructions behind those calls."""
    text = _disassemble(root, out, release)
    start = re.search(r"^([0-9a-f]+) <rxe_post_send>:", text, re.M)
    if not start:
        return []
    return [int(at, 16) + 4 - int(start[1], 16)
            for at in re.findall(r"([0-9a-f]+): R_X86_64_(?:PLT32|PC32)\s+memcpy-", text)]


class Metrics:
    """Counts of a pass by name."""

    def __init__(self, root, out, release):
        self.copies = copies_in_post_send(root, out, release)

    def of(self, p, symbols):
        """All counts of one pass; what this kernel cannot tell is left out."""
        found = {"instructions": p.total}
        for name, module in MODULES.items():
            found[name] = p.of_module(module)
        for name, functions in CALLS.items():
            if all(f in symbols.names for f in functions):
                found[name] = sum(p.calls(f) for f in functions)
        need = {"registrations", "invalidations", "recv_work_requests"}
        if self.copies and need <= found.keys():
            found["send_work_requests"] = (
                sum(p.executions["rxe_post_send", at] for at in self.copies)
                + found["registrations"] + found["invalidations"])
            found["work_requests"] = found["send_work_requests"] + found["recv_work_requests"]
        if {"send_doorbells", "recv_doorbells"} <= found.keys():
            found["doorbells"] = found["send_doorbells"] + found["recv_doorbells"]
        return found

    def per_operation(self, boot):
        """{test: {metric: [one value per round]}}"""
        out = {}
        for test, operations, many, few, fio in boot.each():
            values = self.of(many, boot.symbols)
            less = self.of(few, boot.symbols) if few else {}
            to = out.setdefault(test, {})
            for name, n in values.items():
                to.setdefault(name, []).append((n - less.get(name, 0)) / operations)
            if fio:
                side = max((fio["read"], fio["write"]), key=lambda s: s["total_ios"])
                to.setdefault("guest_us", []).append(side["lat_ns"]["mean"] / 1000)
        return out


def summary(values):
    """Mean and spread (in percent of the mean) of rounds."""
    mean = sum(values) / len(values)
    spread = (max(values) - min(values)) / mean * 100 if mean else 0.0
    return {"mean": round(mean, 3), "spread_percent": round(spread, 3),
            "rounds": [round(v, 3) for v in values]}
