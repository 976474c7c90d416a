"""Whether clients stay with their endpoint: every one that may be chosen has to be recorded, and sent back to by a rule. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """A rule that looks for clients in a list: for how many seconds (None: no limit), and to which endpoints it sends them."""

    seconds: int | None
    leads: tuple[str, ...]


def affinity(
    endpoints: Collection[str], checks: Mapping[str, Check], records: Mapping[str, frozenset[str]]
) -> tuple[int | None, tuple[str, ...]]:
    """For how many seconds clients stay with their endpoint, None where they do not; and why not, where rules try.

    `checks` by the name of the list, `records` the lists in which each endpoint is recorded.
    """
    if not checks:
        return None, ()
    faults = tuple(_faults(endpoints, checks, records))
    times = {check.seconds for check in checks.values()}
    if not faults and (len(times) > 1 or None in times):
        faults = ("the time differs between endpoints" if len(times) > 1 else "clients are never forgotten",)
    return (None, faults) if faults else (times.pop(), ())


def _faults(endpoints: Collection[str], checks: Mapping[str, Check], records: Mapping[str, frozenset[str]]) -> Iterator[str]:
    for name, check in checks.items():
        if len(check.leads) != 1 or check.leads[0] not in endpoints:
            yield f"clients in {name} are sent to {', '.join(check.leads) or 'no endpoint'}"
    for endpoint in sorted(endpoints):
        mine = {name for name, check in checks.items() if check.leads == (endpoint,)}
        if not mine:
            yield f"no rule sends clients back to {endpoint}"
        elif not mine & records.get(endpoint, frozenset()):
            yield f"no rule records the clients of {endpoint}"
