"""What is asked of many nodes at once ends together, whatever becomes of the run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any

import pytest

from node_helper.facts import route_to
from node_helper.protocol import CannotLook
from workers.check import AsCompleted, Ask, Batch, Effect, Samples, Stream
from workers.enough import Enough
from workers.runner import FromNodes

ASKS = {node: Ask(node, route_to.FACT, route_to.Query("10.0.0.1")) for node in ("quick", "slow", "slower")}


@dataclass
class Slow:
    """Every node but `quick` takes for ever; `ended` are those whose work was stopped."""

    fault: Exception | None = None
    ended: set[str] = field(default_factory=set)
    waiting: asyncio.Event = field(default_factory=asyncio.Event)

    async def ask(self, ask: Ask[Any, Any], *, trace: str, seconds: float) -> Any:
        assert trace
        assert seconds
        if ask.node == "quick":
            await self.waiting.wait()
            if self.fault:
                raise self.fault
            return route_to.RouteTo("unicast", "eth0", None)
        try:
            self.waiting.set()
            await asyncio.Event().wait()
        finally:
            self.ended.add(ask.node)

    async def twice(self, ask: Ask[Any, Any], apart: float, *, trace: str, seconds: float) -> Samples[Any]:
        raise NotImplementedError

    async def rows(self, ask: Ask[Any, Any], *, trace: str, seconds: float) -> AsyncGenerator[Any]:
        assert (trace, seconds) == ("t-1", 40.0)
        try:
            for number in range(3):
                yield number
            self.waiting.set()
            if self.fault:
                raise self.fault
            await asyncio.Event().wait()
        finally:
            self.ended.add(ask.node)


@pytest.mark.parametrize("effect", [Batch(ASKS), AsCompleted(ASKS, 0, lambda count, *_answer: count + 1)])
async def test_a_cancelled_run_leaves_no_question_behind(effect: Effect) -> None:
    nodes = Slow()
    run = asyncio.create_task(FromNodes(nodes, "t-1").perform(effect))
    await nodes.waiting.wait()
    await asyncio.sleep(0)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert nodes.ended == {"slow", "slower"}


@pytest.mark.parametrize("effect", [Batch(ASKS), AsCompleted(ASKS, 0, lambda count, *_answer: count + 1)])
async def test_a_fault_of_one_question_ends_the_others(effect: Effect) -> None:
    nodes = Slow(ValueError("ours"))
    with pytest.raises(ValueError, match="ours"):
        await FromNodes(nodes, "t-1").perform(effect)
    assert nodes.ended == {"slow", "slower"}


WATCH = Stream(ASKS["slow"], (), lambda seen, row: (*seen, row), 30.0)


async def test_what_goes_on_ends_when_it_is_enough_and_what_was_seen_until_then_is_the_answer() -> None:
    nodes, enough = Slow(), Enough()
    run = asyncio.create_task(FromNodes(nodes, "t-1", enough=enough).perform(WATCH))
    await nodes.waiting.wait()
    assert enough.watching
    enough.say()
    assert (await run, nodes.ended, enough.watching) == ((0, 1, 2), {"slow"}, False)


async def test_what_goes_on_can_be_given_up_as_well() -> None:
    nodes, enough = Slow(), Enough()
    run = asyncio.create_task(FromNodes(nodes, "t-1", enough=enough).perform(WATCH))
    await nodes.waiting.wait()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert (nodes.ended, enough.watching) == ({"slow"}, False)


async def test_a_node_that_is_lost_while_it_is_watched_is_not_an_end_like_another() -> None:
    nodes = Slow(CannotLook("lost", kind="unreachable"))
    said = await FromNodes(nodes, "t-1").perform(WATCH)
    assert isinstance(said, CannotLook)
    assert nodes.ended == {"slow"}
