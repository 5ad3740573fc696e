# SPDX-License-Identifier: GPL-2.0
"""A small initramfs: busybox, the few modules that reach the 9p root, an init.

The guest root is the lab root, shared read-only over 9p, with a tmpfs on top.
"""

import gzip
import hashlib
import os
import stat
import struct
import subprocess
import tempfile

MODULES = ["9pnet_virtio", "9p", "overlay", "configfs"]

INIT = """#!/bin/busybox sh
# Find the root, lay a tmpfs over it, mount what a running system has, go there.
# It is done here because busybox starts much faster than the programs there.
/bin/busybox --install -s /bin
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
for m in $(cat /modules/order 2>/dev/null); do insmod /modules/$m || exec sh; done
name=$(sed -n 's/.*lab\\.name=\\([^ ]*\\).*/\\1/p' /proc/cmdline)
try() { "$@" || { echo "lab: init failed: $*" >/dev/kmsg; poweroff -f; }; }
o=trans=virtio,version=9p2000.L,msize=512000
try mount -t 9p -o $o,ro,cache=loose root /low
try mount -t tmpfs -o size=90% rw /rw
mkdir /rw/upper /rw/work
try mount -t overlay -o lowerdir=/low,upperdir=/rw/upper,workdir=/rw/work overlay /new
try mount -t 9p -o $o,cache=none,access=any share /new/lab/share
[ ! -e /image ] || { mkdir -p /new/lib/modules && try cp -r /image/* /new/lib/modules/; }
mkdir /dev/pts /dev/shm
mount -t devpts pts /dev/pts
mount -t tmpfs shm /dev/shm
mount -t tmpfs run /new/run
mount -t tmpfs tmp /new/tmp
mount -t debugfs debugfs /sys/kernel/debug
mount -t tracefs tracefs /sys/kernel/tracing
mount -t configfs configfs /sys/kernel/config
mkdir /new/run/lab
ip link set lo up
mount --move /dev /new/dev
mount --move /proc /new/proc
mount --move /sys /new/sys
exec switch_root /new /bin/bash /lab/share/guest/init "$name"
"""


def _dependencies(moddir, wanted):
    """Paths of the wanted modules and what they need, in loading order."""
    needs, path = {}, {}
    with open(os.path.join(moddir, "modules.dep"), encoding="ascii") as f:
        for line in f:
            target, _, rest = line.partition(":")
            name = os.path.basename(target).split(".ko")[0].replace("-", "_")
            path[name], needs[name] = target, rest.split()
    order = []
    for name in wanted:
        if name not in path:
            raise SystemExit(f"error: module {name} is not in {moddir}")
        # modules.dep lists dependencies so that the last is needed first
        for p in [*reversed(needs[name]), path[name]]:
            if p not in order:
                order.append(p)
    return order


def _unpacked(path):
    tool = {".xz": "xz", ".zst": "zstd", ".gz": "gzip"}.get(os.path.splitext(path)[1])
    if tool:
        return subprocess.run([tool, "-dc", path], check=True, stdout=subprocess.PIPE).stdout
    with open(path, "rb") as f:
        return f.read()


class _Cpio:
    """Writer of the `newc` format, which needs no tool and no root rights."""

    def __init__(self):
        self.out = bytearray()
        self.inode = 0

    def add(self, name, mode, data=b""):
        self.inode += 1
        fields = [self.inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0]
        self.out += b"070701" + "".join(f"{v:08x}" for v in fields).encode()
        self.out += name.encode() + b"\0"
        self.out += b"\0" * (-len(self.out) % 4)
        self.out += data
        self.out += b"\0" * (-len(self.out) % 4)

    def finish(self):
        self.add("TRAILER!!!", 0)
        return bytes(self.out)


def vmlinux(vmlinuz, cache):
    """The kernel proper out of the compressed image. QEMU can start it right
    away, which saves the seconds that emulated decompression takes."""
    with open(vmlinuz, "rb") as f:
        image = f.read()
    path = os.path.join(cache, f"vmlinux-{hashlib.sha256(image).hexdigest()[:12]}")
    if os.path.exists(path):
        return path
    # Documentation/arch/x86/boot.rst: setup_sects, payload_offset, payload_length
    offset, length = struct.unpack_from("<II", image, 0x248)
    start = (image[0x1F1] + 1) * 512 + offset
    payload = image[start:start + length - 4]  # its last four bytes are a size
    for magic, tool in ((b"\x28\xb5\x2f\xfd", "zstd"), (b"\xfd7zXZ", "xz"), (b"\x1f\x8b", "gzip")):
        if payload.startswith(magic):
            plain = subprocess.run([tool, "-dc"], input=payload, stdout=subprocess.PIPE, check=True)
            _store(path, plain.stdout)
            return path
    return vmlinuz


def _store(path, data):
    """Write a file of the cache so that nobody sees half of it."""
    fd, tmp = tempfile.mkstemp(dir=os.path.dirname(path))
    with os.fdopen(fd, "wb") as f:
        f.write(data)
    os.replace(tmp, path)


def _put_tree(cpio, top, name):
    """All of a directory."""
    cpio.add(name, stat.S_IFDIR | 0o755)
    for entry in sorted(os.scandir(top), key=lambda e: e.name):
        if entry.is_dir(follow_symlinks=False):
            _put_tree(cpio, entry.path, f"{name}/{entry.name}")
        elif entry.is_file(follow_symlinks=False):
            with open(entry.path, "rb") as f:
                cpio.add(f"{name}/{entry.name}", stat.S_IFREG | 0o644, f.read())


def _put_modules(cpio, moddir):
    """What the stock kernel needs to reach its root."""
    order = []
    for rel in _dependencies(moddir, MODULES):
        name = os.path.basename(rel).split(".ko")[0] + ".ko"
        cpio.add("modules/" + name, stat.S_IFREG | 0o644, _unpacked(os.path.join(moddir, rel)))
        order.append(name)
    cpio.add("modules/order", stat.S_IFREG | 0o644, " ".join(order).encode())


def build(root, cache, image=None):
    """Return the path of the initramfs, cached: for the kernel in `root`, or for
    one that has everything built in; its directory of modules is then `image`."""
    with open(__file__, "rb") as f:
        tag = hashlib.sha256(f.read() + root.encode() + (image or "").encode()).hexdigest()[:12]
    path = os.path.join(cache, f"initramfs-{tag}.gz")
    if os.path.exists(path):
        return path
    cpio = _Cpio()
    for d in ["bin", "dev", "proc", "sys", "low", "rw", "new", "modules"]:
        cpio.add(d, stat.S_IFDIR | 0o755)
    with open(os.path.join(root, "usr/bin/busybox"), "rb") as f:
        cpio.add("bin/busybox", stat.S_IFREG | 0o755, f.read())
    if image:
        cpio.add("image", stat.S_IFDIR | 0o755)
        _put_tree(cpio, image, "image/" + os.path.basename(image))
    else:
        base = os.path.join(root, "usr/lib/modules")
        (release,) = os.listdir(base)
        _put_modules(cpio, os.path.join(base, release))
    cpio.add("init", stat.S_IFREG | 0o755, INIT.encode())
    _store(path, gzip.compress(cpio.finish(), 1))
    return path
