#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What a program writes to its terminal, byte for byte.

    terminal.py COLUMNS LINES SECONDS FILE COMMAND...

Runs it in a pseudo-terminal of that size, keeps what it writes in that time, and then types q.
"""

import fcntl
import os
import pty
import select
import struct
import sys
import termios
import time


def main(columns, lines, seconds, path, *command):
    pid, fd = pty.fork()
    if pid == 0:
        # the size is set before the program looks
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", int(lines), int(columns), 0, 0))
        os.environ["TERM"] = "xterm-256color"
        os.execvp(command[0], command)
    end = time.monotonic() + float(seconds)
    with open(path, "wb") as out:
        while (left := end - time.monotonic()) > 0:
            if select.select([fd], [], [], left)[0]:
                try:
                    out.write(os.read(fd, 65536))
                except OSError:
                    raise SystemExit("the program has ended early") from None
    os.write(fd, b"q")
    # what it says at its end would fill the terminal otherwise
    try:
        while select.select([fd], [], [], 10)[0] and os.read(fd, 65536):
            pass
    except OSError:
        pass
    raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


if __name__ == "__main__":
    if len(sys.argv) < 6:
        raise SystemExit(__doc__)
    main(*sys.argv[1:])
