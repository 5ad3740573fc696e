#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""After a fault: is everything as it was promised? One program for all of it,
since starting programs is what costs time in an emulated machine.

    verify.py DIR RECORD...                  the files of these records (durable.py)
    verify.py --mount UNC IP OPTIONS DIR RECORD...
                                             the same through a new mount on DIR

And no task may stay in the state that cannot be interrupted (D), for longer than
some seconds. Exit status 1 and the reasons if something is wrong."""

import ctypes
import os
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from durable import Record  # noqa: E402

PATIENCE = 60 * int(os.environ.get("PATIENCE", "1"))
libc = ctypes.CDLL(None, use_errno=True)


def call(what, result):
    """Turn errno into an end that tells what was tried."""
    if result:
        sys.exit(f"{what}: {os.strerror(ctypes.get_errno())}")


def mounted(where):
    """The options of a mount."""
    with open("/proc/mounts", encoding="utf-8") as f:
        return next(x.split()[3].split(",") for x in f if x.split()[1] == where)


def check(where, paths):
    """All files of all records; how many faults."""
    directory = os.open(where, os.O_RDONLY | os.O_DIRECTORY)
    bad = blocks = 0
    for path in paths:
        record = Record(path)
        for file in record.files:
            if why := record.check(directory, file):
                bad += 1
                print(f"{where}/{record.filename(file)}: {why}", flush=True)
            blocks += sum(1 for v in file.confirmed if v)
    os.close(directory)
    if not blocks:
        bad += 1
        print(f"{where}: nothing was ever fsynced")
    if not bad:
        print(f"  {where}: {blocks} fsynced blocks are right", flush=True)
    return bad


def in_d_state():
    """{(process, thread): name} of those that cannot be interrupted."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            for thread in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{thread}/stat", encoding="utf-8", errors="replace") as f:
                    name, _, rest = f.read().rpartition(")")
                if rest.split()[0] == "D":
                    found[pid, thread] = name.partition("(")[2]
        except OSError:  # it has ended
            pass
    return found


def hanging():
    """Tasks that are in D state all the time that we wait for them."""
    end = time.monotonic() + PATIENCE
    left = in_d_state()
    while left and time.monotonic() < end:
        time.sleep(0.1)
        now = in_d_state()
        left = {k: v for k, v in left.items() if k in now}
    for (pid, thread), name in left.items():
        print(f"{name} ({thread}) hangs in D state", flush=True)
        with open(f"/proc/{pid}/task/{thread}/stack", encoding="ascii") as f:
            print(f.read(), flush=True)
    return len(left)


args = sys.argv[1:]
bad = 0
if args[:1] == ["--mount"]:
    unc, ip, options, where, *records = args[1:]
    data = f"unc={unc.replace('/', chr(92))},ip={ip},{options}".encode()
    # A device that was made again begins with the same QP numbers: the server's CM
    # refuses the first connect request as stale, and ends what it had.
    for left in 2, 1, 0:
        failed = libc.mount(unc.encode(), where.encode(), b"cifs", 0, data)
        if not (failed and left):
            break
        print(f"  a new mount: {os.strerror(ctypes.get_errno())}; again", flush=True)
        time.sleep(1)
    call("a new mount", failed)
    if "rdma" not in mounted(where):
        sys.exit("the new mount does not use RDMA")
    try:
        bad += check(where, records)
    finally:
        call("umount of the new mount", libc.umount2(where.encode(), 0))
elif args:
    bad += check(args[0], args[1:])
bad += hanging()
sys.exit(1 if bad else 0)
