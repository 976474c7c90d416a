"""Kernel log lines that tell of dropped packets, in the forms in which nodes keep them. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Iterator, Optional

_DEVICE = re.compile(r"\d+,\d+,(\d+),[^;]*;(.*)")
_JOURNAL = re.compile(r"(\d+(?:\.\d+)?) \S+ kernel: (.*)")
_SYSLOG = re.compile(r"([A-Z][a-z]{2} [ \d]\d \d{2}:\d{2}:\d{2}|\d{4}-\d{2}-\d{2}T\S+) \S+ kernel: (?:\[ *\d+\.\d+\] )?(.*)")
_UTC = timezone.utc  # noqa: UP017  (Python 3.9 has no datetime.UTC)
_WHAT = (
    ("conntrack-full", re.compile(r"nf_conntrack: table full(?: in netns (\d+))?, dropping packet")),
    ("neighbour-overflow", re.compile(r"neighbour: \S+: neighbor table overflow!")),
)


@dataclass(frozen=True)
class LogLine:
    """`what` is conntrack-full or neighbour-overflow; `at` is RFC 3339, UTC; `netns` is the namespace that the line names.

    Times of /dev/kmsg do not count while the node sleeps; a node that never does has them right.
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
        return datetime.fromtimestamp(at, _UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return "9999-12-31T23:59:59Z"


def _telling(at: float, text: str) -> Iterator[LogLine]:
    for what, pattern in _WHAT:
        found = pattern.search(text)
        if found:
            netns = found[1] if pattern.groups else None
            yield LogLine(written(at), what, text[:300], int(netns) if netns and len(netns) < 12 else None)  # noqa: PLR2004  (32 bits)


def _when(text: str, now: float) -> Optional[float]:
    """The year that is missing is the one that makes it the past."""
    try:
        if text[0].isdigit():
            when = datetime.fromisoformat(text.replace("Z", "+00:00"))  # noqa: FURB162  (Python 3.9)
            return when.timestamp()
        year = datetime.fromtimestamp(now, _UTC).year
        for guess in (year, year - 1):
            when = datetime.strptime(f"{guess} {text}", "%Y %b %d %H:%M:%S").astimezone()
            if when.timestamp() <= now + timedelta(days=1).total_seconds():
                return when.timestamp()
    except (ValueError, OverflowError, OSError):
        return None
    return None
