"""Where questions are taken, put to work and followed to their end: a few at a time, the others in a short line."""

from __future__ import annotations

import threading
from collections import deque
from typing import Optional

from node_helper import stop, wire
from node_helper.changes.deed import Deed
from node_helper.codec import Malformed
from node_helper.doing import WhyNot, carry_out, nothing_may_be_changed
from node_helper.job import Job, Outlet
from node_helper.known import Facts
from node_helper.log import log
from node_helper.look import MakeKernel, answer
from node_helper.protocol import CannotLook

AT_ONCE = 8
IN_LINE = 64


class Desk:
    """Everything asked on one connection. `take`, `expire` and `close` are called from one thread only."""

    def __init__(
        self, facts: Facts, make_kernel: MakeKernel, outlet: Outlet, why_no_changes: WhyNot = nothing_may_be_changed
    ) -> None:
        self._facts = facts
        self._why_no_changes = why_no_changes
        self._make_kernel = make_kernel
        self._outlet = outlet
        self._lock = threading.Lock()
        self._jobs: dict[int, Job] = {}
        self._line: deque[Job] = deque()
        self._working = 0

    def take(self, line: bytes) -> None:
        """Act on one line. A line that cannot be understood is answered, and changes nothing."""
        try:
            request = wire.read_request(line)
        except Malformed as e:
            self._outlet.write(wire.cannot_line(None, "malformed", str(e)))
            return
        if isinstance(request, wire.Asked):
            self._start(request)
        else:
            self._tell(request)

    def expire(self) -> Optional[float]:
        """End questions whose time is over; seconds until the next one's is, None without any."""
        with self._lock:
            jobs = [job for job in self._jobs.values() if not job.outcome]
        for job in jobs:
            if job.stop.left <= 0:
                job.end(stop.TIMEOUT)
        return min((max(job.stop.left, 0) for job in jobs if not job.outcome), default=None)

    @property
    def busy(self) -> bool:
        """True while anything is being worked on."""
        return bool(self._jobs)

    def close(self) -> None:
        """Nobody listens any more: end everything, children included."""
        with self._lock:
            jobs = list(self._jobs.values())
            for job in self._line:
                del self._jobs[job.asked.id]
            self._line.clear()
        for job in jobs:
            job.end(stop.CANCELLED)

    def _start(self, asked: wire.Asked) -> None:
        job = Job(asked, self._outlet)
        with self._lock:
            refusal = self._refusal(asked)
            if refusal is None:
                self._jobs[asked.id] = job
                self._line.append(job)
        if refusal is not None:
            job.refuse(refusal)
            job.stop.close()
            return
        self._next()

    def _refusal(self, asked: wire.Asked) -> Optional[CannotLook]:
        schema = self._facts.schemas.get(asked.ask)
        if asked.id in self._jobs:
            return CannotLook(f"question {asked.id} is being answered already", kind="malformed")
        if schema is None or schema != asked.schema:
            known = "another form of" if schema else "no"
            fix = "Install the worker's version of node-helper on this node."
            return CannotLook(f"this helper knows {known} {asked.ask[:80]!r}", kind="old-helper", fix=fix)
        if len(self._line) >= IN_LINE:
            return CannotLook(f"{IN_LINE} questions wait on this node already", kind="budget", fix="Ask again in a moment.")
        return None

    def _next(self) -> None:
        """Put the first of the line to work, if there is a place."""
        with self._lock:
            if self._working >= AT_ONCE or not self._line:
                return
            self._working += 1
            job = self._line.popleft()
        threading.Thread(target=self._work, args=(job,), daemon=True).start()

    def _work(self, job: Job) -> None:
        try:
            self._answer(job)
        except Exception as e:  # noqa: BLE001  (a fact that cannot be loaded, a child that cannot be forked)
            job.refuse(CannotLook(f"the helper failed: {type(e).__name__}: {e}", kind="bug", fix="Install the helper again."))
        finally:
            with self._lock:
                del self._jobs[job.asked.id]
                self._working -= 1
            job.stop.close()
            if job.outcome != "answered":  # each line crosses the wire too: what went well is told by its answer
                log("refused", trace=job.asked.trace, fact=job.asked.ask, outcome=job.outcome)
            self._next()

    def _answer(self, job: Job) -> None:
        if job.outcome:
            return  # cancelled while it stood in line
        fact = self._facts.find(job.asked.ask)
        if isinstance(fact, Deed):
            carry_out(fact, job.asked, self._why_no_changes, job.stop, job)
        elif fact.heavy:
            from node_helper.child import answer_in_child

            answer_in_child(fact, job, self._make_kernel, self._outlet.descriptor)
        else:
            answer(fact, job.asked, self._make_kernel, job.stop, job)

    def _tell(self, request: wire.Request) -> None:
        job = self._jobs.get(request.id)
        if job is None:
            return  # its last line is on its way: nothing is left to stop or to pay for
        if isinstance(request, wire.Credit):
            job.give(request.credit)
        elif isinstance(request, wire.Cancel):
            job.end(stop.CANCELLED)
