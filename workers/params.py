"""The types of a command's parameters: how each is read from words, and how the fields of a `Params` dataclass become arguments.

Every value is built from one word by its `parse` and says itself again with `str`; so parameters travel as words in job
records, the worker parses them again with the same rules, and nothing unparsed ever reaches a node.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
import typing
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Annotated, Any, Literal, Self, TypeVar, get_args, get_origin

from workers.errors import UsageError, shown

P = TypeVar("P")
Preposition = Literal["", "from", "on", "to", "in", "for"]
PREPOSITIONS = frozenset(filter(None, get_args(Preposition)))

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_CLUSTER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,252}")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_SELECTOR = re.compile(r"[A-Za-z0-9./_-]{1,317}=[A-Za-z0-9._-]{0,63}(,[A-Za-z0-9./_-]{1,317}=[A-Za-z0-9._-]{0,63})*")
_DNS_LABEL = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_DNS_NAME = re.compile(rf"(?=.{{1,254}}$)({_DNS_LABEL}\.)*{_DNS_LABEL}\.?")
_DOTTED = re.compile(r"[0-9]+(\.[0-9]+){3}")
_DURATION = re.compile(r"([0-9]{1,6})(ms|s|m|h)?")
_UNIT_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_KINDS = {
    "po": "pod", "pod": "pod", "pods": "pod", "no": "node", "node": "node", "nodes": "node", "svc": "svc", "service": "svc",
    "services": "svc", "deploy": "deploy", "deployment": "deploy", "rs": "rs", "replicaset": "rs", "sts": "sts",
    "statefulset": "sts", "ds": "ds", "daemonset": "ds", "job": "job",
}  # fmt: skip
ALL = "all"
MODIFIERS = frozenset({"namespace", "ns", "n", "cluster"})
"""What every command understands beside its own arguments: where bare names are looked for, and in which cluster."""
WORKLOADS = {"deploy": "Deployment", "rs": "ReplicaSet", "sts": "StatefulSet", "ds": "DaemonSet", "job": "Job"}


@dataclass(frozen=True)
class Arg:
    """How a field is said: `help` in a few words; `word` is its preposition.

    Without a preposition, a required field is said bare and an optional one as `name=value`, or bare as well if `bare`.
    """

    help: str
    word: Preposition = ""
    bare: bool = False


@dataclass(frozen=True)
class Target:
    """What a person named: `kind` is "" (find out), pod, node, svc, a workload's short name, selector or ip."""

    kind: str
    name: str
    namespace: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """`name`, `namespace/name`, `kind/name`, both in either order before the name, `key=value[,...]`, an IP address."""
        if _is_ip(text):
            return cls("ip", str(ipaddress.ip_address(text)))
        if _DOTTED.fullmatch(text):
            raise UsageError(f"{shown(text)} is not an IPv4 address: each of its four numbers is from 0 to 255")
        if _SELECTOR.fullmatch(text):
            return cls("selector", text)
        *before, name = text.lower().split("/")
        if not _NAME.fullmatch(name):
            raise UsageError(f"{shown(text)} is not a name, namespace/name, selector (app=web), workload (deploy/web) or IP")
        kind, spaces = _kind_and_namespaces(before)
        if len(spaces) > 1:
            raise UsageError(f"{shown(text)} has too many slashes; say namespace/name or namespace/kind/name")
        if not all(_LABEL.fullmatch(s) for s in spaces):
            raise UsageError(f"{shown(text)}: {shown(spaces[0])} is not a valid namespace")
        return cls(kind, name, spaces[0] if spaces else None)

    def __str__(self) -> str:
        if self.kind in ("ip", "selector"):
            return self.name
        return "/".join(part for part in (self.namespace, self.kind, self.name) if part)


class PodTarget(Target):
    """A target that must mean one pod."""


class NodeTarget(Target):
    """A target that must mean one node."""


class ServiceTarget(Target):
    """A target that must mean one service."""


@dataclass(frozen=True)
class Namespace:
    """A namespace, or "all" of them."""

    name: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """A DNS label (RFC 1123) or `all`."""
        if not _LABEL.fullmatch(text.lower()):
            raise UsageError(f"{shown(text)} is not a namespace")
        return cls(text.lower())

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class ClusterName:
    """The name under which a cluster is configured."""

    name: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """What kubeconfig contexts and cloud providers use: letters, digits and `. _ - : / @`."""
        if not _CLUSTER.fullmatch(text):
            raise UsageError(f"{shown(text)} is not the name of a cluster")
        return cls(text)

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class DnsName:
    """A name to be resolved; a trailing dot means that the search path is not tried."""

    name: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Letters, digits, `-` and `_` in labels of at most 63, 253 in all (RFC 1035 2.3.4), or an IP address."""
        if not _is_ip(text) and not _DNS_NAME.fullmatch(text):
            raise UsageError(f"{shown(text)} is not a host name")
        return cls(text)

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class HostPort:
    """A host name or address with a port: `host:80`, `[fd00::1]:80`."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """The port is required."""
        host, _, port = text.rpartition(":")
        host = host[1:-1] if host.startswith("[") and host.endswith("]") else host
        if not re.fullmatch("[0-9]{1,5}", port) or not 0 < int(port) < 1 << 16:
            raise UsageError(f"{shown(text)} is not HOST:PORT, with a port from 1 to 65535")
        return cls(DnsName.parse(host).name, int(port))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True)
class Address:
    """An IPv4 or IPv6 address."""

    ip: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Any spelling that RFC 4291 allows."""
        if not _is_ip(text):
            raise UsageError(f"{shown(text)} is not an IP address")
        return cls(str(ipaddress.ip_address(text)))

    def __str__(self) -> str:
        return self.ip


