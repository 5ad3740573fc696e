#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Mount, write, read back, unmount; many times, without starting a program
for each step (which is what costs time in an emulated machine).

    cycle.py COUNT DIR UNC IP OPTIONS

Prints a line now and then, and one when it is done."""

import ctypes
import os
import sys
import time

libc = ctypes.CDLL(None, use_errno=True)


def call(what, result):
    """Turn errno into an exception that tells what was tried."""
    if result:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), what)


def no_connection():
    """Has the client dropped the connection to the server?"""
    with open("/proc/fs/cifs/DebugData", encoding="ascii", errors="replace") as f:
        return not any(") ConnectionId" in line for line in f)


def main():
    count, where, unc, ip, options = int(sys.argv[1]), *sys.argv[2:6]
    data = f"unc={unc.replace('/', chr(92))},ip={ip},{options}".encode()
    # a few bytes (inline), some pages, and more than one registration holds
    content = [os.urandom(n) for n in (1, 1000, 70000, 1 << 20)]
    began = time.monotonic()
    for i in range(1, count + 1):
        call(f"mount {i}", libc.mount(unc.encode(), where.encode(), b"cifs", 0, data))
        data_of_round = content[i % len(content)]
        path = f"{where}/file{i % 3}"
        with open(path, "wb") as f:
            f.write(data_of_round)
        with open(path, "rb") as f:
            if f.read() != data_of_round:
                raise SystemExit(f"round {i}: other bytes came back")
        call(f"umount {i}", libc.umount2(where.encode(), 0))
        limit = time.monotonic() + 20
        while not no_connection():
            if time.monotonic() > limit:
                raise SystemExit(f"round {i}: the connection is still there 20 s after umount")
            time.sleep(0.01)
        if i % 25 == 0 or i == count:
            each = (time.monotonic() - began) / i * 1000
            print(f"{i} rounds, {each:.0f} ms each", flush=True)


main()
