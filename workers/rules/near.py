"""Which chains a mistyped name is near to. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain, islice

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
    known = dict(islice(chain(plain.items(), hashed.items()), _MOST))
    return tuple(known[name] for name in nearest(word, known, _SHOWN))


def _hashed(name: str) -> bool:
    """`service-endpoints-check` is not."""
    return name.startswith(_IPTABLES) or ("/" in name and name.startswith(_NFTABLES))