@dataclass(frozen=True)
class Duration:
    """A time span in seconds."""

    seconds: float

    @classmethod
    def parse(cls, text: str) -> Self:
        """`30s`, `2m`, `1h`, `500ms`; a bare number is seconds."""
        match = _DURATION.fullmatch(text.lower())
        if not match:
            raise UsageError(f"{shown(text)} is not a duration such as 30s, 2m or 1h")
        return cls(int(match[1]) * _UNIT_S[match[2] or "s"])

    def __str__(self) -> str:
        return f"{self.seconds:.0f}s" if self.seconds.is_integer() else f"{self.seconds * 1000:.0f}ms"


@dataclass(frozen=True)
class Argument:
    """One argument of a command, derived from a field of its `Params`."""

    name: str
    arg: Arg
    parse: Callable[[str], Any]
    required: bool
    choices: tuple[str, ...] = ()
    kind: type | None = None

    @property
    def positional(self) -> bool:
        """Whether it is said bare, without a preposition or its name."""
        return not self.arg.word and (self.required or self.arg.bare)


def arguments(params: type) -> tuple[Argument, ...]:
    """The arguments of a `Params` dataclass in their order. Raises `TypeError` for a field that is not described."""
    hints = typing.get_type_hints(params, include_extras=True)
    return tuple(_argument(f.name, hints[f.name], f.default is MISSING) for f in fields(params))


def build(params: type[P], words: Mapping[str, str]) -> P:
    """The parameters that the words say. Raises `UsageError`."""
    known = {a.name: a for a in arguments(params)}
    for name in words:
        if name not in known:
            raise UsageError(f"{shown(name)} is not an argument here")
    for a in known.values():
        if a.required and a.name not in words:
            raise UsageError(f"{a.name.replace('_', ' ')} is missing: {a.arg.help}")
    return params(**{name: known[name].parse(text) for name, text in words.items()})


def words(params: object) -> dict[str, str]:
    """The words that `build` turns into these parameters again; defaults are left out."""
    said = {}
    for f in fields(params):  # type: ignore[arg-type]  # every Params is a dataclass, its class refused otherwise at import
        value = getattr(params, f.name)
        if value is not None and (f.default is MISSING or value != f.default):
            said[f.name] = str(value)
    return said


def phrase(params: object) -> str:
    """The arguments as a person would type them; the grammar reads the same parameters from it again."""
    said = words(params)
    known = arguments(type(params))
    return " ".join(_spoken(a, said[a.name], {b.name for b in known}) for a in known if a.name in said)


def namespaces(params: object, default: str) -> tuple[str, ...]:
    """The namespaces that the parameters name, for policy: "*" is all of them, and whatever could be in any.

    Bare names mean `default`; that they are looked for elsewhere as well is the business of who narrows the view.
    """
    found: set[str] = set()
    for a in arguments(type(params)):
        value = getattr(params, a.name)
        if isinstance(value, Namespace):
            found.add("*" if value.name == ALL else value.name)
        elif isinstance(value, Target) and not isinstance(value, NodeTarget) and value.kind != "node":
            found.add("*" if value.kind == "ip" else value.namespace or default)
        elif value is None and a.kind and issubclass(a.kind, Namespace | PodTarget | ServiceTarget):
            found.add(default)
    return tuple(sorted(found))


def _spoken(argument: Argument, value: str, names: set[str]) -> str:
    """A value that could be taken for something else is said with its name."""
    if argument.arg.word and not value.startswith("-"):
        return f"{argument.arg.word} {value}"
    key = value.partition("=")[0].lower()
    mistakable = value.startswith("-") or value.lower() in PREPOSITIONS or ("=" in value and key in names | MODIFIERS)
    if not argument.positional or mistakable:
        return f"{argument.name}={value}"
    return value


def _kind_and_namespaces(before: list[str]) -> tuple[str, list[str]]:
    """`namespace/kind/` as the API writes it, or `kind/namespace/` as people do."""
    if before and before[-1] in _KINDS:
        return _KINDS[before[-1]], before[:-1]
    if before and before[0] in _KINDS:
        return _KINDS[before[0]], before[1:]
    return "", before


def _argument(name: str, hint: Any, required: bool) -> Argument:  # noqa: FBT001  (one caller, a row of a table)
    if get_origin(hint) is not Annotated or not isinstance(get_args(hint)[1], Arg):
        raise TypeError(f"{name}: must be Annotated[type, Arg(...)]")
    shape, arg = get_args(hint)[0], get_args(hint)[1]
    options = [t for t in get_args(shape) if t is not type(None)]
    if type(None) in get_args(shape) and len(options) == 1:
        shape = options[0]
    if get_origin(shape) is Literal:
        choices = tuple(str(c) for c in get_args(shape))
        return Argument(name, arg, lambda text: _choice(name, choices, text), required, choices)
    if shape is int:
        return Argument(name, arg, lambda text: _whole(name, text), required, kind=int)
    if isinstance(shape, type) and callable(getattr(shape, "parse", None)):
        return Argument(name, arg, shape.parse, required, kind=shape)  # type: ignore[attr-defined]  # asked for in the line above
    raise TypeError(f"{name}: {shape} cannot be read from a word")


def _choice(name: str, choices: tuple[str, ...], text: str) -> str:
    for choice in choices:
        if text.lower() == choice.lower():
            return choice
    raise UsageError(
        f"{name}={shown(text)}: must be one of {', '.join(choices)}",
        nearest=tuple(difflib.get_close_matches(text.lower(), choices)) or choices,
    )


def _whole(name: str, text: str) -> int:
    if not re.fullmatch(r"-?[0-9]{1,15}", text):
        raise UsageError(f"{name}={shown(text)}: must be a whole number")
    return int(text)


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text
