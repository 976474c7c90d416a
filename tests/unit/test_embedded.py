"""The embedded Redis: one for all who name the same folder, for as long as any of them lives."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.queue_parts import wait_until_ended
from workers.errors import UsageError
from workers.jobs import QueueAway, Server
from workers.queue.embedded import Embedded

ROOT = Path(__file__).parents[2]
USER = """
import asyncio, pathlib, sys
from workers.queue.embedded import Embedded
embedded = Embedded(pathlib.Path(sys.argv[1]))
asyncio.run(embedded.start())
print(embedded.pid, flush=True)
sys.stdin.read()
"""


async def test_two_that_start_at_once_share_one_server(tmp_path: Path) -> None:
    users = [Embedded(tmp_path) for _ in range(4)]
    await asyncio.gather(*(user.start() for user in users))
    assert len({user.pid for user in users}) == 1
    users[0].stop()
    assert await _said(users[1], "ECHO", "x") == b"x"
    _end(tmp_path, *users)


async def test_data_is_there_at_the_next_start(tmp_path: Path) -> None:
    first = Embedded(tmp_path)
    await first.start()
    await _said(first, "SET", "k", "v")
    _end(tmp_path, first)
    second = Embedded(tmp_path)
    await second.start()
    assert await _said(second, "GET", "k") == b"v"
    _end(tmp_path, second)


async def test_nobody_else_can_reach_it(tmp_path: Path) -> None:
    embedded = Embedded(tmp_path)
    await embedded.start()
    folder = tmp_path / "redis"
    assert [p.stat().st_mode & 0o777 for p in (folder, folder / "redis.sock")] == [0o700, 0o700]
    assert await _said(embedded, "CONFIG", "GET", "port", "appendfsync") == [b"appendfsync", b"always", b"port", b"0"]
    _end(tmp_path, embedded)


def test_it_ends_with_its_last_user_however_that_ended(tmp_path: Path) -> None:
    with _user(tmp_path) as first, _user(tmp_path) as second:
        keepers = {_line(first), _line(second)}
        assert len(keepers) == 1
        first.kill()
        second.kill()
    wait_until_ended(tmp_path)
    assert not (tmp_path / "redis" / "redis.sock").exists()


async def test_a_killed_keeper_takes_its_server_with_it_and_another_follows(tmp_path: Path) -> None:
    embedded = Embedded(tmp_path)
    await embedded.start()
    await _said(embedded, "SET", "k", "v")
    killed = embedded.pid
    os.kill(killed, signal.SIGKILL)
    await asyncio.to_thread(wait_until_ended, tmp_path)
    await embedded.start()
    assert embedded.pid != killed
    assert await _said(embedded, "GET", "k") == b"v"
    _end(tmp_path, embedded)


async def test_data_that_cannot_be_read_is_said_with_the_servers_words(tmp_path: Path) -> None:
    spoilt = tmp_path / "redis" / "appendonlydir"
    spoilt.mkdir(parents=True)
    (spoilt / "appendonly.aof.manifest").write_text("nonsense\n")
    embedded = Embedded(tmp_path)
    with pytest.raises(QueueAway, match=r"does not start: (.|\n)*AOF"):
        await embedded.start()
    embedded.stop()


def test_a_folder_whose_socket_could_not_be_reached_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="NETCHECK_DATA_DIR"):
        Embedded(tmp_path / ("x" * 100))


def _user(folder: Path) -> subprocess.Popen[str]:
    argv = [sys.executable, "-c", USER, str(folder)]
    return subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _line(process: subprocess.Popen[str]) -> str:
    """Its last line: logs come first."""
    assert process.stdout is not None
    while not (line := process.stdout.readline().strip()).isdecimal():
        assert process.poll() is None
    return line


async def _said(embedded: Embedded, *words: str) -> object:
    async with contextlib.aclosing(Server(embedded.url)) as server:
        said: object = await server.command(*words)
        return said


def _end(folder: Path, *users: Embedded) -> None:
    for user in users:
        user.stop()
    wait_until_ended(folder)
