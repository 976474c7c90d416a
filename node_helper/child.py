"""Heavy questions in a forked child: limited in time, memory and priority, killed with all it started when nobody waits any more.

The child writes the lines of its answer to a pipe; here they are passed on as the reader gives credit, so a slow reader stops
the child. A child that loses its parent kills itself and its process group.
"""

from __future__ import annotations

import gc
import math
import os
import resource
import select
import signal
import threading
from contextlib import suppress

from node_helper import lock
from node_helper.job import Job
from node_helper.look import AnyFact, MakeKernel, answer
from node_helper.protocol import CannotLook
from node_helper.stop import Stop
from node_helper.wire import Lines

_PART, _LAST, _LOCKED = b"+", b"=", b"!"
_CHUNK = 1 << 16
_NICE = 10
_EXPENDABLE = "800"  # oom_score_adj: when memory ends, this child goes before anything of the node


def answer_in_child(fact: AnyFact, job: Job, make_kernel: MakeKernel, wire_out: int) -> None:
    """Answer or refuse; raises nothing. `wire_out` is the descriptor that the child must not keep."""
    lines, to_parent = os.pipe()
    lifeline, alive = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            for inherited in (lines, alive, wire_out):
                os.close(inherited)
            _in_child(fact, job, make_kernel, to_parent, lifeline)
        finally:
            os._exit(1)
    with suppress(ProcessLookupError, PermissionError):  # the child does the same; whoever comes first
        os.setpgid(child, child)
    os.close(to_parent)
    os.close(lifeline)
    job.stop.late = f"another heavy question held this node for all of {job.asked.seconds:g} s"
    try:
        _pass_on(job, lines)
    except CannotLook as e:
        job.refuse(e)
    finally:
        status = _end(child)
        os.close(lines)
        os.close(alive)
    job.refuse(_died(status, job))  # says nothing when the answer was complete


def _pass_on(job: Job, lines: int) -> None:
    """The child's lines, until its last one, its end, or the end of the question."""
    whole, poll = Lines(), select.poll()
    poll.register(lines, select.POLLIN)
    poll.register(job.stop, select.POLLIN)
    while True:
        poll.poll(max(job.stop.left, 0) * 1000)
        job.stop.check()
        data = os.read(lines, _CHUNK)
        if not data:
            return
        for line in whole.feed(data):
            _act(job, line[:1], line[1:] + b"\n")


def _act(job: Job, what: bytes, line: bytes) -> None:
    if what == _LOCKED:
        job.stop.late = ""
    elif what == _PART:
        job.send(line)
    else:
        job.finish(line)


class _ToParent:
    """The `Reader` on the child's side."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def send(self, line: bytes) -> None:
        self.write(_PART + line)

    def finish(self, line: bytes, outcome: str = "answered") -> None:  # noqa: ARG002  (the parent sees it in the line)
        self.write(_LAST + line)

    def write(self, line: bytes) -> None:
        rest = memoryview(line)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]


def _in_child(fact: AnyFact, job: Job, make_kernel: MakeKernel, to_parent: int, lifeline: int) -> None:
    os.setpgid(0, 0)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    threading.Thread(target=_die_with_parent, args=(lifeline,), daemon=True).start()
    gc.disable()  # cycles end with this process, and looking for them costs a third of a large answer
    _limit(job)
    reader = _ToParent(to_parent)
    held = lock.take()
    reader.write(_LOCKED + b"\n")
    answer(fact, job.asked, make_kernel, Stop(max(job.stop.left, 0)), reader)  # its own: a lock of the parent may be held
    del held  # until here
    os._exit(0)


def _die_with_parent(lifeline: int) -> None:
    os.read(lifeline, 1)  # ends when the last holder of the other end, the parent, is gone
    os.killpg(0, signal.SIGKILL)


def _limit(job: Job) -> None:
    _lower(resource.RLIMIT_CPU, math.ceil(max(job.stop.left, 0)) + 1)
    _lower(resource.RLIMIT_AS, _address_space() + (job.asked.memory_mb << 20))
    _lower(resource.RLIMIT_CORE, 0)
    os.nice(_NICE)
    with suppress(OSError), open("/proc/self/oom_score_adj", "w") as adj:  # some sandboxes forbid it; the limits above hold
        adj.write(_EXPENDABLE)


def _lower(what: int, to: int) -> None:
    hard = resource.getrlimit(what)[1]
    limit = to if hard == resource.RLIM_INFINITY else min(to, hard)
    resource.setrlimit(what, (limit, limit))


def _address_space() -> int:
    """Bytes of address space in use: threads reserve much more of it than they touch."""
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[0]) * resource.getpagesize()


def _end(child: int) -> int:
    """Kill what is left of the child's process group, and the status with which the child ended."""
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1]


def _died(status: int, job: Job) -> CannotLook:
    number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    if number == signal.SIGXCPU:
        return CannotLook("the question used up its processor time on the node", kind="budget", fix="Ask for less.")
    ended = f"by signal {number}" if number else f"with status {os.WEXITSTATUS(status)}"
    reason = f"the helper's child for {job.asked.ask} ended {ended} without an answer"
    return CannotLook(
        reason, kind="budget" if number == signal.SIGKILL else "bug", fix="Ask for less; the node may be out of memory."
    )
