#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The commands of a document, one after the other, and whether they print what it says.

    document.py check DOCUMENT                           whether it can be run
    document.py run DOCUMENT HOST PREFIX KEEP  this machine's part

What a document has:

    ```console                  commands behind the prompt of a machine ("server# "); a
    server# uname -s            line that ends with a backslash goes on in the next one.
    Linux                       All other lines are what has to be printed, on both streams.
    ```

    ```console again            commands that only look: repeated until they print it
    ```ini server:/etc/a.conf   a file, written on that machine

In what has to be printed `...` stands for any text, alone on a line for any lines, and blanks
for any blanks. Every command has to succeed. There are no other blocks, and none that are
made by indenting, so nothing in a document that looks like a command is not run.

Machines that take part pass the steps in order: PREFIX.N is made when step N is done, and
PREFIX.failed by somebody else when a machine has failed. Outputs are kept in KEEP/NNN.
"""

import dataclasses
import os
import re
import subprocess
import sys
import tempfile
import time

PROMPT = re.compile(r"([a-z][a-z0-9-]*)# (.*)")
# seconds for a command, and for one that is repeated until it prints what it shall
DEADLINE = 120
AGAIN = 30


@dataclasses.dataclass
class Step:
    """A command with what it prints, or a file to be written."""

    line: int
    host: str
    command: str
    output: list = dataclasses.field(default_factory=list)
    again: bool = False
    path: str = ""


class Wrong(Exception):
    """Line of the document, and what is wrong."""


def console(number, lines, again):
    """The steps of a console block that begins behind that line."""
    found = []
    part = ""
    for number, line in enumerate(lines, number + 1):
        prompt = PROMPT.fullmatch(line)
        if part:
            found[-1].command += "\n" + line
        elif prompt:
            found.append(Step(number, prompt[1], prompt[2], again=again))
        elif found:
            found[-1].output.append(line)
        else:
            raise Wrong(number, "output before the first command of a block")
        part = found[-1].command.endswith("\\") and (part or prompt)
    return found


def steps(text):
    """All steps of a document."""
    found, fence = [], None
    for number, line in enumerate(text.splitlines(), 1):
        if fence is None:
            if line.startswith("```"):
                fence, begin, block = line[3:].split(), number, []
            elif re.match(r" {4}|\t", line):
                raise Wrong(number, "an indented block, which nobody would run")
            continue
        if line != "```":
            block.append(line)
            continue
        match fence:
            case ["console"] | ["console", "again"]:
                found += console(begin, block, len(fence) == 2)
            case ["ini", place] if re.fullmatch(r"[a-z][a-z0-9-]*:/\S+", place):
                host, path = place.split(":", 1)
                found.append(Step(begin, host, f"(writes {path})", block, path=path))
            case _:
                raise Wrong(begin, f"a block of another kind: {' '.join(fence)!r}")
        fence = None
    if fence is not None:
        raise Wrong(begin, "the block is not closed")
    return found


def pattern(line):
    """What a line of the document stands for."""
    words = " ".join(line.split())
    return re.compile(".*".join(re.escape(part) for part in words.split("...")))


def compare(want, got):
    """How many lines of both agree; all of both if the output is right."""
    want = [None if line.strip() == "..." else pattern(line) for line in want]
    got = [" ".join(line.split()) for line in got]
    best, seen, todo = (0, 0), set(), [(0, 0)]
    while todo:
        at = i, j = todo.pop()
        if at in seen:
            continue
        seen.add(at)
        best = max(best, at)
        if i == len(want):
            if j == len(got):
                return at
        elif want[i] is None:
            todo += [(i, j + 1)] if j < len(got) else []
            todo.append((i + 1, j))
        elif j < len(got) and want[i].fullmatch(got[j]):
            todo.append((i + 1, j + 1))
    return best


def trimmed(lines):
    """Without empty lines at the end."""
    lines = list(lines)
    while lines and not lines[-1].strip():
        lines.pop()
    return lines


def patience():
    """A slow kernel gets more time."""
    return float(os.environ.get("PATIENCE", 1))


def execute(command):
    """Exit status, and the lines that a command prints."""
    # a file, since a daemon that it starts may keep a pipe open
    with tempfile.TemporaryFile() as out:
        try:
            done = subprocess.run(["bash", "-c", command], stdin=subprocess.DEVNULL, stdout=out,
                                  stderr=out, timeout=DEADLINE * patience(), check=False)
            status = done.returncode
        except subprocess.TimeoutExpired:
            status = "none in time"
        out.seek(0)
        return status, trimmed(out.read().decode(errors="replace").splitlines())


def judge(step, status, got):
    """What is wrong with a command, as lines; none: nothing."""
    want = trimmed(step.output)
    i, j = compare(want, got)
    said = [f"{step.host}# {step.command}"]
    if (i, j) != (len(want), len(got)):
        said += [f"  {line}" for line in got[:j]]
        said += [f"- {line}" for line in want[i:i + 1] or ["(nothing more)"]]
        said += [f"+ {line}" for line in got[j:] or ["(nothing more)"]]
        where = step.line + step.command.count("\n") + 1 + i
        return where, ["prints something else than the document says", *said]
    if status != 0:
        return step.line, [f"exit status {status}", *said, *(f"  {line}" for line in got)]
    return step.line, []


def carry_out(step):
    """Does a step; its output, the line of the document, and what is wrong."""
    if step.path:
        os.makedirs(os.path.dirname(step.path), exist_ok=True)
        with open(step.path, "w", encoding="utf-8") as f:
            f.write("\n".join(step.output) + "\n")
        return [], step.line, []
    end = time.monotonic() + AGAIN * patience()
    while True:
        status, got = execute(step.command)
        line, wrong = judge(step, status, got)
        if not wrong or not step.again or time.monotonic() >= end:
            return got, line, wrong
        time.sleep(0.5)


def wait(prefix, number):
    """Until the step before is done, by whomever."""
    end = time.monotonic() + (DEADLINE + AGAIN) * patience()
    while number and not os.path.exists(f"{prefix}.{number - 1}"):
        if os.path.exists(f"{prefix}.failed"):
            raise SystemExit("the other machine has failed")
        if time.monotonic() >= end:
            raise SystemExit(f"waited in vain for step {number - 1} of the other machine")
        time.sleep(0.05)


def run(name, todo, host, prefix, keep):
    """This machine's part of all steps."""
    mine = 0
    for number, step in enumerate(todo):
        if step.host != host:
            continue
        wait(prefix, number)
        got, line, wrong = carry_out(step)
        with open(os.path.join(keep, f"{number:03}"), "w", encoding="utf-8") as f:
            f.write("\n".join([f"{step.line} {step.host}# {step.command}", *got, ""]))
        if wrong:
            print(f"{name}:{line}: {wrong[0]}", *wrong[1:], sep="\n", flush=True)
            raise SystemExit(1)
        with open(f"{prefix}.{number}", "w", encoding="utf-8"):
            pass
        mine += 1
    # no machine goes before all is done
    wait(prefix, len(todo))
    print(f"ok: {mine} steps of {len(todo)}, on {host}")


def main(action, document, *rest):
    name = os.path.basename(document)
    try:
        with open(document, encoding="utf-8") as f:
            todo = steps(f.read())
        hosts = ("server", "client")
        for step in todo:
            if step.host not in hosts:
                raise Wrong(step.line, f"there is no machine {step.host!r}")
    except Wrong as wrong:
        line, why = wrong.args
        raise SystemExit(f"{name}:{line}: {why}") from wrong
    if not todo:
        raise SystemExit(f"{name}: no commands")
    if action == "run":
        run(name, todo, *rest)
    else:
        print(f"{name}: {len(todo)} steps")


if __name__ == "__main__":
    if len(sys.argv) != {"check": 3, "run": 6}.get(sys.argv[1] if sys.argv[1:] else ""):
        raise SystemExit(__doc__)
    main(*sys.argv[1:])
