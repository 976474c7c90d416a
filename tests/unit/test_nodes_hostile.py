"""Nodes that are old, hostile, broken or busy: every one ends as `CannotLook`, and never as a wrong answer."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node_helper.parts import cut
from node_helper.protocol import CannotLook
from tests.unit import toy_helper as toy
from tests.unit.local import Local, until
from tests.unit.scripted import Scripted, hello
from workers.check import Ask
from workers.nodes.nodes import Limits, Nodes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

KNOWN = hello(schemas={"echo": toy.ECHO.schema, "count": toy.COUNT.schema})
ECHO = Ask("n1", toy.ECHO, toy.Query("x"))


async def refusal(transport: Scripted, limits: Limits | None = None, seconds: float = 20.0) -> CannotLook:
    nodes = Nodes(transport, limits)
    try:
        with pytest.raises(CannotLook) as caught:
            await nodes.ask(ECHO, trace="", seconds=seconds)
    finally:
        await nodes.aclose()
    assert caught.value.reason.startswith("n1: ")
    return caught.value


def line(number: int, **said: Any) -> bytes:
    return json.dumps({"id": number, **said}).encode() + b"\n"


@pytest.mark.parametrize("schemas", [{}, {"echo": "000000000000"}])
async def test_a_helper_of_another_version_is_called_old(schemas: dict[str, str]) -> None:
    said = await refusal(Scripted(hello(schemas=schemas, helper="0.0.9")))
    assert said.kind == "old-helper"
    assert "0.0.9" in said.reason
    assert "Install" in said.fix


async def test_a_helper_without_root_is_refused_unless_asked_what_it_is() -> None:
    transport = Scripted(hello(schemas={"echo": toy.ECHO.schema}, root=False))
    said = await refusal(transport)
    assert (said.kind, "sudoers" in said.fix) == ("denied", True)
    nodes = Nodes(transport)
    assert (await nodes.hello("n1")).root is False
    await nodes.aclose()


@pytest.mark.parametrize(
    "said",
    [
        b"garbage\n",
        b"\xff\n",
        hello(),
        line(1, answer={"text": 5, "pid": 1}, took=0, cpu=0),
        line(1, answer={"text": "", "pid": 1, "more": 1}, took=0, cpu=0),
        line(1, answer=None, took=0, cpu=0),
        line(1, end=True, took=0, cpu=0),
        line(1, part=1, z=""),
        line(1, part=0, z="not base64!"),
        b"".join(line(1, part=i, z=piece) for i, piece in enumerate(cut(b"[" * 900_000))) + line(1, end=True, took=0, cpu=0),
        line(1, part=0, z="") * 9,
        line(1, rows=[]) * 9,
        line(1, end=True, took=0, cpu=0) * 2,
        line(1, cannot={"kind": "x" * 999, "reason": "", "fix": ""}),
        line(1, rows=[1]) + line(1, end=True, took=0, cpu=0),
        b'{"cannot":{"kind":"malformed","reason":"what?","fix":""}}\n',
        b"x" * ((1 << 20) + 1),
    ],
    ids=lambda said: str(said[:30]),
)
async def test_a_helper_that_breaks_the_rules_is_refused(said: bytes) -> None:
    refused = await refusal(Scripted(KNOWN, lambda request: said if "ask" in request else b""))
    assert refused.kind in {"malformed", "unreachable"}


@given(st.binary(max_size=300))
def test_whatever_a_node_says_nothing_else_is_raised(said: bytes) -> None:
    def answer(request: dict[str, Any]) -> bytes | None:
        return said + b"\n" if "ask" in request else None

    asyncio.run(refusal(Scripted(KNOWN, answer), Limits(grace_seconds=0.0), seconds=0.01))


@given(st.binary(min_size=1, max_size=300))
def test_whatever_a_node_says_first_nothing_else_is_raised(first: bytes) -> None:
    asyncio.run(refusal(Scripted(first + b"\n"), Limits(grace_seconds=0.0), seconds=0.01))


async def test_a_refusal_cannot_carry_what_a_terminal_would_act_on() -> None:
    no = line(1, cannot={"kind": "gone", "reason": "\033[2J<!channel>\n" + "y" * 5000, "fix": "\x07"})
    said = await refusal(Scripted(KNOWN, lambda request: no if "ask" in request else b""))
    assert said.kind == "gone"
    assert said.reason.isprintable()
    assert said.fix.isprintable()
    assert len(said.reason) < 400


async def test_an_answer_of_too_many_bytes_is_refused_while_it_comes() -> None:
    bomb = b"".join(line(1, part=i, z=piece) for i, piece in enumerate(cut(bytes(4 << 20))))
    said = await refusal(Scripted(KNOWN, lambda request: bomb if "ask" in request else b""), Limits(answer_bytes=1 << 20))
    assert "more than" in said.reason


async def test_a_helper_that_never_answers_is_asked_to_stop_and_replaced() -> None:
    transport = Scripted(KNOWN)
    nodes = Nodes(transport, Limits(grace_seconds=0.05))
    for starts in (1, 2):
        with pytest.raises(CannotLook) as caught:
            await nodes.ask(ECHO, trace="", seconds=0.05)
        assert (caught.value.kind, transport.starts) == ("timeout", starts)
        assert transport.heard[-1]["cancel"] is True
    await nodes.aclose()


async def test_what_is_lost_twice_is_unreachable() -> None:
    transport = Scripted(KNOWN, lambda _request: None)
    assert (await refusal(transport)).kind == "unreachable"
    assert transport.starts == 2


async def test_rows_that_are_lost_are_not_asked_for_again() -> None:
    rows = line(1, rows=[{"number": 1}])
    transport = Scripted(KNOWN, lambda request: rows if "ask" in request else None)
    nodes = Nodes(transport)
    watching = nodes.rows(Ask("n1", toy.COUNT, toy.Query()), trace="", seconds=20)
    assert (await anext(watching)).number == 1
    transport.abort()
    with pytest.raises(CannotLook) as caught:
        await anext(watching)
    await nodes.aclose()
    assert (caught.value.kind, transport.starts) == ("unreachable", 1)


@pytest.fixture
async def busy() -> AsyncIterator[Nodes]:
    nodes = Nodes(Local(), Limits(needs_root=False, asks_per_node=1))
    yield nodes
    await nodes.aclose()


async def test_a_node_is_asked_no_more_at_once_than_its_places(busy: Nodes) -> None:
    slow = asyncio.create_task(busy.ask(Ask("n1", toy.SLOW, toy.Query(seconds=30.0)), trace="", seconds=60))
    await busy.hello("n1")
    with pytest.raises(CannotLook, match="other questions to this node took all") as caught:
        await busy.ask(ECHO, trace="", seconds=0.1)
    assert caught.value.kind == "timeout"
    slow.cancel()
    await asyncio.gather(slow, return_exceptions=True)
    assert (await busy.ask(ECHO, trace="", seconds=20)).text == "x"


async def test_an_idle_helper_is_ended() -> None:
    local = Local()
    nodes = Nodes(local, Limits(needs_root=False, idle_seconds=0.05))
    await nodes.ask(ECHO, trace="", seconds=20)
    await until(lambda: local.started[0].process.returncode is not None)
    assert (await nodes.ask(ECHO, trace="", seconds=20)).text == "x"
    await nodes.aclose()


async def test_a_failed_start_is_not_remembered() -> None:
    transport = Scripted(b"")
    nodes = Nodes(transport)
    with pytest.raises(CannotLook):
        await nodes.hello("n1")
    transport.first = KNOWN
    assert (await nodes.hello("n1")).hostname == "n1"
    await nodes.aclose()


async def test_one_cancelled_asker_does_not_cancel_the_start_for_others() -> None:
    local = Local()
    nodes = Nodes(local, Limits(needs_root=False))
    first, second = (asyncio.create_task(nodes.ask(ECHO, trace="", seconds=20)) for _ in range(2))
    await until(lambda: bool(local.started))
    first.cancel()
    assert (await second).text == "x"
    assert len(local.started) == 1
    await nodes.aclose()


@pytest.mark.parametrize("first", [KNOWN, b"not yet"], ids=["answering", "starting"])
async def test_closing_refuses_what_is_being_asked(first: bytes) -> None:
    transport = Scripted(first)
    nodes = Nodes(transport)
    asking = asyncio.create_task(nodes.ask(ECHO, trace="", seconds=20))
    await until(lambda: bool(transport.heard) if first == KNOWN else bool(transport.starts))
    await nodes.aclose()
    with pytest.raises(CannotLook) as caught:
        await asking
    assert caught.value.kind == "cancelled"
    with pytest.raises(CannotLook):
        await nodes.hello("n1")
