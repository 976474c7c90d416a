"""What a node's rules should do for services against what they do: every difference, named by its service. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from workers.objects import Service
from workers.rules.desired import Desired, Wanted
from workers.rules.resolve import Path, Route, Rules
from workers.rules.steps import Source

_SHOWN = 4
_OFF = 0.01
"""Chances of a random choice are written with a limited number of digits."""


@dataclass(frozen=True)
class Difference:
    """One frontend for which the rules do something else than the API's objects want, for connections from `source`.

    `what`: endpoints, refusal, chances, affinity, or unread where the rules could not be understood.
    """

    wanted: Wanted
    source: Source
    what: str
    desired: str
    actual: str

    @property
    def subject(self) -> str:
        """The service port: shop/web:http."""
        return self.wanted.subject


def differences(desired: Desired, services: Iterable[Service], node: str, rules: Rules) -> Iterator[Difference]:
    """Every difference of these services on a node, in the families for which this backend holds rules."""
    for service in services:
        for each in desired.of(service, node):
            if rules.in_use(each.frontend.family):
                yield from of_route(each, rules.route(each.frontend))


def of_route(each: Wanted, route: Route) -> Iterator[Difference]:
    """The differences of one frontend."""
    for source, path in route.paths.items():
        yield from _of_path(each, source, path)


def _of_path(each: Wanted, source: Source, path: Path) -> Iterator[Difference]:
    desired = each.endpoints[source]
    if path.outcome == "unknown":
        yield Difference(each, source, "unread", ", ".join(desired) or "refused", f"not understood: {'; '.join(path.unread)}")
    elif path.addresses != desired:
        said = ", ".join(path.addresses) or ": ".join(filter(None, (path.outcome, "; ".join(path.unhooked))))
        yield Difference(each, source, "endpoints", ", ".join(desired) or "no endpoint", said)
    elif not desired and path.outcome not in ("reject", "drop"):
        yield Difference(each, source, "refusal", "refused at once", "; ".join(path.unhooked) or "no rule is about it")
    elif desired:
        yield from _of_choice(each, source, path)


def _of_choice(each: Wanted, source: Source, path: Path) -> Iterator[Difference]:
    fair = 1 / len(path.endpoints)
    if any(abs(share.share - fair) > _OFF * fair for share in path.endpoints):
        said = ", ".join(f"{share.endpoint} {share.share:.2%}" for share in path.endpoints)
        yield Difference(each, source, "chances", f"{fair:.2%} each", said)
    if each.sticky_s != path.sticky_s or path.unsteady:
        said = ": ".join(filter(None, (_stays(path.sticky_s), "; ".join(path.unsteady[:_SHOWN]))))
        yield Difference(each, source, "affinity", _stays(each.sticky_s), said)


def _stays(seconds: int | None) -> str:
    return "none" if seconds is None else f"by client address for {seconds} s"
