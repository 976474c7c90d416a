"""Times of day as they are written down. Pure."""

from __future__ import annotations

import time


def rfc3339(seconds: float) -> str:
    """UTC, to the second."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
