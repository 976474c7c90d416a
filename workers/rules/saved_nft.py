"""What `nft list ruleset` and `nft list table` print, with or without handles (nft(8))."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from node_helper.netfilter.records import Chain, Element, Map, Rule, Ruleset, Table
from workers.rules.errors import Malformed

FAMILIES = frozenset({"ip", "ip6", "inet", "arp", "bridge", "netdev"})
_BLOCK = re.compile(r"(set|map|chain|flowtable|counter|quota|limit|ct helper|ct timeout|secmark|synproxy) (\S+) \{")
_HANDLE = re.compile(r" # handle [0-9]+$")
_COUNTER = re.compile(r"\bcounter packets ([0-9]+) bytes ([0-9]+)")
_PERIOD = re.compile(r"(?:([0-9]+)d)?(?:([0-9]+)h)?(?:([0-9]+)m)?(?:([0-9]+)s)?(?:[0-9]+ms)?")
_PIECE = re.compile(r'"[^"]*"|,|[^",]+')
_TOLD = re.compile(r' (?:comment "[^"]*"|timeout \S+|expires \S+|counter packets [0-9]+ bytes [0-9]+|counter)(?= |$)')
_SECONDS = (86400, 3600, 60, 1)
_SHOWN = 60


@dataclass
class _Lines:
    """The lines that mean something, and where we are."""

    text: str
    number: int = 0
    _left: Iterator[str] = field(default_factory=lambda: iter(()))

    def __post_init__(self) -> None:
        self._left = iter(self.text.split("\n"))

    def next(self) -> str | None:
        for line in self._left:
            self.number += 1
            said = _HANDLE.sub("", line).strip()
            if said and not said.startswith("#"):
                return said
        return None

    def inside(self) -> str:
        """The next one of a block, which has to end."""
        line = self.next()
        if line is None:
            raise Malformed("the text ends inside a block", self.number)
        return line

    def refused(self, line: str) -> Malformed:
        return Malformed(f"not expected here: {line[:_SHOWN]!r}", self.number)


def parse(text: str) -> Ruleset:
    """Every table. Raises `Malformed`."""
    lines, tables = _Lines(text), list[Table]()
    while (line := lines.next()) is not None:
        words = line.split(" ")
        if len(words) != 4 or words[0] != "table" or words[1] not in FAMILIES or words[3] != "{":  # noqa: PLR2004  (table FAMILY NAME {)
            raise lines.refused(line)
        tables.append(_table(words[1], words[2], lines))
    return Ruleset("nftables", tuple(tables))


def elements(text: str, *, verdicts: bool) -> tuple[Element, ...]:
    """What stands between the braces of a set or map: keys, and values where there are any; comments and times are left out."""
    return tuple(_element(each, verdicts=verdicts) for each in _split(text))


def seconds(period: str) -> int:
    """The seconds of a period such as 3h or 1d12h. Raises `Malformed`."""
    found = _PERIOD.fullmatch(period)
    if found is None or not period:
        raise Malformed(f"not a period: {period[:_SHOWN]!r}")
    return sum(int(said) * unit for said, unit in zip(found.groups(), _SECONDS, strict=True) if said)


def rule(line: str) -> Rule:
    """One rule; its counter, if it has one, apart from its text."""
    found = _COUNTER.search(line)
    if found is None:
        return Rule(line)
    return Rule(_COUNTER.sub("counter", line, count=1), int(found[1]), int(found[2]))


def _table(family: str, name: str, lines: _Lines) -> Table:
    chains: list[Chain] = []
    maps: list[Map] = []
    dormant = False
    while (line := lines.inside()) != "}":
        block = _BLOCK.fullmatch(line)
        if block is None:
            if not line.startswith(("comment ", "flags ")):
                raise lines.refused(line)
            dormant |= line.startswith("flags ") and "dormant" in line.removeprefix("flags ").split(",")
        elif block[1] == "chain":
            chains.append(_chain(block[2], lines))
        elif block[1] in ("set", "map"):
            maps.append(_map(block[2], lines))
        else:
            _skip(lines)
    return Table(family, name, tuple(chains), tuple(maps), dormant)


def _chain(name: str, lines: _Lines) -> Chain:
    rules: list[Rule] = []
    hook = policy = ""
    while (line := lines.inside()) != "}":
        if line.startswith("type ") and " hook " in line and not rules:
            hook = line
            policy = next(iter(re.findall(r"policy (\w+);", line)), "")
        elif not (line.startswith('comment "') and not rules):
            rules.append(rule(line))
    return Chain(name, tuple(rules), policy, hook)


def _map(name: str, lines: _Lines) -> Map:
    kind, found, timeout = "", (), None  # type: str, tuple[Element, ...], int | None
    while (line := lines.inside()) != "}":
        word, _, rest = line.partition(" ")
        if word in ("type", "typeof"):
            kind = rest
        elif word == "timeout":
            timeout = seconds(rest)
        elif word == "elements":
            found = elements(_braced(rest, lines), verdicts=":" in kind)
        elif word not in ("comment", "flags", "size", "gc-interval", "policy", "counter", "auto-merge"):
            raise lines.refused(line)
    return Map(name, kind, found, timeout)


def _braced(rest: str, lines: _Lines) -> str:
    """The text between "= {" and its closing brace, over however many lines."""
    if not rest.startswith("= {"):
        raise lines.refused(rest)
    parts = [rest.removeprefix("= {").strip()]
    while not parts[-1].endswith("}"):
        parts.append(lines.inside())
    parts[-1] = parts[-1].removesuffix("}")
    return " ".join(parts).strip()


def _split(text: str) -> Iterator[str]:
    """At the commas that stand in no quotes."""
    whole = ""
    for piece in _PIECE.findall(text):
        if piece == ",":
            yield whole.strip()
            whole = ""
        else:
            whole += piece
    if whole.strip():
        yield whole.strip()


def _element(text: str, *, verdicts: bool) -> Element:
    said = _TOLD.sub("", text)
    if not verdicts:
        return Element(said)
    key, colon, value = said.partition(" : ")
    if not colon:
        raise Malformed(f"an element without its value: {text[:_SHOWN]!r}")
    return Element(key, value)


def _skip(lines: _Lines) -> None:
    depth = 1
    while depth:
        line = lines.inside()
        depth += line.endswith("{") - (line == "}")
