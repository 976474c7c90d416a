"""Answers to a plan's questions out of saved files; what no file tells is `CannotLook`."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from node_helper.protocol import CannotLook
from workers.check import AsCompleted, Ask, Batch, Effect, Stream
from workers.offline import sources
from workers.offline.folder import Folder
from workers.offline.source import OfNode, Source


def registry() -> dict[str, Source[Any, Any]]:
    """Every source by the name of its fact. Raises `TypeError` for a module without a `SOURCE` of its own name."""
    found: dict[str, Source[Any, Any]] = {}
    for module in pkgutil.iter_modules(sources.__path__):
        source = getattr(importlib.import_module(f"{sources.__name__}.{module.name}"), "SOURCE", None)
        if not isinstance(source, Source) or source.fact.name != module.name:
            raise TypeError(f"workers/offline/sources/{module.name}.py must define SOURCE for the fact {module.name!r}")
        found[module.name] = source
    return found


@dataclass(frozen=True)
class FromFolder:
    """A `workers.runner.Answers` of saved evidence: the same question always has the same answer."""

    folder: Folder
    sources: Mapping[str, Source[Any, Any]] = field(default_factory=registry)

    async def perform(self, effect: Effect) -> Any:
        """Everything that the effect asks, one after the other."""
        if isinstance(effect, Stream):
            return self._folded(effect)
        if isinstance(effect, Batch):
            return {key: self._answer(ask) for key, ask in effect.asks.items()}
        if isinstance(effect, AsCompleted):
            state = effect.start
            for key, ask in effect.asks.items():
                state = effect.add(state, key, self._answer(ask))
            return state
        return {key: self._answer(ask) if key in effect.once else _one_moment(ask) for key, ask in effect.asks.items()}

    def _folded(self, effect: Stream) -> Any:
        rows = self._answer(effect.ask)
        if isinstance(rows, CannotLook):
            return rows
        state = effect.start
        for row in rows:
            state = effect.add(state, row)
        return state

    def _answer(self, ask: Ask[Any, Any]) -> Any:
        source = self.sources.get(ask.fact.name)
        try:
            if source is None:
                raise _not_saved(ask)
            return source.read(OfNode(ask.node, self.folder), ask.query)
        except CannotLook as cannot:
            return cannot


def _not_saved(ask: Ask[Any, Any]) -> CannotLook:
    reason = f"{ask.node}: no kind of saved file tells {ask.fact.name.replace('_', ' ')}"
    return CannotLook(reason, kind="missing", fix="Ask the node itself: run the same command without --from.")


def _one_moment(ask: Ask[Any, Any]) -> CannotLook:
    reason = f"{ask.node}: saved files are of one moment, and {ask.fact.name.replace('_', ' ')} needs two"
    return CannotLook(reason, kind="missing", fix="Ask the node itself: run the same command without --from.")
