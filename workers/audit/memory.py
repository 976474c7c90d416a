"""What a counter-signer remembers, in an SQLite file of its own: every write is on disk before it is answered. I/O."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from node_helper import codec
from workers.audit.entry import compact
from workers.audit.lines import Head, Seal

_SCHEMA = """
CREATE TABLE IF NOT EXISTS audit_heads (writer TEXT PRIMARY KEY, head BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS audit_seals (seq INTEGER PRIMARY KEY, seal BLOB NOT NULL, sent INTEGER NOT NULL DEFAULT 0);
"""


class SqliteMemory:
    """A `workers.audit.counter.Memory`. `close` it in the end."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.executescript(_SCHEMA)
        path.chmod(0o600)

    def heads(self) -> dict[str, Head]:
        """By writer."""
        return {writer: codec.decode(Head, json.loads(head)) for writer, head in self._db.execute("SELECT * FROM audit_heads")}

    def last(self) -> Seal | None:
        """The newest seal."""
        found = self._db.execute("SELECT seal FROM audit_seals ORDER BY seq DESC LIMIT 1").fetchone()
        return _seal(found[0]) if found else None

    def remember(self, seals: Sequence[Seal]) -> None:
        """In one transaction. Of the seals that were sent only the newest is of use."""
        if not seals:
            return
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute("DELETE FROM audit_seals WHERE sent = 1 AND seq < ?", (seals[0].seq - 1,))
            self._db.executemany(
                "INSERT INTO audit_seals (seq, seal) VALUES (?, ?)", [(seal.seq, compact(codec.encode(seal))) for seal in seals]
            )
            self._db.executemany(
                "INSERT OR REPLACE INTO audit_heads VALUES (?, ?)",
                [(head.writer, compact(codec.encode(head))) for seal in seals for head in seal.heads],
            )

    def unsent(self) -> tuple[Seal, ...]:
        """In their order."""
        found = self._db.execute("SELECT seal FROM audit_seals WHERE sent = 0 ORDER BY seq")
        return tuple(_seal(row[0]) for row in found)

    def sent(self) -> None:
        """All of them."""
        self._db.execute("UPDATE audit_seals SET sent = 1 WHERE sent = 0")

    def forget(self, writers: Sequence[str]) -> None:
        """Their heads."""
        with self._db:
            self._db.executemany("DELETE FROM audit_heads WHERE writer = ?", [(writer,) for writer in writers])

    def close(self) -> None:
        """Ends the connection."""
        self._db.close()


def _seal(stored: bytes) -> Seal:
    return codec.decode(Seal, json.loads(stored))
