"""`make demo`: it shows a verdict, and whatever ends it, and whenever, the machine is as it was before."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.lab import images, packages
from tests.leftovers import Machine, cgroups_of, eventually, processes_with

pytestmark = [pytest.mark.e2e, pytest.mark.skipif(os.geteuid() != 0, reason="needs root: the lab's nodes are namespaces")]

UP, STARTING = "Slack's page:", "node node-one"
END_S = 120.0


class Demo:
    """A running demo with a folder for temporary files of its own, by which everything that it starts is known."""

    def __init__(self, *arguments: str, **environment: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="nd-"))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "deploy.demo", *arguments],
            env={**os.environ, "TMPDIR": str(self.folder), **environment},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip
        self.said: list[str] = []
        self.labs: set[str] = set()

    def read_until(self, part: str) -> None:
        """Wait until it says so."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(line)
            self._look()
            if part in line:
                return
        raise AssertionError("".join(self.said))

    def end(self) -> str:
        """All that it said, once it has ended."""
        said, _ = self.process.communicate(timeout=END_S)
        return "".join(self.said) + said

    def _look(self) -> None:
        self.labs |= {path.name for path in self.folder.iterdir()}

    def close(self) -> None:
        """Whatever the test found, it does not go on."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


@pytest.fixture
def before() -> Machine:
    return Machine.look()


@pytest.fixture
def demos() -> Iterator[list[Demo]]:
    """Those that are to be ended."""
    them: list[Demo] = []
    yield them
    for demo in them:
        demo.close()


def assert_nothing_is_left(demo: Demo, before: Machine) -> None:
    for word in (demo.folder.name, *demo.labs):
        assert eventually(lambda word=word: not processes_with(word)), processes_with(word)  # type: ignore[misc]
        assert eventually(lambda word=word: not cgroups_of(word)), cgroups_of(word)  # type: ignore[misc]
    assert eventually(lambda: not list(demo.folder.iterdir())), list(demo.folder.iterdir())
    assert Machine.look() == before
    demo.folder.rmdir()


def test_once_shows_the_thread_with_its_verdict_and_ends_with_status_0(before: Machine, demos: list[Demo]) -> None:
    demos.append(demo := Demo("--once"))
    said = demo.end()
    assert demo.process.returncode == 0, said
    for part in (
        "Alice: /netcheck pod hello-world", "✅ healthy · pod hello-world", "sandbox PID: ", "netns: /var/run/netns/", "↔ veth",
        "master cni0; MTU 1500", "default: via 10.244.", "NOERROR 10.96.0.1 in", "services: default/hello-world", ".addr.txt (",
    ):  # fmt: skip
        assert part in said
    assert_nothing_is_left(demo, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
@pytest.mark.parametrize("when", [STARTING, UP], ids=["starting", "up"])
def test_whatever_ends_it_leaves_nothing(before: Machine, demos: list[Demo], when: str, number: signal.Signals) -> None:
    demos.append(demo := Demo())
    demo.read_until(when)
    assert demo.labs
    if number is signal.SIGINT:
        os.killpg(demo.process.pid, number)  # as Ctrl-C does: bot and worker get it too
    else:
        demo.process.send_signal(number)
    said = demo.end()
    assert "Traceback" not in said
    assert demo.process.returncode == (-number if number is signal.SIGKILL else 0), said
    assert ("nothing of it is left" in said) is (number is not signal.SIGKILL)
    assert_nothing_is_left(demo, before)


def test_a_cache_that_cannot_be_written_is_said_in_one_line(before: Machine, demos: list[Demo]) -> None:
    demos.append(demo := Demo("--once", NETCHECK_LAB_CACHE=f"{os.devnull}/cache"))
    assert demo.end() == (
        "demo: the lab cannot keep files in /dev/null/cache (Not a directory); set NETCHECK_LAB_CACHE to another folder\n"
    )
    assert demo.process.returncode == 1
    assert_nothing_is_left(demo, before)


def test_a_cache_with_a_broken_image_is_said_with_its_name_and_everything_else_ends(
    before: Machine, demos: list[Demo], tmp_path: Path
) -> None:
    tools = packages.prepare(print)
    for kept in tools.cache.iterdir():
        if kept.suffix not in (".lock", ".tar"):
            (tmp_path / kept.name).symlink_to(kept.resolve())
    broken = [tmp_path / archive.name for archive in images.archives(tools)]
    for archive in broken:
        archive.write_bytes(b"no archive")
    demos.append(demo := Demo("--once", NETCHECK_LAB_CACHE=str(tmp_path)))
    said = demo.end()
    assert demo.process.returncode == 1
    assert any(archive.name in said for archive in broken)
    assert "Traceback" not in said
    assert_nothing_is_left(demo, before)
