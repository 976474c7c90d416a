"""Adding a check is adding files: one check, any new fact, its cases. Nothing else is edited, all else derives from them."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import node_helper.facts
import workers.checks
from bot.commands import parse
from bot.usage import usage
from node_helper import codec
from tests.cases import test_cases
from tests.cases.world import world
from workers.job import Channel, Requester
from workers.policy import file as policy_file
from workers.policy import rules as policy
from workers.recording import Recording, record, replay
from workers.render import as_json, blocks, terminal

FACT = '''
"""How long the node has been up."""
from __future__ import annotations
from dataclasses import dataclass
from node_helper.kernel import Kernel
from node_helper.protocol import CannotLook, Fact

@dataclass(frozen=True)
class Query:
    """Nothing more is needed."""

@dataclass(frozen=True)
class Uptime:
    """Since boot."""
    seconds: float

def collect(kernel: Kernel, query: Query) -> Uptime:
    text = kernel.read("/proc/uptime")
    if text is None:
        raise CannotLook("there is no /proc/uptime", kind="missing")
    return Uptime(float(text.split()[0]))

FACT = Fact(name="toy_uptime", query=Query, answer=Uptime, collect=collect)
'''
CHECK = '''
"""A node that was just rebooted explains a lot."""
from __future__ import annotations
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated
from node_helper.facts import toy_uptime
from node_helper.protocol import CannotLook
from workers import findings, locate
from workers.check import Access, Check, Plan, View, ask
from workers.model import Evidence, Finding, Severity, Shown, Table
from workers.params import Arg, NodeTarget

@dataclass(frozen=True)
class Params:
    """Which node."""
    node: Annotated[NodeTarget, Arg("the node")]
    least: Annotated[int, Arg("seconds that are long enough")] = 600

Seen = tuple[str, "toy_uptime.Uptime | CannotLook"]

def plan(params: Params, view: View) -> Plan[Seen]:
    node = locate.node(view, params.node).name
    return node, (yield from ask(node, toy_uptime.FACT, toy_uptime.Query()))

def judge(params: Params, view: View, seen: Seen) -> Iterator[Finding]:
    node, up = seen
    if isinstance(up, CannotLook):
        yield findings.unknown(up, node=node, what="the uptime", now=view.now)
    elif up.seconds < params.least:
        yield Finding("toy-rebooted", Severity.WARNING, f"{node} was rebooted {up.seconds:.0f} s ago",
                      (Evidence("/proc/uptime", str(up.seconds), view.now),), "A longer uptime.", "Look why.", node, node)

def show(params: Params, view: View, seen: Seen) -> Shown:
    node, up = seen
    seconds = None if isinstance(up, CannotLook) else up.seconds
    return Shown(node, {"seconds": seconds}, (Table("Node", (("up", f"{seconds} s"),)),))

CHECK = Check(name="toy_uptime", summary="How long a node has been up", access=Access.REVEAL, params=Params,
              plan=plan, judge=judge, show=show, examples=("toy_uptime node1",))
'''
CASE = {
    "words": {"node": "node1"},
    "changes": {"answers.toy_uptime": {"seconds": 42.0}},
    "findings": [["warning", "toy-rebooted", "node1 was rebooted 42 s ago"]],
}


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The three files, in folders that stand beside the project's own."""
    for package, text in ((node_helper.facts, FACT), (workers.checks, CHECK)):
        folder = tmp_path / package.__name__
        folder.mkdir()
        (folder / "toy_uptime.py").write_text(text)
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(folder)])
    case = tmp_path / "cases" / "toy_uptime" / "rebooted.json"
    case.parent.mkdir(parents=True)
    case.write_text(json.dumps(CASE))
    yield case
    for package in (node_helper.facts, workers.checks):
        sys.modules.pop(f"{package.__name__}.toy_uptime", None)
        if hasattr(package, "toy_uptime"):
            del package.toy_uptime


def test_its_case_is_a_test(toy: Path) -> None:
    test_cases.test_case(toy)


def test_grammar_usage_policy_and_rendering_know_it(toy: Path) -> None:
    del toy
    checks = workers.checks.catalogue()
    invocation = parse("TOY_uptime node1 least=10", checks)
    assert invocation.params.least == 10
    assert "toy_uptime" in usage(checks["toy_uptime"])
    member, channel = Requester("U0ALICE", "T0LAB", standing="member"), Channel("C0INCIDENTS", shared=False)
    assert policy.decide(policy_file.built_in(), member, channel, checks["toy_uptime"].access, "lab", ()).allowed
    made = world({"answers.toy_uptime": {"seconds": 42.0}})
    clock = iter((0.0, 0.5))
    view = test_cases.view_of(made)
    answers = test_cases.Pretended(made["answers"])
    report, recording = asyncio.run(record(checks["toy_uptime"], invocation.params, view, answers, lambda: next(clock)))
    assert json.loads(as_json.dumps(report))["facts"] == {"seconds": 42.0}
    assert "toy_uptime" in terminal.text(report)
    assert blocks.message(report).blocks
    again = asyncio.run(replay(Recording.loads(recording.dumps()), workers.checks.catalogue()))
    assert as_json.dumps(again) == as_json.dumps(report)


def test_the_helper_serves_its_fact(toy: Path) -> None:
    del toy
    fact: Any = node_helper.facts.catalogue()["toy_uptime"]

    class Node:
        def read(self, path: str) -> str:
            return {"/proc/uptime": "12.5 20.0\n"}[path]

    assert codec.encode(fact.collect(Node(), fact.query())) == {"seconds": 12.5}
