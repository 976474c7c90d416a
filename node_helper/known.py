"""The facts that this helper knows, each imported when it is first asked for.

An installed or pushed helper carries the schemas of its facts in a file beside its code (what `node-helper schemas` prints),
so that its start imports nothing that nobody asked for. Where there is no such file, everything is imported.
"""

from __future__ import annotations

import importlib
import json
import os
from dataclasses import dataclass
from typing import Any, Callable, Mapping, Optional

from node_helper.look import AnyFact

FILE = "schemas.json"


@dataclass(frozen=True)
class Facts:
    """Which facts there are, with their schemas, and how to get at one of them."""

    schemas: Mapping[str, str]
    find: Callable[[str], AnyFact]


def these(facts: Mapping[str, AnyFact]) -> Facts:
    """Facts that are imported already."""
    return Facts({name: fact.schema for name, fact in facts.items()}, facts.__getitem__)


def ours() -> Facts:
    """Those of `node_helper.facts`."""
    kept = _kept()
    if kept is None:
        from node_helper.facts import catalogue

        return these(catalogue())
    return Facts(json.loads(kept), _imported)


def _kept() -> Optional[bytes]:
    """The file beside this one, which may be in a zip."""
    loader: Any = __spec__.loader
    try:
        kept: bytes = loader.get_data(os.path.join(os.path.dirname(__file__), FILE))
    except OSError:
        return None
    return kept


def _imported(name: str) -> AnyFact:
    fact: AnyFact = importlib.import_module(f"node_helper.facts.{name}").FACT
    return fact
