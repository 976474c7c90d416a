"""A helper that says what a test wrote: for nodes that are old, hostile or broken."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from node_helper import wire
from workers.nodes.transport import Ended

Say = Callable[[dict[str, Any]], "bytes | None"]


def hello(**changed: Any) -> bytes:
    """The first line of a good helper, changed."""
    said = wire.Hello("0.1.0", {}, "n1", "m", "6.1", "3.11.2", root=True, installed=True, changes=False, backends={})
    line = json.loads(wire.hello_line(said))
    return json.dumps({"hello": {**line["hello"], **changed}}).encode() + b"\n"


class Scripted:
    """The transport and its one session at a time: `answer` is given each request and returns bytes; None ends the output."""

    def __init__(self, first: bytes, answer: Say = lambda _request: b"") -> None:
        self.first = first
        self.answer = answer
        self.heard: list[dict[str, Any]] = []
        self.starts = 0
        self._output: asyncio.Queue[bytes] = asyncio.Queue()

    async def start(self, node: str) -> Scripted:  # noqa: ARG002
        self.starts += 1
        self._output = asyncio.Queue()
        self._output.put_nowait(self.first)
        return self

    async def read(self) -> bytes:
        return await self._output.get()

    def write(self, data: bytes) -> None:
        for line in data.splitlines():
            self.heard.append(json.loads(line))
            said = self.answer(self.heard[-1])
            if said != b"":
                self._output.put_nowait(said or b"")

    async def drain(self) -> None:
        await asyncio.sleep(0)

    async def ended(self) -> Ended:
        return Ended(1, "it ended")

    def abort(self) -> None:
        self._output.put_nowait(b"")

    async def aclose(self) -> None:
        self.abort()
