"""Every node of the cluster: typed questions in, typed answers or `CannotLook` out; one warm helper a node.

Asking is read-only, so a question lost with its helper is asked once more; a grant is not. Every wait has an end: starting,
waiting for a place on the node, answering.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import TypeVar

from node_helper import codec, wire
from node_helper.changes.deeds import apply
from node_helper.changes.grant import Applied, Grant
from node_helper.codec import Malformed
from node_helper.parts import Joined
from node_helper.protocol import CannotLook
from node_helper.wire import Hello
from workers.check import Ask, Samples
from workers.nodes.helper import CREDIT, Helper, Lost
from workers.nodes.no_helper import not_root, old_helper, said_no
from workers.nodes.one_node import Node, closing
from workers.nodes.replies import Answer, Cannot, Part, Reply, Rows
from workers.nodes.transport import Transport

Q = TypeVar("Q")
A = TypeVar("A")


@dataclass(frozen=True)
class Limits:
    """What one worker allows itself and its nodes."""

    asks_per_node: int = 8  # at once; the helper works on so many, more would wait there unseen
    starting: int = 32  # connections made at once: a key exchange costs 10 to 20 ms of our processor
    start_seconds: float = 15.0  # connect, log in, start the helper, hello
    idle_seconds: float = 300.0  # a helper that nobody asked for so long is ended
    grace_seconds: float = 1.0  # what the way to the node and back may add to a question's own time
    memory_mb: int = 128  # of a heavy question on the node
    answer_bytes: int = 256 << 20  # of one answer here, unpacked
    needs_root: bool = True  # a helper without root sees no namespace but its own


class Nodes:
    """Ask nodes by their Kubernetes names. One event loop; `aclose` at the end."""

    def __init__(self, transport: Transport, limits: Limits | None = None) -> None:
        self._transport = transport
        self._limits = limits or Limits()
        self._starting = asyncio.Semaphore(self._limits.starting)
        self._nodes: dict[str, Node] = {}
        self._sweeping: asyncio.Task[None] | None = None
        self._closed = False

    async def ask(self, ask: Ask[Q, A], *, trace: str, seconds: float) -> A:
        """The answer of one node. Raises `CannotLook`; cancelling stops the work on the node."""
        return _decoded(ask, ask.fact.answer, await self._whole(ask, self._asked(ask, trace, seconds)))

    async def twice(self, ask: Ask[Q, A], apart: float, *, trace: str, seconds: float) -> Samples[A]:
        """Two answers with about `apart` seconds between, taken on the node; `seconds` is for both together and the wait."""
        both = await self._whole(ask, self._asked(ask, trace, seconds, again_after=apart))
        if not isinstance(both, dict) or not isinstance(both.get("apart"), float):
            raise CannotLook(f"{ask.node}: two samples of {ask.fact.name} came back as something else", kind="malformed")
        first, second = (_decoded(ask, ask.fact.answer, both.get(which)) for which in ("first", "second"))
        return Samples(first, second, both["apart"])

    async def rows(self, ask: Ask[Q, A], *, trace: str, seconds: float) -> AsyncGenerator[A]:
        """The rows of a `RowFact` as they come. Raises `CannotLook`. Closing the iterator stops the work on the node.

        Rows lost with the connection are not asked for again: that would show some of them twice.
        """
        asked = self._asked(ask, trace, seconds)
        try:
            async with aclosing(self._replies(ask, asked)) as replies:
                async for reply in replies:
                    for row in reply.rows if isinstance(reply, Rows) else ():
                        yield _decoded(ask, ask.fact.answer, row)
        except Lost as e:
            raise _unreachable(ask.node, e) from e

    async def apply(self, node: str, grant: Grant, *, trace: str, seconds: float) -> Applied:
        """Hand a grant over, once: whether one whose answer was lost was carried out, only the node's journal knows.

        Raises `CannotLook`, of the kind ``unreachable`` also where the grant may have arrived.
        """
        ask = Ask(node, apply.DEED, grant)
        try:
            return _decoded(ask, Applied, await self._once(ask, self._asked(ask, trace, seconds)))
        except Lost as e:
            raise _unreachable(node, e) from e

    async def hello(self, node: str) -> Hello:
        """What the helper of a node can do. Raises `CannotLook`."""
        async with self._node(node).helper() as helper:
            return helper.hello

    async def aclose(self) -> None:
        """End every helper; what is being asked, or asked from now on, is refused."""
        self._closed = True
        if self._sweeping is not None:
            self._sweeping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._sweeping
        await asyncio.gather(*(node.aclose() for node in self._nodes.values()))

    def _asked(self, ask: Ask[Q, A], trace: str, seconds: float, again_after: float | None = None) -> wire.Asked:
        return wire.Asked(
            id=0,
            ask=ask.fact.name,
            schema=ask.fact.schema,
            seconds=seconds,
            memory_mb=self._limits.memory_mb,
            trace=trace,
            credit=CREDIT,
            again_after=again_after,
            query=codec.encode(ask.query),
        )

    async def _whole(self, ask: Ask[Q, A], asked: wire.Asked) -> object:
        """The JSON value of an answer, asked once more when it was lost."""
        try:
            return await self._once(ask, asked)
        except Lost:
            try:
                return await self._once(ask, asked)
            except Lost as e:
                raise _unreachable(ask.node, e) from e

    async def _once(self, ask: Ask[Q, A], asked: wire.Asked) -> object:
        joined = Joined(self._limits.answer_bytes)
        async with aclosing(self._replies(ask, asked)) as replies:
            async for reply in replies:
                if isinstance(reply, Answer):
                    return reply.answer
                if isinstance(reply, Part):
                    _add(ask.node, joined, reply)
        return _value(ask.node, joined)

    async def _replies(self, ask: Ask[Q, A], asked: wire.Asked) -> AsyncGenerator[Reply]:
        """What the node says to one question, within its time; refusals are raised."""
        async with self._node(ask.node).place(asked.seconds) as helper:
            self._understands(helper, ask)
            try:
                async with aclosing(helper.replies(asked, self._limits.grace_seconds)) as replies:
                    async for reply in replies:
                        if isinstance(reply, Cannot):
                            raise said_no(ask.node, reply)
                        yield reply
            except TimeoutError as e:
                helper.abort("it did not answer in time")  # its own clock should have: something hangs there, or on the way
                reason = f"{ask.node}: no answer in {asked.seconds:g} s"
                raise CannotLook(reason, kind="timeout", fix="Ask again; if it stays so, look at the node's load.") from e

    def _understands(self, helper: Helper, ask: Ask[Q, A]) -> None:
        if helper.hello.schemas.get(ask.fact.name) != ask.fact.schema:
            raise old_helper(ask.node, ask.fact.name, helper.hello.helper)
        if self._limits.needs_root and not helper.hello.root:
            raise not_root(ask.node)

    def _node(self, name: str) -> Node:
        if self._closed:
            raise closing(name)
        if self._sweeping is None:
            self._sweeping = asyncio.create_task(self._sweep(), name="end idle helpers")
        if name not in self._nodes:
            self._nodes[name] = Node(name, self._start, self._limits.asks_per_node)
        return self._nodes[name]

    async def _start(self, node: str) -> Helper:
        async with self._starting:
            try:
                async with asyncio.timeout(self._limits.start_seconds):
                    session = await self._transport.start(node)
                    try:
                        return await Helper.start(node, session)
                    except BaseException:
                        session.abort()
                        raise
            except TimeoutError as e:
                reason = f"{node}: no helper answered in {self._limits.start_seconds:g} s"
                raise CannotLook(reason, kind="timeout", fix=f"Look at the node's load; try: ssh {node} serve </dev/null") from e

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(self._limits.idle_seconds / 4)
            for node in [n for n in self._nodes.values() if n.idle_for() >= self._limits.idle_seconds]:
                await node.aclose()


def _decoded(ask: Ask[Q, A], shape: type[A], value: object) -> A:
    try:
        return codec.decode(shape, value)
    except Malformed as e:
        reason = f"{ask.node}: the answer to {ask.fact.name} has another shape: {e}"
        raise CannotLook(reason, kind="malformed", fix="Install the worker's version of node-helper on the node.") from e


def _add(node: str, joined: Joined, part: Part) -> None:
    try:
        joined.add(part.part, part.z)
    except Malformed as e:
        raise CannotLook(f"{node}: {e}", kind="malformed") from e


def _value(node: str, joined: Joined) -> object:
    try:
        return wire.value(joined.content())
    except Malformed as e:
        raise CannotLook(f"{node}: {e}", kind="malformed") from e


def _unreachable(node: str, lost: Lost) -> CannotLook:
    reason = f"{node}: the connection was lost ({lost})"
    return CannotLook(reason, kind="unreachable", fix="Look whether the node is up and its sshd serves it.")
