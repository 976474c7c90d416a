"""Network namespaces: naming them, and working inside one. None is ever made here.

A namespace belongs to a thread, so others notice nothing of a visit (but what reads /proc/self/net, which is the main thread's:
here it is always thread-self). A socket stays where it was made, and a process starts where the thread is that starts it.
"""

from __future__ import annotations

import errno
import fcntl
import os
from functools import cache
from typing import Any, Callable, TypeVar

from node_helper.kernel import Netns
from node_helper.linux.errors import translated
from node_helper.protocol import CannotLook

T = TypeVar("T")
_CLONE_NEWNET = 0x40000000
_GET_TYPE = 0xB703  # NS_GET_NSTYPE, ioctl_ns(2)
_NODE = "/proc/1/ns/net"
_MINE = "/proc/thread-self/ns/net"


def own() -> Netns:
    """The namespace of the node: that of PID 1."""
    with translated(f"the network namespace {_NODE}"):
        return Netns(_NODE, os.stat(_NODE).st_ino)


def of(pid: int) -> Netns:
    """The namespace of a process. `CannotLook` of kind ``gone`` when there is no such process."""
    try:
        return at(f"/proc/{pid}/ns/net")
    except CannotLook as e:
        if e.kind != "gone":
            raise
        raise CannotLook(f"process {pid} is no more", kind="gone", fix="ask again: its pod has ended or been replaced") from e


def at(path: str) -> Netns:
    """The namespace that a path opens; ``gone`` where it opens none."""
    descriptor = _open(path)
    try:
        return Netns(path, os.fstat(descriptor).st_ino)
    finally:
        os.close(descriptor)


def inside(netns: Netns, work: Callable[[], T]) -> T:
    """What `work` returns when the calling thread runs it in a namespace; afterwards the thread is where it was."""
    descriptor = open_verified(netns)
    try:
        return inside_of(netns, descriptor, work)
    finally:
        os.close(descriptor)


def inside_of(netns: Netns, descriptor: int, work: Callable[[], T]) -> T:
    """The same by a descriptor of the namespace that is open already."""
    home = os.open(_MINE, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if os.fstat(home).st_ino == netns.inode:
            return work()
        with translated(netns.path):
            _enter(descriptor)
        try:
            return work()
        finally:
            _enter(home)
    finally:
        os.close(home)


def open_verified(netns: Netns) -> int:
    """A descriptor of the namespace, proven by its inode; ``gone`` where the path has passed to another."""
    descriptor = _open(netns.path)
    if os.fstat(descriptor).st_ino != netns.inode:
        os.close(descriptor)
        raise _replaced(netns)
    return descriptor


def verify(netns: Netns) -> None:
    """``gone`` where the path has passed to another namespace: for who holds this one already."""
    with translated(f"the network namespace {netns.path}"):
        now = os.stat(netns.path).st_ino
    if now != netns.inode:
        raise _replaced(netns)


def _replaced(netns: Netns) -> CannotLook:
    return CannotLook(f"{netns.path} is not the namespace it was", kind="gone", fix="ask again: the pod has been replaced")


def _open(path: str) -> int:
    with translated(f"the network namespace {path}"):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            # A pinned namespace whose mount is not seen from here is an empty file.
            if fcntl.ioctl(descriptor, _GET_TYPE) != _CLONE_NEWNET:
                raise FileNotFoundError(errno.ENOENT, "is not a network namespace")
        except OSError:
            os.close(descriptor)
            raise
        return descriptor


def _enter(descriptor: int) -> None:
    import ctypes  # os.setns exists since Python 3.12 only; many a question enters no namespace

    if _libc().setns(descriptor, _CLONE_NEWNET) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


@cache
def _libc() -> Any:
    import ctypes

    return ctypes.CDLL(None, use_errno=True)
