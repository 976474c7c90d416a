"""One question to warm nodes over SSH, beside OpenSSH's shared connection and asyncssh's; and the start of the helper.

Times are the clock's: a person waits for them. Every node here is one machine's, whose two processors also do the client's part.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import aclosing
from statistics import median
from typing import Any

import asyncssh

from benchmarks._rows import Row, milliseconds, ratio
from benchmarks._sides import PYTHON, spent
from benchmarks._ssh import Reachable, reachable
from deploy.lab import helper
from node_helper import codec, wire
from node_helper.facts import conntrack_stats
from node_helper.linux import netns
from workers.check import Ask
from workers.nodes.helper import CREDIT, Helper
from workers.nodes.nodes import Nodes
from workers.nodes.replies import Answer
from workers.ssh.connect import Ssh, SshSettings

IDS = {
    "node-question": "one question to one node, warm: what the way there and back adds to what the question itself costs",
    "nodes-question-100": "one question to 100 nodes at once, warm, each a helper behind sshd",
    "growth-nodes": "one question to 100 nodes, against ten times the time for 10",
    "helper-start": "from the start of the helper to its first answer",
}
_ONE, _ROUNDS, _STARTS = 400, 15, 15
_FEW, _MANY = 10, 100
_BY_HAND = ("cat", "/proc/sys/net/netfilter/nf_conntrack_count")
_LINEAR = 1.2


def rows() -> Iterator[Row]:
    """Start a node with sshd, be inside its namespace, and measure."""
    if os.geteuid() != 0:
        raise PermissionError("needs root: it makes a node")
    with reachable() as node:
        yield _start(node)
        by_hand = netns.inside(node.netns, lambda: _shared(node))
        yield from netns.inside(node.netns, lambda: asyncio.run(_measured(node, by_hand)))


async def _measured(node: Reachable, by_hand: Sequence[float]) -> list[Row]:
    transport = Ssh(SshSettings(config=(node.config,)))
    what, reference = IDS["node-question"], f"ssh with ControlMaster: p50 {median(by_hand):.1f} ms"
    one = milliseconds("node-question", what, await _one(transport), 2, "p50", reference)
    nodes = Nodes(transport)
    try:
        few = [await _all(nodes, _FEW) for _ in range(_ROUNDS + 1)][1:]
        many = [await _all(nodes, _MANY) for _ in range(_ROUNDS + 1)][1:]
    finally:
        await nodes.aclose()
    pooled = await _pooled(node)
    reference = f"asyncssh, a connection to each kept: p50 {median(pooled):.0f} ms"
    all_ = milliseconds("nodes-question-100", IDS["nodes-question-100"], many, 100, "p50", reference)
    tenfold = [took / (_MANY // _FEW) / median(few) for took in many]
    return [one, all_, ratio("growth-nodes", IDS["growth-nodes"], "ten times 10 nodes", tenfold, _LINEAR)]


async def _one(transport: Ssh) -> list[float]:
    """Milliseconds beyond what the node says that looking took."""
    fact = conntrack_stats.FACT
    asked = wire.Asked(0, fact.name, fact.schema, 10.0, credit=CREDIT, query=codec.encode(conntrack_stats.Query()))
    warm = await Helper.start("node-0", await transport.start("node-0"))
    try:
        return [await _beyond(warm, asked) for _ in range(_ONE)][_ONE // 10 :]
    finally:
        await warm.aclose()


async def _beyond(warm: Helper, asked: wire.Asked) -> float:
    began, inside = time.perf_counter(), 0.0
    async with aclosing(warm.replies(asked, 1.0)) as replies:
        async for reply in replies:
            assert isinstance(reply, Answer)
            inside = reply.took
    return (time.perf_counter() - began - inside) * 1000


async def _all(nodes: Nodes, count: int) -> float:
    asks = [Ask(f"node-{number}", conntrack_stats.FACT, conntrack_stats.Query()) for number in range(count)]
    began = time.perf_counter()
    await asyncio.gather(*(nodes.ask(ask, trace="t-bench", seconds=30) for ask in asks))
    return (time.perf_counter() - began) * 1000


async def _pooled(node: Reachable) -> list[float]:
    """As a program does it that keeps connections and runs a command on each."""
    few = asyncio.Semaphore(32)

    async def connect() -> Any:
        async with few:
            return await asyncssh.connect("shell", config=[str(node.config)])

    every = await asyncio.gather(*(connect() for _ in range(_MANY)))
    try:
        return [await _run_on(every) for _ in range(5)][1:]
    finally:
        for connection in every:
            connection.abort()


async def _run_on(every: Sequence[Any]) -> float:
    began = time.perf_counter()
    await asyncio.gather(*(connection.run(" ".join(_BY_HAND), check=True) for connection in every))
    return (time.perf_counter() - began) * 1000


def _shared(node: Reachable) -> list[float]:
    """As a person does it who has set ControlMaster."""
    ssh = ["ssh", "-F", str(node.config), "-o", f"ControlPath={node.folder / 'mux'}", "shell"]
    subprocess.run(
        [*ssh[:-1], "-o", "ControlMaster=yes", "-o", "ControlPersist=60", "shell", "true"], check=True, stderr=subprocess.DEVNULL
    )
    try:
        return [_took([*ssh, *_BY_HAND]) for _ in range(30)]
    finally:
        subprocess.run([*ssh[:-1], "-O", "exit", "shell"], check=False, capture_output=True)


def _took(argv: Sequence[str]) -> float:
    began = time.perf_counter()
    subprocess.run(argv, check=True, capture_output=True)
    return (time.perf_counter() - began) * 1000


def _start(node: Reachable) -> Row:
    """From nothing to the answer to a question that needs no pyroute2, on the Python of nodes, as sshd starts it."""
    enter = ["nsenter", "--target", str(node.pid), "--all", "--"]
    bare = median(_took([*enter, PYTHON, "-I", "-S", "-c", "pass"]) for _ in range(_STARTS))
    starts: list[float] = []
    cpu = spent(lambda: starts.extend(_first_answer([*enter, *helper.COMMAND.split()]) for _ in range(_STARTS)))
    what = f"{IDS['helper-start']}; {cpu * 1000 / _STARTS:.0f} ms of processor time for its whole life"
    return milliseconds("helper-start", what, starts, 60, "p50", f"python3 -I -S -c pass: p50 {bare:.0f} ms")


def _first_answer(argv: Sequence[str]) -> float:
    fact, pipe = conntrack_stats.FACT, subprocess.PIPE
    asked = wire.request_line(wire.Asked(1, fact.name, fact.schema, 10.0, query=codec.encode(conntrack_stats.Query())))
    began = time.perf_counter()
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, cwd="/") as started:
        assert started.stdin
        assert started.stdout
        started.stdin.write(asked)
        started.stdin.flush()
        assert "hello" in json.loads(started.stdout.readline())
        assert "answer" in json.loads(started.stdout.readline())
        took = (time.perf_counter() - began) * 1000
        started.stdin.close()
    return took
