"""The protocol counters of a namespace since it was made, under the names that `nstat -a` has for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterator, Optional

from node_helper.kernel import Kernel, Netns
from node_helper.protocol import CannotLook, Fact

_PAIRS = ("/proc/net/snmp", "/proc/net/netstat")
_SINGLE = "/proc/net/snmp6"
_LIMIT = 1 << 18


@dataclass(frozen=True)
class Query:
    """Which namespace; None is the node's own."""

    netns: Optional[Netns] = None


@dataclass(frozen=True)
class Netstat:
    """As in {"TcpExtListenOverflows": 0, "IpFragFails": 3, "Udp6RcvbufErrors": 0}; no IPv6 ones where the kernel has no IPv6."""

    counters: dict[str, int]


def collect(kernel: Kernel, query: Query) -> Netstat:
    """Read the three files (snmp_seq_show and netstat_seq_show in net/ipv4/proc.c, net/ipv6/proc.c)."""
    netns = query.netns or kernel.own_netns()
    counters: dict[str, int] = {}
    for path in _PAIRS:
        text = kernel.read_in(netns, path, _LIMIT)
        if text is None:
            raise CannotLook(f"{path} does not exist", kind="missing", fix="mount the node's own /proc where the helper runs")
        counters.update(pairs(text))
    counters.update(singles(kernel.read_in(netns, _SINGLE, _LIMIT) or ""))
    return Netstat(counters)


def pairs(text: str) -> Iterator[tuple[str, int]]:
    """Counters of lines that come in pairs, names and then values, both after "Prefix:". `CannotLook` ``malformed``."""
    lines = [line.split() for line in text.splitlines()]
    for names, values in zip(lines[::2], lines[1::2]):
        if len(names) != len(values) or names[:1] != values[:1] or not names or not names[0].endswith(":"):
            raise _malformed(names)
        for name, number in zip(names[1:], values[1:]):
            yield names[0][:-1] + name, _number(number, name)
    if len(lines) % 2:
        raise _malformed(lines[-1])


def singles(text: str) -> Iterator[tuple[str, int]]:
    """Counters of lines with one name and one value. `CannotLook` ``malformed``."""
    for line in text.splitlines():
        words = line.split()
        if len(words) != 2:  # noqa: PLR2004  (a name and a value)
            raise _malformed(words)
        yield words[0], _number(words[1], words[0])


def _number(word: str, name: str) -> int:
    try:
        return int(word)
    except ValueError:
        raise _malformed([name, word]) from None


def _malformed(words: list[str]) -> CannotLook:
    said = " ".join(words)[:80]
    return CannotLook(f"a line of counters is not what the kernel prints: {said!r}", kind="malformed")


FACT = Fact(name="netstat", query=Query, answer=Netstat, collect=collect)
