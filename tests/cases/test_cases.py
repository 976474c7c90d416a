"""Every JSON file in a folder here is a case of the check that the folder is named for: words in, findings out, fit for Slack."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from node_helper import codec
from node_helper.changes.plan import Target
from node_helper.facts import catalogue as facts
from node_helper.protocol import CannotLook
from tests.cases.redacted import redacted, told
from tests.cases.world import NOW, world
from tests.slack_limits import refuse_what_slack_refuses
from workers.catalogue import all_changes, catalogue
from workers.check import AsCompleted, Ask, Effect, Samples, Stream, Twice, View
from workers.errors import Unresolved, UsageError
from workers.params import build
from workers.recording import Recording, read_cluster, record, replay
from workers.render import blocks, notices
from workers.render.message import Message

CASES = sorted(Path(__file__).parent.glob("*/*.json"))


class Pretended:
    """Nodes that answer each fact with what the world says; a list holds the answers to the same fact one after the other.

    `{"when": [[{"server": "10.96.0.10"}, answer], …], "else": answer}` tells questions apart by their fields; the first counts.
    """

    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers = answers

    async def perform(self, effect: Effect) -> Any:
        if isinstance(effect, Stream):
            rows = self.answers[effect.ask.fact.name]
            state = effect.start
            if isinstance(rows, dict):
                return self._answer(effect.ask)
            for row in rows:
                state = effect.add(state, codec.decode(effect.ask.fact.answer, row))
            return state
        given = {key: self._answer(ask) for key, ask in effect.asks.items()}
        if isinstance(effect, AsCompleted):
            state = effect.start
            for key, answer in given.items():
                state = effect.add(state, key, answer)
            return state
        if not isinstance(effect, Twice):
            return given
        return {k: a if k in effect.once else self._again(a, effect.asks[k], effect.apart) for k, a in given.items()}

    def _again(self, first: Any, ask: Ask[Any, Any], apart: float) -> Any:
        """Two samples; of a list they are one answer and the next."""
        return first if isinstance(first, CannotLook) else Samples(first, self._answer(ask), apart)

    def _answer(self, ask: Ask[Any, Any]) -> Any:
        fact = ask.fact.name
        said = self.answers[fact]
        if "when" in said:
            said = next((a for fields, a in said["when"] if _is(ask.query, fields)), said["else"])
        if isinstance(said, list):
            said = said.pop(0) if len(said) > 1 else said[0]
        if "cannot" in said:
            return CannotLook(said["cannot"], kind=said.get("kind", "unreachable"))
        return codec.decode(facts()[fact].answer, said)


def _is(query: object, fields: dict[str, Any]) -> bool:
    return all(getattr(query, name) == value for name, value in fields.items())


def view_of(made: dict[str, Any]) -> View:
    kinds = {kind: list(of.values()) if isinstance(of, dict) else of for kind, of in made["cluster"].items()}
    known = {**kinds, "proxy_config": made["cluster"]["proxy_config"]}
    return View(read_cluster({"name": "lab", "as_of": NOW, **known}), made["namespace"], NOW, made["pool_label"])


@pytest.mark.parametrize("path", CASES, ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_case(path: Path) -> None:
    case = json.loads(path.read_text())
    change, drafts = all_changes().get(path.parent.name), list[Any]()
    check = change.drafting(drafts.append) if change else catalogue()[path.parent.name]
    made = world(case.get("changes", {}))
    view = view_of(made)
    clock = iter((0.0, 0.25))
    params = build(check.params, case["words"])
    running = record(check, params, view, Pretended(made["answers"]), lambda: next(clock))
    if "refused" in case:
        with pytest.raises(UsageError) as refused:
            asyncio.run(running)
        assert [refused.value.problem, *refused.value.nearest] == [case["refused"], *case["nearest"]]
        refuse_what_slack_refuses(said_of(refused.value))
        return
    report, recording = asyncio.run(running)
    assert [[f.severity.value, f.id, f.claim] for f in report.findings] == case["findings"]
    if change:
        assert (drafts[0] and [_target(t) for t in drafts[0].targets]) == case["draft"]
    for name, value in case.get("facts", {}).items():
        assert report.shown.facts[name] == value
    assert asyncio.run(replay(Recording.loads(recording.dumps()), catalogue())) == report
    refuse_what_slack_refuses(blocks.message(report))
    overheard = redacted(report, view.cluster, case["words"], check.params)
    refuse_what_slack_refuses(overheard)
    assert told(overheard, view.cluster) == []


def _target(target: Target) -> list[str | int]:
    before, after = target.before, target.after
    return [target.node, before.value, after.value, before.buckets, after.buckets, after.persisted or ""]


def said_of(refusal: UsageError) -> Message:
    return notices.unresolved(refusal, "command {}") if isinstance(refusal, Unresolved) else notices.usage(refusal)
