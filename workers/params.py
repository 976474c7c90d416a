"""How the fields of a `Params` dataclass become the arguments of a command. Their types are those of `workers.values`."""

from __future__ import annotations

import difflib
import re
import typing
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

from workers.errors import UsageError, shown
from workers.values import (
    ALL,
    WORKLOADS,
    Address,
    ClusterName,
    DnsName,
    Duration,
    HostPort,
    Namespace,
    NodeOrPodTarget,
    NodeTarget,
    PodTarget,
    ServiceOrNodeTarget,
    ServiceTarget,
    Target,
)

__all__ = [
    "ALL",
    "PREPOSITIONS",
    "WORKLOADS",
    "YES",
    "Address",
    "Arg",
    "Argument",
    "ClusterName",
    "DnsName",
    "Duration",
    "HostPort",
    "Namespace",
    "NodeOrPodTarget",
    "NodeTarget",
    "PodTarget",
    "Preposition",
    "ServiceOrNodeTarget",
    "ServiceTarget",
    "Target",
    "arguments",
    "build",
    "words",
]

P = TypeVar("P")
Preposition = Literal["", "from", "on", "to", "in", "for"]
YES, NO = "yes", "no"
"""What a flag's word alone means, and its contrary."""
PREPOSITIONS = frozenset(filter(None, get_args(Preposition)))


@dataclass(frozen=True)
class Arg:
    """How a field is said: `help` in a few words; `word` is its preposition.

    Without a preposition, a required field is said bare and an optional one as `name=value`, or bare as well if `bare`.
    `rest`: the last field, which takes all words that are left as they are.
    An optional `bool` is a flag: its name alone says yes.
    """

    help: str
    word: Preposition = ""
    bare: bool = False
    rest: bool = False


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
    def flag(self) -> bool:
        """Whether its name alone says it."""
        return self.kind is bool

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
            said[f.name] = {True: YES, False: NO}[value] if isinstance(value, bool) else str(value)
    return said


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
    if shape is bool:
        return Argument(name, arg, lambda text: _flag(name, text), required, kind=bool)
    raise TypeError(f"{name}: {shape} cannot be read from a word")


def _choice(name: str, choices: tuple[str, ...], text: str) -> str:
    for choice in choices:
        if text.lower() == choice.lower():
            return choice
    near = difflib.get_close_matches(text.lower(), [choice.lower() for choice in choices])
    raise UsageError(
        f"{name}={shown(text)}: must be one of {', '.join(choices)}",
        nearest=tuple(c for c in choices if c.lower() in near),
    )


def _flag(name: str, text: str) -> bool:
    if text.lower() not in (YES, NO):
        raise UsageError(f"{name}={shown(text)}: is said alone, or as {name}={YES} or {name}={NO}")
    return text.lower() == YES


def _whole(name: str, text: str) -> int:
    if not re.fullmatch(r"-?[0-9]{1,15}", text):
        raise UsageError(f"{name}={shown(text)}: must be a whole number")
    return int(text)
