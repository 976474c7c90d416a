"""The helper's life: say hello, answer until the input ends, a signal comes or nobody asked for a while; leave nothing behind."""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from types import FrameType
from typing import Optional

from node_helper import hello, wire
from node_helper.changes.installed import why_not
from node_helper.changes.paths import Paths
from node_helper.codec import Malformed
from node_helper.desk import Desk
from node_helper.job import Outlet
from node_helper.known import Facts
from node_helper.look import MakeKernel

IDLE_SECONDS = 900.0
_CHUNK = 1 << 16
_LAST_WAIT = 1.0


def serve(facts: Facts, make_kernel: MakeKernel, *, installed: bool, idle: float = IDLE_SECONDS) -> None:
    """Serve standard input and output; afterwards they are closed for everybody else, so that only the wire uses them."""
    requests, replies = _claim_wire()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _leave)
    outlet = Outlet(replies)
    paths = Paths()
    desk = Desk(facts, make_kernel, outlet, lambda: why_not(paths, installed=installed))
    try:
        outlet.write(wire.hello_line(hello.hello(facts.schemas, installed=installed)))
        _read(requests, desk, outlet, idle)
    except SystemExit:
        pass  # a signal: the same end as the end of the input
    finally:
        _end(desk)


def _claim_wire() -> tuple[int, int]:
    """Standard input and output, moved away: what prints to them now prints to the log, and tools started here read nothing."""
    requests, replies = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return requests, replies


def _read(requests: int, desk: Desk, outlet: Outlet, idle: float) -> None:
    whole, poll, heard = wire.Lines(), select.poll(), time.monotonic()
    poll.register(requests, select.POLLIN)
    while True:
        due = desk.expire()
        ready = poll.poll(1000 * (idle if due is None else min(due, idle)) + 1)
        if ready:
            heard = time.monotonic()
            data = os.read(requests, _CHUNK)
            if not data:
                return
            try:
                lines = whole.feed(data)
            except Malformed as e:
                outlet.write(wire.cannot_line(None, "malformed", str(e)))
                return
            for line in lines:
                desk.take(line)
        elif not desk.busy and time.monotonic() - heard >= idle:
            return


def _leave(number: int, frame: Optional[FrameType]) -> None:  # noqa: ARG001  (the shape of a signal handler)
    sys.exit(0)


def _end(desk: Desk) -> None:
    """Wait a moment for children to be killed; threads that still wait in the kernel end with the process."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    desk.close()
    until = time.monotonic() + _LAST_WAIT
    while desk.busy and time.monotonic() < until:
        time.sleep(0.005)
    os._exit(0)
