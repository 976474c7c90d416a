"""Workers that carry out a grant, for tests that kill them: `python -m tests.change_worker URL KEY_FILE`.

Each line on stdin, `TAG FOLDER STEP`, starts one more, whose pid is printed. It kills itself at its STEP-th step:
between any two things that it writes, be it to Redis, to Slack or, with the helper's own code, to one of five nodes in FOLDER.
"""

from __future__ import annotations

import asyncio
import ctypes
import dataclasses
import os
import signal
import sys
from collections.abc import AsyncGenerator, Callable, Sequence
from pathlib import Path
from typing import Any, cast

from node_helper.changes import applying, held
from node_helper.changes.grant import Applied, Grant
from node_helper.changes.hands import Hands
from node_helper.changes.journal import Entry
from node_helper.changes.paths import Paths
from node_helper.changes.standing import standing
from tests.pretend_changes import OLD, Pretended, state_of
from tests.queue_parts import QUICK, jobs_at
from tests.unit.audit_parts import Noted
from workers.catalogue import all_changes, catalogue
from workers.changes import signing
from workers.changes.mail import Mail
from workers.check import Access, Ask, Samples
from workers.jobs import Jobs, Lease
from workers.objects import Cluster
from workers.policy import rules as policy
from workers.slack.client import Upload
from workers.slack.thread import Thread
from workers.work.carrying import Carrying
from workers.work.proposing import Changing
from workers.work.work import Work
from workers.work.worker import Worker

NODES = ("n1", "n2", "n3", "n4", "n5")
RULES = policy.Rules((policy.Rule("all", ("U1",), frozenset(Access)),))
TERMS = dataclasses.replace(QUICK, patience_s=20.0)
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def machine_id(node: str) -> str:
    return f"{NODES.index(node) + 1:032x}"


def install(folder: Path, key: Path) -> None:
    """Five nodes with their old setting, whose helpers take grants that were signed with a key."""
    signers = signing.allowed(Path(f"{key}.pub").read_text())
    for node in NODES:
        paths = paths_of(folder, node)
        files = {
            paths.identity: f'{{"cluster": "lab", "node": "{node}"}}',
            paths.signers: signers,
            paths.machine_id: machine_id(node),
            paths.value: f"{OLD.value}\n",
            paths.buckets: f"{OLD.buckets}\n",
        }
        for path, text in files.items():
            Path(path).parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            Path(path).write_text(text)
        Path(paths.state).mkdir(mode=0o700, parents=True)


def paths_of(folder: Path, node: str) -> Paths:
    return Paths(str(folder / node), os.geteuid())


def writes(folder: Path, node: str) -> int:
    """How often its value was written."""
    path = folder / f"{node}.writes"
    return len(path.read_text()) if path.exists() else 0


class Steps:
    """Counts, and ends this process in the middle of it."""

    def __init__(self, last: int) -> None:
        self._left = last

    def __call__(self) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


class Stepping(Hands):
    """The helper's hands, in steps."""

    def __init__(self, folder: Path, node: str, step: Steps) -> None:
        super().__init__(paths_of(folder, node))
        self._written, self._step = folder / f"{node}.writes", step

    def record(self, entry: Entry) -> None:
        if entry.done.state != "intent":
            self._step()
        super().record(entry)
        self._step()

    def write_value(self, number: int) -> None:
        with self._written.open("a") as file:
            file.write("w")
        super().write_value(number)


@dataclasses.dataclass(frozen=True)
class Nodes:
    """Reached without SSH."""

    folder: Path
    step: Steps

    async def ask(self, ask: Ask[Any, Any], *, trace: str, seconds: float) -> Any:  # noqa: ARG002
        seen = standing(paths_of(self.folder, ask.node), is_installed=True)
        return dataclasses.replace(state_of(ask.node, seen.setting or OLD, seen.recent), machine_id=seen.machine_id)

    async def twice(self, ask: Ask[Any, Any], apart: float, *, trace: str, seconds: float) -> Samples[Any]:
        state = await self.ask(ask, trace=trace, seconds=seconds)
        node = Pretended(ask.node, state.setting)
        return Samples(node.counters(0), node.counters(0), apart)

    async def rows(self, ask: Ask[Any, Any], *, trace: str, seconds: float) -> AsyncGenerator[Any]:  # noqa: ARG002
        if seconds:
            raise NotImplementedError
        yield

    async def apply(self, node: str, grant: Grant, *, trace: str, seconds: float) -> Applied:  # noqa: ARG002
        self.step()
        return applying.apply(grant, Stepping(self.folder, node, self.step))


@dataclasses.dataclass(frozen=True)
class Told:
    """Slack, as far as a worker writes to it: the text of each message in a file."""

    folder: Path
    step: Steps

    async def post(self, _channel: str, text: str, _blocks: Sequence[Any], _thread: str | None) -> str:
        (self.folder / "another.message").write_text(text)
        return "another"

    async def update(self, _channel: str, ts: str, text: str, _blocks: Sequence[Any]) -> None:
        (self.folder / f"{ts}.message").write_text(text)
        self.step()

    async def begin_upload(self, name: str, _length: int) -> Upload:
        return Upload(f"F-{name}", "")

    async def send_bytes(self, upload: Upload, data: bytes) -> None:
        """They are of no matter here."""

    async def is_shared(self, _file: str) -> bool:
        return False

    async def complete_upload(self, *_of: str) -> None:
        """As above."""


def main(url: str, key_file: str) -> None:
    """Starts workers until stdin ends; they end with this process."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    setattr(held, "unwritable", lambda _paths: "")  # noqa: B010  (these files are no kernel's)
    for line in sys.stdin:
        tag, folder, last = line.split()
        if (pid := os.fork()) == 0:
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.dup2(2, 1)  # its log is no answer
            step = Steps(int(last))
            asyncio.run(_work(jobs_at(url, Path(key_file), TERMS, tag), Path(folder), step))
            os._exit(0)
        print(pid, flush=True)  # noqa: T201  (its answer)


async def _work(jobs: Jobs, folder: Path, step: Steps) -> None:
    for owner, name in ((Lease, "store_outcome"), (Lease, "finish"), (Mail, "grant"), (Mail, "send")):
        _in_steps(owner, name, step)  # after it; before it nothing has happened since the step before
    slack, audit = cast("Any", Told(folder, step)), Noted()
    nodes, thread, cluster = Nodes(folder, step), Thread(slack), Cluster("lab", "2026-01-01T00:00:00Z")
    carrying = Carrying(jobs.mail(), nodes, jobs.node_slot, thread, lambda: RULES, audit, lambda: cluster, watch_s=0.01)
    changing = Changing(all_changes(), jobs.mail(), carrying)
    work = Work(catalogue(), lambda: cluster, nodes, jobs.node_slot, thread, lambda: RULES, audit, changing=changing)
    await Worker(str(os.getpid()), jobs, work, thread).take_turns(asyncio.Event())


def _in_steps(owner: type, name: str, step: Steps) -> None:
    inner: Callable[..., Any] = getattr(owner, name)

    async def stepped(self: Any, *args: Any, **named: Any) -> Any:
        answer = await inner(self, *args, **named)
        step()
        return answer

    setattr(owner, name, stepped)


if __name__ == "__main__":
    main(*sys.argv[1:])
