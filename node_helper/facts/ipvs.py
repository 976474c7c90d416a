"""IPVS's virtual servers with their real servers, as the kernel has them now. Asking loads and creates nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from node_helper.ipvs import Table, Virtual
from node_helper.kernel import Kernel, Netns
from node_helper.protocol import CannotLook, Fact

SETTINGS = ("conn_reuse_mode", "conntrack", "expire_nodest_conn", "expire_quiescent_template")
_FOLDER = "/proc/sys/net/ipv4/vs"
_TABLE = "/proc/net/ip_vs"
_DEVICE = "/sys/class/net/kube-ipvs0/ifindex"
_TOOL = ("ipvsadm", "-Ln")


@dataclass(frozen=True)
class Query:
    """All virtual servers, or `only` those; `listing`: also what `ipvsadm -Ln` prints, where the node has it."""

    only: Optional[tuple[Virtual, ...]] = None
    listing: bool = False


@dataclass(frozen=True)
class Ipvs:
    """`table` is None where IPVS is not in use here, which `evidence` proves.

    `device` says that kube-ipvs0 is there: kube-proxy in IPVS mode keeps the addresses of services on it.
    `settings` are the sysctls net.ipv4.vs.* that this kernel has; `kernel` is its release; `listing` is None without the tool.
    """

    table: Optional[Table]
    evidence: tuple[str, ...]
    kernel: str
    settings: dict[str, str]
    device: bool = False
    listing: Optional[str] = None
    listing_cut: bool = False


def collect(kernel: Kernel, query: Query) -> Ipvs:
    """Ask generic netlink, which lists its families first; the tool is started only once IPVS is known to be there."""
    netns = kernel.own_netns()
    release = (kernel.read("/proc/sys/kernel/osrelease") or "").strip()
    table = kernel.ipvs(netns, query.only)
    if table is None:
        file = f"{_TABLE} {'is there' if kernel.read(_TABLE) is not None else 'does not exist'}"
        return Ipvs(None, ("generic netlink has no family IPVS", file), release, {})
    listing, cut = _listing(kernel, netns) if query.listing else (None, False)
    device = kernel.read(_DEVICE) is not None
    evidence = ("generic netlink has the family IPVS", *(("device kube-ipvs0 is there",) if device else ()))
    return Ipvs(table, evidence, release, _settings(kernel), device, listing, cut)


def _settings(kernel: Kernel) -> dict[str, str]:
    texts = {name: kernel.read(f"{_FOLDER}/{name}") for name in SETTINGS}
    return {name: text.strip() for name, text in texts.items() if text is not None}


def _listing(kernel: Kernel, netns: Netns) -> tuple[Optional[str], bool]:
    try:
        done = kernel.run(_TOOL, netns)
    except CannotLook as cannot:
        if cannot.kind == "missing":
            return None, False
        raise
    if done.status != 0:
        raise CannotLook(f"{' '.join(_TOOL)} failed with status {done.status}: {done.err.strip()[:200]}", kind="malformed")
    return done.out, done.cut


FACT = Fact(name="ipvs", query=Query, answer=Ipvs, collect=collect)
