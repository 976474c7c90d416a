"""Parameters as a person would type them, and the namespaces that they are about."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from workers.params import (
    ALL,
    PREPOSITIONS,
    YES,
    Argument,
    Namespace,
    NodeTarget,
    PodTarget,
    ServiceTarget,
    Target,
    arguments,
    words,
)

P = TypeVar("P")
MODIFIERS = frozenset({"namespace", "ns", "n", "cluster"})
"""What every command understands beside its own arguments: where bare names are looked for, and in which cluster."""


def line(name: str, params: object, namespace: str | None = None, cluster: str | None = None) -> str:
    """A whole command; the grammar reads the same from it. The namespace is said only where it makes a difference."""
    where = f"namespace={namespace}" if namespace and namespace_matters(params) else ""
    return " ".join(filter(None, [name, phrase(params), where, f"cluster={cluster}" if cluster else ""]))


def phrase(params: object) -> str:
    """The arguments as a person would type them; the grammar reads the same parameters from it again."""
    said = words(params)
    known = arguments(type(params))
    return " ".join(_spoken(a, said[a.name], {b.name for b in known}) for a in known if a.name in said)


def namespace_matters(params: object) -> bool:
    """Whether any of the parameters means something else in another namespace."""
    return any(_depends(getattr(params, a.name), a.kind) for a in arguments(type(params)))


def placed(params: P, namespace: str) -> P:
    """The same with every name that stands alone meant in this namespace, and nowhere else."""
    bare = {a.name: value for a in arguments(type(params)) if isinstance(value := getattr(params, a.name), Target)}
    found = {name: replace(target, namespace=namespace) for name, target in bare.items() if _depends(target, None)}
    return replace(params, **found)  # type: ignore[type-var]  # every Params is a dataclass


def namespaces(params: object, default: str) -> tuple[str, ...]:
    """The namespaces that the parameters are about for sure, for policy; "*" is all of them.

    `default` is among them where the parameters mean it by leaving a namespace or a pod out. Bare names and addresses name none:
    they are looked for in what policy leaves of the view.
    """
    found: set[str] = set()
    for a in arguments(type(params)):
        value = getattr(params, a.name)
        if isinstance(value, Namespace):
            found.add("*" if value.name == ALL else value.name)
        elif isinstance(value, Target) and not isinstance(value, NodeTarget) and value.kind != "node":
            found |= {value.namespace} if value.namespace else set()
        elif value is None and a.kind in (Namespace, PodTarget, ServiceTarget):
            found.add(default)
    return tuple(sorted(found))


def _spoken(argument: Argument, value: str, names: set[str]) -> str:
    """A value that could be taken for something else is said with its name."""
    if argument.flag and value == YES:
        return argument.name
    if argument.arg.word and not value.startswith("-"):
        return f"{argument.arg.word} {value}"
    key = value.partition("=")[0].lower()
    mistakable = value.startswith("-") or value.lower() in PREPOSITIONS or ("=" in value and key in names | MODIFIERS)
    if not argument.positional or mistakable:
        return f"{argument.name}={value}"
    return value


def _depends(value: object, kind: type | None) -> bool:
    if isinstance(value, Target):
        return value.namespace is None and value.kind not in ("ip", "node") and not isinstance(value, NodeTarget)
    return value is None and kind in (Namespace, PodTarget, ServiceTarget)
