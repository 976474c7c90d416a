"""A node of many pods without a runtime: network namespaces, each with a veth to a bridge of the node's, and addresses."""

from __future__ import annotations

import ctypes
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from deploy.lab.packages import Tools
from node_helper.kernel import Netns
from node_helper.linux import netns

_NEWNET = 0x40000000


@dataclass(frozen=True)
class Pods:
    """The node's namespace and its pods'."""

    node: Netns
    pods: tuple[Netns, ...]


@contextmanager
def pods(tools: Tools, count: int) -> Iterator[Pods]:
    """They are held by descriptors of this process, and end with the block."""
    made = _namespaces(count + 1)
    try:
        node, *rest = (netns.at(f"/proc/{os.getpid()}/fd/{descriptor}") for descriptor in made)
        ip = str(tools.file("/usr/bin/ip"))
        _batch(ip, node, ["link add cni0 type bridge", "link set cni0 up", *(_veth(n, pod) for n, pod in enumerate(rest))])
        for number, pod in enumerate(rest):
            there = f"10.244.{number >> 8}.{number & 0xFF}/16"
            _batch(
                ip, pod, ["link set lo up", f"addr add {there} dev eth0", f"addr add fd00:244::{number + 1:x}/64 dev eth0 nodad"]
            )
            _batch(ip, pod, ["link set eth0 up"])
        yield Pods(node, tuple(rest))
    finally:
        for descriptor in made:
            os.close(descriptor)


def _veth(number: int, pod: Netns) -> str:
    return f"link add veth{number} up master cni0 type veth peer name eth0 netns {pod.path}"


def _batch(ip: str, where: Netns, commands: list[str]) -> None:
    argv, text = [ip, "-batch", "-"], "\n".join(commands) + "\n"
    netns.inside(where, lambda: subprocess.run(argv, input=text, text=True, check=True, pass_fds=()))


def _namespaces(count: int) -> list[int]:
    """New ones, made in a thread that ends."""
    made: list[int] = []
    thread = threading.Thread(target=_into, args=(made.append, count))
    thread.start()
    thread.join()
    return made


def _into(found: Callable[[int], None], count: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    for _ in range(count):
        if libc.unshare(_NEWNET) != 0:
            return
        found(os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC))
