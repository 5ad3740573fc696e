#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Checks a recording of the tracepoints smbdirect:* (the text of tracefs).

    tracecheck.py FILE             what Documentation/observability.md says always holds
    tracecheck.py --selftest FILE  the same, and that a recording with one event
                                   less, doubled or altered is found to be wrong

The recording has whole connections, from their beginning to smbd_closed, nothing
lost, and was made with a clock that orders events over all CPUs."""

import re
import sys
from collections import Counter, defaultdict

LINE = re.compile(r"^.*?\[\d+\]\s+\S+\s+[\d.]+: (smbd_\w+): (.*)$")
STATUS = re.compile(r"\bstatus=[^=]*\((\d+)\)")
FIELD = re.compile(r"(\w+)=(\S+)")
# A recording in which one of these is missing proves nothing.
NEEDED = """connect arrival cm_event negotiated send_negotiate recv_negotiate send recv recv_posted post_send wc_send
    post_recv wc_recv reg unmap rdma_begin rdma_end fail teardown closed""".split()


class Wrong(Exception):
    """A rule does not hold."""


def number(text):
    try:
        return int(text, 0)
    except ValueError:
        return text


def parse(lines):
    """[(name, fields)] in order."""
    events = []
    for line in lines:
        match = LINE.match(line)
        if not match:
            continue
        fields = {k: v if k == "bytes" else number(v) for k, v in FIELD.findall(match[2])}
        status = STATUS.search(match[2])
        if status:
            fields["status"] = int(status[1])
        events.append((match[1].removeprefix("smbd_"), fields))
    return events


def rule(holds, text):
    if not holds:
        raise Wrong(text)


class Connection:
    """What is known of one connection, up to some event."""

    def __init__(self):
        self.posted = 0             # number of the last entry of the send queue
        self.chain = 0              # entries of the last chain
        self.signalled = {}         # number: [successes, completions]
        self.receives = set()
        self.keys = {}              # registered ones: invalidated?
        self.transfers = 0
        self.send_credits = self.granted = None
        self.failures = 0
        self.closed = False

    def post_send(self, f):
        if f["error"]:
            self.posted -= self.chain - f["count"]
            self.signalled.pop(f["seq"], None)
            return
        self.posted = (self.posted + f["count"]) % 2**32
        self.chain = f["count"]
        rule(f["seq"] == self.posted, f"entry {f['seq']} posted, {self.posted} is next")
        if f["signalled"]:
            self.signalled[f["seq"]] = [0, 0]

    def wc_send(self, f):
        ahead = (f["seq"] - self.posted) % 2**32
        rule(ahead == 0 or ahead >= 2**31, f"entry {f['seq']} completes before it was posted")
        done = self.signalled.get(f["seq"])
        if done:
            done[0] += f["status"] == 0
            done[1] += 1
            rule(done[0] <= 1, f"entry {f['seq']} completes twice")

    def post_recv(self, f):
        rule(f["slot"] not in self.receives, f"receive {f['slot']} posted while it is posted")
        self.receives.add(f["slot"])

    def post_recv_err(self, f):
        self.receives.discard(f["slot"])

    def wc_recv(self, f):
        rule(f["slot"] in self.receives, f"receive {f['slot']} completes without being posted")
        self.receives.remove(f["slot"])

    def negotiate(self, f):
        rule(self.granted is None, "a negotiate message after data")
        rule(len(f["bytes"]) == 2 * min(f["length"], 32), f"bytes of {f['length']} are {f['bytes']}")

    def send_negotiate(self, f):
        self.negotiate(f)

    def recv_negotiate(self, f):
        self.negotiate(f)

    def message(self, f, sent):
        rule(f["offset"] % 8 == 0 and (f["offset"] >= 24 or f["length"] == 0), f"data at {f['offset']}")
        rule(f["granted"] <= f["posted"], f"{f['granted']} credits granted, {f['posted']} posted")
        rule(f["send_credits"] < 2**24, f"send_credits {f['send_credits']}")
        if self.granted is not None:
            want = self.granted + (f["grants"] if sent else -1)
            rule(want >= 0, "a message came without a credit")
            rule(f["granted"] == want, f"granted is {f['granted']}, not {want}")
            want = self.send_credits + (-1 if sent else f["grants"])
            rule(want >= 0, "a message was sent without a credit")
            rule(f["send_credits"] == want, f"send_credits is {f['send_credits']}, not {want}")
        self.granted, self.send_credits = f["granted"], f["send_credits"]

    def send(self, f):
        self.message(f, True)

    def recv(self, f):
        self.message(f, False)

    def recv_posted(self, f):
        rule(f["granted"] <= f["posted"], f"{f['granted']} credits granted, {f['posted']} posted")

    def reg(self, f):
        rule(f["key"] not in self.keys, f"key {f['key']:#x} registered twice")
        self.keys[f["key"]] = False

    def local_inv(self, f):
        rule(f["key"] in self.keys, f"key {f['key']:#x} invalidated, not registered")
        self.keys[f["key"]] |= bool(f["ok"])

    def remote_inv(self, f):
        if f["ok"]:
            self.local_inv(f)

    def unmap(self, f):
        rule(f["key"] in self.keys, f"memory of key {f['key']:#x} given back, not registered")
        dead = self.keys.pop(f["key"])
        rule(dead or not f["ok"], f"memory of key {f['key']:#x} given back, key not invalidated")

    def rdma_begin(self, _):
        self.transfers += 1

    def rdma_end(self, _):
        self.transfers -= 1
        rule(self.transfers >= 0, "a transfer ends that did not begin")

    def fail(self, _):
        self.failures += 1
        rule(self.failures == 1, "fails twice")

    def end(self, _):
        for seq, (_, completions) in self.signalled.items():
            rule(completions, f"signalled entry {seq} never completes")
        rule(not self.receives, f"receives {sorted(self.receives)} never complete")
        rule(not self.keys, f"keys {[hex(k) for k in self.keys]} are never given back")
        rule(not self.transfers, f"{self.transfers} transfers never end")
        rule(self.failures == 1, "ends without smbd_fail")
        self.closed = True


def check(events):
    """Raises Wrong."""
    connections = defaultdict(Connection)
    for i, (name, f) in enumerate(events):
        conn = connections[f["conn"]]
        try:
            rule(not conn.closed, f"smbd_{name} after smbd_closed")
            step = getattr(conn, "end" if name == "closed" else name, None)
            if step:
                step(f)
        except Wrong as e:
            raise Wrong(f"event {i} (smbd_{name}), connection {f['conn']}: {e}") from None
    for which, conn in connections.items():
        rule(conn.closed, f"connection {which}: no smbd_closed")
    seen = Counter(name for name, _ in events)
    missing = [n for n in NEEDED if not seen[n]]
    rule(not missing, f"the recording has none of {' '.join(missing)}")
    rule(seen["local_inv"] + seen["remote_inv"], "the recording has no invalidation")
    return seen, len(connections)


def mutants(events):
    """(what, events) of recordings that are wrong."""
    where = defaultdict(list)
    for i, (name, f) in enumerate(events):
        if name != "wc_send" or f["status"] == 0:
            where[name].append(i)
    middle = {}
    for name, at in where.items():
        # one that has others of its connection before and behind it, if there are any
        busiest = Counter(events[i][1]["conn"] for i in at).most_common(1)[0][0]
        at = [i for i in at if events[i][1]["conn"] == busiest]
        middle[name] = at[len(at) // 2]

    def with_(i, *new):
        return events[:i] + list(new) + events[i + 1:]

    def altered(name, **changes):
        i = middle[name]
        return with_(i, (name, {**events[i][1], **changes}))

    for name in ("post_send", "post_recv", "wc_recv", "unmap", "reg", "rdma_end", "send", "recv",
                 "closed"):
        yield f"smbd_{name} missing", with_(middle[name])
    for name in ("post_send", "post_recv", "wc_recv", "unmap", "reg", "send", "recv", "fail"):
        i = middle[name]
        yield f"smbd_{name} twice", with_(i, events[i], events[i])
    signalled = {(f["conn"], f["seq"]) for n, f in events if n == "post_send" and f["signalled"]}
    done = next(i for i in where["wc_send"]
                if (events[i][1]["conn"], events[i][1]["seq"]) in signalled)
    yield "smbd_wc_send missing", with_(done)
    yield "smbd_wc_send twice", with_(done, events[done], events[done])
    gone = "remote_inv" if "remote_inv" in middle else "local_inv"
    yield f"smbd_{gone} missing", with_(middle[gone])
    f = events[middle["recv"]][1]
    yield "data in the header", altered("recv", length=1, offset=16)
    yield "granted above posted", altered("recv", granted=f["posted"] + 1)
    yield "a credit too many", altered("send", send_credits=events[middle["send"]][1]["send_credits"] + 1)


def main():
    selftest = "--selftest" in sys.argv
    with open(sys.argv[-1], encoding="utf-8", errors="replace") as f:
        events = parse(f)
    try:
        seen, connections = check(events)
    except Wrong as e:
        sys.exit(f"wrong: {e}")
    print(f"{len(events)} events of {connections} sockets: "
          + ", ".join(f"{n} {name}" for name, n in seen.most_common()))
    if selftest:
        found = 0
        for what, wrong in mutants(events):
            try:
                check(wrong)
            except Wrong:
                found += 1
                continue
            sys.exit(f"not found: {what}")
        print(f"{found} recordings made wrong on purpose were all found")


main()
