#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""A program on a terminal: what is typed, and what is to be seen then.

    screen.py COLUMNS LINES STEP... -- COMMAND...

Steps, one after the other; one that is not done after 30 s is a failure, and the screen is printed:
    see=REGEX     wait until the screen matches, blanks in a row being one
    miss=REGEX    wait until it does not
    type=KEYS     type
    run=COMMAND   run a shell command, which has to succeed; $PID is the program
    show=         print the screen
    keep=FILE     from here on write to FILE what comes, byte for byte; empty: no more
    pass=SECONDS  let time pass; the program has to go on
    end=STATUS    wait for the end of the program, which has to have that exit status (negative: signal)
"""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time

PATIENCE = 30
# ESC [ PARAMETERS LETTER, what has no parameters, a character
PIECE = re.compile(r"\x1b\[([?0-9;]*)([A-Za-z])|\x1b[=>78]|([^\x1b])", re.S)


class Screen:
    """As much of a terminal as is needed for what goes to places on it."""

    def __init__(self, columns, lines, command):
        self.columns, self.lines = columns, lines
        self.cells, self.at, self.rest, self.kept = {}, [0, 0], b"", None
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            # the size is set before the program looks
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
            os.environ["TERM"] = "xterm-256color"
            os.execvp(command[0], command)

    def text(self):
        rows = ("".join(self.cells.get((y, x), " ") for x in range(self.columns)) for y in range(self.lines))
        return "\n".join(row.rstrip() for row in rows)

    def put(self, text):
        for piece in PIECE.finditer(text):
            numbers, what, char = piece.groups()
            if what == "H":
                place = [int(n or 1) - 1 for n in (numbers + ";1").split(";")[:2]]
                self.at = place
            elif what == "J":
                self.cells.clear()
            elif char and char >= " ":
                self.cells[tuple(self.at)] = char
                self.at[1] += 1

    def look(self, seconds):
        """Take what comes in that time. False: the program has ended."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return True
        try:
            got = os.read(self.fd, 65536)
        except OSError:
            return False
        if self.kept:
            self.kept.write(got)
        data = self.rest + got
        # half of a sequence or of a character waits for the other one
        cut = re.search(rb"(\x1b\[?[?0-9;]*|[\xc0-\xff][\x80-\xbf]*)\Z", data)
        whole = data
        if cut and not cut.group().decode("utf-8", "ignore").isprintable() or cut and b"\x1b" in cut.group():
            whole = data[:cut.start()]
        self.rest = data[len(whole):]
        self.put(whole.decode("utf-8", "replace"))
        return bool(got)

    def wait(self, done, what):
        end = time.monotonic() + PATIENCE
        while not done(re.sub(r"[ ─]+", " ", self.text())):
            if time.monotonic() > end:
                self.fail(what)
            if not self.look(0.2):
                self.fail(f"{what}, the program has ended")

    def fail(self, what):
        print(self.text())
        os.kill(self.pid, signal.SIGKILL)
        raise SystemExit(f"FAILED: {what}")

    def step(self, step):
        what, _, text = step.partition("=")
        if what == "see":
            self.wait(lambda seen: re.search(text, seen), f"not to be seen: {text}")
        elif what == "miss":
            self.wait(lambda seen: not re.search(text, seen), f"still to be seen: {text}")
        elif what == "type":
            os.write(self.fd, text.encode())
        elif what == "run":
            if subprocess.run(["bash", "-c", text], env={**os.environ, "PID": str(self.pid)}).returncode:
                self.fail(f"failed: {text}")
        elif what == "show":
            print(self.text(), flush=True)
        elif what == "keep":
            if self.kept:
                self.kept.close()
            self.kept = open(text, "wb") if text else None
        elif what == "pass":
            end = time.monotonic() + float(text)
            while (left := end - time.monotonic()) > 0:
                if not self.look(left):
                    self.fail("the program has ended early")
        elif what == "end":
            end = time.monotonic() + PATIENCE
            while (ended := os.waitpid(self.pid, os.WNOHANG))[0] == 0:
                if time.monotonic() > end:
                    self.fail("does not end")
                self.look(0.2)
            status = os.waitstatus_to_exitcode(ended[1])
            if status != int(text):
                raise SystemExit(f"FAILED: exit status {status}, should be {text}")
        else:
            raise SystemExit(f"no step: {step}")


def main():
    words = sys.argv[1:]
    steps, command = words[2:words.index("--")], words[words.index("--") + 1:]
    screen = Screen(int(words[0]), int(words[1]), command)
    for step in steps:
        screen.step(step)


if __name__ == "__main__":
    main()
