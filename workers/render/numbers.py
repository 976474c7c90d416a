"""Sizes and spans of time in the units that people think in."""

from __future__ import annotations

_STEP = 1024
_SIZES = ("B", "KiB", "MiB", "GiB", "TiB")
_SPANS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def size(number: float) -> str:
    """Bytes, in the largest unit of which there is one; with their sign."""
    left, unit = abs(number), 0
    while left >= _STEP and unit < len(_SIZES) - 1:
        left, unit = left / _STEP, unit + 1
    return f"{'-' if number < 0 else ''}{left:.0f} B" if unit == 0 else f"{'-' if number < 0 else ''}{left:.1f} {_SIZES[unit]}"


def span(seconds: float) -> str:
    """Whole seconds, in at most two units: `2 h`, `1 h 30 min`, `45 s`."""
    left, said = round(seconds), []
    for length, unit in _SPANS:
        if left >= length:
            said.append(f"{left // length} {unit}")
            left %= length
    return " ".join(said[:2]) or "0 s"
