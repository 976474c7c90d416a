"""One packet's way through chains: to whom it may be sent with which chance, or how it is refused. Pure arithmetic on steps."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from node_helper.netfilter.about import NODE_PORT_ADDRESSES
from workers.rules import sources
from workers.rules.affinity import Check
from workers.rules.chains import TO_NODE_PORTS, Chains
from workers.rules.steps import (
    Act,
    Asks,
    Choose,
    Jump,
    Leave,
    Lookup,
    Masquerade,
    Packet,
    Pass,
    Refuse,
    Remember,
    Send,
    Source,
    Step,
    Test,
    Unread,
)

_DEEPEST = 16
_MOST_STEPS = 100_000
_LAST = {Asks.TO_SET: 1, Asks.FROM: 1, Asks.ADMITTED: 1, Asks.UNREAD: 2, Asks.STICKY: 3}
"""What fails anyway leaves no doubt, and sends nobody back."""


@dataclass
class Walked:
    """Where the packet may end. Shares add up to 1 with what passed through; `unread` makes them doubtful.

    `checks` by the list in which they look for clients; `records` the lists into which each endpoint's clients are put.
    """

    endpoints: dict[str, float] = field(default_factory=dict)
    refused: dict[str, float] = field(default_factory=dict)
    passed: float = 1.0
    masqueraded: bool = False
    checks: dict[str, Check] = field(default_factory=dict)
    records: dict[str, frozenset[str]] = field(default_factory=dict)
    via: dict[str, None] = field(default_factory=dict)
    admitted: dict[str, None] = field(default_factory=dict)
    only_to: dict[str, None] = field(default_factory=dict)
    unread: dict[str, None] = field(default_factory=dict)


def walk(chains: Chains, start: str, packet: Packet) -> Walked:
    """Follow it from a chain on. A chain that is not there is unread; so is what lies beyond a loop."""
    walker = _Walker(chains, packet)
    walker.walked.passed = walker.chain(start, 1.0, 0)
    return walker.walked


class _Walker:
    def __init__(self, chains: Chains, packet: Packet) -> None:
        self.walked = Walked()
        self._chains = chains
        self._packet = packet
        self._steps = 0
        self._lists: frozenset[str] = frozenset()  # into which the packet's client was put

    def chain(self, name: str, share: float, depth: int) -> float:
        """The share of the packet that comes back out of a chain."""
        steps = self._chains.steps(name, self._packet)
        if steps is None or depth > _DEEPEST:
            self.walked.unread[f"chain {name}" if steps is None else "chains that jump in a circle"] = None
            return 0.0
        self.walked.via[name] = None
        back = 0.0
        for step in steps:
            if share <= 0.0:
                break
            self._steps += 1
            if self._steps > _MOST_STEPS:
                self.walked.unread["more rules than a packet can pass"] = None
                return 0.0
            taken = share * self._chance(step, name, depth)
            if taken:
                lists = self._lists
                stays, leaves = self._acts(step.acts, taken, depth)
                if stays < share:  # some did not come by here
                    self._lists = lists
                share -= taken - stays
                back += leaves
        return share + back

    def _chance(self, step: Step, chain: str, depth: int) -> float:
        chance = 1.0
        for test in sorted(step.tests, key=lambda test: _LAST.get(test.asks, 0)):
            chance *= self._sent_back(test, step, depth) if test.asks is Asks.STICKY else self._test(test, step, chain)
            if not chance:
                break
        return chance

    def _test(self, test: Test, step: Step, chain: str) -> float:
        if test.asks is Asks.SHARE:
            return float(test.value)
        if test.asks is Asks.UNREAD:
            self.walked.unread[test.value] = None
            return 0.0
        if test.asks is Asks.FROM and chain.startswith("KUBE-FW-") and isinstance(step.acts[0], Jump) and not test.negated:
            self.walked.admitted.update(self._alike(test.asks, step, chain))
            return 1.0  # one that is admitted
        if not self._packet.address and not test.negated:
            if test.asks is Asks.TO and step.acts == TO_NODE_PORTS:
                self.walked.only_to.update(self._alike(test.asks, step, chain))
                return 1.0  # to one of these
            if test.asks is Asks.TO_SET and test.value == NODE_PORT_ADDRESSES:
                return self._to_node_port_addresses()
        if test.asks is Asks.ADMITTED and chain.startswith("firewall-"):
            self.walked.admitted = dict.fromkeys(sources.networks(test.value))
            return float(not test.negated)  # one that is admitted
        holds = self._holds(test, step)
        if isinstance(holds, Unread):
            self.walked.unread[holds.what] = None
            return 0.0
        return float(holds != test.negated)

    def _holds(self, test: Test, step: Step) -> bool | Unread:
        """What the test asks, before it is negated."""
        if test.asks is Asks.TO_SET:
            return self._chains.in_set(test.value, self._packet.address)
        if test.asks in (Asks.FROM, Asks.ADMITTED):
            return sources.holds(self._packet.source, test, step)
        return _HOLDS[test.asks](self._packet, test.value)

    def _alike(self, asks: Asks, step: Step, chain: str) -> dict[str, None]:
        """What every rule of the chain that does the same as this one lets in."""
        alike = (test for each in self._chains.read(chain) if each.acts == step.acts for test in each.tests)
        return {test.value: None for test in alike if test.asks is asks and not test.negated}

    def _to_node_port_addresses(self) -> float:
        if NODE_PORT_ADDRESSES in self._chains.cut:
            return 1.0
        found = self._chains.keys(NODE_PORT_ADDRESSES)
        if found is None:
            self.walked.unread[f"set {NODE_PORT_ADDRESSES}"] = None
            return 0.0
        self.walked.only_to.update(dict.fromkeys(sorted(found)))
        return float(bool(found))

    def _sent_back(self, test: Test, step: Step, depth: int) -> float:
        """None of those who come for the first time; where the others go is noted."""
        known = self._chains.clients(test.value)
        if known is None:
            self.walked.unread[f"clients in {test.value}"] = None
            return 0.0
        other = _Walker(self._chains, self._packet)
        other._steps = self._steps
        other._acts(step.acts, 1.0, depth)
        self._steps = other._steps
        self.walked.unread.update(other.walked.unread)
        name, seconds = known
        self.walked.checks.setdefault(name, Check(seconds, tuple(sorted(other.walked.endpoints))))
        return 0.0

    def _acts(self, acts: tuple[Act, ...], share: float, depth: int) -> tuple[float, float]:
        """Do them: the share for which the next rule is next, and the share that goes back to the calling chain."""
        back = 0.0
        for act in acts:
            share, leaves = self._act(act, share, depth)
            back += leaves
        return share, back

    def _act(self, act: Act, share: float, depth: int) -> tuple[float, float]:
        match act:
            case Send(endpoint):
                self.walked.endpoints[endpoint] = self.walked.endpoints.get(endpoint, 0.0) + share
                self.walked.records[endpoint] = self.walked.records.get(endpoint, self._lists) & self._lists
            case Refuse(how):
                self.walked.refused[how] = self.walked.refused.get(how, 0.0) + share
            case Unread(what):
                self.walked.unread[what] = None
            case Masquerade() | Remember() | Pass():
                self._noted(act)
                return share, 0.0
            case Leave(accept):
                return 0.0, 0.0 if accept else share
            case Jump(chain, back):
                left = self.chain(chain, share, depth + 1)
                return (left, 0.0) if back else (0.0, left)
            case Choose(options):
                each = [self._option(option, share / len(options), depth) for option in options]
                return sum(stays for stays, _ in each), sum(leaves for _, leaves in each)
            case Lookup(name, fields):
                return self._lookup(name, fields, share, depth)
        return 0.0, 0.0

    def _noted(self, act: Act) -> None:
        if isinstance(act, Masquerade):
            self.walked.masqueraded = True
        elif isinstance(act, Remember):
            self._lists |= {act.list}

    def _option(self, act: Act, share: float, depth: int) -> tuple[float, float]:
        """One of several: what it records is not recorded for the others."""
        lists = self._lists
        found = self._act(act, share, depth)
        self._lists = lists
        return found

    def _lookup(self, name: str, fields: tuple[str, ...], share: float, depth: int) -> tuple[float, float]:
        said = {
            "address": self._packet.address,
            "protocol": self._packet.protocol,
            "port": str(self._packet.port),
        }
        found = self._chains.look_up(name, " . ".join(said[f] for f in fields))
        return (share, 0.0) if found is None else self._act(found, share, depth)


def _to(packet: Packet, value: str) -> bool:
    return bool(packet.address) and _inside(packet.address, value)


def _port(packet: Packet, value: str) -> bool:
    for part in value.split(","):
        low, _, high = part.partition(":")
        if int(low or 0) <= packet.port <= int(high or low or 0):
            return True
    return False


def _inside(address: str, network: str) -> bool:
    host, _, length = network.partition("/")
    if host == address and length in ("", "32", "128"):
        return True
    where = ipaddress.ip_network(network, strict=False)
    return where.prefixlen < where.max_prefixlen and ipaddress.ip_address(address) in where


_HOLDS: Mapping[Asks, Callable[[Packet, str], bool]] = {
    Asks.TO: _to,
    Asks.PROTOCOL: lambda packet, value: value in (packet.protocol, "all"),
    Asks.PORT: _port,
    Asks.TO_NODE: lambda packet, _value: not packet.address,
    Asks.FROM_NODE: lambda packet, _value: packet.source is Source.NODE,
    Asks.NEW: lambda _packet, value: "NEW" in value.split(","),
}
