"""The policy as one TOML file: read, checked to the last word, and refused with the line that is wrong.

deploy/policy.toml documents every key, and is the policy when none is configured.
"""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

from workers.check import Access
from workers.errors import UsageError, shown
from workers.policy import approval_file
from workers.policy.rules import ANY, GUESTS, MEMBERS, Defaults, Limits, Rule, Rules
from workers.policy.table import BadPolicy, Fits, Table, read
from workers.values import PodTarget

__all__ = ["CHANNEL", "BadPolicy", "built_in", "load", "parse"]

VERSION = 1
_PROFILES = {"redacted": True, "full": False}
_MOST = 100_000
_ID = re.compile(r"[UWSTE][A-Z0-9]{2,30}")
CHANNEL = re.compile(r"[CDG][A-Z0-9]{2,30}")
_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_LABEL = re.compile(r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_WHO = Fits(
    lambda text: text in (MEMBERS, GUESTS) or bool(_ID.fullmatch(text)),
    '"members", "guests" or the id of a user (U…), group (S…) or team (T…), never a name',
    (MEMBERS, GUESTS),
)
_MAY = Fits(lambda text: text in Access.__members__, f"one of {', '.join(a.name for a in Access)}", tuple(Access.__members__))
_CHANNELS = Fits(lambda text: text == ANY or bool(CHANNEL.fullmatch(text)), '"*" or the id of a channel (C…), never its name')
_NAMESPACES = Fits.pattern(re.compile(r"[a-z0-9*?\[\]!-]{1,63}"), "the name of a namespace, or a glob")


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
    top = read(text, source)
    top.only("version", "pool_label", "limits", "rule", "channel", "approval")
    if isinstance(top.data.get("version"), bool) or top.data.get("version") != VERSION:
        raise top.wrong("version", f"must be version = {VERSION}")
    label = top.text("pool_label", required=False)
    if label and not _LABEL.fullmatch(label):
        raise top.wrong("pool_label", f"{shown(label)} is not the name of a label, such as example.com/pool")
    return Rules(
        rules=tuple(_rule(table) for table in top.tables("rule")),
        channels=_channels(top),
        source=source,
        approvals=approval_file.rules(top),
        limits=_limits(top.table("limits")),
        pool_label=label,
    )


def _rule(table: Table) -> Rule:
    table.only("name", "who", "may", "channels", "clusters", "namespaces", "shared_channels")
    rule = Rule(
        name=table.text("name"),
        who=table.texts("who", _WHO),
        may=frozenset(Access[name] for name in table.texts("may", _MAY)),
        channels=table.texts("channels", _CHANNELS, (ANY,)),
        clusters=table.texts("clusters", approval_file.CLUSTERS, (ANY,)),
        namespaces=table.texts("namespaces", _NAMESPACES, (ANY,)),
        shared_channels=table.flag("shared_channels"),
    )
    if rule.shared_channels and ANY in rule.channels:
        raise table.wrong("shared_channels", "needs the ids of those channels in `channels`")
    return rule


def _channels(top: Table) -> dict[str, Defaults]:
    found: dict[str, Defaults] = {}
    for table in top.tables("channel"):
        table.only("id", "cluster", "namespace", "pod", "profile")
        name = table.text("id")
        if not CHANNEL.fullmatch(name) or name in found:
            raise table.wrong("id", f"{shown(name)} must be the id of a channel (C…), and said once")
        namespace = table.text("namespace", required=False)
        if namespace and not _NAMESPACE.fullmatch(namespace):
            raise table.wrong("namespace", f"{shown(namespace)} is not a namespace")
        found[name] = Defaults(table.text("cluster", required=False) or None, namespace or None, _pod(table), _redacted(table))
    return found


def _pod(table: Table) -> str | None:
    said = table.text("pod", required=False)
    try:
        return str(PodTarget.parse(said)) if said else None
    except UsageError as e:
        raise table.wrong("pod", e.problem) from e


def _redacted(table: Table) -> bool | None:
    said = table.text("profile", required=False)
    if said and said not in _PROFILES:
        raise table.wrong("profile", f'{shown(said)} must be "redacted" or "full"')
    return _PROFILES.get(said)


def _limits(table: Table | None) -> Limits:
    usual = Limits()
    if table is None:
        return usual
    names = tuple(vars(usual))
    table.only(*names)
    return Limits(**{name: table.number(name, getattr(usual, name), _MOST) for name in names})
