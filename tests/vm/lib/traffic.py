#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Files are written and read back until somebody says stop.

    traffic.py DIR STATE [SECONDS]

STATE is rewritten after every round: `ok N errors N wrong N longest MS`. Errors
are what a user may see when a server goes away; wrong bytes never are. Ends when
STATE.stop exists, or after SECONDS (300).

Files are used by descriptor: a file object of Python takes EAGAIN, which cifs may
answer while it has no connection, for the end of the file."""

import os
import sys
import time

where, state = sys.argv[1], sys.argv[2]
limit = time.monotonic() + float(sys.argv[3] if len(sys.argv) > 3 else 300)
SIZES = (700, 300000, 5000, 1 << 20)
NOISE = os.urandom((1 << 20) + 5000)
ok = errors = wrong = longest = 0
kinds = {}
last = time.monotonic()


def store(path, data):
    """A new file with this content."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    try:
        if os.write(fd, data) != len(data):
            raise OSError("short write")
        os.fsync(fd)
    finally:
        os.close(fd)


def content(path, size):
    """All that can be read, if it is not more than a byte longer than `size`."""
    got = b""
    fd = os.open(path, os.O_RDONLY)
    try:
        # a read may be short, and then be continued
        while part := os.read(fd, size + 1 - len(got)):
            got += part
    finally:
        os.close(fd)
    return got


def one(i):
    """One file: written, closed, read; in a fresh place of the noise."""
    path = f"{where}/traffic{os.getpid()}.{i % 8}"
    size = SIZES[i % len(SIZES)]
    data = NOISE[i % 5000:i % 5000 + size]
    store(path, data)
    got = content(path, size)
    if got != data:
        wrong_at = next((n for n, (a, b) in enumerate(zip(got, data)) if a != b), min(len(got), size))
        print(f"round {i}: {size} bytes written, {len(got)} read, wrong from byte {wrong_at}", flush=True)
    return got == data


def note():
    """What is known so far, in one step."""
    with open(state + ".new", "w", encoding="ascii") as f:
        f.write(f"ok {ok} errors {errors} wrong {wrong} longest {longest}\n")
    os.rename(state + ".new", state)


i = 0
while time.monotonic() < limit and not os.path.exists(state + ".stop"):
    i += 1
    try:
        if one(i):
            ok += 1
            now = time.monotonic()
            longest, last = max(longest, int((now - last) * 1000)), now
        else:
            wrong += 1
    except OSError as e:
        errors += 1
        name = os.strerror(e.errno) if e.errno else str(e)
        kinds[name] = kinds.get(name, 0) + 1
        time.sleep(0.2)
    note()
print(f"traffic: {ok} files, {errors} errors {kinds or ''}, {wrong} wrong,"
      f" longest time without success {longest} ms", flush=True)
raise SystemExit(1 if wrong else 0)
