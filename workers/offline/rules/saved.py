"""Which files of a node hold its rules, of which backend and family; the one with counters before the one without."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from node_helper.netfilter.legacy import HOOKS
from node_helper.netfilter.records import FilterTable, Ruleset, Table
from workers.offline.source import OfNode
from workers.rules import saved_iptables, saved_nft, saved_nft_json
from workers.rules.resolve import NFT_TABLE


@dataclass(frozen=True)
class Saved:
    """What one file holds."""

    file: str
    family: str
    ruleset: Ruleset


def _ip(text: str) -> Ruleset:
    return saved_iptables.parse(text, "ip")


def _ip6(text: str) -> Ruleset:
    return saved_iptables.parse(text, "ip6")


_FILES: tuple[tuple[tuple[str, ...], tuple[str, ...], tuple[Callable[[str], Ruleset], ...]], ...] = (
    (("iptables-save-c.txt", "iptables-save.txt"), ("ip",), (_ip, _ip)),
    (("ip6tables-save-c.txt", "ip6tables-save.txt"), ("ip6",), (_ip6, _ip6)),
    (("iptables-legacy-save-c.txt", "iptables-legacy-save.txt"), ("ip",), (_ip, _ip)),
    (("ip6tables-legacy-save-c.txt", "ip6tables-legacy-save.txt"), ("ip6",), (_ip6, _ip6)),
    (("nft.json", "nft.txt"), ("ip", "ip6"), (saved_nft_json.parse, saved_nft.parse)),
)


def of_node(files: OfNode) -> Iterator[Saved]:
    """Every family of every backend that was saved. Raises `CannotLook`: ``missing`` where no rules were saved at all."""
    files.backends()
    for names, families, parsers in _FILES:
        for name, parse in zip(names, parsers, strict=True):
            if files.has(name):
                ruleset = files.parsed(name, parse)
                yield from (Saved(name, family, ruleset) for family in families)
                break


def one(files: OfNode, backend: str, family: str) -> Saved | None:
    """What was saved of a backend and family."""
    return next((s for s in of_node(files) if (s.ruleset.backend, s.family) == (backend, family)), None)


def filter_tables(saved: Saved) -> Iterator[FilterTable]:
    """As a node would tell them. What nft shows of iptables' own tables is told by iptables-save."""
    for table in saved.ruleset.tables:
        if table.family != saved.family or (saved.ruleset.backend == "nftables" and table.name != NFT_TABLE):
            continue
        services = table.name == NFT_TABLE or any(c.name == "KUBE-SERVICES" and c.rules for c in table.chains)
        yield FilterTable(saved.ruleset.backend, saved.family, table.name, _hooked(table), services)


def _hooked(table: Table) -> bool:
    return any(chain.rules for chain in table.chains if chain.hook or chain.name in HOOKS)
