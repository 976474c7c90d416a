"""Helpers over SSH: one connection a node, one channel on it, the node's host key always verified.

What is asked of a node's sshd is constant text: the word `serve`, which a forced command replaces, or a constant command that
takes the helper itself as data.
"""

import asyncio
import contextlib
import re
from typing import Any

import structlog

from node_helper.protocol import CannotLook
from workers.nodes import push
from workers.nodes.no_helper import printable
from workers.nodes.transport import Ended
from workers.ssh.errors import FOREIGN, cannot, translated
from workers.ssh.login import login
from workers.ssh.options import SshSettings
from workers.ssh.route import route

__all__ = ["Ssh", "SshSession", "SshSettings"]

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")  # a Kubernetes node's name: RFC 1123 subdomain
_CHUNK = 1 << 16
_LOG_BYTES = 4096
_LAST_WAIT = 2.0
_logger = structlog.get_logger(__name__)


class Ssh:
    """The `Transport` over SSH."""

    def __init__(self, settings: SshSettings) -> None:
        self._settings = settings

    async def start(self, node: str) -> "SshSession":
        """Connect, verify, log in and start the helper. Raises `CannotLook`."""
        if not _NAME.fullmatch(node):
            raise CannotLook(f"{printable(node)!r} is not the name of a node", kind="malformed")
        session = await self._session(node, "serve" if self._settings.helper == "installed" else push.COMMAND)
        if self._settings.helper == "push":
            try:
                await push.push(node, session)
            except BaseException:
                session.abort()
                raise
        return session

    async def _session(self, node: str, command: str) -> "SshSession":
        connection = await self._connect(node)
        try:
            with translated(node):
                process = await connection.create_process(command, encoding=None, request_pty=False)
        except BaseException:
            connection.abort()
            raise
        return SshSession(node, connection, process)

    async def _connect(self, node: str) -> Any:
        connection = None
        for hop in await route(node, self._settings):
            connection = await login(hop, connection)
        return connection


class SshSession:
    """The `Session` over SSH: it owns its connection."""

    def __init__(self, node: str, connection: Any, process: Any) -> None:
        self._node = node
        self._connection = connection
        self._process = process
        self._log = b""
        self._problem = ""
        self._logging = asyncio.create_task(self._keep_log(), name=f"log of {node}")

    async def read(self) -> bytes:
        """The next bytes, empty at the end."""
        try:
            return bytes(await self._process.stdout.read(_CHUNK))
        except FOREIGN as e:
            self._problem = cannot(self._node, e).reason
            return b""

    def write(self, data: bytes) -> None:
        """Send, or forget it when the connection is gone."""
        with contextlib.suppress(*FOREIGN):  # the output ends then, and says why
            self._process.stdin.write(data)

    async def drain(self) -> None:
        """Wait while too much is unsent."""
        with contextlib.suppress(*FOREIGN):
            await self._process.stdin.drain()

    async def ended(self) -> Ended:
        """How it ended; a helper that closed its output but does not end gets a moment."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WAIT):
                await self._process.wait_closed()
                await self._logging
        return Ended(self._process.exit_status, " ".join(filter(None, [self._log.decode(errors="replace"), self._problem])))

    def abort(self) -> None:
        """Drop the connection; sshd ends the helper."""
        self._logging.cancel()
        self._connection.abort()

    async def aclose(self) -> None:
        """End the helper's input, then the connection."""
        with contextlib.suppress(TimeoutError, *FOREIGN):
            async with asyncio.timeout(_LAST_WAIT):
                self._process.stdin.write_eof()
                await self._process.wait_closed()
        self.abort()
        with contextlib.suppress(TimeoutError, asyncio.CancelledError, *FOREIGN):
            async with asyncio.timeout(_LAST_WAIT):
                await self._connection.wait_closed()

    async def _keep_log(self) -> None:
        """Read what the helper logs, always, lest it waits for us; keep the end."""
        with contextlib.suppress(*FOREIGN):
            while data := bytes(await self._process.stderr.read(_CHUNK)):
                self._log = (self._log + data)[-_LOG_BYTES:]
                for line in data.decode(errors="replace").splitlines():
                    _logger.debug("helper-log", node=self._node, line=printable(line))
