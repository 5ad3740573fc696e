#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""A long file whose every page is different, made and checked without holding
it anywhere.

    stream.py write|check FILE MEBIBYTES

Each mebibyte is the same random noise, begun at another place: a page that is
lost, doubled or at the wrong offset is found by comparing memory, which is the
only thing that is fast in an emulated machine."""

import os
import random
import sys
import time

MIB = 1 << 20
NOISE = memoryview(random.Random(7).randbytes(MIB + 16384 * 8))


def part(i):
    """The i-th mebibyte of the file."""
    start = (i * 4099) % 16384 * 8
    return NOISE[start:start + MIB]


def main():
    what, path, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    began = time.monotonic()
    if what == "write":
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    else:
        fd = os.open(path, os.O_RDONLY)
        if os.fstat(fd).st_size != count * MIB:
            raise SystemExit(f"{path} has {os.fstat(fd).st_size} bytes, not {count} MiB")
    buffer = bytearray(MIB)
    for i in range(count):
        if what == "write":
            done = os.write(fd, part(i))
        else:
            done = os.readv(fd, [buffer])
            if buffer != part(i):
                raise SystemExit(f"{path}: mebibyte {i} is wrong")
        if done != MIB:
            raise SystemExit(f"{path}: {done} bytes of mebibyte {i}")
        if i % 256 == 255:
            rate = (i + 1) / (time.monotonic() - began)
            print(f"{what}: {i + 1} MiB, {rate:.0f} MiB/s", flush=True)
    if what == "write":
        os.fsync(fd)
    os.close(fd)


main()
