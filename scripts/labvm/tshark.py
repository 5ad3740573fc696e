# SPDX-License-Identifier: GPL-2.0
"""tshark, out of the root that scripts/lab/wireshark makes."""

import os
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MALFORMED = str(7 << 24)        # PI_MALFORMED of the expert information


def fields(capture, names, *options):
    """For each frame of a file a dictionary of fields. Ends the program with 77 if there is no tshark."""
    made = subprocess.run([os.path.join(TOP, "scripts/lab/wireshark")], stdout=subprocess.PIPE, text=True, check=False)
    if made.returncode:
        print("no tshark: its root cannot be made")
        sys.exit(77)
    root = os.path.join(made.stdout.strip().splitlines()[-1], "tree")
    command = ["tshark", "-r", f"/lab/capture/{os.path.basename(capture)}", "-n", "-T", "fields", "-E", "occurrence=a", *options]
    for name in names:
        command += ["-e", name]
    done = subprocess.run([os.path.join(TOP, "scripts/lab/enter"), root, f"{os.path.dirname(capture)}:/lab/capture", "--", *command],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"tshark: {done.stderr.strip()}")
    for line in done.stdout.splitlines():
        yield dict(zip(names, line.split("\t")))
