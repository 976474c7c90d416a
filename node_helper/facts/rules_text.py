"""The rules of one backend as the node's own tool prints them, byte for byte."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, Optional

from node_helper.kernel import Kernel
from node_helper.protocol import CannotLook, Fact

_NAME = re.compile(r"[A-Za-z0-9_./:+][A-Za-z0-9_./:+-]{0,127}")
_SAVES: dict[str, tuple[str, ...]] = {
    "iptables-nft ip": ("iptables-nft-save", "iptables-save"),
    "iptables-nft ip6": ("ip6tables-nft-save", "ip6tables-save"),
    "iptables-legacy ip": ("iptables-legacy-save", "iptables-save"),
    "iptables-legacy ip6": ("ip6tables-legacy-save", "ip6tables-save"),
}
_PROXY = "kube-proxy"


@dataclass(frozen=True)
class Query:
    """Which backend and family, and perhaps one table of it; of nftables it is kube-proxy's where none is named.

    Legacy tables must exist: their tool would make them.
    """

    backend: Literal["iptables-nft", "iptables-legacy", "nftables"]
    family: Literal["ip", "ip6"]
    table: Optional[str] = None

    def __post_init__(self) -> None:
        if self.table is not None and not _NAME.fullmatch(self.table):
            raise ValueError(f"{self.table[:80]!r} is not the name of a table")


@dataclass(frozen=True)
class Text:
    """The command as a person types it, and what it printed; `cut` where that ended at the budget."""

    argv: tuple[str, ...]
    text: str
    cut: bool = False


def collect(kernel: Kernel, query: Query) -> Text:
    """Run the tool of this backend, or the one without a backend in its name. ``gone`` where this backend holds nothing."""
    node = kernel.own_netns()
    known = [t for t in kernel.filter_tables(node) if (t.backend, t.family) == (query.backend, query.family)]
    if not known:
        raise CannotLook(f"{query.backend} ({query.family}) is not in use here", kind="gone")
    if query.table is not None and not any(t.name == query.table for t in known):
        raise CannotLook(f"{query.backend} ({query.family}) has no table {query.table!r}", kind="gone")
    *others, last = _commands(query)
    for argv in others:
        try:
            return _run(kernel, argv)
        except CannotLook as e:
            if e.kind != "missing":
                raise
    text = _run(kernel, last)
    if query.backend != "nftables" and ("(nf_tables)" in text.text.partition("\n")[0]) != (query.backend == "iptables-nft"):
        raise CannotLook(f"the node's {last[0]} is not the one of {query.backend}", kind="missing", fix=f"install {others[0][0]}")
    return text


def _commands(query: Query) -> tuple[tuple[str, ...], ...]:
    if query.backend == "nftables":
        return (("nft", "list", "table", query.family, query.table or _PROXY),)
    only = () if query.table is None else ("-t", query.table)
    return tuple((save, "-c", *only) for save in _SAVES[f"{query.backend} {query.family}"])


def _run(kernel: Kernel, argv: tuple[str, ...]) -> Text:
    done = kernel.run(argv, kernel.own_netns())
    if done.status != 0:
        raise CannotLook(f"{' '.join(argv)} failed with status {done.status}: {done.err.strip()[:200]}", kind="malformed")
    return Text(argv, done.out, done.cut)


FACT = Fact(name="rules_text", query=Query, answer=Text, collect=collect, heavy=True)
