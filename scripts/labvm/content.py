# SPDX-License-Identifier: GPL-2.0
"""Whether a case failed since data was wrong: bytes that were not those that had
been written, a message that arrived altered, a file that is too short or is gone. No
busy machine is an excuse for that. What failed in a call, or took too long, is not
among it.

>>> wrong(["copying", "cmp: EOF on /tmp/out after byte 4096, line 9", "FAILED (exit status 1): line 20 of copy.sh: cmp /mnt/file /tmp/in"])
'cmp: EOF on /tmp/out after byte 4096, line 9'
>>> seen = lambda line: wrong([line]) is not None
>>> all(map(seen, '''/mnt/file /tmp/in differ: byte 4097, line 21
...     FAILED: the sum of the file on the server is '12  -', should be '13  -'
...     FAILED: other bytes came back
...     FAIL xmit_read_2: read of 65536 bytes over 2: differs at 4096 [31 ms]
...     FAIL HD-13 Lists (4.0 s): WRITE 3: 17 of 100 bytes differ, the first at 5
...     FAIL HD-14 Lists (4.0 s): READ 7: 64 bytes, should be 100
...     FAIL L-01 Mount (1.0 s): the data differs from byte 0 on
...     wrong: 512 bytes at 77: wrong from byte 12, got 512
...     round 3: 100 bytes written, 90 read, wrong from byte 90
...     file: mebibyte 17 is wrong
...     /mnt/f.1: block 3 byte 512: version 7; 9 was fsynced, then tried [10]
...     read through the mount: cached.0: 4096 bytes long, 8192 were fsynced
...     FAILED: read across the end (1364): b'', should be 1364 bytes 00112233...
...     verify: bad header rand_seed 1, wanted 2 at file /mnt/depth1.0.0 offset 0
...     /lab/share/case.sh: line 9: echo: write error: Bad message'''.split(chr(10))))
True
>>> any(map(seen, '''waited in vain for the traffic to stop
...     wrong: [Errno 5] Input/output error
...     FAILED: wrong data or an error at depth 8
...     cached: 31 fsyncs, 2 errors {'Input/output error': 2}, 0 wrong, longest time without success 900 ms
...     FAILED: number of qp is '3', should be '2'
...     FAIL X-01 Name (5.0 s): the connection did not end within 5 s'''.split(chr(10))))
False
"""

import re

WRONG = re.compile("|".join([
    # cmp, diff of sums; smbdirect_abitest, the peer
    r"\bdiffers?\b",
    r"^cmp: EOF on ",
    r"^FAILED: the sum of .* is '",
    r"^FAILED: (other bytes (arrived|came back)|bytes were wrong)$",
    r"\b\d+ bytes, should be \d",
    # tests/hold, by -EBADMSG
    r"\bwrite error: Bad message$",
    # anysize.py, traffic.py, stream.py, edges.py
    r"\bwrong from byte \d",
    r"\bmebibyte \d+ is wrong\b",
    r"^FAILED: .*: (b['\"]|\d+ bytes [0-9a-f]+\.\.\.).*, should be (b['\"]|\d+ bytes)",
    # durable.py, verify.py
    r": block \d+ byte \d+: ",
    r"\b\d+ bytes long, (\d+ were fsynced|longer than \d)",
    r": the file is gone$",
    # fio
    r"\bverify: bad ",
    r"\bcrc32c: verify failed\b",
]))


def wrong(lines):
    """The first line that says that data was wrong, or None."""
    return next((x.strip() for x in lines if WRONG.search(x.strip())), None)
