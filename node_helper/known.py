"""The facts and deeds that this helper knows, each imported when it is first asked for.

An installed or pushed helper carries the schemas of its facts in a file beside its code (what `node-helper schemas` prints),
so that its start imports nothing that nobody asked for. Where there is no such file, everything is imported.
"""

from __future__ import annotations

import importlib
import json
import os
from dataclasses import dataclass
from typing import Any, Callable, Mapping, Optional, Union

from node_helper.changes.deed import Deed
from node_helper.look import AnyFact

FILE = "schemas.json"
Known = Union[AnyFact, Deed[Any, Any]]


@dataclass(frozen=True)
class Facts:
    """Which facts and deeds there are, with their schemas, and how to get at one of them."""

    schemas: Mapping[str, str]
    find: Callable[[str], Known]


def these(facts: Mapping[str, Known]) -> Facts:
    """Facts that are imported already."""
    return Facts({name: fact.schema for name, fact in facts.items()}, facts.__getitem__)


def ours() -> Facts:
    """Those of `node_helper.facts` and `node_helper.changes.deeds`."""
    kept = _kept()
    if kept is None:
        return these(everything())
    return Facts(json.loads(kept), _imported)


def everything() -> Mapping[str, Known]:
    """All of it by its name, imported. Raises `TypeError` for a deed with the name of a fact."""
    from node_helper import facts
    from node_helper.changes import deeds

    looking, doing = facts.catalogue(), deeds.catalogue()
    if looking.keys() & doing.keys():
        raise TypeError("a deed has the name of a fact")
    return {**looking, **doing}


def _kept() -> Optional[bytes]:
    """The file beside this one, which may be in a zip."""
    loader: Any = __spec__.loader
    try:
        kept: bytes = loader.get_data(os.path.join(os.path.dirname(__file__), FILE))
    except OSError:
        return None
    return kept


def _imported(name: str) -> Known:
    from node_helper.changes import deeds

    if name in deeds.NAMES:
        return deeds.find(name)
    fact: AnyFact = importlib.import_module(f"node_helper.facts.{name}").FACT
    return fact
