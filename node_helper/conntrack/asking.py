"""The conntrack table of the node's own namespace, asked through a kernel; nothing is loaded by asking."""

from __future__ import annotations

import errno
import gc
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Iterator

from node_helper.conntrack.reading import Refused
from node_helper.kernel import Kernel
from node_helper.linux.netlink import Malformed
from node_helper.protocol import CannotLook

if TYPE_CHECKING:
    from node_helper.conntrack.matching import Request

GET, STATS_CPU, STATS = 1, 4, 5  # IPCTNL_MSG_CT_GET, _GET_STATS_CPU, _GET_STATS
MAXIMUM = "/proc/sys/net/netfilter/nf_conntrack_max"
UNUSED = f"{MAXIMUM} does not exist: nf_conntrack is not loaded"
_MODULE = "nf_conntrack_netlink"
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
