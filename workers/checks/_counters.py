"""By how much a counter of 32 bits rose between two looks: it begins again from zero behind its last value. Pure.

The kernel holds those of conntrack and of the receive queues so (struct ip_conntrack_stat, struct softnet_data); they pass
their end within days on a busy node.
"""

from __future__ import annotations

_SIZE = 1 << 32


def rise(before: int, now: int) -> int:
    """0 where it fell: what was reset in between tells nothing."""
    by = (now - before) % _SIZE
    return by if by < _SIZE // 2 else 0
