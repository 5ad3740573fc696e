# SPDX-License-Identifier: GPL-2.0
"""Where the parts of the lab are; builds what is missing."""

import os
import shutil
import subprocess

from . import initramfs, machine

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def _script(name, *args):
    """Run a lab script; it prints a path."""
    done = subprocess.run([os.path.join(TOP, "scripts/lab", name), *args],
                          stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.returncode)
    return done.stdout.strip().splitlines()[-1]


class Lab:
    """Paths of root, kernel image, initramfs and module sets."""

    def __init__(self):
        machine.require_qemu()
        self.root = os.path.join(_script("root"), "tree")
        (self.release,) = os.listdir(os.path.join(self.root, "usr/lib/modules"))
        self.vmlinuz = os.path.join(self.root, "usr/lib/modules", self.release, "vmlinuz")
        self.peers = _script("peers")
        self.initramfs = initramfs.build(self.root, os.path.dirname(os.path.dirname(self.peers)))
        self._ours = os.environ.get("SMBDIRECT_KO")

    def ours(self):
        """Our smbdirect.ko, built when needed."""
        if self._ours is None:
            self._ours = _script("module")
        return self._ours

    def smbdirect(self, kind):
        """The smbdirect.ko of a kind: `rust` is ours, `c` the kernel's."""
        if kind == "c":
            return os.path.join(self.peers, "c/smbdirect.ko")
        return self.ours()

    def install(self, kind, directory, extra=()):
        """Fill `directory` with the modules for one guest."""
        os.makedirs(directory, exist_ok=True)
        for name in os.listdir(os.path.join(self.peers, "modules")):
            shutil.copy(os.path.join(self.peers, "modules", name), directory)
        shutil.copy(self.smbdirect(kind), os.path.join(directory, "smbdirect.ko"))
        for path in extra:
            shutil.copy(path, directory)
