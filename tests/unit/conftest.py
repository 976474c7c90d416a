"""What unit tests share: a real Valkey, started once, with keys for each test; an audit in it; saved files; a node over SSH."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from tests.queue_parts import QUICK, jobs_at, wait_until_ended
from tests.unit.audit_place import Place
from tests.unit.local import TOY
from tests.unit.over_ssh import LIMITS
from tests.unit.saved_files import SAMPLES
from tests.unit.ssh_server import SshServer
from workers import seal
from workers.jobs import Jobs, Server, Terms
from workers.nodes.nodes import Nodes
from workers.queue.embedded import Embedded
from workers.queue.keys import Keys as RedisKeys
from workers.ssh.connect import Ssh, SshSettings


@dataclass(frozen=True)
class RedisPlace:
    """An installation of its own in the shared server: where, whose keys seal it, and its tag."""

    url: str
    key_file: Path
    tag: str

    def jobs(self, terms: Terms = QUICK) -> Jobs:
        """Its jobs, as another process sees them; to be closed."""
        return jobs_at(self.url, self.key_file, terms, self.tag)

    def server(self) -> Server:
        """The bare server, for who tampers with it; to be closed."""
        return Server(self.url)


@pytest.fixture(scope="session")
def redis_folder() -> Iterator[tuple[str, Path]]:
    """The URL of a server, embedded unless NETCHECK_TEST_REDIS_URL names one, and a folder that lasts as long as the tests."""
    with tempfile.TemporaryDirectory() as folder:
        if url := os.environ.get("NETCHECK_TEST_REDIS_URL"):
            yield url, Path(folder)
            return
        embedded = Embedded(Path(folder))
        asyncio.run(embedded.start())
        yield embedded.url, Path(folder)
        embedded.stop()
        wait_until_ended(Path(folder))


@pytest.fixture
def redis_place(redis_folder: tuple[str, Path]) -> RedisPlace:
    """Keys of its own for one test."""
    url, folder = redis_folder
    seal.read_or_make(folder / "job.key")
    return RedisPlace(url, folder / "job.key", f"t{secrets.token_hex(4)}")


@pytest_asyncio.fixture
async def jobs(redis_place: RedisPlace) -> AsyncIterator[Jobs]:
    """The queue on quick terms."""
    it = redis_place.jobs()
    yield it
    await it.aclose()


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A copy of the recording of a real cluster."""
    return Path(shutil.copytree(SAMPLES, tmp_path / "saved"))


@pytest_asyncio.fixture
async def place(redis_place: RedisPlace, tmp_path: Path) -> AsyncIterator[Place]:
    """An audit of its own for one test."""
    server = redis_place.server()
    yield Place(server, RedisKeys(redis_place.tag), tmp_path)
    await server.aclose()


@pytest.fixture
async def ssh_server(tmp_path: Path) -> AsyncIterator[SshServer]:
    """The SSH server of a node whose helper has toy facts."""
    it = SshServer(tmp_path, (sys.executable, "-I", TOY))
    await it.start()
    yield it
    await it.aclose()


@pytest.fixture
async def ssh_nodes(ssh_server: SshServer) -> AsyncIterator[Nodes]:
    """That node, as a worker asks it."""
    it = Nodes(Ssh(SshSettings(config=(ssh_server.config,))), LIMITS)
    yield it
    await it.aclose()
