"""A run, recorded: the cluster it saw, the effects of its plan and their answers in sequence; replayed, it gives the same report.

The format is JSON. Replaying refuses a recording whose questions are not the ones that the check asks today.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from node_helper import codec
from node_helper.protocol import AnyFact, CannotLook
from workers.check import AsCompleted, Check, Effect, Samples, Stream, Twice, View
from workers.model import Report
from workers.objects import Cluster, EndpointSlice, Node, Pod, ProxyConfig, ReplicaSet, Service, Staleness
from workers.params import build, words
from workers.runner import Answers, run

_KINDS = {"pods": Pod, "nodes": Node, "services": Service, "slices": EndpointSlice, "replica_sets": ReplicaSet}


class Misfit(ValueError):
    """The recording is damaged, or was made by a check that asked other questions."""


class Recorder:
    """Passes answers through and keeps them."""

    def __init__(self, inner: Answers) -> None:
        self._inner = inner
        self.steps: list[dict[str, Any]] = []

    async def perform(self, effect: Effect) -> Any:
        """What the inner source answers."""
        kept: list[Any] = []
        self.steps.append({"asks": _asks(effect), "answers": kept})
        if isinstance(effect, Stream):
            stream = effect
            end = await self._inner.perform(replace(stream, add=_tapped_rows(stream, kept)))
            if isinstance(end, CannotLook):
                kept.append(["cannot", _answer(end)])
            return end
        if isinstance(effect, AsCompleted):
            return await self._inner.perform(replace(effect, add=_tapped(effect, kept)))
        answers = await self._inner.perform(effect)
        kept.extend([key, _answer(answer)] for key, answer in answers.items())
        return answers


@dataclass
class Replay:
    """Answers an identical plan from the recorded steps."""

    steps: list[dict[str, Any]]

    async def perform(self, effect: Effect) -> Any:
        """The recorded answers. Raises `Misfit` when the plan asks something else."""
        if not self.steps or self.steps[0]["asks"] != _asks(effect):
            raise Misfit("the check asks other questions today than when this was recorded; replay it with the version of then")
        answers = self.steps.pop(0)["answers"]
        if isinstance(effect, Stream):
            return _replayed_rows(effect, answers)
        if isinstance(effect, AsCompleted):
            state = effect.start
            for key, said in answers:
                state = effect.add(state, key, _value(effect.asks[key].fact, said))
            return state
        return {key: _value(effect.asks[key].fact, said) for key, said in answers}


@dataclass(frozen=True)
class Recording:
    """Everything that a report was made from."""

    check: str
    words: dict[str, str]
    view: View
    took_s: float
    steps: tuple[dict[str, Any], ...]

    def dumps(self) -> str:
        """As JSON text."""
        data = {"format": 1, "check": self.check, "words": self.words, "view": _view(self.view), "took_s": self.took_s}
        return json.dumps({**data, "steps": list(self.steps)}, separators=(",", ":"))

    @classmethod
    def loads(cls, text: str) -> Recording:
        """From JSON text. Raises `Misfit`."""
        try:
            data = json.loads(text)
            if data["format"] != 1:
                raise Misfit(f"format {data['format']} is not known to this version")
            return cls(data["check"], data["words"], _read_view(data["view"]), data["took_s"], tuple(data["steps"]))
        except (ValueError, KeyError, TypeError) as e:
            raise Misfit(f"not a recording: {e}") from e


async def replay(recording: Recording, checks: Mapping[str, Check[Any, Any]]) -> Report:
    """The same report again, byte for byte. Raises `Misfit`."""
    if recording.check not in checks:
        raise Misfit(f"there is no check {recording.check!r}")
    check = checks[recording.check]
    clock = iter((0.0, recording.took_s))
    answers = Replay(list(recording.steps))
    return await run(check, build(check.params, recording.words), recording.view, answers, lambda: next(clock))


async def record(
    check: Check[Any, Any], params: Any, view: View, answers: Answers, clock: Callable[[], float]
) -> tuple[Report, Recording]:
    """Run a check and keep what it was made from."""
    recorder = Recorder(answers)
    report = await run(check, params, view, recorder, clock)
    return report, Recording(check.name, words(params), view, report.took_s, tuple(recorder.steps))


def _asks(effect: Effect) -> dict[str, Any]:
    asks = {"": effect.ask} if isinstance(effect, Stream) else effect.asks
    apart: dict[str, Any] = {"apart": effect.apart} if isinstance(effect, Twice) else {}
    apart |= {"once": sorted(effect.once)} if isinstance(effect, Twice) and effect.once else {}
    said = {key: {"node": a.node, "fact": a.fact.name, "query": codec.encode(a.query)} for key, a in asks.items()}
    return {"effect": type(effect).__name__, **apart, "of": said}


def _answer(answer: Any) -> dict[str, Any]:
    if isinstance(answer, CannotLook):
        return {"cannot": {"reason": answer.reason, "kind": answer.kind, "fix": answer.fix}}
    if isinstance(answer, Samples):
        return {"first": codec.encode(answer.first), "second": codec.encode(answer.second), "apart": answer.apart}
    return {"value": codec.encode(answer)}


def _value(fact: AnyFact[Any, Any], said: dict[str, Any]) -> Any:
    if "cannot" in said:
        return CannotLook(said["cannot"]["reason"], kind=said["cannot"]["kind"], fix=said["cannot"]["fix"])
    if "first" in said:
        both = (codec.decode(fact.answer, said["first"]), codec.decode(fact.answer, said["second"]))
        return Samples(*both, said["apart"])
    return codec.decode(fact.answer, said["value"])


def _tapped(effect: AsCompleted, kept: list[Any]) -> Callable[[Any, str, Any], Any]:
    def add(state: Any, key: str, answer: Any) -> Any:
        kept.append([key, _answer(answer)])
        return effect.add(state, key, answer)

    return add


def _tapped_rows(effect: Stream, kept: list[Any]) -> Callable[[Any, Any], Any]:
    def add(state: Any, row: Any) -> Any:
        kept.append(["row", _answer(row)])
        return effect.add(state, row)

    return add


def _replayed_rows(effect: Stream, answers: list[Any]) -> Any:
    state = effect.start
    for key, said in answers:
        answer = _value(effect.ask.fact, said)
        if key == "cannot":
            return answer
        state = effect.add(state, answer)
    return state


def _view(view: View) -> dict[str, Any]:
    cluster = view.cluster
    kinds = {kind: [codec.encode(o) for o in getattr(cluster, kind).values()] for kind in _KINDS}
    behind = [codec.encode(b) for b in cluster.behind]
    proxy = None if cluster.proxy_config is None else codec.encode(cluster.proxy_config)
    known = {"name": cluster.name, "as_of": cluster.as_of, **kinds, "proxy_config": proxy, "behind": behind}
    return {"cluster": known, "namespace": view.namespace, "now": view.now, "pool_label": view.pool_label, "saved": view.saved}


def read_cluster(said: dict[str, Any]) -> Cluster:
    """The cluster of a recording's view. Raises `KeyError` and `codec.Malformed` for what is none."""
    kinds: dict[str, Any] = {kind: _by_key([codec.decode(shape, o) for o in said[kind]]) for kind, shape in _KINDS.items()}
    behind = tuple(codec.decode(Staleness, b) for b in said["behind"])
    proxy = said.get("proxy_config")  # recordings of before have none
    config = None if proxy is None else codec.decode(ProxyConfig, proxy)
    return Cluster(said["name"], said["as_of"], **kinds, proxy_config=config, behind=behind)


def _read_view(data: dict[str, Any]) -> View:
    return View(
        read_cluster(data["cluster"]), data["namespace"], data["now"], data.get("pool_label", ""), data.get("saved", False)
    )


def _by_key(objects: list[Any]) -> dict[Any, Any]:
    return {getattr(o, "key", o.name): o for o in objects}
