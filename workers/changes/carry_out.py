"""A grant, carried out: which node when, what its answer means, and when to stop. Pure: steps out, their answers in.

Whoever begins anew, because a worker died, begins here with the same grant: what nodes say of it in their journals counts, and
a node that is asked again answers what came of it the first time.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from node_helper.changes.grant import Applied
from node_helper.changes.plan import Plan, Target
from node_helper.facts.conntrack_stats import ConntrackStats
from node_helper.protocol import CannotLook
from workers.changes.came import Came, checked, known, meant, said, unreachable
from workers.changes.proposal import NodeEnd
from workers.check import Samples

T = TypeVar("T")
Flow = Generator["Step", Any, T]
_BEFORE_S = 1.0
"""Long enough to see whether a full table drops packets, short for who waits."""


@dataclass(frozen=True)
class Look:
    """Ask these nodes how they stand to changes; answered by node."""

    nodes: tuple[str, ...]


@dataclass(frozen=True)
class Watch:
    """Two samples of these nodes' counters, `apart` seconds between; answered by node."""

    nodes: tuple[str, ...]
    apart: float


@dataclass(frozen=True)
class Apply:
    """Hand the grant to a node, once; answered by `Applied`, or by `CannotLook` where nobody knows what came of it."""

    node: str


@dataclass(frozen=True)
class MayGoOn:
    """Before the next nodes: answered by why not, "" where nothing is against it."""


@dataclass(frozen=True)
class Each:
    """All of these at once; answered by node."""

    parts: Mapping[str, Flow[Came]]


@dataclass(frozen=True)
class Tell:
    """What is being done now, and what became of nodes already."""

    doing: str
    ends: tuple[NodeEnd, ...]
    nodes: int


Step = Look | Watch | Apply | MayGoOn | Each | Tell


@dataclass(frozen=True)
class How:
    """The first `canary` nodes one by one, the others `at_once` at a time; what was changed is watched for `watch_s`."""

    canary: int = 1
    at_once: int = 5
    watch_s: float = 20.0


@dataclass(frozen=True)
class Result:
    """`came` in the order of the plan; `before` and `after` are samples of the counters of nodes that this run changed."""

    came: tuple[Came, ...]
    stopped: str
    before: Mapping[str, Samples[ConntrackStats] | CannotLook]
    after: Mapping[str, Samples[ConntrackStats] | CannotLook]

    @property
    def ends(self) -> tuple[NodeEnd, ...]:
        """For the approver."""
        return tuple(came.end for came in self.came)


def carry_out(plan: Plan, how: How) -> Flow[Result]:
    """The whole of it."""
    names = tuple(t.node for t in plan.targets)
    yield Tell("looking at the nodes", (), len(names))
    states = yield Look(names)
    came = {t.node: old for t in plan.targets if (old := known(plan, t, states[t.node])) is not None}
    fresh = [t for t in plan.targets if t.node not in came]
    stop = _why_stop(came.values()) or (yield MayGoOn())
    before = {} if stop or not fresh else (yield Watch(tuple(t.node for t in fresh), _BEFORE_S))
    for wave in _waves(fresh, how, len(came)):
        if stop:
            break
        yield Tell(f"changing {', '.join(t.node for t in wave)}", _ends(plan, came), len(names))
        came |= yield Each({t.node: _one(plan, t) for t in wave})
        stop = _why_stop(came.values()) or (yield MayGoOn())
    left = [t for t in fresh if t.node not in came]
    came |= yield from _begun(plan, left)
    skipped = {t.node: Came(NodeEnd(t.node, "skipped", stop)) for t in left if t.node not in came}
    changed = tuple(name for name in names if name in came and came[name].end.ended == "done" and not came[name].surprise)
    after: Mapping[str, Samples[ConntrackStats] | CannotLook] = {}
    if changed and how.watch_s:
        yield Tell(f"watching {', '.join(changed)} for {how.watch_s:g} s", _ends(plan, came | skipped), len(names))
        after = yield Watch(changed, how.watch_s)
    whole = came | skipped
    return Result(tuple(whole[name] for name in names), stop, before, after)


def _begun(plan: Plan, left: Sequence[Target]) -> Flow[dict[str, Came]]:
    """Of those that were not asked, what a worker before this one had begun on them when they were first looked at."""
    states = (yield Look(tuple(t.node for t in left))) if left else {}
    seen = {t.node: known(plan, t, state) for t in left if not isinstance(state := states[t.node], CannotLook)}
    return {node: came for node, came in seen.items() if came is not None}


def _waves(fresh: Sequence[Target], how: How, past: int) -> Iterator[Sequence[Target]]:
    """The canaries that are still to come one by one, then the others."""
    canaries = max(0, min(how.canary - past, len(fresh)))
    for target in fresh[:canaries]:
        yield (target,)
    for start in range(canaries, len(fresh), how.at_once):
        yield fresh[start : start + how.at_once]


def _one(plan: Plan, target: Target) -> Flow[Came]:
    """One node: a grant whose answer was lost is handed over again only where the node's journal does not know it."""
    answer = yield Apply(target.node)
    if isinstance(answer, CannotLook):
        before = known(plan, target, (yield Look((target.node,)))[target.node])
        answer = before or (yield Apply(target.node))
    if isinstance(answer, CannotLook):
        answer = known(plan, target, (yield Look((target.node,)))[target.node]) or unreachable(target, answer)
    return answer if isinstance(answer, Came) else (yield from _read_back(plan, target, answer))


def _read_back(plan: Plan, target: Target, answer: Applied) -> Flow[Came]:
    """What a node says that it did is looked at once more, from outside."""
    came = meant(target, answer)
    if came.surprise:
        return came
    state = (yield Look((target.node,)))[target.node]
    if isinstance(state, CannotLook):
        reason = f"it said that it was done, and could not be looked at afterwards: {state.reason}"
        return replace(came, end=replace(came.end, reason=reason), surprise=True)
    return replace(known(plan, target, state) or checked(target, came, state), warnings=came.warnings)


def _why_stop(came: Iterable[Came]) -> str:
    """The first surprise, as the reason for what is not begun any more."""
    first = next((c.end for c in came if c.surprise), None)
    return "" if first is None else f"after {first.node}: {said(first)}"


def _ends(plan: Plan, came: Mapping[str, Came]) -> tuple[NodeEnd, ...]:
    return tuple(came[t.node].end for t in plan.targets if t.node in came)
