"""One rule of kube-proxy's nftables mode, as `nft list` prints it, read as a step (Kubernetes, pkg/proxy/nftables/README.md)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from node_helper.netfilter.records import Rule
from workers.rules import sources
from workers.rules.errors import Malformed
from workers.rules.read_iptables import is_network
from workers.rules.saved_nft import elements
from workers.rules.steps import (
    Act,
    Asks,
    Choose,
    Jump,
    Leave,
    Lookup,
    Masquerade,
    Pass,
    Refuse,
    Remember,
    Send,
    Step,
    Test,
    Unread,
)

_NET = r"[0-9a-fA-F:][0-9a-fA-F.:]*(?:/[0-9]+)?"
_KEY = r"(?:ip6? [sd]addr|meta l4proto|th dport)(?: \. (?:ip6? [sd]addr|meta l4proto|th dport))*"
_VERDICTS: Mapping[str, Act] = {"drop": Refuse("drop"), "accept": Leave(accept=True), "return": Leave()}
_FIELDS = {"daddr": "address", "l4proto": "protocol", "dport": "port"}


def _chosen(said: re.Match[str]) -> Act:
    """`numgen random mod N` and a map of it: each of the N with the same chance, none left out."""
    try:
        options = elements(said["options"], verdicts=True)
    except Malformed as e:
        return Unread(str(e))
    if not options or [e.key for e in options] != [str(n) for n in range(int(said["mod"]))]:
        return Unread("numgen")
    send = said["how"] == "map"
    return Choose(tuple(_endpoint(e.value) if send else verdict(e.value) for e in options))


def _endpoint(value: str) -> Act:
    address, _, port = value.partition(" . ")
    if not re.fullmatch(_NET, address) or not port.isascii() or not port.isdecimal():
        return Unread(value)
    return Send(f"[{address}]:{port}" if ":" in address else f"{address}:{port}")


def verdict(text: str) -> Act:
    """What a verdict map's element says."""
    word, _, chain = text.partition(" ")
    if word in ("goto", "jump") and chain:
        return Jump(chain, back=word == "jump")
    return _VERDICTS.get(text) or Unread(text)


def _fields(key: str) -> tuple[str, ...]:
    return tuple(_FIELDS[part.split(" ")[1]] for part in key.split(" . "))


def _lookup(said: re.Match[str]) -> Act:
    if "saddr" in said["key"]:
        return Unread(said[0])
    return Lookup(said["map"], _fields(said["key"]))


def _in_set(said: re.Match[str]) -> Test:
    negated = bool(said["not"])
    if said["key"].endswith("saddr"):  # the clients that an endpoint had before
        return Test(Asks.UNREAD, said[0]) if negated else Test(Asks.STICKY, said["set"])
    return Test(Asks.TO_SET, said["set"], negated)


def _admitted(said: re.Match[str]) -> Test:
    keys = (element.key for element in elements(said["nets"], verdicts=False))
    return Test(Asks.ADMITTED, ", ".join(keys), bool(said["not"]))


def _is_range(text: str) -> bool:
    """A network, or all from one address to another."""
    return all(map(is_network, text.split("-", 1)))


_OF_NETWORKS: Mapping[Asks, Callable[[str], bool]] = {Asks.TO: is_network, Asks.FROM: is_network, Asks.ADMITTED: _is_range}
_TESTS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], Test]], ...] = tuple(
    (re.compile(form), make)
    for form, make in (
        (rf"ip6? saddr != (?P<net>{_NET})(?= drop)", lambda m: Test(Asks.ADMITTED, m["net"], negated=True)),
        (rf"ip6? saddr (?P<not>!= )?(?P<net>{_NET})", lambda m: Test(Asks.FROM, m["net"], bool(m["not"]))),
        (rf"ip6? daddr (?P<not>!= )?(?P<net>{_NET})", lambda m: Test(Asks.TO, m["net"], bool(m["not"]))),
        (r"ip6? saddr (?P<not>!= )?\{ (?P<nets>[^}]*) \}", _admitted),
        (r"(?P<key>ip6? [sd]addr) (?P<not>!= )?@(?P<set>\S+)", _in_set),
        (r"meta l4proto (?P<what>\w+)", lambda m: Test(Asks.PROTOCOL, m["what"])),
        (r"(?:tcp|udp|sctp|th) dport (?P<what>[0-9]+)", lambda m: Test(Asks.PORT, m["what"])),
        (r"ct state (?P<what>[\w,]+)", lambda m: Test(Asks.NEW, m["what"].upper())),
        (r"fib saddr type local", lambda _: Test(Asks.FROM_NODE)),
        (r"fib daddr type local", lambda _: Test(Asks.TO_NODE)),
    )
)
_ACTS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], Act]], ...] = tuple(
    (re.compile(form), make)
    for form, make in (
        (rf"(?P<key>{_KEY}) vmap @(?P<map>\S+)", _lookup),
        (r"(?:dnat(?: ip6?)? to )?numgen random mod (?P<mod>[0-9]{1,6}) (?P<how>v?map) \{ (?P<options>[^}]*) \}", _chosen),
        (r"dnat(?: ip6?)? to (?P<to>\S+)", lambda m: Send(m["to"])),
        (r"meta mark set meta mark \| 0x[0-9a-f]+", lambda _: Masquerade()),
        (r"(?:goto|jump) \S+", lambda m: verdict(m[0])),
        (r"reject(?: with [\w ]+)?", lambda _: Refuse("reject")),
        (r"drop", lambda _: Refuse("drop")),
        (r"accept", lambda _: Leave(accept=True)),
        (r"return", lambda _: Leave()),
        (r"counter", lambda _: Pass()),
        (r"update @(?P<set>\S+) \{ ip6? saddr \}", lambda m: Remember(m["set"])),
    )
)
_COMMENT = re.compile(r' ?comment "[^"]*"$')
_PORT = re.compile(r"(?P<protocol>tcp|udp|sctp) dport ")


def read(rule: Rule) -> Step:
    """What the rule asks and does. Whatever is not understood is a test or an act that cannot be told."""
    tests: list[Test] = [Test(Asks.UNREAD, name) for name in rule.unread]
    acts: list[Act] = []
    left = _COMMENT.sub("", rule.spec)
    while left:
        taken = _take(left, tests, acts)
        if not taken:
            tests.append(Test(Asks.UNREAD, left[:80]))
            break
        left = left[taken:].lstrip()
    return Step(tuple(tests), tuple(acts) or (Pass(),))


def _take(left: str, tests: list[Test], acts: list[Act]) -> int:
    """Read one expression off the front; how many characters it has, 0 where it is not understood."""
    for form, act in _ACTS:
        if (found := form.match(left)) and _whole(left, found.end()):
            acts.append(act(found))
            return found.end()
    for form, test in _TESTS:
        if (found := form.match(left)) and _whole(left, found.end()):
            if port := _PORT.match(left):
                tests.append(Test(Asks.PROTOCOL, port["protocol"]))
            read = test(found)
            known = read.asks not in _OF_NETWORKS or all(map(_OF_NETWORKS[read.asks], sources.networks(read.value)))
            tests.append(read if known else Test(Asks.UNREAD, found[0]))
            return found.end()
    return 0


def _whole(text: str, end: int) -> bool:
    return end == len(text) or text[end] == " "
