"""A name resolved from inside a pod as the pod's resolver would, every step of the search path shown, and every way to the DNS.

The ways differ in what they cross: the service's rules, the network between nodes, one DNS pod, what that asks in turn.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from node_helper.facts import devices, dns, dns_pair
from workers import findings
from workers.check import Access, Ask, Check, Plan, Round, View, ask
from workers.checks import _dns_differential, _dns_judge, _dns_outside, _dns_pairs, _dns_ways
from workers.checks._dns_differential import Ground
from workers.checks._dns_judge import Answer, fails, silent, works
from workers.checks._dns_outside import is_outside
from workers.checks._dns_pairs import lost
from workers.checks._dns_seen import ROOT, Params, Seen, Step, types
from workers.checks._dns_show import show
from workers.checks._dns_ways import Pair, Questions, Way, Ways
from workers.checks._from_pod import Inside, candidates, enter, ndots
from workers.model import Evidence, Finding

K = TypeVar("K")
A = TypeVar("A")
Query = Ask[dns.Query, dns.DnsAnswer]
Pairs = Mapping[str, Ask[dns_pair.Query, dns_pair.DnsPair]]


@dataclass(frozen=True)
class _Got:
    """The answers of one round."""

    plain: Mapping[Way | Step, Answer]
    pairs: Mapping[str, Pair]


def plan(params: Params, view: View) -> Plan[Seen]:
    """Enter the pod, then ask every way and every step at once; what failed is asked once more, as one packet can be lost."""
    inside = yield from enter(view, params.pod)
    servers = (str(params.server),) if params.server else inside.resolver.nameservers if inside.resolver else ()
    if inside.netns is None or not servers:
        return Seen(inside)
    return (yield from _look(params, inside, _dns_ways.questions(view, inside, inside.netns, servers)))


def _look(params: Params, inside: Inside, questions: Questions) -> Plan[Seen]:
    names, kinds = _names(params, inside), types(params.type)
    steps = [Step(name, kind) for name in names for kind in kinds]
    asked: dict[Way | Step, Query] = dict(questions.ways.items())
    asked |= {step: questions.step(*step) for step in steps}
    first = yield from _round(asked, questions.pairs)
    second = yield from _round(*_doubts(questions, asked, first))
    tries = {key: (answer, *_also(second.plain, key)) for key, answer in first.plain.items()}
    ways = Ways(
        questions.name,
        questions.domain,
        questions.servers,
        {way: tries[way] for way in questions.ways},
        {server: (pair, *_also(second.pairs, server)) for server, pair in first.pairs.items()},
        questions.unasked,
    )
    quiet = any(silent(first.plain[way]) for way in questions.ways if not way.replica)
    held = (yield from ask(inside.pod.node, devices.FACT, devices.Query())) if quiet else None
    return Seen(inside, names, kinds, {step: tries[step] for step in steps}, ways, second.plain.get(ROOT), held)


def _doubts(questions: Questions, asked: Mapping[Way | Step, Query], first: _Got) -> tuple[dict[Way | Step, Query], Pairs]:
    """What is worth asking again, and the root where names outside fail. Steps are not where no way works over UDP.

    Silence is asked about without EDNS, as C libraries ask: that a firewall drops EDNS takes no answer from the pod.
    """
    by_udp = (a for key, a in first.plain.items() if isinstance(key, Step) or (key.transport == "udp" and not key.replica))
    heard = any(map(works, by_udp)) or not questions.ways
    again = {
        k: _plain(query) if silent(first.plain[k]) else query
        for k, query in asked.items()
        if fails(first.plain[k]) and (heard or isinstance(k, Way))
    }
    if questions.ways and any(isinstance(key, Step) and is_outside(key.name, questions.domain) for key in again):
        again[ROOT] = questions.step(*ROOT)
    return again, {server: query for server, query in questions.pairs.items() if lost(first.pairs[server])}


def _plain(ask: Query) -> Query:
    return replace(ask, query=replace(ask.query, edns=False))


def _names(params: Params, inside: Inside) -> tuple[str, ...]:
    name = params.name.name
    return candidates(name, inside.resolver) if inside.resolver else (name.rstrip(".") + ".",)


def _round(plain: Mapping[Way | Step, Query], pairs: Pairs) -> Plan[_Got]:
    look = Round()
    slots = {key: look.add(str(key), query) for key, query in plain.items()}
    both = {server: look.add(f"{server} from one socket", query) for server, query in pairs.items()}
    got = yield from look.ask()
    return _Got({key: slot.of(got) for key, slot in slots.items()}, {server: slot.of(got) for server, slot in both.items()})


def _also(more: Mapping[K, A], key: K) -> tuple[A, ...]:
    return (more[key],) if key in more else ()


def judge(params: Params, view: View, seen: Seen) -> Iterator[Finding]:
    """The ways to the server first; then steps that these do not explain, and a name that no step finds."""
    yield from seen.inside.unseen(view.now)
    yield from findings.cluster_gaps(view, "services", "slices")
    if seen.inside.resolver and not seen.inside.resolver.nameservers and not params.server:
        yield _dns_judge.no_server(seen.inside.resolver, seen.inside.pod, view.now)
    if seen.ways is None:
        return
    ground = Ground(seen.inside.pod, view.now, seen.devices)
    told: set[str] = set()
    for finding in (*_dns_differential.judge(seen.ways, ground), *_dns_pairs.judge(seen.ways, ground)):
        told.add(finding.id)
        yield finding
    for finding in _steps(seen, seen.ways, ground):
        if finding.id not in told:
            told.add(finding.id)
            yield finding
    if not told and not seen.chosen:
        yield _absent(params, seen, ground)
    yield from _amplified(params, seen, ground)


def _steps(seen: Seen, ways: Ways, ground: Ground) -> Iterator[Finding]:
    """Of the names up to the one at which the resolver stops: those after it are never asked for."""
    for step, tries in seen.steps.items():
        if step.name not in seen.tried or ways.explains(tries[-1]):
            continue
        beyond = _dns_outside.upstream(ways, step.name, tries, seen.root, ground)
        if beyond:
            yield beyond
        elif len(tries) > 1 and works(tries[-1]):
            yield _dns_differential.sometimes(f"nameserver {seen.server}", step.name, tries, ground)
        else:
            yield from _dns_judge.server(tries[-1], seen.server, step.name, ground.pod, ground.now)


def _absent(params: Params, seen: Seen, ground: Ground) -> Finding:
    answers = {str(step): tries[-1] for step, tries in seen.steps.items()}
    said = "; ".join(f"{step} {a.rcode}" for step, a in answers.items() if isinstance(a, dns.DnsAnswer))
    tried = Evidence(f"DNS queries to {seen.server}", said, ground.now)
    if any(isinstance(a, dns.DnsAnswer) and a.rcode == "NOERROR" for a in answers.values()):
        if seen.addressless:
            return _dns_judge.without_address(str(params.name), seen.alias, ground.pod, tried)
        return _dns_judge.without_type(str(params.name), params.type, ground.pod, tried)
    return _dns_judge.not_found(str(params.name), ground.pod, tried)


def _amplified(params: Params, seen: Seen, ground: Ground) -> Iterator[Finding]:
    conf, chosen = seen.inside.resolver, seen.chosen
    if conf and chosen and chosen[0] == f"{params.name.name}." == seen.names[-1]:
        yield from _dns_outside.amplified(params.name.name, seen.queries, len(seen.names) - 1, ndots(conf), ground)


CHECK = Check(
    name="dns",
    summary="Resolve a name from inside a pod: every step of its search path, every way to the DNS",
    access=Access.PROBE,
    params=Params,
    plan=plan,
    judge=judge,
    show=show,
    examples=("dns hello-world from client", "dns example.com from shop/cart type=AAAA", "dns db server=10.96.0.10"),
)
