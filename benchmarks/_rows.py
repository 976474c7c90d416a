"""The rows that benchmarks give: JSON values in one form, whatever they measure."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

Row = dict[str, Any]


def ratio(id_: str, what: str, reference: str, ratios: Sequence[float], target: float) -> Row:
    """A cost as a share of the reference's, pair by pair in one interleaved run."""
    said = {"min": min(ratios), "median": statistics.median(ratios), "max": max(ratios)}
    return {"id": id_, "what": what, "reference": reference, "ratio": said, "target": target, "met": said["median"] <= target}


def milliseconds(id_: str, what: str, ms: Sequence[float], target: float, of: str = "p99") -> Row:
    """Times of single events; `of` says which percentile the target is for."""
    ordered = sorted(ms)
    said = {"p50": ordered[len(ordered) // 2], "p99": ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]}
    return {"id": id_, "what": what, "ms": said, "of": of, "target": target, "met": said[of] <= target}


def unmeasured(id_: str, what: str, why: str) -> Row:
    """A row of the table that could not be measured here, and why."""
    return {"id": id_, "what": what, "met": None, "why": why}
