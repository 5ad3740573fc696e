# SPDX-License-Identifier: GPL-2.0
"""Are the fuzzers any good? The core is broken on purpose, in a copy, in one
place after the other; the target that looks at it has to find each fault,
beginning with the inputs in the tree."""

import os
import shutil

from . import engine
from .lab import TOP

# Processor time in which a fault has to be found.
SECONDS = 60

# name, target, file in rust/core, the text (it is there once), what it becomes
MUTANTS = (
    ("last-credit", "link", "link.rs",
     "1 if self.grantable() == 0 => SendState::NeedGrant", "1 if false => SendState::NeedGrant"),
    ("no-credit-needed", "link", "credits.rs",
     "match (self.granted.checked_sub(1), self.posted", "match (Some(self.granted.saturating_sub(1)), self.posted"),
    ("one-receive-too-many", "link", "credits.rs",
     "self.posted < self.max.saturating_add(1)", "self.posted <= self.max.saturating_add(1)"),
    ("grant-unposted", "link", "credits.rs",
     "let free = self.posted.saturating_sub(self.granted);",
     "let free = self.posted.saturating_add(1).saturating_sub(self.granted);"),
    ("credits-without-limit", "link", "credits.rs",
     ".min(SEND_CREDIT_LIMIT)", ""),
    ("target-above-max", "link", "credits.rs",
     "self.target = requested.min(self.max);", "self.target = requested;"),
    ("answer-forgotten", "link", "link.rs",
     "self.reply_due |= reply_requested;", "self.reply_due = reply_requested;"),
    ("sender-not-woken", "link", "link.rs",
     "before != SendState::Ready && after != before", "before == SendState::NoCredit && after != before"),
    ("answer-asks", "link", "link.rs",
     "!self.reply_due && self.keepalive.take_probe(now)", "self.keepalive.take_probe(now)"),
    ("empty-between-fragments", "link", "link.rs",
     "if self.unsent != 0 {", "if false {"),
    ("fragment-too-long", "link", "link.rs",
     "payload_len > self.payload_capacity", "payload_len > self.payload_capacity.saturating_add(24)"),
    ("probe-deadline", "link", "keepalive.rs",
     "deadline: now.after(self.timeout),", "deadline: now,"),
    ("payload-beyond-message", "wire", "wire/data.rs",
     "if end > u64::from(received) {", "if end > u64::from(received).saturating_add(8) {"),
    ("sum-in-32-bits", "wire", "wire/data.rs",
     "u64::from(h.data_length).saturating_add(u64::from(h.remaining_data_length))",
     "u64::from(h.data_length.wrapping_add(h.remaining_data_length))"),
    ("message-too-long", "wire", "wire/data.rs",
     "if received > max_recv_size {", "if received > max_recv_size.saturating_add(1) {"),
    ("payload-in-header", "wire", "wire/data.rs",
     "h.data_offset < PAYLOAD_OFFSET", "h.data_offset < 16"),
    ("receive-size-floor", "negotiate", "negotiate.rs",
     ".min(preferred).max(MIN_RECEIVE_SIZE)", ".min(preferred)"),
    ("half-of-the-buffers", "negotiate", "negotiate.rs",
     ".checked_div(2)", ".checked_div(1)"),
    ("version-range", "negotiate", "negotiate.rs",
     "(req.min_version..=req.max_version).contains(&VERSION)", "(req.min_version <= VERSION)"),
    ("fragment-overrun", "queue", "reassembly.rs",
     ".checked_sub(len)", ".checked_sub(len.min(announced))"),
    ("store-head", "queue", "recv_queue.rs",
     "self.head = 0;", ""),
    ("header-in-the-middle", "queue", "recv_queue.rs",
     "seg.start = 0;", ""),
    ("wrapping-descriptor", "slices", "slices.rs",
     "d.offset.checked_add(u64::from(last)).is_none()", "d.offset.checked_add(u64::from(last) / 2).is_none()"),
    ("one-descriptor-too-many", "slices", "slices.rs",
     "count > MAX_DESCRIPTORS", "count > MAX_DESCRIPTORS.saturating_add(1)"),
    ("slice-too-long", "slices", "slices.rs",
     ".min(self.left).min(self.max_slice)", ".min(self.left)"),
    ("grant-late", "link", "credits.rs",
     "granted == 0 || low", "low"),
    ("grant-never-due", "pair", "credits.rs",
     "granted == 0 || low", "false && low"),
    ("wake-up-lost", "pair", "link.rs",
     "before == SendState::NeedGrant && self.send_state() == SendState::Ready", "before == SendState::NoCredit"),
    ("empties-for-ever", "pair", "credits.rs",
     "let worth_it = grantable > 1 ||", "let worth_it = true || grantable > 1 ||"),
    ("offset-alignment", "differential", "wire/data.rs",
     "h.data_offset % 8 != 0", "h.data_offset % 4 != 0"),
    ("one-byte-beyond", "differential", "wire/data.rs",
     "if end > u64::from(received) {", "if end > u64::from(received).saturating_add(1) {"),
    ("no-credit-asked-for", "differential", "wire/data.rs",
     "if h.credits_requested == 0 {", "if false {"),
    ("fields-swapped", "differential", "wire/negotiate.rs",
     "            preferred_send_size: r.u32()?,\n            max_receive_size: r.u32()?,\n            max_fragmented_size: r.u32()?,\n        })\n    }\n\n    /// The bytes to send.\n    #[must_use]\n    pub fn emit(&self) -> [u8; REQUEST_LEN]",
     "            max_receive_size: r.u32()?,\n            preferred_send_size: r.u32()?,\n            max_fragmented_size: r.u32()?,\n        })\n    }\n\n    /// The bytes to send.\n    #[must_use]\n    pub fn emit(&self) -> [u8; REQUEST_LEN]"),
    ("smallest-fragmented-size", "differential", "negotiate.rs",
     "req.max_fragmented_size < MIN_FRAGMENTED_SIZE", "req.max_fragmented_size <= MIN_FRAGMENTED_SIZE"),
    ("any-server-version", "differential", "negotiate.rs",
     "if resp.negotiated_version != VERSION {", "if resp.negotiated_version < VERSION {"),
    ("descriptor-token", "differential", "wire/descriptor.rs",
     ".u32(self.token)\n            .u32(self.length)", ".u32(self.length)\n            .u32(self.token)"),
    ("ends-early", "differential", "reassembly.rs",
     "(0, missing) => return Err(ProtocolError::EndedEarly { missing }),", "(0, _) => self.outstanding = None,"),
    ("never-ends", "differential", "reassembly.rs",
     "(remaining, 0) => return Err(ProtocolError::MoreThanAnnounced { remaining }),",
     "(_, 0) => self.outstanding = Some(0),"),
    ("too-much-granted", "dialogue", "credits.rs",
     "let n = self.posted.min(self.target).saturating_sub(self.granted);",
     "let n = self.posted.saturating_add(1).saturating_sub(self.granted);"),
    ("no-grants-alone", "dialogue", "credits.rs",
     "granted == 0 || low", "false && low"),
    ("remaining-wrong", "dialogue", "link.rs",
     "header.remaining_data_length = remaining_after;", "header.remaining_data_length = remaining_after & 0xff;"),
    ("fragments-too-long", "dialogue", "negotiate.rs",
     "max_send_size: local.max_send_size.min(req.max_receive_size),", "max_send_size: local.max_send_size,"),
    ("answers-forgotten", "dialogue", "link.rs",
     "self.reply_due |= reply_requested;", "self.reply_due |= false;"),
)


