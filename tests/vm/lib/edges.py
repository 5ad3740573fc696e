#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Ends, holes and mappings of files: edges.py MOUNT DIRECTORY-ON-THE-SERVER"""

import mmap
import os
import sys

there, here = sys.argv[1], sys.argv[2]
DATA = os.urandom(1 << 20)
done = 0


def same(what, got, want):
    """Fails with a message that is short even if the values are long."""
    global done
    if got != want:
        def show(v):
            return repr(v) if len(repr(v)) < 80 else f"{len(v)} bytes {v[:16].hex()}..."
        raise SystemExit(f"FAILED: {what}: {show(got)}, should be {show(want)}")
    done += 1


def on_server(name):
    """The whole file as it lies on the server."""
    with open(f"{here}/{name}", "rb") as f:
        return f.read()


def create(name):
    """A new file on the mount, for reading and writing."""
    return os.open(f"{there}/{name}", os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o666)


def ends():
    """Reads at and beyond the end, for sizes on both sides of every limit."""
    for size in (0, 1, 1364, 4095, 4096, 4097, 65536, 70001, 1 << 20):
        with open(f"{here}/end{size}", "wb") as f:
            f.write(DATA[:size])
        fd = os.open(f"{there}/end{size}", os.O_RDONLY)
        same(f"read at the end ({size})", os.pread(fd, 4096, size), b"")
        same(f"read far beyond ({size})", os.pread(fd, 8 << 20, size + (64 << 20)), b"")
        same(f"read across the end ({size})", os.pread(fd, 2 << 20, max(size - 5000, 0)),
             DATA[max(size - 5000, 0):size])
        same(f"read of the last byte ({size})", os.pread(fd, 10, max(size - 1, 0)),
             DATA[max(size - 1, 0):size])
        same(f"read of everything and more ({size})", os.pread(fd, 4 << 20, 0), DATA[:size])
        os.close(fd)


def truncation():
    """A file grows and shrinks."""
    fd = create("trunc")
    os.pwrite(fd, DATA[:100000], 0)
    os.ftruncate(fd, 33333)
    os.fsync(fd)
    same("shorter file", on_server("trunc"), DATA[:33333])
    os.ftruncate(fd, 99999)
    same("longer file", os.pread(fd, 200000, 0), DATA[:33333] + bytes(66666))
    os.fsync(fd)
    same("longer file on the server", on_server("trunc"), DATA[:33333] + bytes(66666))
    os.close(fd)
    fd = os.open(f"{there}/trunc", os.O_WRONLY | os.O_APPEND)
    for i in range(20):
        os.write(fd, DATA[i:i + 1 + i * 300])
    os.close(fd)
    want = DATA[:33333] + bytes(66666) + b"".join(DATA[i:i + 1 + i * 300] for i in range(20))
    same("appended", on_server("trunc"), want)


def sparse():
    """Data far apart; what is between is zero and takes no room."""
    fd = create("sparse")
    places = [0, 5 << 20, (1 << 30) - 3, (5 << 30) + 12345]
    for i, at in enumerate(places):
        os.pwrite(fd, DATA[i:i + 70000], at)
    os.fsync(fd)
    info = os.stat(f"{here}/sparse")
    same("size of a sparse file", info.st_size, places[-1] + 70000)
    if info.st_blocks * 512 > 2 << 20:
        raise SystemExit(f"FAILED: the sparse file takes {info.st_blocks * 512} bytes")
    for i, at in enumerate(places):
        begin = max(at - 4096, 0)
        want = bytes(at - begin) + DATA[i:i + 70000] + (bytes(4096) if i < 3 else b"")
        same(f"around the data at {at}", os.pread(fd, at - begin + 70000 + 4096, begin), want)
    same("in a hole", os.pread(fd, 1 << 20, 2 << 30), bytes(1 << 20))
    os.close(fd)


def holes():
    """A hole is punched into a file that was full."""
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    keep_size, punch = 1, 2
    fd = create("holes")
    os.pwrite(fd, DATA[:300000], 0)
    os.fsync(fd)
    args = [ctypes.c_int(fd), ctypes.c_int(keep_size | punch), ctypes.c_long(65536), ctypes.c_long(131072)]
    if libc.fallocate(*args):
        raise SystemExit(f"FAILED: a hole cannot be punched: {os.strerror(ctypes.get_errno())}")
    want = DATA[:65536] + bytes(131072) + DATA[196608:300000]
    same("a file with a hole", os.pread(fd, 400000, 0), want)
    same("a file with a hole on the server", on_server("holes"), want)
    os.close(fd)


def mappings():
    """Shared mappings: what is stored arrives, what is there is seen."""
    size = 300000
    fd = create("map")
    os.ftruncate(fd, size)
    with mmap.mmap(fd, size) as m:
        m[10:70010] = DATA[:70000]
        m[size - 5:] = b"tail!"
        m.flush()
        want = bytes(10) + DATA[:70000] + bytes(size - 70015) + b"tail!"
        os.fsync(fd)
        same("a file stored by mapping", on_server("map"), want)
        for at in range(100000, 200000, 4096):
            m[at] = at & 255
        m.flush()
        want = bytearray(want)
        for at in range(100000, 200000, 4096):
            want[at] = at & 255
        os.fsync(fd)
        same("single bytes stored by mapping", on_server("map"), bytes(want))
    os.close(fd)
    with open(f"{here}/map2", "wb") as f:
        f.write(DATA)
    fd = os.open(f"{there}/map2", os.O_RDONLY)
    with mmap.mmap(fd, len(DATA), prot=mmap.PROT_READ) as m:
        same("one page of a mapping", m[500000:504096], DATA[500000:504096])
        same("a whole mapping", m[:], DATA)
    os.close(fd)


def gaps():
    """Part of a page is written, then all of it is read: around what was written."""
    with open(f"{here}/gaps", "wb") as f:
        f.write(DATA[:200000])
    want = bytearray(DATA[:200000])
    fd = os.open(f"{there}/gaps", os.O_RDWR)
    # what the client has not read yet, it may keep as a page of which it knows a part
    for at, length in ((5000, 100), (8192, 10), (16000, 384), (40000, 9000), (65535, 2)):
        part = os.urandom(length)
        os.pwrite(fd, part, at)
        want[at:at + length] = part
        begin, end = at & ~4095, (at + length + 4095) & ~4095
        same(f"the pages around {length} bytes at {at}", os.pread(fd, end - begin, begin),
             bytes(want[begin:end]))
    os.fsync(fd)
    same("all of it", os.pread(fd, 300000, 0), bytes(want))
    same("all of it on the server", on_server("gaps"), bytes(want))
    os.close(fd)


for step in (ends, truncation, sparse, holes, mappings, gaps):
    before = done
    step()
    print(f"ok: {step.__doc__.strip().rstrip('.')}: {done - before} comparisons", flush=True)
