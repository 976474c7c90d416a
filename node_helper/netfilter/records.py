"""A node's packet filter rules as text that the reference tools would print, in records; the same from kernel and from files.

The text of a rule is neutral: whoever decodes a kernel's message and whoever parses a saved file gives the same. What could
not be decoded is named, so that nobody takes a rule for simpler than it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

OF_IPTABLES = frozenset({"filter", "nat", "mangle", "raw", "security"})
"""The tables that iptables knows; those of these names in nf_tables are iptables-nft's."""


@dataclass(frozen=True)
class Rule:
    """One rule. `spec` is what `iptables-save` prints after "-A CHAIN ", or the line that `nft list` prints.

    Counters are None where they were not told. `unread` names matches and targets that could not be decoded.
    """

    spec: str
    packets: Optional[int] = None
    bytes: Optional[int] = None
    unread: tuple[str, ...] = ()


@dataclass(frozen=True)
class Chain:
    """One chain with its rules in order. `policy` is "" for chains that hang on no hook; `hook` is nft's line about it."""

    name: str
    rules: tuple[Rule, ...]
    policy: str = ""
    hook: str = ""
    packets: Optional[int] = None
    bytes: Optional[int] = None


@dataclass(frozen=True)
class Element:
    """One element of an nftables set or map, as `nft list` prints it: "10.96.0.10 . tcp . 53" and "goto service-..."."""

    key: str
    value: str = ""


@dataclass(frozen=True)
class Map:
    """A named set or map of nftables. `type` as in "ipv4_addr . inet_proto : verdict"; `timeout` in seconds.

    `whole`: every element is here although only a part of the table was asked for.
    """

    name: str
    type: str
    elements: tuple[Element, ...]
    timeout: Optional[int] = None
    whole: bool = False


@dataclass(frozen=True)
class Table:
    """One table of one family: "ip" or "ip6". `dormant`: the kernel has taken its chains off their hooks."""

    family: str
    name: str
    chains: tuple[Chain, ...]
    maps: tuple[Map, ...] = ()
    dormant: bool = False


@dataclass(frozen=True)
class Ruleset:
    """Tables of one backend: "iptables-nft", "iptables-legacy" or "nftables". `partial`: only what one question needed."""

    backend: str
    tables: tuple[Table, ...]
    partial: bool = False


@dataclass(frozen=True)
class Destination:
    """An address of a service: `address` "" stands for any of the node's own (node ports); `protocol` in lower case."""

    address: str
    port: int
    protocol: str


@dataclass(frozen=True)
class Wanted:
    """What to read of one table. Without `chains` all of it; with them those and the chains to which they lead.

    With `only`, rules of the named chains and elements of maps that are about other destinations are left out. `bases` are base
    chains of which the way to `chains` is read too. `bare`: all chains, and nothing of what is in them.
    """

    backend: str
    family: str
    table: str
    chains: tuple[str, ...] = ()
    only: tuple[Destination, ...] = ()
    bases: tuple[str, ...] = ()
    bare: bool = False

    @property
    def hooked(self) -> bool:
        """Whether it matters what the kernel leads to the table: of a chain that somebody named it does not."""
        return bool(self.bases) or not self.chains


@dataclass(frozen=True)
class FilterTable:
    """A table that exists. `rules`: some rule hangs on one of its hooks; `services`: it holds kube-proxy's rules."""

    backend: str
    family: str
    name: str
    rules: bool
    services: bool
