"""What a worker stores about a job: compressed, and sealed, so that nobody else puts words into its thread."""

from __future__ import annotations

import zlib

from workers.seal import Seal


def pack(seal: Seal, purpose: str, job_id: str, data: bytes) -> bytes:
    """Compressed and sealed as `purpose` of that job."""
    return seal.close(purpose, job_id, zlib.compress(data, 6))


def unpack(seal: Seal, purpose: str, job_id: str, packed: bytes) -> bytes:
    """The data again. Raises `Forged`; nothing is decompressed before its seal is verified."""
    return zlib.decompress(seal.open(purpose, job_id, packed))
