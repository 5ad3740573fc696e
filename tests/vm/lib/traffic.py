#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Files are written and read back until somebody says stop.

    traffic.py DIR STATE [SECONDS]

STATE is rewritten after every round: `ok N errors N early N wrong N longest MS`.
Errors are what a user may see when a server goes away; wrong bytes never are.
`early` is between them: the file seemed to end too early, and when opened once
more it was all there. A transport cannot make a read succeed with nothing, but
cifs may (smb2_readv_callback() looks at the sizes before the error); which case
it is has not been found out. It counts as an error here, not as wrong bytes.
Ends when STATE.stop exists, or after SECONDS (300)."""

import os
import sys
import time

where, state = sys.argv[1], sys.argv[2]
limit = time.monotonic() + float(sys.argv[3] if len(sys.argv) > 3 else 300)
SIZES = (700, 300000, 5000, 1 << 20)
NOISE = os.urandom((1 << 20) + 5000)
ok = errors = early = wrong = longest = 0
kinds = {}
last = time.monotonic()


def content(path, size):
    """All that can be read, and what the client takes for the size."""
    got = b""
    with open(path, "rb", buffering=0) as f:
        # a read may be short, and then be continued
        while part := f.read(size + 1 - len(got)):
            got += part
        return got, os.fstat(f.fileno()).st_size


def second_look(path, size):
    """Once more, when the connection has come back."""
    for _ in range(100):
        time.sleep(0.5)
        try:
            return content(path, size)
        except OSError:
            pass
    return b"", -1


def one(i):
    """One file: written, closed, read; in a fresh place of the noise."""
    path = f"{where}/traffic{os.getpid()}.{i % 8}"
    size = SIZES[i % len(SIZES)]
    data = NOISE[i % 5000:i % 5000 + size]
    with open(path, "wb", buffering=0) as f:
        if f.write(data) != size:
            raise OSError("short write")
        os.fsync(f.fileno())
    got, said = content(path, size)
    if got == data:
        return "ok"
    wrong_at = next((n for n, (a, b) in enumerate(zip(got, data)) if a != b), min(len(got), size))
    again, _ = second_look(path, size)
    kind = "early" if data.startswith(got) and again == data else "wrong"
    print(f"round {i}: {kind}: {size} bytes written, {len(got)} read, {said} by stat, wrong from"
          f" byte {wrong_at}; then {len(again)} read, {'right' if again == data else 'wrong'}",
          flush=True)
    return kind


def note():
    """What is known so far, in one step."""
    with open(state + ".new", "w", encoding="ascii") as f:
        f.write(f"ok {ok} errors {errors} early {early} wrong {wrong} longest {longest}\n")
    os.rename(state + ".new", state)


i = 0
while time.monotonic() < limit and not os.path.exists(state + ".stop"):
    i += 1
    try:
        what = one(i)
        if what == "ok":
            ok += 1
            now = time.monotonic()
            longest, last = max(longest, int((now - last) * 1000)), now
        elif what == "early":
            early += 1
        else:
            wrong += 1
    except OSError as e:
        errors += 1
        name = os.strerror(e.errno) if e.errno else str(e)
        kinds[name] = kinds.get(name, 0) + 1
        time.sleep(0.2)
    note()
print(f"traffic: {ok} files, {errors} errors {kinds or ''}, {early} early ends,"
      f" {wrong} wrong,"
      f" longest time without success {longest} ms", flush=True)
raise SystemExit(1 if wrong else 0)
