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
_MODULE = "nf_conntrack_netlink"
_ORIG, _REPLY = 1, 2
_UNABLE = (errno.EOPNOTSUPP, errno.EINVAL)


def unused(kernel: Kernel) -> str:
    """What shows that conntrack is not in use on this node; "" where it is."""
    if kernel.read_in(kernel.own_netns(), MAXIMUM) is None:
        return f"{MAXIMUM} does not exist: nf_conntrack is not loaded"
    return ""


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
    not_used = unused(kernel)
    if not_used:
        raise CannotLook(f"conntrack is not in use here: {not_used}", kind="missing")
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
    """The wanted flows, each once. `seen` counts what the kernel gave; `by_kernel` is whether the kernel did the choosing."""

    def __init__(self, kernel: Kernel, wanted: Wanted) -> None:
        self.seen = 0
        self._kernel = kernel
        self._wanted = wanted
        self._requests = self._possible(matching.requests(wanted))
        self.by_kernel = self._requests != (matching.EVERYTHING,) and not wanted.everything

    def flows(self) -> Iterator[tuple[Layout, Values]]:
        """Read them. Raises `Malformed` and `Refused`."""
        told: set[tuple[object, ...]] = set()
        for request in self._requests:
            for layout, values in self._of(request):
                if len(self._requests) > 1:
                    key = _identity(layout, values)
                    if key in told:
                        continue
                    told.add(key)
                yield layout, values

    def _of(self, request: Request) -> Iterator[tuple[Layout, Values]]:
        reader, tests = Reader(), _Tests(self._wanted)
        with closing(dump(self._kernel, request)) as datagrams:  # type: ignore[type-var]  # every Kernel gives a generator
            for data in datagrams:
                for layout, values in reader.read(data):
                    self.seen += 1
                    test = tests.of(layout)
                    if test is not None and test(values):
                        yield layout, values
                if reader.done:
                    return

    def _possible(self, requests: tuple[Request, ...]) -> tuple[Request, ...]:
        """The requests that this kernel can answer."""
        if all(request.body[4:] == b"" for request in requests):
            return requests
        if not self._chooses(_ORIG) or (any(r.needs_reply for r in requests) and not self._chooses(_REPLY)):
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


class _Tests:
    """The test of each layout, made when the layout is first met."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._by_layout: dict[int, tuple[Layout, Optional[Test]]] = {}

    def of(self, layout: Layout) -> Optional[Test]:
        known = self._by_layout.get(id(layout))
        if known is None:
            known = self._by_layout[id(layout)] = (layout, matching.test(self._wanted, layout))
        return known[1]


def _identity(layout: Layout, values: Values) -> tuple[object, ...]:
    """What no two flows of a table have in common: the whole first tuple and the zone."""
    at = (layout.place(name) for name in _TUPLE)
    return (layout.family, layout.protocol, *(values[i] if i is not None else None for i in at))


_TUPLE = (
    "orig_src",
    "orig_dst",
    "orig_sport",
    "orig_dport",
    "orig_icmp_id",
    "orig_icmp_type",
    "orig_icmp_code",
    "orig_zone",
    "zone",
)
