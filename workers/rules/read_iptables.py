"""The words of one iptables rule, as iptables-save prints them, read as a step (iptables-extensions(8))."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from node_helper.netfilter.records import Rule
from workers.rules.steps import Act, Asks, Jump, Leave, Masquerade, Pass, Refuse, Remember, Send, Step, Test, Unread

_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"|(\S+)')
_PORTS = re.compile(r"[0-9]{1,5}(:[0-9]{1,5})?(,[0-9]{1,5}(:[0-9]{1,5})?)*")
_SHARE = re.compile(r"0\.[0-9]+|1\.0+")
_MARK_CHAIN = "KUBE-MARK-DROP"  # kubelet's; packets marked there are dropped in its KUBE-FIREWALL
_ENDS: Mapping[str, Act] = {
    "ACCEPT": Leave(accept=True), "RETURN": Leave(), "DROP": Refuse("drop"), "REJECT": Refuse("reject"),
    "MARK": Masquerade(), "LOG": Pass(), "NFLOG": Pass(), "CONNMARK": Pass(), "NOTRACK": Pass(),
}  # fmt: skip
_OF_RECENT = frozenset({"--name", "--seconds", "--reap", "--mask", "--rsource"})
_UNKNOWN_TARGETS = frozenset({"SNAT", "MASQUERADE", "REDIRECT", "TPROXY", "NETMAP", "TRACE", "CT", "NFQUEUE", "QUEUE"})


@dataclass
class _Words:
    """What is left to read, and what was found."""

    words: list[str]
    at: int = 0
    tests: list[Test] = field(default_factory=list)
    act: Act = field(default_factory=Pass)
    remembers: list[Act] = field(default_factory=list)

    def next(self) -> str:
        self.at += 1
        return self.words[self.at - 1] if self.at <= len(self.words) else ""

    def until_option(self) -> list[str]:
        found = []
        while self.at < len(self.words) and not self.words[self.at].startswith("-") and self.words[self.at] != "!":
            found.append(self.next())
        return found


def is_network(text: str) -> bool:
    """Whether it is an address or a network with its prefix length or mask."""
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def words(spec: str) -> list[str]:
    """The words of a rule; quoted ones without their quotes."""
    return [re.sub(r"\\(.)", r"\1", quoted) if quoted or not bare else bare for quoted, bare in _WORD.findall(spec)]


def read(rule: Rule) -> Step:
    """What the rule asks and does. Whatever is not understood is a test or an act that cannot be told."""
    said = _Words(words(rule.spec))
    while said.at < len(said.words):
        negated = said.words[said.at] == "!"
        if negated:
            said.next()
        _option(said, said.next(), negated=negated)
    said.tests += [Test(Asks.UNREAD, name) for name in rule.unread]
    return Step(tuple(said.tests), (*said.remembers, said.act))


def _option(said: _Words, option: str, *, negated: bool) -> None:
    if option in _NUMBERED:
        said.tests.append(Test(_NUMBERED[option], said.next(), negated))
    elif option == "-m":
        _match(said, said.next())
    elif option in ("-j", "-g"):
        said.act = _target(said, said.next(), back=option == "-j")
    elif option in _NETWORKS:
        network = said.next()
        said.tests.append(Test(_NETWORKS[option], network, negated) if is_network(network) else Test(Asks.UNREAD, network))
    else:
        said.until_option()
        said.tests.append(Test(Asks.UNREAD, option))


def _match(said: _Words, name: str) -> None:
    reader = _MATCHES.get(name)
    if reader is None:
        said.tests.append(Test(Asks.UNREAD, name))
        _rest(said)
    else:
        reader(said)


def _rest(said: _Words) -> dict[str, tuple[str, ...]]:
    """The options of a match, up to the next match or target; a "!" stands as the key of what it negates."""
    found: dict[str, tuple[str, ...]] = {}
    while said.at < len(said.words) and said.words[said.at] not in ("-m", "-j", "-g"):
        negated = said.words[said.at] == "!"
        if negated:
            said.next()
        option = said.next()
        found[f"! {option}" if negated else option] = tuple(said.until_option())
    return found


def _ports(said: _Words) -> None:
    for option, values in _rest(said).items():
        negated = option.startswith("! ")
        if option.removeprefix("! ") in ("--dport", "--dports") and len(values) == 1 and _PORTS.fullmatch(values[0]):
            said.tests.append(Test(Asks.PORT, values[0], negated))
        else:
            said.tests.append(Test(Asks.UNREAD, option))


def _statistic(said: _Words) -> None:
    options = _rest(said)
    share = options.get("--probability", ())
    known = options.get("--mode") == ("random",) and set(options) == {"--mode", "--probability"}
    known = known and len(share) == 1 and _SHARE.fullmatch(share[0]) is not None
    said.tests.append(Test(Asks.SHARE, share[0]) if known else Test(Asks.UNREAD, "statistic"))


def _recent(said: _Words) -> None:
    options = _rest(said)
    name, seconds = ("".join(options.get(option, ())) for option in ("--name", "--seconds"))
    does = options.keys() - _OF_RECENT
    if name and does in ({"--rcheck"}, {"--update"}):
        said.tests.append(Test(Asks.STICKY, f"{name} {seconds}".rstrip()))
    elif name and does == {"--set"}:
        said.remembers.append(Remember(name))
    else:
        said.tests.append(Test(Asks.UNREAD, "recent"))


def _addrtype(said: _Words) -> None:
    for option, values in _rest(said).items():
        negated = option.startswith("! ")
        asks = {"--dst-type": Asks.TO_NODE, "--src-type": Asks.FROM_NODE}.get(option.removeprefix("! "))
        known = asks is not None and values == ("LOCAL",)
        said.tests.append(Test(asks, "", negated) if asks and known else Test(Asks.UNREAD, "addrtype"))


def _conntrack(said: _Words) -> None:
    for option, values in _rest(said).items():
        if option.removeprefix("! ") in ("--ctstate", "--state") and len(values) == 1:
            said.tests.append(Test(Asks.NEW, values[0], option.startswith("! ")))
        else:
            said.tests.append(Test(Asks.UNREAD, "conntrack"))


def _nothing(said: _Words) -> None:
    """A match that holds for every packet."""
    _rest(said)


_NETWORKS = {"-d": Asks.TO, "-s": Asks.FROM, "--destination": Asks.TO, "--source": Asks.FROM}
_NUMBERED = {"-p": Asks.PROTOCOL, "--protocol": Asks.PROTOCOL}
_MATCHES: Mapping[str, Callable[[_Words], None]] = {
    "tcp": _ports, "udp": _ports, "sctp": _ports, "multiport": _ports, "comment": _nothing, "nfacct": _nothing,
    "statistic": _statistic, "recent": _recent, "addrtype": _addrtype, "conntrack": _conntrack, "state": _conntrack,
}  # fmt: skip


def _target(said: _Words, name: str, *, back: bool) -> Act:
    options = _rest(said)
    if name == "DNAT":
        to = options.get("--to-destination", ())
        return Send(to[0]) if len(to) == 1 else Unread("DNAT")
    if name == _MARK_CHAIN:
        return Refuse("drop")
    if name in _UNKNOWN_TARGETS:
        return Unread(name)
    if name in _ENDS:
        return _ENDS[name]
    return Jump(name, back) if name else Unread("-j")
