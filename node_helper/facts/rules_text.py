"""The rules of one backend as the node's own tool prints them, byte for byte."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from node_helper.kernel import Kernel
from node_helper.protocol import CannotLook, Fact

_COMMANDS: dict[str, tuple[tuple[str, ...], ...]] = {
    "iptables-nft ip": (("iptables-nft-save", "-c"), ("iptables-save", "-c")),
    "iptables-nft ip6": (("ip6tables-nft-save", "-c"), ("ip6tables-save", "-c")),
    "iptables-legacy ip": (("iptables-legacy-save", "-c"), ("iptables-save", "-c")),
    "iptables-legacy ip6": (("ip6tables-legacy-save", "-c"), ("ip6tables-save", "-c")),
    "nftables ip": (("nft", "list", "table", "ip", "kube-proxy"),),
    "nftables ip6": (("nft", "list", "table", "ip6", "kube-proxy"),),
}


@dataclass(frozen=True)
class Query:
    """Which backend and family. Legacy tables must exist: their tool would make them."""

    backend: Literal["iptables-nft", "iptables-legacy", "nftables"]
    family: Literal["ip", "ip6"]


@dataclass(frozen=True)
class Text:
    """The command as a person types it, and what it printed; `cut` where that ended at the budget."""

    argv: tuple[str, ...]
    text: str
    cut: bool = False


def collect(kernel: Kernel, query: Query) -> Text:
    """Run the tool of this backend, or the one without a backend in its name. ``gone`` where this backend holds nothing."""
    node = kernel.own_netns()
    if not any((t.backend, t.family) == (query.backend, query.family) for t in kernel.filter_tables(node)):
        raise CannotLook(f"{query.backend} ({query.family}) is not in use here", kind="gone")
    *others, last = _COMMANDS[f"{query.backend} {query.family}"]
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


def _run(kernel: Kernel, argv: tuple[str, ...]) -> Text:
    done = kernel.run(argv, kernel.own_netns())
    if done.status != 0:
        raise CannotLook(f"{' '.join(argv)} failed with status {done.status}: {done.err.strip()[:200]}", kind="malformed")
    return Text(argv, done.out, done.cut)


FACT = Fact(name="rules_text", query=Query, answer=Text, collect=collect, heavy=True)
