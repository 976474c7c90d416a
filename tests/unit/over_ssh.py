"""Nodes that are asked over SSH, with limits and questions for tests."""

from __future__ import annotations

import pytest

from node_helper.protocol import CannotLook
from tests.unit import toy_helper as toy
from workers.check import Ask
from workers.nodes.nodes import Limits, Nodes

LIMITS = Limits(needs_root=False)


async def echo(nodes: Nodes, text: str = "hello") -> str:
    return (await nodes.ask(Ask("n1", toy.ECHO, toy.Query(text)), trace="t-1", seconds=20)).text


async def refused(nodes: Nodes) -> CannotLook:
    with pytest.raises(CannotLook) as caught:
        await echo(nodes)
    return caught.value
