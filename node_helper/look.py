"""A question answered, in whichever thread or process this runs: decode the query, look, send the answer.

Whatever goes wrong ends as one `Cannot`: the reader is never left without a last line.
"""

from __future__ import annotations

import time
from contextlib import closing
from typing import Any, Callable, Protocol, Union, cast

from node_helper import codec, parts, wire
from node_helper.kernel import Kernel
from node_helper.log import log
from node_helper.protocol import CannotLook, Fact, RowFact
from node_helper.rows import send_rows
from node_helper.stop import Stop

AnyFact = Union[Fact[Any, Any], RowFact[Any, Any]]
MakeKernel = Callable[[Stop], Kernel]


class Reader(Protocol):
    """Where an answer goes."""

    def send(self, line: bytes) -> None:
        """A part, once there is credit for it."""

    def finish(self, line: bytes, outcome: str = "answered") -> None:
        """The last line."""


def answer(fact: AnyFact, asked: wire.Asked, make_kernel: MakeKernel, stop: Stop, to: Reader) -> None:
    """Answer or refuse; raises nothing."""
    try:
        stop.check()
        with closing(make_kernel(stop)) as kernel:
            _look(fact, asked, cast("Kernel", _Watched(kernel, stop)), stop, to)
    except CannotLook as e:
        to.finish(wire.cannot_line(asked.id, e.kind, e.reason, e.fix), e.kind)
    except MemoryError:
        reason = f"the answer needs more than {asked.memory_mb} MiB on the node"
        to.finish(wire.cannot_line(asked.id, "budget", reason, "Ask for less."), "budget")
    except Exception as e:  # noqa: BLE001  (the edge of the helper: a bug is an answer too, and its traceback goes to the log)
        import traceback

        log("bug", trace=asked.trace, fact=fact.name, traceback=traceback.format_exc())
        reason = f"the helper failed at {fact.name}: {type(e).__name__}: {e}"
        to.finish(wire.cannot_line(asked.id, "bug", reason, f"Report this with trace {asked.trace or 'and time'}."), "bug")


class _Watched:
    """A kernel that is not asked any more once the question is over."""

    def __init__(self, kernel: Kernel, stop: Stop) -> None:
        self._kernel = kernel
        self._stop = stop

    def __getattr__(self, name: str) -> Any:
        self._stop.check()
        return getattr(self._kernel, name)


def _look(fact: AnyFact, asked: wire.Asked, kernel: Kernel, stop: Stop, to: Reader) -> None:
    began, cpu = time.monotonic(), time.thread_time()

    def spent() -> dict[str, float]:
        return {"took": round(time.monotonic() - began, 6), "cpu": round(time.thread_time() - cpu, 6)}

    query = _query(fact, asked)
    if isinstance(fact, RowFact):
        send_rows(asked.id, fact.rows(kernel, query), stop, to.send)
        to.finish(wire.line({"id": asked.id, "end": True, **spent()}))
        return
    value = (
        _twice(fact, asked, kernel, query, stop) if asked.again_after is not None else codec.encode(fact.collect(kernel, query))
    )
    text = wire.text(value)
    if len(text) <= parts.INLINE:
        to.finish(wire.line({"id": asked.id, "answer": value, **spent()}))
        return
    if len(text) > asked.memory_mb << 20:
        raise CannotLook(f"the answer is longer than {asked.memory_mb} MiB", kind="budget", fix="Ask for less.")
    for number, piece in enumerate(parts.cut(text.encode())):
        to.send(wire.line({"id": asked.id, "part": number, "z": piece}))
    to.finish(wire.line({"id": asked.id, "end": True, **spent()}))


def _query(fact: AnyFact, asked: wire.Asked) -> Any:
    try:
        return codec.decode(fact.query, asked.query)
    except codec.Malformed as e:
        raise CannotLook(str(e), kind="malformed") from e


def _twice(fact: Fact[Any, Any], asked: wire.Asked, kernel: Kernel, query: Any, stop: Stop) -> dict[str, Any]:
    """Two samples; `apart` is from the start of the one to the start of the other, so that rates divide by what passed."""
    first_at = time.monotonic()
    first = codec.encode(fact.collect(kernel, query))
    stop.pause(first_at + (asked.again_after or 0) - time.monotonic())
    second_at = time.monotonic()
    second = codec.encode(fact.collect(kernel, query))
    return {"first": first, "second": second, "apart": second_at - first_at}
