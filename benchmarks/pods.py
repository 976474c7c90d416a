"""The devices and addresses of two hundred pods, and a DNS query from inside one, beside nsenter with ip and dig.

Processor time, taken turn by turn in one run, each of its own process.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks._pods import Pods, pods
from benchmarks._rows import Row, ratio
from benchmarks._sides import Ours, Tool, ours
from deploy.lab import packages
from node_helper.kernel import Netns
from node_helper.linux import netns

IDS = {
    "pods-interfaces-200": "the devices, addresses and host peers of 200 pods, each asked for by itself",
    "growth-pods": "the same, against ten times the cost of 20 pods",
    "growth-pod": "those of one pod on a node of 200, against on a node of 20",
    "dns-query": "one DNS query from inside a pod's namespace, from a fresh socket",
}
_FEW, _MANY = 20, 200
_TURNS, _SHORT_TURNS, _QUERIES = 5, 9, 40
_PODS, _DNS = 0.05, 0.15
_LINEAR, _FLAT = 1.2, 1.5
_SERVER, _NAME = "127.0.0.1", "kubernetes.default.svc.cluster.local"
_ANSWER = bytes.fromhex("c00c000100010000001e0004") + bytes((10, 96, 0, 1))


def rows() -> Iterator[Row]:
    """Make two nodes of pods, and measure."""
    if os.geteuid() != 0:
        raise PermissionError("needs root: it makes network namespaces")
    tools = packages.prepare(lambda _: None)
    with pods(tools, _FEW) as few, pods(tools, _MANY) as many, ours(few.node) as of_few, ours(many.node) as of_many:
        tool = Tool(tools, many.node)
        yield from _interfaces((few, of_few), (many, of_many), tool)
        with _answering(many.pods[0]):
            yield _query(many.pods[0], of_many, tool)


def _interfaces(few: tuple[Pods, Ours], many: tuple[Pods, Ours], tool: Tool) -> Iterator[Row]:
    every = [_looked_at(*many) for _ in range(_TURNS + 1)][1:]
    fewer = [_looked_at(*few) for _ in range(_SHORT_TURNS)]
    theirs = [sum(_by_hand(tool, pod, "/usr/bin/ip", "-j", "addr") for pod in many[0].pods) for _ in range(_TURNS)]
    beside = [our / their for our, their in zip(every, theirs, strict=True)]
    yield ratio("pods-interfaces-200", IDS["pods-interfaces-200"], "200 times nsenter ... ip -j addr", beside, _PODS)
    tenfold = [our / (_MANY // _FEW) / few_ for our, few_ in zip(every, fewer, strict=False)]
    yield ratio("growth-pods", IDS["growth-pods"], "ten times 20 pods", tenfold, _LINEAR)
    one = [_one(*many) / _one(*few) for _ in range(_SHORT_TURNS)]
    yield ratio("growth-pod", IDS["growth-pod"], "the same on a node of 20", one, _FLAT)


def _looked_at(node: Pods, our: Ours) -> float:
    return our("interfaces", *((pod.path, pod.inode) for pod in node.pods))[0]


def _one(node: Pods, our: Ours) -> float:
    return our("interfaces", *[(node.pods[0].path, node.pods[0].inode)] * _QUERIES)[0]


def _query(pod: Netns, our: Ours, tool: Tool) -> Row:
    asked = (f"@{_SERVER}", "+tries=1", "+time=5", _NAME)
    found = []
    for _ in range(_TURNS + 1):
        theirs = sum(_by_hand(tool, pod, "/usr/bin/dig", *asked) for _ in range(_QUERIES))
        found.append(sum(our("dns", pod.path, _SERVER, _NAME)[0] for _ in range(_QUERIES)) / theirs)
    return ratio("dns-query", IDS["dns-query"], "nsenter ... dig", found[1:], _DNS)


def _by_hand(tool: Tool, pod: Netns, program: str, *arguments: str) -> float:
    return tool.spent("/usr/bin/nsenter", f"--net={pod.path}", tool.path(program), *arguments)


@contextmanager
def _answering(pod: Netns) -> Iterator[None]:
    """A server in the namespace that knows one answer to every question; an empty one ends it."""
    with netns.inside(pod, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as server:
        server.bind((_SERVER, 53))
        thread = threading.Thread(target=_answer, args=(server,))
        thread.start()
        try:
            yield
        finally:
            with netns.inside(pod, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as last:
                last.sendto(b"", (_SERVER, 53))
            thread.join()


def _answer(server: socket.socket) -> None:
    while True:
        asked, whom = server.recvfrom(4096)
        if not asked:
            return
        question = asked[12 : asked.index(b"\0", 12) + 5]
        server.sendto(asked[:2] + bytes.fromhex("81800001000100000000") + question + _ANSWER, whom)
