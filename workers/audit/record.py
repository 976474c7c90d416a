"""A signed entry as it is stored and exported: `1.KEY.SIGNATURE.ENTRY`, the entry in canonical bytes. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from workers.audit import entry as entries
from workers.audit.entry import Entry
from workers.audit.keys import Keys, Signer

_VERSION = b"1"
_PURPOSE = "entry"


class Unsound(Exception):
    """What is stored is no entry that one of our roles has written; the message says why."""


@dataclass(frozen=True)
class Record:
    """What a stored record says, whoever wrote it. `data` are the entry's canonical bytes."""

    key: str
    signature: str
    entry: Entry
    data: bytes

    @cached_property
    def digest(self) -> str:
        """Of the entry."""
        return entries.digest(self.data)

    def dumps(self) -> bytes:
        """As it is stored."""
        return b".".join((_VERSION, self.key.encode(), self.signature.encode(), self.data))


def close(signer: Signer, entry: Entry) -> Record:
    """The entry, signed."""
    data = entries.canonical(entry)
    return Record(signer.public.id, signer.sign(_PURPOSE, data), entry, data)


def read(stored: bytes) -> Record:
    """What is said, unverified. Raises `Unsound` where nothing can be read."""
    parts = stored.split(b".", 3)
    if len(parts) != 4 or parts[0] != _VERSION:  # noqa: PLR2004  (version, key, signature, entry)
        raise Unsound("is no record of the audit")
    try:
        return Record(parts[1].decode("ascii"), parts[2].decode("ascii"), entries.read(parts[3]), parts[3])
    except (ValueError, RecursionError) as e:
        raise Unsound("cannot be read as an entry") from e


def check(record: Record, keys: Keys) -> None:
    """Raises `Unsound` unless a known key of its writer's role has signed it."""
    entry, key = record.entry, keys.get(record.key)
    if key is None:
        raise Unsound(f"is signed with the key {record.key!r}, which is not known: is its .pub file in NETCHECK_AUDIT_KEYS_FILE?")
    if key.role != entry.role:
        raise Unsound(f"is signed by a {key.role}, which {entry.writer!r} is not")
    if not key.verifies(_PURPOSE, record.signature, record.data):
        raise Unsound("is not what was signed")
