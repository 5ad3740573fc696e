# SPDX-License-Identifier: GPL-2.0
"""Connections to siw that do not come to an end, made by hand on TCP sockets:

    mpa.py ADDRESS PORT SOURCE,... N SECONDS

`silent` ones connect by TCP and say nothing: siw waits for the request of MPA (RFC 5044), the
module knows nothing of them. `trickle` ones do MPA's handshake, with which the connection
manager is done, and then send a negotiate request of SMB Direct byte by byte, one a second. N
are made, of either kind in turn and from the sources in turn. It ends when the server has ended
all of them, and fails if one lasts for SECONDS.

First one connection sends the same bytes at once, and has to get an answer: they are right. It
prints what became of the others, last of all one line for each kind: how many there were, were
refused, had done MPA's handshake, had sent bytes after it, and the longest life.

No connection is closed from here before the server has done so: siw does not bear that."""

import itertools
import selectors
import socket
import struct
import sys
import time

REQUEST_KEY, REPLY_KEY = b"MPA ID Req Frame", b"MPA ID Rep Frame"
REJECTED = 0x20


def mpa_request():
    """No markers, no CRC, revision 1, no private data."""
    return struct.pack(">16sBBH", REQUEST_KEY, 0, 1, 0)


def negotiate_frame():
    """A negotiate request (MS-SMBD 2.2.1) as the first SEND: an FPDU of MPA with DDP's untagged
    header (RFC 5041: last, version 1, queue 0, message 1) and RDMAP's (RFC 5040: version 1,
    SEND), an even number of words, and an empty CRC."""
    request = struct.pack("<HHHHIII", 0x100, 0x100, 0, 255, 1364, 1364, 1 << 20)
    ddp = struct.pack(">BBIIII", 0x41, 0x43, 0, 0, 1, 0) + request
    frame = struct.pack(">H", len(ddp)) + ddp
    return frame + bytes(-len(frame) % 4) + bytes(4)


class Connection:
    """One of them. `kind` is what it does, `life` how long it was there, in seconds."""

    def __init__(self, to, source, kind):
        self.kind, self.left, self.reply, self.refused, self.life = kind, negotiate_frame(), b"", False, None
        self.socket = socket.create_connection(to, 10, (source, 0))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.born = self.last = time.monotonic()
        if kind != "silent":
            self.socket.sendall(mpa_request())
        self.socket.setblocking(False)

    def up(self):
        return len(self.reply) >= 20 and not self.refused

    def readable(self):
        """Takes what is there. False: the server has ended it."""
        try:
            data = self.socket.recv(4096)
        except BlockingIOError:
            return True
        except OSError:
            data = b""
        if not data:
            self.life = time.monotonic() - self.born
            self.socket.close()
            return False
        self.reply += data
        if len(self.reply) >= 20:
            if self.reply[:16] != REPLY_KEY:
                raise SystemExit(f"no reply of MPA: {self.reply[:20].hex()}")
            self.refused = bool(self.reply[16] & REJECTED)
        return True

    def drip(self, now):
        """The next byte, if it is time for it. There are more than the server waits for."""
        if self.kind == "trickle" and self.up() and now - self.last >= 1 and self.left:
            try:
                self.socket.send(self.left[:1])
            except OSError:
                return
            self.left, self.last = self.left[1:], now


def check_frame(to, source, seconds):
    """The server answers a frame that is sent whole."""
    one = Connection(to, source, "whole")
    end = time.monotonic() + seconds
    up = None
    while len(one.reply) < 20 + 2 + 18 + 32:
        if time.monotonic() > end or not one.readable():
            raise SystemExit(f"a whole negotiate request is not answered: {one.reply.hex()}")
        # siw may not listen yet when it has replied (`Verbs::nudge`)
        if one.up() and one.left and time.monotonic() > (up := up or time.monotonic()) + 0.5:
            one.socket.send(one.left)
            one.left = b""
        time.sleep(0.02)
    response = one.reply[20 + 2 + 18:]
    low, high, version, _, _, _, status = struct.unpack_from("<HHHHHHI", response)
    if (low, high, version, status) != (0x100, 0x100, 0x100, 0):
        raise SystemExit(f"answer to a negotiate request: {response.hex()}")
    print("a request that is sent whole is answered", flush=True)
    return one


def main():
    address, port, sources, n, seconds = sys.argv[1:]
    to, n, seconds = (address, int(port)), int(n), float(seconds)
    sources = sources.split(",")
    whole = check_frame(to, sources[0], seconds)
    kinds = [kind for kind in ("silent", "trickle") for _ in sources]
    plan = itertools.islice(zip(itertools.cycle(sources), itertools.cycle(kinds)), n)
    made, ended, selector = 0, [], selectors.DefaultSelector()
    while True:
        source, kind = next(plan, (None, None))
        if source:
            one = Connection(to, source, kind)
            selector.register(one.socket, selectors.EVENT_READ, one)
        elif made < n:
            made = n
            print("all are made", flush=True)
        elif not selector.get_map():
            break
        for key, _ in selector.select(0 if source else 0.1):
            if not key.data.readable():
                selector.unregister(key.fileobj)
                ended.append(key.data)
        now = time.monotonic()
        for key in list(selector.get_map().values()):
            key.data.drip(now)
            if now - key.data.born > seconds:
                raise SystemExit(f"{key.data.kind}: still there after {seconds} s, "
                                 f"{len(selector.get_map())} are left")
    for kind in ("silent", "trickle"):
        mine = [x for x in ended if x.kind == kind]
        dripped = sum(len(x.left) < len(negotiate_frame()) for x in mine)
        print(f"{kind} {len(mine)} refused {sum(x.refused for x in mine)} "
              f"begun {sum(x.up() for x in mine)} dripped {dripped} longest_ms {round(1000 * max(x.life for x in mine))}")
    whole.socket.close()


main()
