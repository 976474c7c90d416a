"""Kernel log lines that tell of dropped packets, in the forms in which nodes keep them. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Iterator, Optional

_DEVICE = re.compile(r"\d+,\d+,(\d+),[^;]*;(.*)")
_JOURNAL = re.compile(r"(\d+(?:\.\d+)?) \S+ kernel: (.*)")
_DATED = r"([A-Z][a-z]{2} [ \d]\d \d{2}:\d{2}:\d{2}|\d{4}-\d{2}-\d{2}T\S+) \S+ "
_SYSLOG = re.compile(_DATED + r"(?:[a-z0-9]+\.[a-z]+ )?kernel: (?:\[ *\d+\.\d+\] )?(.*)")  # busybox names facility and level
_OF_SYSLOG = re.compile(_DATED, re.MULTILINE)
_OF_DEVICE = re.compile(r"^\d+,\d+,\d+,", re.MULTILINE)
_OF_JOURNAL = re.compile(r"^\d+(?:\.\d+)? \S+ kernel: ", re.MULTILINE)
_AHEAD = timedelta(hours=1)
"""A time without a year that is later than now by more than this is one of last year: an hour may stand twice in a night."""
_YEARS = 9  # from one 29th of February to another
_UTC = timezone.utc  # noqa: UP017  (Python 3.9 has no datetime.UTC)
_WHAT = (
    ("conntrack-full", re.compile(r"nf_conntrack: table full(?: in netns (\d+))?, dropping packet")),
    ("neighbour-overflow", re.compile(r"neighbour: \S+: neighbor table overflow!")),
)


@dataclass(frozen=True)
class LogLine:
    """`what` is conntrack-full or neighbour-overflow; `at` is RFC 3339, UTC; `netns` is the namespace that the line names.

    Times of /dev/kmsg do not count while the node sleeps, and are told by the processor's own clock, which nobody sets: after
    months they may be minutes off.
    """

    at: str
    what: str
    text: str
    netns: Optional[int] = None


@dataclass(frozen=True)
class Clock:
    """When the node started, and what time it is there; seconds of the epoch."""

    booted: float
    now: float


def clock(stat: str, uptime: str) -> Clock:
    """From /proc/stat (btime) and /proc/uptime; the epoch where they do not say."""
    booted = re.search(r"^btime (\d+)$", stat, re.MULTILINE | re.ASCII)
    up = re.match(r"\d+\.\d+", uptime, re.ASCII)
    start = float(booted[1]) if booted else 0.0
    return Clock(start, start + float(up[0]) if up else start)


def holds_records(text: str, of: str) -> bool:
    """Whether a text holds anything that was logged ("device", "journal", "syslog"): a log without it is none of this node's."""
    return bool({"device": _OF_DEVICE, "journal": _OF_JOURNAL, "syslog": _OF_SYSLOG}[of].search(text))


def newest(lines: list[LogLine], most: int, netns: int) -> list[LogLine]:
    """The newest of each kind, in their order; of those on tables of namespaces other than this one no more than of its own."""
    kept: list[LogLine] = []
    counts: dict[tuple[str, bool], int] = {}
    for line in reversed(lines):
        kind = line.what, line.netns in (None, netns)
        counts[kind] = counts.get(kind, 0) + 1
        if counts[kind] <= most:
            kept.append(line)
    return kept[::-1]


def of_device(text: str, clock: Clock) -> list[LogLine]:
    """From records of /dev/kmsg: priority, number, microseconds after start and flags before ";", the text after it."""
    return [
        line
        for record in text.split("\n")
        for found in [_DEVICE.fullmatch(record)]
        if found and len(found[1]) <= 18  # noqa: PLR2004  (microseconds of 30,000 years: more is no time)
        for line in _telling(clock.booted + int(found[1]) / 1e6, found[2])
    ]


def of_journal(text: str) -> list[LogLine]:
    """From `journalctl --output=short-unix`: seconds of the epoch, host, "kernel:", text."""
    return [
        line
        for record in text.split("\n")
        for found in [_JOURNAL.fullmatch(record)]
        if found and len(found[1]) <= 20  # noqa: PLR2004  (as above)
        for line in _telling(float(found[1]), found[2])
    ]


def of_syslog(text: str, clock: Clock) -> list[LogLine]:
    """From a syslog file, with times as RFC 3164 (without a year, in the node's local time) or RFC 3339 writes them."""
    return [
        line
        for record in text.split("\n")
        for found in [_SYSLOG.fullmatch(record)]
        if found
        for when in [_when(found[1], clock.now)]
        if when is not None
        for line in _telling(when, found[2])
    ]


def written(at: float) -> str:
    """A time as RFC 3339 writes it, in UTC; a time that no calendar has is the last one that it has."""
    try:
        in_utc = datetime.fromtimestamp(at, _UTC).replace(tzinfo=None)
        return f"{in_utc.isoformat(timespec='seconds')}Z"  # strftime writes year 1 with one digit
    except (ValueError, OverflowError, OSError):
        return "9999-12-31T23:59:59Z"


def _telling(at: float, text: str) -> Iterator[LogLine]:
    for what, pattern in _WHAT:
        found = pattern.search(text)
        if found:
            netns = found[1] if pattern.groups else None
            yield LogLine(written(at), what, text[:300], int(netns) if netns and len(netns) < 12 else None)  # noqa: PLR2004  (32 bits)


def _when(text: str, now: float) -> Optional[float]:
    """The year that is missing is the last one that makes it the past, by the node's own calendar."""
    try:
        if text[0].isdigit():
            when = datetime.fromisoformat(text.replace("Z", "+00:00"))  # noqa: FURB162  (Python 3.9)
            return when.timestamp()
        latest = datetime.fromtimestamp(now) + _AHEAD  # noqa: DTZ006  (the node's local time is meant)
    except (ValueError, OverflowError, OSError):
        return None
    guesses = (_in_year(year, text) for year in range(latest.year, latest.year - _YEARS, -1))
    return next((when.timestamp() for when in guesses if when is not None and when <= latest), None)


def _in_year(year: int, text: str) -> Optional[datetime]:
    try:
        return datetime.strptime(f"{year} {text}", "%Y %b %d %H:%M:%S")  # noqa: DTZ007  (as above)
    except ValueError:  # the 29th of February is in few of them
        return None
