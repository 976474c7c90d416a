"""How a command is said, derived from its parameters."""

from __future__ import annotations

from bot.entry import Entry
from workers.change_values import Buckets, Count, NodesTarget, SettingName
from workers.params import (
    Address,
    Argument,
    Duration,
    HostPort,
    Namespace,
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


def usage(entry: Entry) -> str:
    """One line, as in `dns NAME [from POD] [type=A|AAAA]`; brackets mean that it may be left out."""
    known = arguments(entry.params)
    ordered = [a for a in known if a.positional] + [a for a in known if not a.positional]
    return " ".join([entry.name, *(form(a) for a in ordered)])


def form(argument: Argument) -> str:
    """How one argument is said."""
    if argument.flag:
        return f"[{argument.name}]"
    value = "|".join(argument.choices) or _METAVARS.get(argument.kind or str, argument.name.upper())
    before = f"{argument.arg.word} " if argument.arg.word else "" if argument.positional else f"{argument.name}="
    said = before + value + ("…" if argument.arg.rest else "")
    return said if argument.required else f"[{said}]"
