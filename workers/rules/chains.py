"""The chains of one table, ready to be walked: rules are read when a packet first comes to them, long chains by an index."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

from node_helper.netfilter.about import NODE_PORTS
from node_helper.netfilter.records import Element, Rule, Table
from workers.rules import read_iptables, read_nft
from workers.rules.elements import Elements
from workers.rules.steps import Act, Asks, Jump, Packet, Step, Test, Unread

TO_NODE_PORTS = (Jump(NODE_PORTS),)
_LONG = 32
_HOST = ("/32", "/128")


class Chains:
    """One table. `cut` are the sets of which elements may be missing, because only a `partial` table was read."""

    def __init__(self, table: Table, backend: str, *, partial: bool = False) -> None:
        self._rules = {chain.name: chain.rules for chain in table.chains}
        self._read: Callable[[Rule], Step] = read_nft.read if backend == "nftables" else read_iptables.read
        self._steps: dict[str, tuple[Step, ...]] = {}
        self._indexes: dict[str, _Index] = {}
        self._maps = {m.name: Elements(m.elements) for m in table.maps}
        self.cut = frozenset(m.name for m in table.maps if partial and not m.whole)
        self._timeouts = {m.name: m.timeout for m in table.maps if m.timeout is not None}
        self._native = backend == "nftables"

    def __contains__(self, chain: str) -> bool:
        return chain in self._rules

    def read(self, chain: str) -> tuple[Step, ...]:
        """Every rule of a chain, read; nothing where there is no such chain."""
        if chain not in self._steps:
            self._steps[chain] = tuple(map(self._read, self._rules.get(chain, ())))
        return self._steps[chain]

    def rules(self, chain: str) -> Sequence[Rule]:
        """The rules of a chain as they were found."""
        return self._rules.get(chain, ())

    def keys(self, name: str) -> tuple[str, ...] | None:
        """The keys of a set or map, as text; None where there is none of this name."""
        return tuple(self._maps[name]) if name in self._maps else None

    def steps(self, chain: str, packet: Packet) -> Sequence[Step] | None:
        """The rules of a chain that could concern a packet, in order; None where there is no such chain."""
        if chain not in self._rules:
            return None
        if len(self._rules[chain]) < _LONG:
            return self.read(chain)
        if chain not in self._indexes:
            self._indexes[chain] = _Index(self.read(chain))
        return self._indexes[chain].of(packet)

    def clients(self, asked: str) -> tuple[str, int | None] | None:
        """The list of clients that a test names, and after how many seconds it forgets them; None where it is no such list."""
        name, _, seconds = asked.partition(" ")
        if self._native:
            return (name, self._timeouts[name]) if name in self._timeouts else None
        return name, int(seconds) if seconds.isascii() and seconds.isdecimal() else None

    def look_up(self, name: str, key: str) -> Act | None:
        """The verdict of a map for a key; None where it has none."""
        found = self._find(name, key)
        return read_nft.verdict(found.value) if isinstance(found, Element) else found

    def in_set(self, name: str, key: str) -> bool | Unread:
        """Whether a set holds a key."""
        found = self._find(name, key)
        return found if isinstance(found, Unread) else found is not None

    def _find(self, name: str, key: str) -> Element | Unread | None:
        return self._maps[name].find(key) if name in self._maps else Unread(f"set {name}")


class _Index:
    """A long chain by destination host and port: all others than the packet's own cannot concern it."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self._steps = steps
        self._places: dict[tuple[str, str], list[int]] = defaultdict(list)
        for place, step in enumerate(steps):
            host = "" if step.acts == TO_NODE_PORTS else _only(step.tests, Asks.TO)
            self._places[host, _only(step.tests, Asks.PORT)].append(place)

    def of(self, packet: Packet) -> Sequence[Step]:
        ports = (str(packet.port), "")
        hosts = {packet.address, ""}
        places = sorted(place for host in hosts for port in ports for place in self._places.get((host, port), ()))
        return [self._steps[place] for place in places]


def _only(tests: Sequence[Test], asks: Asks) -> str:
    """The one host or port that a rule is about, "" where it is about more."""
    for test in tests:
        if test.asks is asks and not test.negated:
            value = test.value
            if asks is Asks.PORT:
                return value if value.isdecimal() else ""
            host, slash, length = value.partition("/")
            return host if not slash or f"{slash}{length}" in _HOST else ""
    return ""
