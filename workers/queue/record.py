"""A job as it lies in Redis: canonical JSON (sorted keys, no spaces, ASCII), sealed for its id."""

from __future__ import annotations

import json

from node_helper import codec
from workers.job import Job
from workers.seal import Forged, Seal

_PURPOSE = "job"


def write(seal: Seal, job: Job) -> bytes:
    """The sealed record."""
    text = json.dumps(codec.encode(job), sort_keys=True, separators=(",", ":"))
    return seal.close(_PURPOSE, job.id, text.encode("ascii"))


def read(seal: Seal, job_id: str, record: bytes) -> Job:
    """The job of that id. Raises `Forged` for one that we did not seal, or of a version that cannot be read."""
    data = seal.open(_PURPOSE, job_id, record)
    try:
        return codec.decode(Job, json.loads(data))
    except ValueError as e:
        raise Forged(f"job of {job_id}: sealed by another version of the bot: {e}") from e
