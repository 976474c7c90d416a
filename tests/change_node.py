"""A node that is a folder: what a change reads and writes of one, with a key whose signatures it takes."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from deploy.lab import approver, packages
from node_helper.changes import plan as plans
from node_helper.changes import standing
from node_helper.changes.applying import apply
from node_helper.changes.grant import Applied, Done, Grant
from node_helper.changes.hands import Hands
from node_helper.changes.paths import Paths
from node_helper.changes.plan import Plan, Setting, Target
from workers.changes import signing

CLUSTER, NODE, MACHINE = "lab", "node-a", "a" * 32
BEFORE, AFTER = Setting(262144, 65536), Setting(198000, 65536)
FILE = plans.text(198000, None)
_STEPS = ("record", "arm", "write_buckets", "write_value", "put_file", "disarm")


@cache
def keygen() -> str:
    """The machine's ssh-keygen, or the lab's where it has none, which then is the one that this process finds."""
    found = shutil.which("ssh-keygen")
    if found is not None:
        return found
    folder = Path(tempfile.mkdtemp(prefix="netcheck-keygen-"))
    atexit.register(shutil.rmtree, folder)
    os.environ["PATH"] = f"{folder}:{os.environ['PATH']}"
    return str(approver.keygen(folder, packages.prepare(lambda _: None)))


def make_key(path: Path) -> Path:
    """A key pair; its public half is beside it."""
    subprocess.run([keygen(), "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path


def plan_of(before: Setting = BEFORE, after: Setting = AFTER, number: int = 1, **other: Any) -> Plan:
    now = int(time.time())
    target = Target(NODE, MACHINE, before, after)
    plain = Plan(
        version=plans.VERSION,
        cluster=CLUSTER,
        key=plans.KEYS[0],
        approval=f"approval-{number}",
        nonce=f"{number:08x}" * 4,
        issued=now - 5,
        expires=now + 600,
        hold_s=0,
        undoes="",
        targets=(target,),
    )
    return replace(plain, **other)


@dataclass(frozen=True)
class FolderNode:
    """`hands` are those of a real node but for where they reach."""

    root: Path
    key: Path
    hands: Hands

    @classmethod
    def make(cls, root: Path, key: Path) -> FolderNode:
        paths = Paths(str(root), os.getuid(), keygen())
        for path in (paths.identity, paths.file, paths.value, paths.netns, f"{paths.state}/x"):
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(paths.state).chmod(0o700)
        Path(paths.netns).symlink_to("/proc/self/ns/net")
        Path(paths.identity).write_text(f'{{"cluster": "{CLUSTER}", "node": "{NODE}"}}\n')
        Path(paths.machine_id).write_text(f"{MACHINE}\n")
        node = cls(root, key, Hands(paths))
        node.trust(key)
        node.hold(BEFORE)
        return node

    @property
    def paths(self) -> Paths:
        return self.hands.paths

    def trust(self, *keys: Path, options: tuple[str, ...] = ()) -> None:
        """Take signatures of these keys and no others."""
        lines = (signing.allowed(key.with_suffix(".pub").read_text(), *options) for key in keys)
        Path(self.paths.signers).write_text("".join(lines))

    def hold(self, setting: Setting) -> None:
        """As if somebody had written it."""
        Path(self.paths.value).write_text(f"{setting.value}\n")
        Path(self.paths.buckets).write_text(f"{setting.buckets}\n")

    def held(self) -> tuple[int, int, str]:
        seen = self.hands.held()
        return seen.value, seen.buckets, seen.text

    def grant(self, plan: Plan) -> Grant:
        return signing.sign(plan, self.key)

    def apply(self, plan: Plan, hands: Any = None) -> Applied:
        return apply(self.grant(plan), hands or self.hands)

    def change(self, plan: Plan) -> None:
        """Apply it, and it must be done."""
        said = self.apply(plan)
        assert (said.refusal, said.done and said.done.state) == ("", "done"), said

    def recent(self) -> tuple[Done, ...]:
        return standing.standing(self.paths, is_installed=True).recent

    def wait(self, true: Callable[[], bool]) -> None:
        until = time.monotonic() + 20
        while not true():
            assert time.monotonic() < until
            time.sleep(0.02)


class Watched:
    """Hands that tell each step, and do something at one of them instead, or after it."""

    def __init__(
        self, node: FolderNode, at: int = -1, instead: Callable[[], None] | None = None, after: Callable[[], None] | None = None
    ) -> None:
        self.node, self.at, self.instead, self.after = node, at, instead, after
        self.done: list[tuple[str, Any]] = []

    def __getattr__(self, name: str) -> Any:
        real = getattr(self.node.hands, name)
        if name not in _STEPS:
            return real

        def step(*arguments: Any) -> None:
            here = len(self.done) == self.at
            self.done.append((name, *arguments))
            if here and self.instead:
                self.instead()
            real(*arguments)
            if here and self.after:
                self.after()

        return step


def broken() -> None:
    """As a disk or a kernel says it."""
    raise OSError(5, "Input/output error")


def killed() -> None:
    """By whoever ends processes at the worst moment."""
    os.kill(os.getpid(), signal.SIGKILL)
