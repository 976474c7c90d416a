"""Which chains a mistyped name is near to. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from heapq import nlargest
from itertools import takewhile
from operator import eq

from workers.nearest import nearest

_SHOWN = 3
_MOST = 2000
"""Names that are compared, some 30 ms; a node with ten thousand services has tens of thousands."""
_IPTABLES = ("KUBE-SVC-", "KUBE-SVL-", "KUBE-SEP-", "KUBE-EXT-", "KUBE-XLB-", "KUBE-FW-")
_NFTABLES = ("service-", "external-", "endpoint-", "firewall-")
"""How kube-proxy's names begin that go on with a hash, a chain or more for each service."""
_SURE = 2
"""Letters of the hash that must be right, which leaves one name of a thousand."""


def near(typed: str, names: Iterable[str]) -> tuple[str, ...]:
    """At most three, the nearest first. Names with a hash only where what was typed begins like them, and after all others."""
    word = typed.lower()
    begin = next((word[: len(one) + _SURE] for one in _IPTABLES + _NFTABLES if word.startswith(one.lower())), None)
    plain, hashed = dict[str, str](), dict[str, str]()
    for name in names:
        if not _hashed(name):
            plain[name.lower()] = name
        elif begin and name.lower().startswith(begin):
            hashed[name.lower()] = name
    kept = _likeliest(word, plain, _MOST)
    kept += _likeliest(word, hashed, _MOST - len(kept))
    known = {name: plain.get(name) or hashed[name] for name in kept}
    return tuple(known[name] for name in nearest(word, known, _SHOWN))


def _likeliest(word: str, names: Iterable[str], most: int) -> list[str]:
    """Those that share most with it at both ends: of a name with one letter wrong that is all but this letter."""
    return nlargest(most, names, key=lambda name: _shared(word, name) + _shared(word[::-1], name[::-1]))


def _shared(one: str, other: str) -> int:
    return sum(takewhile(bool, map(eq, one, other)))


def _hashed(name: str) -> bool:
    """`service-endpoints-check` is not."""
    return name.startswith(_IPTABLES) or ("/" in name and name.startswith(_NFTABLES))
