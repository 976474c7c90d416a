"""The two sides of a comparison: our own code in a process of the nodes' Python, and the tool that a person would use instead."""

from __future__ import annotations

import json
import os
import resource
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from deploy.lab.packages import Tools
from node_helper.kernel import Netns
from node_helper.linux import netns

PYTHON = "/usr/bin/python3"  # what the helper runs on; one built from source without optimisation takes half as long again
_HOME = Path(__file__).parents[1]
Ours = Callable[..., tuple[float, float]]
"""Gives the cost of a job, in seconds of processor time and of the clock."""


@contextmanager
def ours(where: Netns) -> Iterator[Ours]:
    """Our side in a namespace, warm: it ends with the block."""
    argv, pipe = [PYTHON, "-s", "-m", "benchmarks._side"], subprocess.PIPE
    with netns.inside(where, lambda: subprocess.Popen(argv, text=True, cwd=_HOME, stdin=pipe, stdout=pipe)) as side:
        to, back = side.stdin, side.stdout
        assert to
        assert back

        def cost(*job: object) -> tuple[float, float]:
            print(json.dumps(job), file=to, flush=True)
            cpu, clock = back.readline().split()
            return float(cpu), float(clock)

        try:
            yield cost
        finally:
            side.kill()


class Tool:
    """A program of the lab's packages, started inside a namespace."""

    def __init__(self, tools: Tools, where: Netns) -> None:
        self._tools = tools
        libraries = ":".join(str(path) for path in (tools.usr / "lib").glob("*-linux-gnu"))
        self._environment = {**os.environ, "LD_LIBRARY_PATH": libraries}
        self._where = where

    def path(self, program: str) -> str:
        """Where it is, by its path on a machine that has it."""
        return str(self._tools.file(program))

    def spent(self, program: str, *arguments: str) -> float:
        """Its processor time in seconds, that of what it starts included."""
        argv = [self.path(program), *arguments]
        return spent(lambda: netns.inside(self._where, lambda: run(argv, self._environment)))


def run(argv: Sequence[str], environment: dict[str, str] | None = None) -> None:
    """Run to the end; what it prints is let go."""
    subprocess.run(argv, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)


def spent(work: Callable[[], object]) -> float:
    """The processor time of the processes that `work` starts and waits for."""
    before = _children()
    work()
    return _children() - before


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
