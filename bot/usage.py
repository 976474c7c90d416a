"""How a command is said, derived from its parameters."""

from __future__ import annotations

from bot.entry import Entry
from workers.changes.values import Buckets, Count, NodesTarget, SettingName
from workers.params import (
    Address,
    Argument,
    Duration,
    HostPort,
    Namespace,
    NodeOrPodTarget,
    NodeTarget,
    PodTarget,
    ServiceOrNodeTarget,
    ServiceTarget,
    arguments,
)

_METAVARS = {
    PodTarget: "POD",
    NodeTarget: "NODE",
    ServiceTarget: "SERVICE",
    ServiceOrNodeTarget: "SERVICE|NODE",
    NodeOrPodTarget: "NODE|POD",
    Namespace: "NAMESPACE|all",
    Address: "IP",
    HostPort: "HOST:PORT",
    Duration: "30s",
    int: "NUMBER",
    Count: "NUMBER|256k",
    Buckets: "NUMBER|keep",
    SettingName: "conntrack_max",
    NodesTarget: "NODE,…|KEY=VALUE|pool=NAME|all",
}

_CHOICES_SHOWN = 4
"""More than so many are told by the argument's help and by the refusal of a wrong one."""


def usage(entry: Entry) -> str:
    """One line, as in `dns NAME [from POD] [type=A|AAAA]`; brackets mean that it may be left out."""
    known = arguments(entry.params)
    ordered = [a for a in known if a.positional] + [a for a in known if not a.positional]
    return " ".join([entry.name, *(form(a) for a in ordered)])


def form(argument: Argument) -> str:
    """How one argument is said."""
    if argument.flag:
        return f"[{argument.name}]"
    value = _choices(argument.choices) or _METAVARS.get(argument.kind or str, argument.name.upper())
    before = f"{argument.arg.word} " if argument.arg.word else "" if argument.positional else f"{argument.name}="
    said = before + value + ("…" if argument.arg.rest else "")
    return said if argument.required else f"[{said}]"


def _choices(choices: tuple[str, ...]) -> str:
    return "|".join((*choices[:_CHOICES_SHOWN], "…") if len(choices) > _CHOICES_SHOWN + 1 else choices)
