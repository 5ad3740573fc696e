# SPDX-License-Identifier: GPL-2.0
"""Build the two small programs of the benchmark with the lab's compiler."""

import os
import re
import subprocess

from labvm.lab import TOP

MARKS = 0x5BD00000


def plugin_api():
    """The plugin interface of the QEMU on this machine."""
    text = subprocess.run(["qemu-system-x86_64", "--version"], check=True,
                          stdout=subprocess.PIPE, text=True).stdout
    return 1 if int(re.search(r"version (\d+)\.", text)[1]) < 9 else 2


def _cc(root, out, *args):
    cmd = [os.path.join(TOP, "scripts/lab/enter"), root, f"{TOP}:/lab/src", f"{out}:/lab/out:rw",
           "--", "gcc-14", "-O2", "-Wall", *args]
    if subprocess.run(cmd, check=False, stdin=subprocess.DEVNULL).returncode:
        raise SystemExit("error: the programs of the benchmark cannot be built")


def build(root, out):
    """Returns the paths of the plugin and of the guest program."""
    os.makedirs(out, exist_ok=True)
    _cc(root, out, "-fPIC", "-shared", "-nostdlib", "-fvisibility=hidden", "-ffreestanding",
        "-fno-stack-protector", f"-DPLUGIN_API={plugin_api()}", "/lab/src/scripts/benchlab/count.c",
        "-o", "/lab/out/count.so")
    _cc(root, out, "-static", f"-Wl,--section-start=.marks={MARKS:#x}",
        "/lab/src/tests/vm/bench/op.c", "-o", "/lab/out/bench-op")
    return os.path.join(out, "count.so"), os.path.join(out, "bench-op")
