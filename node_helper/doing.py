"""A deed asked for: done where this helper may change something, refused by the deed's own words where it may not."""

from __future__ import annotations

import time
from typing import Any, Callable

from node_helper import codec, wire
from node_helper.changes.deed import Deed
from node_helper.log import log
from node_helper.look import Reader
from node_helper.protocol import CannotLook
from node_helper.stop import Stop

WhyNot = Callable[[], str]


def nothing_may_be_changed() -> str:
    """Why not, where a helper is started to look only."""
    return "this helper was started to look only"


def carry_out(deed: Deed[Any, Any], asked: wire.Asked, why_not: WhyNot, stop: Stop, to: Reader) -> None:
    """Answer or refuse; raises nothing."""
    began = time.monotonic()
    try:
        stop.check()
        query = _query(deed, asked)
        why = why_not()
        done = deed.refused(why) if why else deed.do(query, stop)
        log("deed", trace=asked.trace, deed=deed.name, offered=not why)
        took = round(time.monotonic() - began, 6)
        to.finish(wire.line({"id": asked.id, "answer": codec.encode(done), "took": took, "cpu": 0.0}))
    except CannotLook as e:
        to.finish(wire.cannot_line(asked.id, e.kind, e.reason, e.fix), e.kind)
    except Exception as e:  # noqa: BLE001  (the edge of the helper, as in `look`)
        import traceback

        log("bug", trace=asked.trace, deed=deed.name, traceback=traceback.format_exc())
        reason = f"the helper failed at {deed.name}: {type(e).__name__}: {e}"
        to.finish(wire.cannot_line(asked.id, "bug", reason, f"Report this with trace {asked.trace or 'and time'}."), "bug")


def _query(deed: Deed[Any, Any], asked: wire.Asked) -> Any:
    if asked.again_after is not None:
        raise CannotLook(f"{deed.name} is not a question that can be asked twice", kind="malformed")
    try:
        return codec.decode(deed.query, asked.query)
    except codec.Malformed as e:
        raise CannotLook(str(e), kind="malformed") from e
