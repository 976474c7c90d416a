"""One running helper: questions overlap on it, answers find their way back, a slow reader stops the sender.

A question whose asker goes away is cancelled on the node. A helper that breaks the rules of the wire is ended: the next
question starts another.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Self

import structlog

from node_helper import wire
from node_helper.codec import Malformed
from workers.nodes.no_helper import no_helper, not_hello, printable
from workers.nodes.replies import Answer, Cannot, End, Part, Reply, Rows, read_reply
from workers.nodes.transport import Session

CREDIT = 8
_logger = structlog.get_logger(__name__)


class Lost(Exception):
    """The helper ended before it answered; the question may be asked again."""


class Helper:
    """The helper of one node; made by `start`."""

    def __init__(self, node: str, session: Session) -> None:
        self.node = node
        self.hello: wire.Hello
        self._session = session
        self._lines = wire.Lines()
        self._asked: dict[int, _Inbox] = {}
        self._last = 0
        self._end = ""
        self._reading: asyncio.Task[None] | None = None

    @classmethod
    async def start(cls, node: str, session: Session) -> Self:
        """Wait for the helper's hello. Raises `CannotLook`; the caller limits the time and ends the session on failure."""
        helper = cls(node, session)
        first, others = await helper._first()
        try:
            said = read_reply(first)
        except Malformed as e:
            raise not_hello(node, first) from e
        if not isinstance(said, wire.Hello):
            raise not_hello(node, first)
        helper.hello = said
        helper._reading = asyncio.create_task(helper._read(others), name=f"helper of {node}")
        return helper

    @property
    def alive(self) -> bool:
        """False once its output ended."""
        return not self._end

    @property
    def busy(self) -> bool:
        """True while a question is being answered."""
        return bool(self._asked)

    async def replies(self, asked: wire.Asked, grace: float) -> AsyncGenerator[Reply]:
        """Everything said about one question up to its last line. Closing it early cancels on the node.

        Raises `Lost`, and `TimeoutError` when the last line did not come `grace` seconds after the question's own time.
        The number in `asked` is replaced; `credit` is given back as the replies are taken.
        """
        self._last += 1
        number, inbox = self._last, _Inbox(asked.credit)
        until = asyncio.get_running_loop().time() + asked.seconds + grace
        self._asked[number] = inbox
        done = False
        try:
            self._send(wire.request_line(wire.renumbered(asked, number)))
            while not done:
                async with asyncio.timeout_at(until):  # not around the yield: the reader's own time is not ours to end
                    await self._session.drain()
                    reply = await inbox.take()
                done = isinstance(reply, Answer | End | Cannot)
                yield reply
                if back := inbox.owed():
                    self._send(wire.request_line(wire.Credit(number, back)))
        finally:
            del self._asked[number]
            if not done and self.alive:
                self._send(wire.request_line(wire.Cancel(number)))

    def abort(self, why: str) -> None:
        """End it at once; every question still open is `Lost`."""
        self._over(why)
        self._session.abort()

    async def aclose(self) -> None:
        """End it, and wait until it is gone."""
        self._over("the worker ended it")
        if self._reading is not None:
            self._reading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reading
        await self._session.aclose()

    def _send(self, line: bytes) -> None:
        if self._end:
            raise Lost(self._end)
        self._session.write(line)

    async def _first(self) -> tuple[bytes, list[bytes]]:
        while True:
            data = await self._session.read()
            if not data:
                raise no_helper(self.node, await self._session.ended())
            try:
                whole = self._lines.feed(data)
            except Malformed as e:
                raise not_hello(self.node, data) from e
            if whole:
                return whole[0], whole[1:]

    async def _read(self, lines: list[bytes]) -> None:
        try:
            self._dispatch(lines)
            while data := await self._session.read():
                self._dispatch(self._lines.feed(data))
            ended = await self._session.ended()
            self._over(printable(ended.log) or "its output ended")
        except Malformed as e:
            self.abort(f"it broke the rules of the wire: {e}")
            _logger.warning("helper-malformed", node=self.node, reason=str(e))
        finally:
            self._over("nobody reads it any more")

    def _dispatch(self, lines: list[bytes]) -> None:
        for line in lines:
            reply = read_reply(line)
            if isinstance(reply, wire.Hello):
                raise Malformed("a second hello")
            if reply.id is None:
                raise Malformed(f"it could not read a line: {reply.reason}")
            inbox = self._asked.get(reply.id)
            if inbox is not None:  # else nobody waits for it any more
                inbox.put(reply)

    def _over(self, why: str) -> None:
        self._end = self._end or why
        for inbox in self._asked.values():
            inbox.end(self._end)


class _Inbox:
    """Replies to one question, as many as there is credit for and the last one."""

    def __init__(self, credit: int) -> None:
        self._credit = credit
        self._left = credit
        self._taken = 0
        self._complete = False
        self._queue: asyncio.Queue[Reply | Lost] = asyncio.Queue()

    def put(self, reply: Reply) -> None:
        if self._complete:
            raise Malformed("more after the last line of an answer")
        if isinstance(reply, Part | Rows):
            self._left -= 1
            if self._left < 0:
                raise Malformed("a part without credit")
        else:
            self._complete = True
        self._queue.put_nowait(reply)

    def end(self, why: str) -> None:
        self._queue.put_nowait(Lost(why))

    async def take(self) -> Reply:
        reply = await self._queue.get()
        if isinstance(reply, Lost):
            raise reply
        if isinstance(reply, Part | Rows):
            self._taken += 1
        return reply

    def owed(self) -> int:
        """Credit to give back now: half of it at once, so that neither side waits for each part."""
        if self._taken * 2 < self._credit:
            return 0
        back, self._taken = self._taken, 0
        self._left += back
        return back
