#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Whether the text about an RDMA connection in cifs's DebugData is the one that scripts know.

    debugdata.py FILE [NAME=VALUE...]     a copy of DebugData; values that some numbers must have

The C module is the model: ten lines behind ClientGUID, each with the same names in the same
order, with the same blanks. FILE may be of either module.
"""

import re
import sys

N = "[0-9]+"
# what stands for a number is its name
LINES = [
    "SMBDirect protocol version: 0x100 transport status: {status:[A-Z_]+} ({number})",
    "Conn receive_credit_max: {receive_credit_max} send_credit_target: {send_credit_target} max_send_size: {max_send_size}",
    "Conn max_fragmented_recv_size: {max_fragmented_recv_size} max_fragmented_send_size: {max_fragmented_send_size} "
    "max_receive_size:{max_receive_size}",
    "Conn keep_alive_interval: {keep_alive_interval} max_readwrite_size: {max_readwrite_size} "
    "rdma_readwrite_threshold: {rdma_readwrite_threshold}",
    "Debug count_get_receive_buffer: {count_get_receive_buffer} count_put_receive_buffer: {count_put_receive_buffer} "
    "count_send_empty: {count_send_empty}",
    "Read Queue count_enqueue_reassembly_queue: {enqueued} count_dequeue_reassembly_queue: {dequeued} "
    "reassembly_data_length: {reassembly_data_length} reassembly_queue_length: {reassembly_queue_length}",
    "Current Credits send_credits: {send_credits} receive_credits: {receive_credits} "
    "receive_credit_target: {receive_credit_target}",
    "Pending send_pending: {send_pending} ",
    "MR responder_resources: {responder_resources} max_frmr_depth: {max_frmr_depth} mr_type: {mr_type:0x[0-9a-f]+}",
    "MR mr_ready_count: {mr_ready_count} mr_used_count: {mr_used_count}",
]


def pattern(line):
    """The regular expression of a line."""
    out = ""
    for text, name, kind in re.findall(r"([^{]*)(?:\{(\w+)(?::([^}]*))?\})?", line):
        out += re.escape(text) + (f"(?P<{name}>{kind or N})" if name else "")
    return re.compile(out)


def main(path, *wanted):
    with open(path, encoding="utf-8") as f:
        lines = f.read().split("\n")
    begins = [at for at, line in enumerate(lines) if line.startswith("SMBDirect")]
    if not begins:
        raise SystemExit("no connection over RDMA in the text")
    for begin in begins:
        if not lines[begin - 1].startswith("ClientGUID: "):
            raise SystemExit(f"not behind ClientGUID, but behind {lines[begin - 1]!r}")
        values = {}
        for got, want in zip(lines[begin:begin + len(LINES)], LINES, strict=True):
            match = pattern(want).fullmatch(got)
            if not match:
                raise SystemExit(f"the line\n  {got!r}\nis not as\n  {want!r}")
            values |= match.groupdict()
        for pair in wanted:
            name, value = pair.split("=")
            if values[name] != value:
                raise SystemExit(f"{name} is {values[name]}, should be {value}")
        print("ok:", " ".join(f"{name}={value}" for name, value in values.items()))


if __name__ == "__main__":
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    main(*sys.argv[1:])
