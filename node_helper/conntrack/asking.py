"""The conntrack table of the node's own namespace, asked through a kernel; nothing is loaded by asking."""

from __future__ import annotations

import errno
import gc
import os
from contextlib import closing, contextmanager
from typing import Iterator, Optional

from node_helper.conntrack import matching
from node_helper.conntrack.layout import Layout, Values
from node_helper.conntrack.matching import Request, Test, Wanted
from node_helper.conntrack.reading import Reader, Refused
from node_helper.kernel import Kernel
from node_helper.linux.netlink import Malformed
from node_helper.protocol import CannotLook

GET, STATS_CPU, STATS = 1, 4, 5  # IPCTNL_MSG_CT_GET, _GET_STATS_CPU, _GET_STATS
MAXIMUM = "/proc/sys/net/netfilter/nf_conntrack_max"
UNUSED = f"{MAXIMUM} does not exist: nf_conntrack is not loaded"
_MODULE = "nf_conntrack_netlink"
_ORIG, _REPLY = 1, 2
_UNABLE = (errno.EOPNOTSUPP, errno.EINVAL)


def unspoken(kernel: Kernel) -> str:
    """What shows that the kernel does not speak ctnetlink, so that asking would load the module; "" where it does."""
    loaded = kernel.read("/proc/modules")
    if loaded is None:
        return ""  # a kernel without modules can load none
    release = (kernel.read("/proc/sys/kernel/osrelease") or "").strip()
    built_in = kernel.read(f"/lib/modules/{release}/modules.builtin") or ""
    if f"\n{_MODULE} " in f"\n{loaded}" or f"/{_MODULE}.ko" in built_in:
        return ""
    return f"/proc/modules and /lib/modules/{release}/modules.builtin do not name {_MODULE}"


def require(kernel: Kernel) -> None:
    """Raise `CannotLook` of kind ``missing`` where asking has no answer, or would change the node."""
    if kernel.read_in(kernel.own_netns(), MAXIMUM) is None:
        raise CannotLook(f"conntrack is not in use here: {UNUSED}", kind="missing")
    silent = unspoken(kernel)
    if silent:
        fix = f"`modprobe {_MODULE}` on the node (kube-proxy and docker usually have done so); netcheck loads no module."
        raise CannotLook(f"the conntrack table cannot be read without loading a module: {silent}", kind="missing", fix=fix)


@contextmanager
def translated() -> Iterator[None]:
    """Turn what is not ctnetlink, and the kernel's refusals, into `CannotLook`."""
    try:
        yield
    except Malformed as e:
        raise CannotLook(f"the conntrack table: {e}", kind="malformed") from e
    except Refused as e:
        kind = "denied" if e.code in (errno.EPERM, errno.EACCES) else "missing" if e.code in _UNABLE else "bug"
        raise CannotLook(f"the conntrack table: {os.strerror(e.code)}", kind=kind) from e


@contextmanager
def without_collector() -> Iterator[None]:
    """No garbage collection inside: nothing there makes cycles, and looking for them costs a third of a dump."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def dump(kernel: Kernel, request: Request) -> Iterator[bytes]:
    """The datagrams of a dump; end it by closing the iterator once its reader is `done`."""
    return kernel.conntrack(kernel.own_netns(), GET, request.body, dump=True)


class Search:
    """The wanted flows, each once. `seen` counts the flows that the kernel gave; `by_kernel`: it did the choosing."""

    def __init__(self, kernel: Kernel, wanted: Wanted) -> None:
        self.seen = 0
        self._kernel = kernel
        self._wanted = wanted
        self._requests = self._possible(matching.requests(wanted))
        self.by_kernel = self._requests != (matching.EVERYTHING,) and not wanted.everything

    def flows(self) -> Iterator[tuple[Layout, Values]]:
        """Read them. Raises `Malformed` and `Refused`."""
        for number, request in enumerate(self._requests):
            yield from self._of(request, self._requests[:number])

    def _of(self, request: Request, before: tuple[Request, ...]) -> Iterator[tuple[Layout, Values]]:
        """What a request gives and none before it gave."""
        reader, tests = Reader(), Tests(self._wanted, before)
        with closing(dump(self._kernel, request)) as datagrams:  # type: ignore[type-var]  # every Kernel gives a generator
            for data in datagrams:
                for layout, values in reader.read(data):
                    wanted, told = tests.of(layout)
                    if told and any(one(values) for one in told):
                        continue
                    self.seen += 1
                    if wanted is not None and wanted(values):
                        yield layout, values
                if reader.done:
                    return

    def _possible(self, requests: tuple[Request, ...]) -> tuple[Request, ...]:
        """The requests that this kernel can answer."""
        by_tuples, by_reply = any(r.chooses for r in requests), any(r.by_reply for r in requests)
        if (by_tuples and not self._chooses(_ORIG)) or (by_reply and not self._chooses(_REPLY)):
            return (matching.EVERYTHING,)
        return requests

    def _chooses(self, top: int) -> bool:
        reader = Reader()
        with closing(dump(self._kernel, Request(matching.probe(top)))) as datagrams:  # type: ignore[type-var]  # as above
            try:
                for data in datagrams:
                    for _ in reader.read(data):
                        return False
                    if reader.done:
                        return False
            except Refused as e:
                return e.code == errno.EINVAL
        return False


class Tests:
    """Of each layout, made when it is first met: the test for what is wanted, and those for what was given before."""

    def __init__(self, wanted: Wanted, before: tuple[Request, ...]) -> None:
        self._wanted = wanted
        self._before = before
        self._by_layout: dict[int, tuple[Layout, Optional[Test], list[Test]]] = {}

    def of(self, layout: Layout) -> tuple[Optional[Test], list[Test]]:
        """Both; None for a layout of which nothing is wanted."""
        if id(layout) not in self._by_layout:
            told = [test for test in (matching.given(request, layout) for request in self._before) if test is not None]
            self._by_layout[id(layout)] = (layout, matching.test(self._wanted, layout), told)
        _, wanted, told = self._by_layout[id(layout)]
        return wanted, told
