"""One command, run: its plan's effects are performed, its judgement is asked, and the report is made.

Where answers come from is the caller's: warm helpers over SSH, a recording, a saved folder. Nothing here knows which.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar, cast, runtime_checkable

from node_helper.changes.grant import Applied, Grant
from node_helper.protocol import CannotLook
from workers.check import AsCompleted, Ask, Batch, Check, Effect, Plan, Samples, Stream, Twice, View
from workers.enough import Enough
from workers.errors import Unlisted
from workers.findings import cluster_gaps
from workers.model import Finding, Report, Shown
from workers.phrase import line

P = TypeVar("P")
S = TypeVar("S")
T = TypeVar("T")


class Asker(Protocol):
    """The nodes, as `workers.nodes.nodes.Nodes` is; every method raises `CannotLook`."""

    async def ask(self, ask: Ask[Any, Any], *, trace: str, seconds: float) -> Any:
        """One answer."""

    async def twice(self, ask: Ask[Any, Any], apart: float, *, trace: str, seconds: float) -> Samples[Any]:
        """Two samples taken on the node."""

    def rows(self, ask: Ask[Any, Any], *, trace: str, seconds: float) -> AsyncGenerator[Any]:
        """Rows as they come."""


@runtime_checkable
class Changer(Asker, Protocol):
    """The nodes, for those who may hand grants to them."""

    async def apply(self, node: str, grant: Grant, *, trace: str, seconds: float) -> Applied:
        """Hand a grant over, once."""


class Answers(Protocol):
    """Where the answers to a plan's effects come from."""

    async def perform(self, effect: Effect) -> Any:
        """What the plan receives for this effect."""


@dataclass(frozen=True)
class FromNodes:
    """Answers asked of the nodes now. `seconds` bounds each question; `asking` hears which nodes are being asked.

    What goes on for as long as a person said ends earlier when it is `enough`.
    """

    nodes: Asker
    trace: str
    seconds: float = 10.0
    asking: Callable[[frozenset[str]], None] = lambda _nodes: None
    enough: Enough = field(default_factory=Enough)

    async def perform(self, effect: Effect) -> Any:
        """Ask everything that the effect asks, at once."""
        self.asking(nodes_of(effect))
        if isinstance(effect, Stream):
            return await self._folded(effect)
        if isinstance(effect, AsCompleted):
            return await self._as_completed(effect)
        asking = (self._of(effect, key)(ask) for key, ask in effect.asks.items())
        async with _together(*asking) as tasks:
            return dict(zip(effect.asks, await asyncio.gather(*tasks), strict=True))

    def _of(self, effect: Batch | Twice, key: str) -> Callable[[Ask[Any, Any]], Any]:
        """How one of its questions is asked."""
        return self._twice(effect.apart) if isinstance(effect, Twice) and key not in effect.once else self._ask

    async def _ask(self, ask: Ask[Any, Any]) -> Any:
        try:
            return await self.nodes.ask(ask, trace=self.trace, seconds=self.seconds)
        except CannotLook as cannot:
            return cannot

    def _twice(self, apart: float) -> Callable[[Ask[Any, Any]], Any]:
        async def sample(ask: Ask[Any, Any]) -> Any:
            try:
                return await self.nodes.twice(ask, apart, trace=self.trace, seconds=self.seconds + apart)
            except CannotLook as cannot:
                return cannot

        return sample

    async def _as_completed(self, effect: AsCompleted) -> Any:
        async def keyed(key: str, ask: Ask[Any, Any]) -> tuple[str, Any]:
            return key, await self._ask(ask)

        state = effect.start
        async with _together(*(keyed(key, ask) for key, ask in effect.asks.items())) as tasks:
            for done in asyncio.as_completed(tasks):
                state = effect.add(state, *await done)
        return state

    async def _folded(self, effect: Stream) -> Any:
        state = effect.start
        try:
            async with (
                aclosing(self.nodes.rows(effect.ask, trace=self.trace, seconds=self.seconds + effect.lasts)) as every,
                aclosing(self.enough.rows(every) if effect.lasts else every) as rows,
            ):
                async for row in rows:
                    state = effect.add(state, row)
        except CannotLook as cannot:
            return cannot
        return state


@asynccontextmanager
async def _together(*questions: Coroutine[Any, Any, T]) -> AsyncIterator[list[asyncio.Task[T]]]:
    """Asked at once; none of them goes on when the block is left, whyever it is."""
    tasks = [asyncio.create_task(question) for question in questions]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def nodes_of(effect: Effect) -> frozenset[str]:
    """The nodes that an effect asks."""
    asks = [effect.ask] if isinstance(effect, Stream) else effect.asks.values()
    return frozenset(ask.node for ask in asks)


async def run(check: Check[P, S], params: P, view: View, answers: Answers, clock: Callable[[], float]) -> Report:
    """Perform the plan and judge what was seen. `clock` gives seconds. Raises `UsageError` for names that mean nothing.

    A name that may be in a list which is not current is a finding of its own.
    """
    started = clock()
    asked: dict[str, None] = {}
    try:
        seen = await _performed(check.plan(params, view), answers, asked)
        findings, shown = tuple(check.judge(params, view, seen)), check.show(params, view, seen)
    except Unlisted as unlisted:
        findings, shown = _untold(unlisted, view)
    worst_first = tuple(sorted(findings, key=lambda f: -f.severity.rank))
    return Report(line(check.name, params), view.cluster.name, round(clock() - started, 3), tuple(asked), worst_first, shown)


def _untold(unlisted: Unlisted, view: View) -> tuple[tuple[Finding, ...], Shown]:
    """What stands in the place of a report about something of which nobody can tell whether it is there."""
    gaps = cluster_gaps(view, *unlisted.kinds)
    near = (f"Names that are near: {', '.join(unlisted.candidates)}.",) if unlisted.candidates else ()
    old = {b.kind for b in view.cluster.behind if not b.never}
    said = tuple(
        replace(
            gap,
            claim=f"{unlisted.problem}: {gap.claim}" + (", and it is not in that one" if gap.subject in old else ""),
            subject=unlisted.said,
        )
        for gap in gaps
    )
    return said, Shown(f"{unlisted.said}: not looked at", {}, notes=near)


async def _performed(plan: Plan[S], answers: Answers, asked: dict[str, None]) -> S:
    answer: Any = None
    try:
        while True:
            effect = plan.send(answer)
            asked.update(dict.fromkeys(sorted(nodes_of(effect))))
            answer = await answers.perform(effect)
    except StopIteration as end:
        return cast("S", end.value)
