"""The policy as one TOML file: read, checked to the last word, and refused with the line that is wrong.

deploy/policy.toml documents every key, and is the policy when none is configured.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from workers.check import Access
from workers.errors import UsageError, shown
from workers.params import PodTarget
from workers.policy import ANY, GUESTS, MEMBERS, Defaults, Rule, Rules

VERSION = 1
_WHO = re.compile(r"[UWSTE][A-Z0-9]{2,30}")
_CHANNEL = re.compile(r"[CDG][A-Z0-9]{2,30}")
_NAMESPACES = re.compile(r"[a-z0-9*?\[\]!-]{1,63}")
_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_CLUSTERS = re.compile(r"[A-Za-z0-9._:/@*?\[\]!-]{1,253}")


class BadPolicy(UsageError):
    """The policy cannot be used; the message starts with the file and, where one is to blame, the line."""


def built_in() -> Rules:
    """The policy when none is configured: members may look and probe in channels that nobody else reads."""
    return parse(resources.files("deploy").joinpath("policy.toml").read_text("utf-8"), "built-in policy.toml")


def load(path: Path | None) -> Rules:
    """The policy of that file, the built-in one without. Raises `BadPolicy`."""
    if path is None:
        return built_in()
    try:
        return parse(path.read_text("utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as e:
        raise BadPolicy(f"{path}: cannot be read: {e}") from e


def parse(text: str, source: str) -> Rules:
    """The rules that the text says. Raises `BadPolicy`."""
    try:
        data = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as e:
        raise BadPolicy(f"{source}: {e}") from e
    top = _Table(data, _Place(source, text))
    top.only("version", "rule", "channel")
    if data.get("version") != VERSION:
        raise top.wrong("version", f"must be version = {VERSION}")
    rules = tuple(_rule(table) for table in top.tables("rule"))
    return Rules(rules, _channels(top), source)


def _rule(table: _Table) -> Rule:
    table.only("name", "who", "may", "channels", "clusters", "namespaces", "shared_channels")
    rule = Rule(
        name=table.text("name"),
        who=table.texts("who", _is_who, '"members", "guests" or the id of a user (U…), group (S…) or team (T…), never a name'),
        may=frozenset(Access[name] for name in table.texts("may", _is_access, f"one of {', '.join(a.name for a in Access)}")),
        channels=table.texts("channels", _is_channel, '"*" or the id of a channel (C…), never its name', (ANY,)),
        clusters=table.texts("clusters", _fits(_CLUSTERS), "the name of a cluster, or a glob", (ANY,)),
        namespaces=table.texts("namespaces", _fits(_NAMESPACES), "the name of a namespace, or a glob", (ANY,)),
        shared_channels=table.flag("shared_channels"),
    )
    if rule.shared_channels and ANY in rule.channels:
        raise table.wrong("shared_channels", "needs the ids of those channels in `channels`")
    return rule


def _channels(top: _Table) -> dict[str, Defaults]:
    found: dict[str, Defaults] = {}
    for table in top.tables("channel"):
        table.only("id", "cluster", "namespace", "pod")
        name = table.text("id")
        if not _CHANNEL.fullmatch(name) or name in found:
            raise table.wrong("id", f"{shown(name)} must be the id of a channel (C…), and said once")
        namespace = table.text("namespace", required=False)
        if namespace and not _NAMESPACE.fullmatch(namespace):
            raise table.wrong("namespace", f"{shown(namespace)} is not a namespace")
        found[name] = Defaults(table.text("cluster", required=False) or None, namespace or None, _pod(table))
    return found


def _pod(table: _Table) -> str | None:
    text = table.text("pod", required=False)
    try:
        return str(PodTarget.parse(text)) if text else None
    except UsageError as e:
        raise table.wrong("pod", e.problem) from e


@dataclass(frozen=True)
class _Place:
    """Where a table stands, for messages: `header` is its line, 0 for the top of the file."""

    source: str
    text: str
    header: int = 0

    def nth(self, name: str, number: int) -> _Place:
        heads = [n for n, line in enumerate(self.text.splitlines(), 1) if re.match(rf"\s*\[\[\s*{name}\s*\]\]", line)]
        return _Place(self.source, self.text, heads[number] if number < len(heads) else 0)

    def line(self, key: str) -> int:
        """That of the key within the table, else that of the table."""
        for number, line in enumerate(self.text.splitlines()[self.header :], self.header + 1):
            if re.match(rf"\s*{re.escape(key)}\s*=", line):
                return number
            if line.lstrip().startswith("["):
                break
        return max(self.header, 1)


@dataclass(frozen=True)
class _Table:
    """A table of the file and where it stands; everything taken from it is checked."""

    data: Mapping[str, Any]
    place: _Place

    def wrong(self, key: str, why: str) -> BadPolicy:
        return BadPolicy(f"{self.place.source}:{self.place.line(key)}: {key}: {why}")

    def only(self, *known: str) -> None:
        for key in self.data:
            if key not in known:
                near = difflib.get_close_matches(key, known, 1)
                raise self.wrong(
                    key, f"is not known here; {f'did you mean {near[0]}?' if near else 'known: ' + ', '.join(known)}"
                )

    def tables(self, key: str) -> list[_Table]:
        found = self.data.get(key, [])
        if not isinstance(found, list) or not all(isinstance(table, dict) for table in found):
            raise self.wrong(key, f"must be written as [[{key}]]")
        return [_Table(table, self.place.nth(key, number)) for number, table in enumerate(found)]

    def text(self, key: str, *, required: bool = True) -> str:
        value = self.data.get(key, "")
        if not isinstance(value, str) or not value.isprintable() or (required and not value):
            raise self.wrong(key, "must be a text between quotes")
        return value

    def texts(self, key: str, fits: Callable[[str], bool], what: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
        values = self.data.get(key, list(default))
        if not isinstance(values, list) or not values:
            raise self.wrong(key, "must be a list with something in it")
        for value in values:
            if not isinstance(value, str) or not fits(value):
                raise self.wrong(key, f"{shown(str(value))} must be {what}")
        return tuple(values)

    def flag(self, key: str) -> bool:
        value = self.data.get(key, False)
        if not isinstance(value, bool):
            raise self.wrong(key, "must be true or false")
        return value


def _is_who(text: str) -> bool:
    return text in (MEMBERS, GUESTS) or bool(_WHO.fullmatch(text))


def _is_access(text: str) -> bool:
    return text in Access.__members__


def _is_channel(text: str) -> bool:
    return text == ANY or bool(_CHANNEL.fullmatch(text))


def _fits(pattern: re.Pattern[str]) -> Callable[[str], bool]:
    return lambda text: bool(pattern.fullmatch(text))
