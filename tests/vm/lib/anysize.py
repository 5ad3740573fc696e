#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Reads and writes of any length from 1 byte at any offset, many at a time,
compared with a copy of the file in memory. (fio's verify needs room for its
headers, so that it does not go below 512 bytes.)

    anysize.py FILE [--server FILE] [--depth N] [--bytes N] [--size N] [--largest N] [--seed N]

Ranges in flight never overlap; what was written last must be read, every other
time without what the client may have cached of it. At the end the whole file is
read and compared, on the server, too, if its name there is given."""

import argparse
import math
import os
import random
import threading


class Model:
    """The file as it should be, and the ranges that are in use."""

    def __init__(self, args):
        self.args = args
        self.fd = os.open(args.file, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o666)
        os.ftruncate(self.fd, args.size)
        self.want = bytearray(args.size)
        self.noise = random.Random(args.seed).randbytes(args.largest + 65536)
        self.busy = []
        self.left = args.bytes
        self.turn = threading.Condition()
        self.wrong = []
        self.count = {"read": 0, "write": 0}
        self.sizes = set()

    def take(self, rng):
        """A free range of logarithmically distributed length; None at the end."""
        with self.turn:
            while self.left > 0 and not self.wrong:
                length = min(int(math.exp(rng.uniform(0, math.log(self.args.largest + 1)))),
                             self.args.largest)
                for _ in range(8):
                    at = rng.randrange(self.args.size - length + 1)
                    if all(at >= e or at + length <= b for b, e in self.busy):
                        self.busy.append((at, at + length))
                        self.left -= length
                        self.sizes.add(length)
                        return at, length
                self.turn.wait(0.05)
        return None

    def give_back(self, at, length):
        with self.turn:
            self.busy.remove((at, at + length))
            self.turn.notify_all()

    def one(self, rng, at, length):
        """One transfer, complete even if the system does it in parts."""
        if rng.random() < 0.5:
            start = rng.randrange(len(self.noise) - length)
            data = memoryview(self.noise)[start:start + length]
            done = 0
            while done < length:
                done += os.pwrite(self.fd, data[done:], at + done)
            self.want[at:at + length] = data
            self.count["write"] += 1
        else:
            if rng.random() < 0.5:
                os.posix_fadvise(self.fd, at, length, os.POSIX_FADV_DONTNEED)
            self.compare(self.fd, at, length)
            self.count["read"] += 1

    def compare(self, fd, at, length, what=""):
        """What is there must be what should be there."""
        got = b""
        while len(got) < length:
            part = os.pread(fd, length - len(got), at + len(got))
            if not part:
                break
            got += part
        want = self.want[at:at + length]
        if got != want:
            where = next((i for i, (a, b) in enumerate(zip(got, want)) if a != b), len(got))
            self.wrong.append(f"{what}{length} bytes at {at}: wrong from byte {where}, got {len(got)}")

    def whole(self, fd, what):
        """The file as it is at the end."""
        if os.fstat(fd).st_size != self.args.size:
            self.wrong.append(f"{what}{os.fstat(fd).st_size} bytes, should be {self.args.size}")
        for at in range(0, self.args.size, 1 << 20):
            self.compare(fd, at, min(1 << 20, self.args.size - at), what)

    def worker(self, number):
        rng = random.Random(self.args.seed * 1000 + number)
        try:
            while (found := self.take(rng)) is not None:
                try:
                    self.one(rng, *found)
                finally:
                    self.give_back(*found)
        except OSError as e:
            self.wrong.append(f"{e}")


def main():
    p = argparse.ArgumentParser()
    p.add_argument("file")
    p.add_argument("--server")
    p.add_argument("--depth", type=int, default=8)
    p.add_argument("--bytes", type=int, default=32 << 20)
    p.add_argument("--size", type=int, default=(12 << 20) + 4321)
    p.add_argument("--largest", type=int, default=8 << 20)
    p.add_argument("--seed", type=int, default=1)
    args = p.parse_args()
    model = Model(args)
    threads = [threading.Thread(target=model.worker, args=(i,)) for i in range(args.depth)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if not model.wrong:
        os.fsync(model.fd)
        os.posix_fadvise(model.fd, 0, 0, os.POSIX_FADV_DONTNEED)
        model.whole(model.fd, "at the end: ")
    os.close(model.fd)
    if args.server and not model.wrong:
        with open(args.server, "rb") as f:
            model.whole(f.fileno(), "on the server: ")
    for text in model.wrong[:10]:
        print("wrong:", text)
    print(f"{os.path.basename(args.file)}: depth {args.depth}, {model.count['write']} writes,"
          f" {model.count['read']} reads, {min(model.sizes)} to {max(model.sizes)} bytes")
    raise SystemExit(1 if model.wrong else 0)


main()
