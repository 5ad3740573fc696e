#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What fsync has promised.

    durable.py DIR RECORD SECONDS    write until told to stop

verify.py compares with what is there. The writer overwrites its files in whole or in part, calls fsync, and remembers for
each block of 4 KiB the last version that fsync has confirmed, and those that were
tried since. The content follows from file, block and version. So a block has to be
the confirmed version or one that was tried later, of which each 512 bytes may be
another one; anything older, and anything else, is lost or corrupted.

Errors of I/O are counted, they are what a user may see when a connection breaks.
Memory whose writing failed is left as it is for a while: siw sends it even when it is
no longer registered and the connection is over, and what is written there meanwhile
would be in the server's file.

RECORD.state   `fsynced N errors N wrong N longest MS`, after every operation
RECORD.json    what is known, when the writer pauses or ends; a next writer goes on
RECORD.hold    made by others: pause (RECORD.held says so) until it is gone
RECORD.stop    made by others: end
"""

import collections
import json
import os
import random
import sys
import time

BLOCK, UNIT = 4096, 512
NOISE = random.Random(4791).randbytes((1 << 20) + BLOCK)
# in blocks: inline, one registration, several
SIZES = (1, 2, 5, 16, 40, 270)
ZEROS = bytes(BLOCK)


def content(number, block, version):
    """What `version` of a block is."""
    if version == 0:
        return ZEROS
    at = (number * 1000003 + block * 7919 + version * 104729) % (len(NOISE) - BLOCK)
    return NOISE[at:at + BLOCK]


class File:
    """A file and what is known of its blocks."""

    def __init__(self, number, size, confirmed=None, tried=None):
        self.number, self.size = number, size
        self.confirmed = confirmed or [0] * size
        self.tried = tried or [[] for _ in range(size)]

    def known(self):
        return {"size": self.size, "confirmed": self.confirmed, "tried": self.tried}

    def wrong(self, data, newest):
        """What is wrong with the data, or None."""
        last = max((b for b in range(self.size) if self.confirmed[b]), default=-1)
        if len(data) < (last + 1) * BLOCK:
            return f"{len(data)} bytes long, {(last + 1) * BLOCK} were fsynced"
        if len(data) > self.size * BLOCK:
            return f"{len(data)} bytes long, longer than {self.size * BLOCK}"
        for b in range(self.size):
            have = data[b * BLOCK:(b + 1) * BLOCK].ljust(BLOCK, b"\0")
            good = [self.confirmed[b], *self.tried[b]]
            if have == content(self.number, b, good[0]):
                continue
            may = [content(self.number, b, v) for v in good]
            # a file that grew and was not fsynced may have holes
            if not self.confirmed[b]:
                may.append(ZEROS)
            for at in range(0, BLOCK, UNIT):
                unit = have[at:at + UNIT]
                if any(unit == x[at:at + UNIT] for x in may):
                    continue
                old = [v for v in range(newest + 1) if content(self.number, b, v)[at:at + UNIT] == unit]
                what = f"version {old[0]}" if old else self.pieces(b, at, unit, newest)
                return f"block {b} byte {at}: {what}; {good[0]} was fsynced, then tried {good[1:]}"
        return None

    def pieces(self, block, at, unit, newest):
        """What a unit of no single version is made of, for the log."""
        runs = []
        for i in range(0, UNIT, 8):
            word = unit[i:i + 8]
            name = next((f"version {v}" for v in range(newest + 1)
                         if content(self.number, block, v)[at + i:at + i + 8] == word), "unknown")
            if not runs or runs[-1][1] != name:
                runs.append((i, name, word.hex()))
        return "not of one version: " + ", ".join(f"{name} from {i} ({word})" for i, name, word in runs)


class Record:
    """The files of one writer."""

    def __init__(self, path):
        self.path, self.name = path, os.path.basename(path)
        self.version = 0
        self.files = [File(i, n) for i, n in enumerate(SIZES)]
        if os.path.exists(path + ".json"):
            with open(path + ".json", encoding="ascii") as f:
                known = json.load(f)
            self.version = known["version"]
            self.files = [File(i, **x) for i, x in enumerate(known["files"])]

    def save(self):
        put(self.path + ".json", json.dumps({"version": self.version, "files": [x.known() for x in self.files]}))

    def filename(self, file):
        return f"{self.name}.{file.number}"

    def check(self, directory, file):
        """What is wrong with a file in an open directory, or None."""
        try:
            fd = os.open(self.filename(file), os.O_RDONLY, dir_fd=directory)
        except FileNotFoundError:
            return "the file is gone" if any(file.confirmed) else None
        data = b""
        try:
            while part := os.read(fd, (file.size + 1) * BLOCK - len(data)):
                data += part
        finally:
            os.close(fd)
        return file.wrong(data, self.version)


def put(path, text):
    """A file, in one step."""
    with open(path + ".new", "w", encoding="ascii") as f:
        f.write(text)
    os.rename(path + ".new", path)


class Writer:
    """Writes, calls fsync, reads; keeps the record."""

    def __init__(self, where, record):
        self.record = Record(record)
        # by descriptor: whoever takes the mount away must not make us write to
        # the directory below it
        self.directory = os.open(where, os.O_RDONLY | os.O_DIRECTORY)
        self.random = random.Random(f"{record} {self.record.version}")
        self.fsynced = self.errors = self.wrong = self.longest = 0
        self.kinds = {}
        # of writes that failed
        self.kept = collections.deque(maxlen=16)
        self.last = time.monotonic()

    def write(self):
        """A whole file or a part of it, then fsync."""
        rec, rnd = self.record, self.random
        file = rnd.choice(rec.files)
        first, count = 0, file.size
        # a part only of what has its size already
        if all(file.confirmed) and rnd.random() < 0.5:
            first = rnd.randrange(file.size)
            count = rnd.randint(1, file.size - first)
        rec.version += 1
        blocks = range(first, first + count)
        for b in blocks:
            file.tried[b].append(rec.version)
        data = b"".join(content(file.number, b, rec.version) for b in blocks)
        fd = os.open(rec.filename(file), os.O_WRONLY | os.O_CREAT, 0o666, dir_fd=self.directory)
        try:
            done = 0
            while done < len(data):
                piece = data[done:done + rnd.choice((BLOCK, 40 * UNIT, 1 << 20))]
                done += os.pwrite(fd, piece, first * BLOCK + done)
            os.fsync(fd)
            for b in blocks:
                file.confirmed[b], file.tried[b] = rec.version, []
            self.fsynced += 1
            now = time.monotonic()
            self.longest, self.last = max(self.longest, int((now - self.last) * 1000)), now
        except OSError:
            self.kept.append(piece)
            raise
        finally:
            os.close(fd)

    def read(self):
        file = self.random.choice(self.record.files)
        if why := self.record.check(self.directory, file):
            self.wrong += 1
            print(f"read through the mount: {self.record.filename(file)}: {why}", flush=True)

    def note(self):
        put(self.record.path + ".state",
            f"fsynced {self.fsynced} errors {self.errors} wrong {self.wrong} longest {self.longest}\n")

    def pause(self):
        self.record.save()
        put(self.record.path + ".held", "")
        while os.path.exists(self.record.path + ".hold") and not os.path.exists(self.record.path + ".stop"):
            time.sleep(0.02)
        os.unlink(self.record.path + ".held")
        self.last = time.monotonic()

    def run(self, seconds):
        end = time.monotonic() + seconds
        self.note()
        while time.monotonic() < end and not os.path.exists(self.record.path + ".stop"):
            try:
                self.write()
                if self.random.random() < 0.3:
                    self.read()
            except OSError as e:
                self.errors += 1
                name = os.strerror(e.errno) if e.errno else str(e)
                self.kinds[name] = self.kinds.get(name, 0) + 1
                time.sleep(0.1)
            self.note()
            if os.path.exists(self.record.path + ".hold"):
                self.pause()
        self.record.save()
        print(f"{self.record.name}: {self.fsynced} fsyncs, {self.errors} errors {self.kinds or ''}, {self.wrong} wrong,"
              f" longest time without success {self.longest} ms", flush=True)
        return 1 if self.wrong else 0


if __name__ == "__main__":
    sys.exit(Writer(sys.argv[1], sys.argv[2]).run(float(sys.argv[3])))
