"""The approver's own memory: one SQLite file, every commit on disk before it returns, no other process beside it. I/O.

A change of an approval and the errands that follow from it are one transaction; what a delivery was answered is in it too, so
that a repeated one changes nothing. The database itself refuses to revive a final state, and to hold two grants for one act.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bot.approver.approval import Approval, Signed, State
from node_helper import codec
from workers.changes.letters import CodeWanted

_FINAL = ", ".join(f"'{state.value}'" for state in State if state.final)
_MOVING = ", ".join(f"'{state.value}'" for state in (State.WAITING, State.GRANTED, State.UNDOING))
_KEPT = 50
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS approval (
    id TEXT PRIMARY KEY, state TEXT NOT NULL, created REAL NOT NULL, to_review INTEGER NOT NULL, record TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS approval_state ON approval (state);
CREATE INDEX IF NOT EXISTS approval_created ON approval (created);
CREATE TABLE IF NOT EXISTS signed (nonce TEXT PRIMARY KEY, approval TEXT NOT NULL UNIQUE, plan TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS delivery (id TEXT PRIMARY KEY, answer TEXT NOT NULL, at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS made (approval TEXT NOT NULL, call TEXT NOT NULL, at REAL NOT NULL, PRIMARY KEY (approval, call));
CREATE TABLE IF NOT EXISTS errand (
    number INTEGER PRIMARY KEY AUTOINCREMENT, approval TEXT NOT NULL, kind TEXT NOT NULL, said TEXT NOT NULL, due REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS code (
    code TEXT PRIMARY KEY, record TEXT NOT NULL, expires REAL NOT NULL, who TEXT NOT NULL, answer TEXT NOT NULL,
    counted INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS history (
    number INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, approval TEXT NOT NULL, state TEXT NOT NULL, who TEXT NOT NULL,
    what TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS self (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TRIGGER IF NOT EXISTS never_revived BEFORE UPDATE ON approval
    WHEN OLD.state IN ({_FINAL}) AND NEW.state IS NOT OLD.state
    BEGIN SELECT RAISE(ABORT, 'a final state does not change'); END;
CREATE TRIGGER IF NOT EXISTS never_forgotten BEFORE DELETE ON signed
    BEGIN SELECT RAISE(ABORT, 'what was signed is not forgotten'); END;
"""


_CODES = "SELECT record, expires, who, answer, counted FROM code"


class Taken(Exception):
    """Another approver has this store."""


@dataclass(frozen=True)
class Errand:
    """Something to do outside, until it is done: `kind` says what, `said` with what, `due` not before when."""

    number: int
    approval: str
    kind: str
    said: str
    due: float


@dataclass(frozen=True)
class Code:
    """A code that the terminal made; `who` is the person that used it, and `answer` what they were told."""

    wanted: CodeWanted
    expires: float
    who: str = ""
    answer: str = ""
    counted: bool = False


