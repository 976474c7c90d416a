"""A transport without SSH: the helper as a child process of the test, reached through its pipes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable
from pathlib import Path

from workers.nodes.transport import Ended

TOY = str(Path(__file__).with_name("toy_helper.py"))


class LocalSession:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self._stdin, self._stdout = process.stdin, process.stdout
        self._log = asyncio.create_task(process.stderr.read())

    async def read(self) -> bytes:
        return await self._stdout.read(1 << 16)

    def write(self, data: bytes) -> None:
        self._stdin.write(data)

    async def drain(self) -> None:
        with contextlib.suppress(ConnectionError):
            await self._stdin.drain()

    async def ended(self) -> Ended:
        return Ended(await self.process.wait(), (await self._log).decode(errors="replace"))

    def abort(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()

    async def aclose(self) -> None:
        self._stdin.close()
        await self.process.wait()
        await self._log


class Local:
    """Starts `argv` for every node, and counts."""

    def __init__(self, *argv: str) -> None:
        self.argv = argv or (sys.executable, "-I", TOY)
        self.started: list[LocalSession] = []

    async def start(self, node: str) -> LocalSession:  # noqa: ARG002
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(*self.argv, stdin=pipe, stdout=pipe, stderr=pipe)
        self.started.append(LocalSession(process))
        return self.started[-1]


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110  (there is no event to wait for: another process does it)
            await asyncio.sleep(0.01)
