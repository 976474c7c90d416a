"""The real helper with toy facts on a kernel that only knows how to wait: run as a program, imported for the facts."""

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Optional, cast

import node_helper.serve
from node_helper.changes.deed import Deed
from node_helper.changes.grant import Applied, Grant
from node_helper.kernel import Kernel
from node_helper.known import these
from node_helper.protocol import CannotLook, Fact, RowFact
from node_helper.serve import serve
from node_helper.stop import Stop


@dataclass(frozen=True)
class Query:
    text: str = ""
    size: int = 0
    seconds: float = 0.0
    path: Optional[str] = None  # noqa: UP045  (read by the helper on Python 3.9)


@dataclass(frozen=True)
class Seen:
    text: str
    pid: int


@dataclass(frozen=True)
class Row:
    number: int
    text: str = ""


class ToyKernel:
    def __init__(self, stop: Stop) -> None:
        self.stop = stop

    def pause(self, seconds: float) -> None:
        self.stop.pause(seconds)

    def close(self) -> None:
        pass


def echo(_kernel: Kernel, query: Query) -> Seen:
    return Seen(query.text, os.getpid())


def big(_kernel: Kernel, query: Query) -> Seen:
    """Hexadecimal noise: half of it does not compress."""
    noise = (hashlib.sha256(b"%d" % i).hexdigest() for i in range(query.size // 64 + 1))
    return Seen("".join(noise)[: query.size], os.getpid())


def slow(kernel: Kernel, query: Query) -> Seen:
    mark(query, "started")
    try:
        kernel.pause(query.seconds)
    finally:
        mark(query, "ended")
    return Seen("rested", os.getpid())


def chatty(_kernel: Kernel, query: Query) -> Seen:
    print("to standard output")  # noqa: T201  (what is tested)
    os.write(1, b"{}\n")
    os.system("echo from a tool; cat")  # noqa: S605
    return Seen(query.text, os.getpid())


def refuse(_kernel: Kernel, _query: Query) -> Seen:
    raise CannotLook("there is no such thing here", kind="gone", fix="Look elsewhere.")


def broken(_kernel: Kernel, _query: Query) -> Seen:
    raise RuntimeError("a bug\nevent=forged")


def count(kernel: Kernel, query: Query) -> Iterator[Row]:
    try:
        for number in range(query.size):
            yield Row(number, query.text)
            if query.seconds:
                kernel.pause(query.seconds)
    finally:
        mark(query, "closed")


def burn(_kernel: Kernel, query: Query) -> Seen:
    mark(query, str(os.getpid()))
    until = time.monotonic() + query.seconds
    while time.monotonic() < until:
        pass
    return Seen(query.text, os.getpid())


def hog(_kernel: Kernel, query: Query) -> Seen:
    return Seen(str(len(bytearray(query.size))), os.getpid())


def crash(_kernel: Kernel, _query: Query) -> Seen:
    os._exit(7)


def exit_helper(_kernel: Kernel, query: Query) -> Seen:
    """Dies once: the second time it answers."""
    if query.path is not None and not os.path.exists(query.path):  # noqa: PTH110  (as in the helper)
        mark(query, "died")
        os._exit(9)
    return Seen("alive again", os.getpid())


def mark(query: Query, text: str) -> None:
    if query.path is not None:
        with open(query.path, "w") as file:  # noqa: PTH123  (as in the helper)
            file.write(text)


def carry_out(grant: Grant, _stop: Stop) -> Applied:
    """Writes a letter into the file that its signature names; "die" ends the helper before it can answer."""
    with open(grant.signature, "a") as file:  # noqa: PTH123  (as in the helper)
        file.write("w")
    if grant.plan == "die":
        os._exit(9)
    return Applied("malformed", grant.plan)


ECHO = Fact("echo", Query, Seen, echo)
BIG = Fact("big", Query, Seen, big)
SLOW = Fact("slow", Query, Seen, slow)
CHATTY = Fact("chatty", Query, Seen, chatty)
REFUSE = Fact("refuse", Query, Seen, refuse)
BROKEN = Fact("broken", Query, Seen, broken)
DIES_ONCE = Fact("dies_once", Query, Seen, exit_helper)
BURN = Fact("burn", Query, Seen, burn, heavy=True)
HOG = Fact("hog", Query, Seen, hog, heavy=True)
CRASH = Fact("crash", Query, Seen, crash, heavy=True)
HEAVY_BIG = Fact("heavy_big", Query, Seen, big, heavy=True)
APPLY = Deed("apply", Grant, Applied, carry_out, lambda why: Applied("not-offered", why))
COUNT = RowFact("count", Query, Row, count)
HEAVY_COUNT = RowFact("heavy_count", Query, Row, count, heavy=True)
FACTS: dict[str, Any] = {
    f.name: f
    for f in (ECHO, CHATTY, BIG, SLOW, REFUSE, BROKEN, DIES_ONCE, BURN, HOG, CRASH, HEAVY_BIG, APPLY, COUNT, HEAVY_COUNT)
}

if __name__ == "__main__":
    idle = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    setattr(node_helper.serve, "why_not", lambda _paths, *, installed: "" if installed else "pushed")  # noqa: B010  (a toy's deeds)
    serve(these(FACTS), lambda stop: cast("Kernel", ToyKernel(stop)), installed=True, idle=idle)