class Store:
    """In `folder`, which is made; `close` gives it free. Raises `Taken`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)  # also where somebody else made it: who could write in it could put another store there
        self._lock = _locked(folder / "lock")
        path = folder / "approvals.db"
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        path.chmod(0o600)
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.executescript("PRAGMA journal_mode=DELETE; PRAGMA synchronous=FULL; PRAGMA secure_delete=ON;" + _SCHEMA)
        self.id = self._self("id", secrets.token_hex(8))

    def close(self) -> None:
        """Another may have it now."""
        self._db.close()
        os.close(self._lock)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is written in it is on disk at its end, or nothing."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def get(self, approval: str) -> Approval | None:
        """The approval of that id."""
        row = self._db.execute("SELECT record FROM approval WHERE id = ?", (approval,)).fetchone()
        return None if row is None else _approval(row[0])

    def put(self, approval: Approval, at: float, who: str = "", what: str = "") -> None:
        """Its new version; the history has who did what. Raises `sqlite3.IntegrityError` for a final state that would change."""
        state = approval.state.value
        self._db.execute(
            "INSERT INTO approval VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET "
            "state = excluded.state, to_review = excluded.to_review, record = excluded.record",
            (approval.id, state, approval.created, approval.to_review, _record(approval)),
        )
        self._db.execute(
            "INSERT INTO history (at, approval, state, who, what) VALUES (?, ?, ?, ?, ?)", (at, approval.id, state, who, what)
        )

    def sign(self, signed: Signed) -> None:
        """The one grant for it. Raises `sqlite3.IntegrityError` where there is one."""
        self._db.execute("INSERT INTO signed VALUES (?, ?, ?)", (signed.nonce, signed.approval, signed.plan))

    def unsettled(self) -> tuple[Approval, ...]:
        """Those that time does something to, and what nobody has reviewed, oldest first."""
        rows = self._db.execute(f"SELECT record FROM approval WHERE state IN ({_MOVING}) OR to_review ORDER BY created, id")  # noqa: S608  (our own words)
        return tuple(_approval(row[0]) for row in rows)

    def newest(self, count: int = _KEPT) -> tuple[Approval, ...]:
        """The newest of all, newest first."""
        rows = self._db.execute("SELECT record FROM approval ORDER BY created DESC, id LIMIT ?", (count,))
        return tuple(_approval(row[0]) for row in rows)

    def answered(self, delivery: str) -> str | None:
        """What a delivery was answered, None for one that was not seen before."""
        row = self._db.execute("SELECT answer FROM delivery WHERE id = ?", (delivery,)).fetchone()
        return None if row is None else str(row[0])

    def answer(self, delivery: str, answer: str, at: float) -> None:
        """It is used."""
        self._db.execute("INSERT INTO delivery VALUES (?, ?, ?)", (delivery, answer, at))

    def made(self, approval: str) -> frozenset[str]:
        """The calls that were made for it."""
        rows = self._db.execute("SELECT call FROM made WHERE approval = ?", (approval,))
        return frozenset(row[0] for row in rows)

    def make(self, approval: str, call: str, at: float) -> None:
        """The call is made."""
        self._db.execute("INSERT OR IGNORE INTO made VALUES (?, ?, ?)", (approval, call, at))

    def add(self, approval: str, kind: str, said: str = "", due: float = 0.0) -> None:
        """An errand; one that says nothing of its own is not kept twice."""
        if not said:
            self._db.execute("DELETE FROM errand WHERE approval = ? AND kind = ? AND said = ''", (approval, kind))
        self._db.execute("INSERT INTO errand (approval, kind, said, due) VALUES (?, ?, ?, ?)", (approval, kind, said, due))

    def errands(self) -> tuple[Errand, ...]:
        """All that is to be done, in its order."""
        return tuple(
            Errand(*row) for row in self._db.execute("SELECT number, approval, kind, said, due FROM errand ORDER BY number")
        )

    def run(self, errand: Errand) -> None:
        """It is done."""
        self._db.execute("DELETE FROM errand WHERE number = ?", (errand.number,))

    def put_off(self, errand: Errand, due: float) -> None:
        """Not before then."""
        self._db.execute("UPDATE errand SET due = ? WHERE number = ?", (due, errand.number))

    def put_code(self, code: Code) -> None:
        """A code, or what came of it; the first that came with these letters is the one that counts."""
        record = json.dumps(codec.encode(code.wanted))
        self._db.execute(
            "INSERT INTO code VALUES (?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (code) DO UPDATE SET who = excluded.who, answer = excluded.answer, counted = excluded.counted",
            (code.wanted.code, record, code.expires, code.who, code.answer, code.counted),
        )

    def code(self, code: str) -> Code | None:
        """The code of these letters."""
        return next(iter(self._codes("WHERE code = ?", code)), None)

    def codes(self, now: float) -> tuple[Code, ...]:
        """Those that can be used, or were a moment ago; older ones are forgotten."""
        self._db.execute("DELETE FROM code WHERE expires < ?", (now,))
        return tuple(self._codes("WHERE expires >= ? ORDER BY expires", now))

    def _codes(self, where: str, word: str | float) -> Iterable[Code]:
        for record, expires, who, answer, counted in self._db.execute(f"{_CODES} {where}", (word,)):
            yield Code(codec.decode(CodeWanted, json.loads(record)), expires, who, answer, bool(counted))

    def _self(self, name: str, value: str) -> str:
        self._db.execute("INSERT OR IGNORE INTO self VALUES (?, ?)", (name, value))
        return str(self._db.execute("SELECT value FROM self WHERE name = ?", (name,)).fetchone()[0])


def _locked(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as e:
        os.close(descriptor)
        raise Taken(f"another approver has {path.parent}") from e
    return descriptor


def _record(approval: Approval) -> str:
    return json.dumps(codec.encode(approval), sort_keys=True, separators=(",", ":"))


def _approval(record: str) -> Approval:
    return codec.decode(Approval, json.loads(record))
