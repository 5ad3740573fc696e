# SPDX-License-Identifier: GPL-2.0
"""Where the parts of the lab are; builds what is missing."""

import os
import re
import shutil
import subprocess
import tempfile

from . import initramfs, machine

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


# What guests can boot: the distribution's kernel, or one that finds more.
KERNELS = ["stock", "sanitized", "kcsan"]

# The sanitizer kernel is so much slower: deadlines are multiplied by it.
SANITIZED_PATIENCE = 4

# In build/lab/: smbdirect.ko with its KUnit suites.
KUNIT = "smbdirect-kunit"


def results(kernel="stock"):
    """Where a run leaves its results: those of one kernel."""
    build = os.environ.get("BUILD", os.path.join(TOP, "build"))
    return os.path.join(build, "test-results" + (f"-{kernel}" if kernel != "stock" else ""))


def _script(name, *args):
    """Run a lab script; it prints a path."""
    done = subprocess.run([os.path.join(TOP, "scripts/lab", name), *args],
                          stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.returncode)
    return done.stdout.strip().splitlines()[-1]


def run_directory():
    """A directory for a boot: sockets, console files, what is shared with the
    guests. Those that killed runs left behind are removed first."""
    base = tempfile.gettempdir()
    for name in os.listdir(base):
        if name.startswith("smbdirect-lab-"):
            old = os.path.join(base, name)
            try:
                with open(os.path.join(old, "pid"), encoding="ascii") as f:
                    os.kill(int(f.read()), 0)
            except ProcessLookupError:
                shutil.rmtree(old, ignore_errors=True)
            except (OSError, ValueError):
                pass
    path = tempfile.mkdtemp(prefix="smbdirect-lab-")
    with open(os.path.join(path, "pid"), "w", encoding="ascii") as f:
        f.write(f"{os.getpid()}\n")
    return path


class Lab:
    """Paths of root, kernel, initramfs and module sets: of the stock kernel,
    or of one of our own when LAB_KERNEL says so."""

    memory = 1         # the factor for what a case asks for
    patience = 1       # for deadlines
    append = ""        # to the kernel command line
    sanitized = False

    def __init__(self):
        machine.require_qemu()
        self.root = os.path.join(_script("root"), "tree")
        self._ours = os.environ.get("SMBDIRECT_KO")
        kernel = os.environ.get("LAB_KERNEL", "stock")
        if kernel == "stock":
            self._stock()
        else:
            self._sanitized(kernel)

    def _stock(self):
        (self.release,) = os.listdir(os.path.join(self.root, "usr/lib/modules"))
        self.peers = _script("peers")
        cache = os.path.dirname(os.path.dirname(self.peers))
        self.kernel = initramfs.vmlinux(
            os.path.join(self.root, "usr/lib/modules", self.release, "vmlinuz"), cache)
        self.initramfs = initramfs.build(self.root, cache)
        self._suffix = ""

    def _sanitized(self, kind):
        base = _script(kind)
        with open(os.path.join(base, "release"), encoding="ascii") as f:
            self.release = f.read().strip()
        self.peers = os.path.join(base, "peers")
        self.kernel = os.path.join(base, "vmlinux")
        self.initramfs = initramfs.build(self.root, os.path.dirname(os.path.dirname(base)),
                                         os.path.join(base, "image/lib/modules", self.release))
        self._suffix = f"-{kind}"
        self.sanitized = True
        self.memory, self.patience = 2, SANITIZED_PATIENCE
        self.append = f" pci=noacpi hpet=disable kunit.enable=1 lab.patience={SANITIZED_PATIENCE}"
        if kind == "sanitized":
            self.append += " page_poison=1 kmemleak=on"

    def build_files(self, paths):
        """Build what cases want from build/lab/NAME/: the external module in
        tests/NAME (test modules that go into the guests), or smbdirect.ko with its
        KUnit suites; build/peer/smbd-peer, the user-space peer of tests/peer;
        build/tool/smbdirectctl; and build/ksmbd/policy/ksmbd.ko, which has the policy of
        shares and takes the place of the other ksmbd.ko."""
        for path in dict.fromkeys(paths):
            parts = path.split("/")
            if parts[:2] == ["build", "peer"]:
                _script("peer")
            elif parts[:2] == ["build", "tool"]:
                _script("tool")
            elif parts[:2] == ["build", "ksmbd"]:
                _script("ksmbd")
            if parts[:2] != ["build", "lab"]:
                continue
            if parts[2] == KUNIT:
                env, args = dict(os.environ, MODULE_NAME=KUNIT), ["SMBDIRECT_KUNIT=1"]
            else:
                env, args = dict(os.environ, MODULE_SOURCE=os.path.join(TOP, "tests", parts[2])), []
            done = subprocess.run([os.path.join(TOP, "scripts/lab/module"), *args], env=env, check=False,
                                  stdout=subprocess.DEVNULL)
            if done.returncode or not os.path.exists(self.file(path)):
                raise SystemExit(f"error: {path} could not be built")

    def file(self, path):
        """Where a file that a case wants is, for this kernel."""
        return os.path.join(TOP, re.sub("^build/(lab|ksmbd)/", rf"build/\g<1>{self._suffix}/", path))

    def ours(self):
        """Our smbdirect.ko, built when needed."""
        if self._ours is None:
            self._ours = _script("module")
        return self._ours

    def smbdirect(self, kind):
        """The smbdirect.ko of a kind: `rust` is ours, `c` the kernel's."""
        if kind == "c":
            return os.path.join(self.peers, "c/smbdirect.ko")
        path = self.ours()
        with open(path, "rb") as f:
            if b"_RNv" not in f.read() and "SMBDIRECT_KO" not in os.environ:
                raise SystemExit(f"error: {path} holds no Rust code")
        return path

    def install(self, kind, directory, extra=()):
        """Fill `directory` with the modules for one guest."""
        os.makedirs(directory, exist_ok=True)
        for name in os.listdir(os.path.join(self.peers, "modules")):
            shutil.copy(os.path.join(self.peers, "modules", name), directory)
        shutil.copy(self.smbdirect(kind), os.path.join(directory, "smbdirect.ko"))
        for path in extra:
            shutil.copy(path, directory)