def _copy(to):
    """The parts of the tree that the engine is built from."""
    for part in ("rust/core", "tests/host", "tests/fuzz", "tests/peer/src"):
        shutil.copytree(os.path.join(TOP, part), os.path.join(to, part), dirs_exist_ok=True,
                        ignore=shutil.ignore_patterns("target"))


def _try(tree, log, mutant):
    """The figures of a mutant that was found; raises for one that was not."""
    name, target, path, old, new = mutant
    path = os.path.join(tree, "rust/core", path)
    with open(path, encoding="utf-8") as f:
        good = f.read()
    if good.count(old) != 1:
        raise LookupError(f"`{old}` is there {good.count(old)} times: bring the mutant up to date")
    try:
        with open(path, "w", encoding="utf-8") as f:
            f.write(good.replace(old, new))
        built = engine.build(log, os.path.join(tree, "tests/fuzz"), engine.work("mutants/target"))
    finally:
        with open(path, "w", encoding="utf-8") as f:
            f.write(good)
    own = engine.work("mutants", name)
    shutil.rmtree(own, ignore_errors=True)
    run = engine.Run(target, log, os.path.join(own, "corpus"), os.path.join(own, "findings"))
    if run.go(built, SECONDS):
        raise LookupError(f"not found: {run.figures()}")
    return run


def run(words):
    """All mutants, or those whose name or target is among the words."""
    tree, log = engine.work("mutants/tree"), engine.work("mutants/log")
    shutil.rmtree(tree, ignore_errors=True)
    os.makedirs(tree)
    if os.path.exists(log):
        os.unlink(log)
    _copy(tree)
    missed = 0
    for mutant in MUTANTS:
        if words and not {mutant[0], mutant[1]} & set(words):
            continue
        try:
            r = _try(tree, log, mutant)
            print(f"found     {mutant[1]:10} {mutant[0]:24} {r.cpu:5.1f} s {r.runs:8} executions  {r.why[:70]}",
                  flush=True)
        except LookupError as e:
            missed += 1
            print(f"MISSED    {mutant[1]:10} {mutant[0]:24} {e}", flush=True)
    return 1 if missed else 0
