"""The ts of a job's message, sealed for its job, so that nobody points a job at another message of the bot's."""

from __future__ import annotations

import structlog

from workers.seal import Forged, Seal

log = structlog.get_logger()

_PURPOSE = "ts"


def sealed(seal: Seal, job_id: str, ts: str) -> bytes:
    """As it lies in Redis."""
    return seal.close(_PURPOSE, job_id, ts.encode())


def opened(seal: Seal, job_id: str, stored: bytes | None) -> str | None:
    """The ts; one with a false seal is logged, and counts as none: another message is posted then."""
    if not stored:
        return None
    try:
        return seal.open(_PURPOSE, job_id, stored).decode()
    except Forged as e:
        log.error("ts_forged", job=job_id, reason=str(e))  # noqa: TRY400  (hostile data, not a fault of ours)
        return None
