"""What one look at a node's rules proves: two backends at once, a service that is refused, rules that nobody understands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from node_helper.netfilter.records import Ruleset
from node_helper.protocol import CannotLook
from workers import findings
from workers.check import View
from workers.checks import _ipvs_drift
from workers.checks._rules_drift import drifted, unhandled
from workers.checks._rules_seen import Params, Seen, absent, lacking, of_service, searched, within
from workers.model import Confidence, Evidence, Finding, Severity
from workers.objects import Service
from workers.rules.resolve import Path, Rules
from workers.rules.steps import Source

_NEEDED = ("services", "slices", "pods")
_EMPTY = frozenset({"gone"})


def judge(params: Params, view: View, seen: Seen) -> Iterator[Finding]:
    """Every finding of `rules`, `iptables` and `nftables`."""
    if seen.service:
        yield from findings.service_gaps(view, seen.service, *_NEEDED, everywhere=params.node is None)
    yield from _unseen(params, view, seen)
    yield from _not_there(params, view, seen)
    for node in seen.nodes:
        yield from _mixed(view, seen, node)
    yield from unhandled(view, seen)
    if seen.service:
        yield from _of_service(view, seen, seen.service)
        yield from drifted(view, seen, seen.service)
        yield from _in_ipvs(view, seen, seen.service)


def _unseen(params: Params, view: View, seen: Seen) -> Iterator[Finding]:
    for node, known in seen.backends.items():
        if isinstance(known, CannotLook):
            yield findings.unknown(known, node=node, what="packet filters", now=view.now)
    said = set[tuple[str, str, str]]()
    for (node, backend, family), answer in seen.answers:
        needless = seen.by_ipvs(node) and seen.lacks(node, family)  # IPVS needs no rules in each family
        needless |= params.table is None and seen.unlisted((node, backend, family))  # no finding needs their text
        if not isinstance(answer, CannotLook) or answer.kind in _EMPTY or needless:
            continue
        if (why := (node, backend, answer.reason)) not in said:  # one file may be of both families
            said.add(why)
            yield findings.unknown(answer, node=node, what=f"rules in {backend}", now=view.now)


def _not_there(params: Params, view: View, seen: Seen) -> Iterator[Finding]:
    """What was asked for by a name that no node knows was not looked at: not a fault, and no reason to call anything healthy."""
    if not (what := absent(params, seen)):
        return
    nodes = searched(seen)
    there = {node: sorted({t.name for t in seen.asked(node)}) for node in nodes}
    if what.startswith("table "):
        names = sorted({name for names in there.values() for name in names})
        known = f": there are {', '.join(names)}" if names else ""
    else:
        known = f"; near it: {', '.join(seen.near)}" if seen.near else ""
    some = f" on {nodes[0] if len(nodes) == 1 else f'{len(nodes)} of {len(seen.nodes)} nodes'}"
    families = "the families ip and ip6" if len(of := lacking(seen)) > 1 else f"the family {of[0]}"
    where = "" if nodes == seen.nodes else some
    yield Finding(
        id="no-such-rules",
        severity=Severity.INFO,
        # nft's inet, bridge and netdev are not looked at
        claim=f"There is no {what}{within(params, seen)} of {families}{where}{known}",
        evidence=tuple(Evidence(f"tables of {node}", ", ".join(tables) or "none", view.now) for node, tables in there.items()),
        disprove=f"A listing of these tables that has the {what}.",
        fix=_instead(what, seen),
        subject=what,
    )


def _instead(what: str, seen: Seen) -> str:
    if not seen.elsewhere:
        return f"`rules {seen.looked[0]}` shows what is there."
    node, backend, _ = seen.elsewhere[0]
    command = "nftables" if backend == "nftables" else "iptables"
    return f"{backend} on {node} has it: `{command} {node} {what.replace(' ', '=', 1)}` shows it."


def _mixed(view: View, seen: Seen, node: str) -> Iterator[Finding]:
    """Service rules in more than one backend of a family: those of an earlier kube-proxy still catch packets."""
    for family in ("ip", "ip6"):
        mine = [t for t in seen.tables(node) if t.family == family]
        services = sorted({t.backend for t in mine if t.services})
        iptables = sorted({t.backend for t in mine if t.rules and t.backend.startswith("iptables-")})
        both = services if len(services) > 1 else iptables
        if len(both) < 2:  # noqa: PLR2004  (one backend is how it should be)
            continue
        yield Finding(
            id="iptables-backends-mixed",
            severity=Severity.PROBLEM if both is services else Severity.WARNING,
            claim=f"{node} holds {'service rules' if both is services else 'rules'} in {' and '.join(both)} at once",
            evidence=tuple(
                Evidence(f"{backend} ({family})", ", ".join(t.name for t in mine if t.backend == backend and t.rules), view.now)
                for backend in both
            ),
            disprove="Only one of them holding tables with rules.",
            fix="Find out which one kube-proxy writes today and flush the other; then let all writers use the same iptables.",
            subject=node,
            node=node,
        )


def _of_service(view: View, seen: Seen, service: Service) -> Iterator[Finding]:
    paths = list(_paths(seen, service))
    refused = tuple(
        Evidence(f"{backend} on {node}, {path.via[-1] if path.via else 'rules'}", f"{said} is refused ({path.outcome})", view.now)
        for node, backend, said, path in paths
        if path.outcome in ("reject", "drop")
    )
    for finding in findings.no_endpoints(view, service):
        yield replace(finding, evidence=(*finding.evidence, *refused[:4]))
    for node, backend, said, path in paths:
        if path.outcome == "unknown":
            yield _not_understood(view, (node, backend, said), path, service)


def _in_ipvs(view: View, seen: Seen, service: Service) -> Iterator[Finding]:
    """Where no rules send it anywhere, the virtual servers do: they are judged as `ipvs` does."""
    for node, one in seen.in_ipvs.items():
        if isinstance(one.servers, CannotLook):
            yield findings.unknown(one.servers, node=node, what="IPVS", now=view.now, subject=str(service))
        elif one.in_use:
            yield from _ipvs_drift.drifted(view, service, node, one.virtual_servers)


def _not_understood(view: View, where: tuple[str, str, str], path: Path, service: Service) -> Finding:
    node, backend, said = where
    return Finding(
        id="unknown-fact",
        severity=Severity.UNKNOWN,
        confidence=Confidence.CANNOT_TELL,
        claim=f"Where {node} sends {said} cannot be told: its rules hold something that is not understood",
        evidence=(Evidence(f"{backend} on {node}, {', '.join(path.via[-2:])}", "; ".join(path.unread), view.now),),
        disprove="Rules with matches and targets that kube-proxy writes.",
        fix=f"Read the rules: `{'nftables' if backend == 'nftables' else 'iptables'} {node}`.",
        subject=str(service),
        node=node,
    )


def _paths(seen: Seen, service: Service) -> Iterator[tuple[str, str, str, Path]]:
    """Node, backend, frontend and what becomes of a pod's connection to it."""
    for (node, backend, family), answer in seen.found.items():
        if seen.by_ipvs(node):
            continue
        if isinstance(answer, Ruleset) and any(t.name in ("nat", "kube-proxy") for t in answer.tables):
            rules = Rules(answer)
            for frontend in of_service(service):
                if frontend.family == family:
                    yield node, backend, str(frontend), rules.route(frontend).paths[Source.POD]
