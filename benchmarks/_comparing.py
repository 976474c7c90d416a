"""Two files of rows side by side: what got better or worse beyond the noise of either run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks._rows import Row, figures

_RANGES = {"ratio": ("min", "max"), "ms": ("p25", "p75"), "per_s": ("min", "max"), "mb": ("min", "max")}
_MIDDLE = {"ratio": "median", "ms": "p50", "per_s": "median", "mb": "median"}
_LEAST = 0.05  # less than this share of change is said to be none: two runs on one machine differ by that


@dataclass(frozen=True)
class Change:
    """One row of either file. `verdict` is better, worse, same, new or gone; `by` is how much the middle moved."""

    id: str
    old: str
    new: str
    target: str
    verdict: str
    by: str


def compared(old: Sequence[Row], new: Sequence[Row]) -> Iterator[Change]:
    """The rows of the newer file, then those that only the older one has."""
    before = {row["id"]: row for row in old}
    for row in new:
        was = before.pop(row["id"], None)
        verdict, by = ("new", "") if was is None else _verdict(was, row)
        yield Change(row["id"], figures(was) if was else "-", figures(row), str(row.get("target", "")), verdict, by)
    for row in before.values():
        yield Change(row["id"], figures(row), "-", str(row.get("target", "")), "gone", "")


def _verdict(old: Row, new: Row) -> tuple[str, str]:
    """Their ranges must be apart, and their middles too."""
    kind = next((kind for kind in _RANGES if kind in old and kind in new), None)
    if kind is None:
        measured = [any(k in row for k in _RANGES) for row in (old, new)]
        return ("same" if measured[0] == measured[1] else "new" if measured[1] else "gone"), ""
    was, now = old[kind], new[kind]
    low, high = _RANGES[kind]
    moved = now[_MIDDLE[kind]] / was[_MIDDLE[kind]] - 1 if was[_MIDDLE[kind]] else 0.0
    by = f"{moved:+.0%}"
    apart = now.get(low, 0) > was.get(high, 0) or now.get(high, 0) < was.get(low, 0)
    if not apart or abs(moved) < _LEAST:
        return "same", by
    return ("better" if (moved > 0) == (kind == "per_s") else "worse"), by
