"""Asking nodes: the real helper with toy facts, in a child process."""

from __future__ import annotations

import asyncio
import signal
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import pytest

from node_helper.changes.grant import Applied, Grant
from node_helper.protocol import CannotLook
from tests.unit import toy_helper as toy
from tests.unit.local import Local, gone, until
from workers.check import Ask
from workers.nodes.nodes import Limits, Nodes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from node_helper.protocol import AnyFact

LIMITS = Limits(needs_root=False)


@pytest.fixture
def local() -> Local:
    return Local()


@pytest.fixture
async def nodes(local: Local) -> AsyncIterator[Nodes]:
    nodes = Nodes(local, LIMITS)
    yield nodes
    await nodes.aclose()


async def ask(nodes: Nodes, fact: AnyFact[Any, Any], **query: Any) -> Any:
    return await nodes.ask(Ask("n1", fact, toy.Query(**query)), trace="t-1", seconds=20)


async def test_an_answer_comes_back_typed(nodes: Nodes) -> None:
    seen = await ask(nodes, toy.ECHO, text='é \u2028 "quoted"\n')
    assert isinstance(seen, toy.Seen)
    assert seen.text == 'é \u2028 "quoted"\n'


async def test_one_helper_serves_all_questions_to_a_node(nodes: Nodes, local: Local) -> None:
    seen = await asyncio.gather(*(ask(nodes, toy.ECHO, text=str(i)) for i in range(50)))
    assert [s.text for s in seen] == [str(i) for i in range(50)]
    assert len({s.pid for s in seen}) == 1
    assert len(local.started) == 1


async def test_a_slow_question_holds_up_nobody(nodes: Nodes) -> None:
    slow = asyncio.create_task(ask(nodes, toy.SLOW, seconds=30))
    assert (await ask(nodes, toy.ECHO, text="quick")).text == "quick"
    slow.cancel()


async def test_a_long_answer_comes_whole_through_parts(nodes: Nodes) -> None:
    assert len((await ask(nodes, toy.BIG, size=3_000_000)).text) == 3_000_000


async def test_a_refusal_keeps_its_kind_reason_and_fix_and_names_the_node(nodes: Nodes) -> None:
    with pytest.raises(CannotLook, match="n1: there is no such thing here") as refused:
        await ask(nodes, toy.REFUSE)
    assert (refused.value.kind, refused.value.fix) == ("gone", "Look elsewhere.")


async def test_a_bug_on_the_node_is_said_and_harms_no_other_question(nodes: Nodes) -> None:
    with pytest.raises(CannotLook, match="RuntimeError: a bug") as refused:
        await ask(nodes, toy.BROKEN)
    assert refused.value.kind == "bug"
    assert (await ask(nodes, toy.ECHO, text="fine")).text == "fine"


async def test_a_question_ends_when_its_time_does(nodes: Nodes) -> None:
    with pytest.raises(CannotLook) as refused:
        await nodes.ask(Ask("n1", toy.SLOW, toy.Query(seconds=60)), trace="", seconds=0.2)
    assert refused.value.kind == "timeout"


async def test_a_heavy_question_runs_in_another_process(nodes: Nodes) -> None:
    light, heavy = await ask(nodes, toy.ECHO), await ask(nodes, toy.BURN, text="done")
    assert heavy.text == "done"
    assert heavy.pid != light.pid


async def test_two_samples_are_taken_on_the_node(nodes: Nodes) -> None:
    samples = await nodes.twice(Ask("n1", toy.ECHO, toy.Query("x")), 0.05, trace="", seconds=20)
    assert samples.first == samples.second
    assert samples.apart >= 0.05


async def test_rows_come_in_order(nodes: Nodes) -> None:
    rows = [row.number async for row in nodes.rows(Ask("n1", toy.COUNT, toy.Query(size=20_000)), trace="", seconds=20)]
    assert rows == list(range(20_000))


async def test_closing_the_iterator_stops_the_rows_on_the_node(nodes: Nodes, tmp_path: Path) -> None:
    path = tmp_path / "mark"
    query = toy.Query(size=1_000_000, seconds=0.01, path=str(path))
    async with aclosing(nodes.rows(Ask("n1", toy.COUNT, query), trace="", seconds=60)) as rows:
        async for row in rows:
            if row.number == 3:
                break
    await until(path.exists)
    assert path.read_text() == "closed"


async def test_cancelling_an_ask_stops_the_work_on_the_node(nodes: Nodes, tmp_path: Path) -> None:
    path = tmp_path / "mark"
    asking = asyncio.create_task(nodes.ask(Ask("n1", toy.BURN, toy.Query(seconds=60, path=str(path))), trace="", seconds=60))
    await until(lambda: path.exists() and path.read_text() != "")
    child = int(path.read_text())
    asking.cancel()
    await until(lambda: gone(child))


async def test_a_question_lost_with_its_helper_is_asked_once_more(nodes: Nodes, local: Local, tmp_path: Path) -> None:
    seen = await ask(nodes, toy.DIES_ONCE, path=str(tmp_path / "mark"))
    assert seen.text == "alive again"
    assert len(local.started) == 2


async def test_a_grant_is_handed_over_and_answered(nodes: Nodes, tmp_path: Path) -> None:
    grant = Grant("a plan", str(tmp_path / "deeds"))
    assert await nodes.apply("n1", grant, trace="t-1", seconds=20) == Applied("malformed", "a plan")


async def test_a_grant_lost_with_its_helper_is_never_handed_over_again(nodes: Nodes, local: Local, tmp_path: Path) -> None:
    grant = Grant("die", str(tmp_path / "deeds"))
    with pytest.raises(CannotLook) as lost:
        await nodes.apply("n1", grant, trace="t-1", seconds=20)
    assert lost.value.kind == "unreachable"
    assert (tmp_path / "deeds").read_text() == "w"
    assert len(local.started) == 1


async def test_a_helper_that_died_is_replaced(nodes: Nodes, local: Local) -> None:
    await ask(nodes, toy.ECHO)
    local.started[0].process.send_signal(signal.SIGKILL)
    assert (await ask(nodes, toy.ECHO, text="again")).text == "again"
    assert len(local.started) == 2
