"""The rows that benchmarks give: JSON values in one form, whatever they measure."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

Row = dict[str, Any]


def ratio(id_: str, what: str, reference: str, ratios: Sequence[float], target: float) -> Row:
    """A cost as a share of the reference's, pair by pair in one interleaved run."""
    said = {"min": min(ratios), "median": statistics.median(ratios), "max": max(ratios)}
    return {
        "id": id_, "what": what, "reference": reference, "ratio": said, "target": target, "met": said["median"] <= target
    }  # fmt: skip


def milliseconds(id_: str, what: str, ms: Sequence[float], target: float, of: str = "p99", reference: str = "") -> Row:
    """Times of single events; `of` says which percentile the target is for. The quarters tell noise from change."""
    ordered = sorted(ms)
    said = {f"p{percent}": ordered[min(len(ordered) - 1, len(ordered) * percent // 100)] for percent in (25, 50, 75, 99)}
    said["max"] = ordered[-1]
    row = {"id": id_, "what": what, "ms": said, "of": of, "target": target, "met": said[of] <= target}
    return {**row, "reference": reference} if reference else row


def rate(id_: str, what: str, per_s: Sequence[float], target: float) -> Row:
    """So many a second, several times over."""
    said = {"min": min(per_s), "median": statistics.median(per_s), "max": max(per_s)}
    return {"id": id_, "what": what, "per_s": said, "target": target, "met": said["median"] >= target}


def megabytes(id_: str, what: str, peaks: Sequence[float], target: float) -> Row:
    """The most memory at any moment, several times over; the largest must hold."""
    said = {"min": min(peaks), "median": statistics.median(peaks), "max": max(peaks)}
    return {"id": id_, "what": what, "mb": said, "target": target, "met": said["max"] <= target}


def unmeasured(id_: str, what: str, why: str) -> Row:
    """A row of the table that could not be measured here, and why."""
    return {"id": id_, "what": what, "met": None, "why": why}


def missing(ids: Mapping[str, str], found: Sequence[Row], why: str) -> list[Row]:
    """Rows, by id and what, for all that a benchmark should have given and did not."""
    given = {row["id"] for row in found}
    return [unmeasured(id_, what, why) for id_, what in ids.items() if id_ not in given]


def figures(row: Row) -> str:
    """What was measured, for people."""
    if "ratio" in row:
        return "{median:.3f} ({min:.3f} to {max:.3f})".format(**row["ratio"])
    if "ms" in row:
        return "p50 {p50:.2f} ms, p99 {p99:.2f} ms, max {max:.2f} ms".format(**row["ms"])
    if "per_s" in row:
        return "{median:.0f}/s ({min:.0f} to {max:.0f})".format(**row["per_s"])
    if "mb" in row:
        return "{max:.0f} MB ({min:.0f} to {max:.0f})".format(**row["mb"])
    return str(row.get("why", ""))
