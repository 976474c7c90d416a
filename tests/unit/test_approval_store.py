"""The approver's memory: whole, on disk, alone, and nothing that is over begins again."""

from __future__ import annotations

import sqlite3
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from bot.approver import key
from bot.approver.approval import Signed, State
from bot.approver.store import Code, Store, Taken
from tests.approvals import START, approval, rfc
from tests.change_node import make_key
from workers.changes.letters import CodeWanted
from workers.errors import UsageError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "approver"


def test_what_is_put_is_there_for_the_next_process(folder: Path) -> None:
    store = Store(folder)
    with store.transaction():
        store.put(approval(), START)
        store.add("a", "card")
        store.answer("d1", "counted", START)
    again_id = store.id
    store.close()
    store = Store(folder)
    assert store.get(approval().id) == approval()
    assert [errand.kind for errand in store.errands()] == ["card"]
    assert (store.answered("d1"), store.answered("d2"), store.id) == ("counted", None, again_id)
    store.close()


def test_a_transaction_that_fails_leaves_nothing(folder: Path) -> None:
    store = Store(folder)

    def fails() -> None:
        with store.transaction():
            store.put(approval(), START)
            raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011  (the one of above)
        fails()
    assert store.get(approval().id) is None
    store.close()


@pytest.mark.parametrize("final", [state for state in State if state.final])
def test_a_final_state_stays(folder: Path, final: State) -> None:
    store = Store(folder)
    store.put(replace(approval(), state=final), START)
    for other in (State.WAITING, State.GRANTED, State.DONE):
        with pytest.raises(sqlite3.IntegrityError, match="does not change"):
            store.put(replace(approval(), state=other), START)
    store.close()


def test_there_is_one_grant_for_each_act_and_it_is_not_forgotten(folder: Path) -> None:
    store = Store(folder)
    signed = Signed("a", "1" * 32, "plan", "signature", 1, 2, "job")
    store.sign(signed)
    for second in (replace(signed, nonce="2" * 32), replace(signed, approval="b")):
        with pytest.raises(sqlite3.IntegrityError):
            store.sign(second)
    store.sign(replace(signed, approval="a-undo", nonce="3" * 32))
    with pytest.raises(sqlite3.IntegrityError):
        store._db.execute("DELETE FROM signed")
    store.close()


def test_only_one_process_has_it_and_nobody_else_can_read_it(folder: Path) -> None:
    folder.mkdir(mode=0o755, exist_ok=True)
    folder.chmod(0o755)
    store = Store(folder)
    with pytest.raises(Taken, match="another approver"):
        Store(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "approvals.db").stat().st_mode) == 0o600
    assert store._db.execute("PRAGMA synchronous").fetchone() == (2,)
    assert store._db.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    store.close()
    Store(folder).close()


def test_what_moves_and_what_waits_for_a_review_is_unsettled(folder: Path) -> None:
    store = Store(folder)
    for state in State:
        it = approval()
        job = replace(it.proposal.job, id=state.name.lower())
        store.put(replace(it, proposal=replace(it.proposal, job=job), state=state), START)
    alone = replace(approval(), state=State.FAILED, alone=True)
    store.put(alone, START)
    assert {a.id for a in store.unsettled()} == {"waiting", "granted", "undoing", alone.id}
    store.close()


def test_codes_lapse_and_say_what_came_of_them(folder: Path) -> None:
    store = Store(folder)
    wanted = CodeWanted("K7QF2M9X", "a", "approve", "", rfc(START))
    store.put_code(Code(wanted, START + 600))
    store.put_code(Code(wanted, START + 9999, "U0BOB", "it counts"))
    assert store.code("K7QF2M9X") == Code(wanted, START + 600, "U0BOB", "it counts")
    assert len(store.codes(START + 600)) == 1
    assert store.codes(START + 601) == ()
    store.close()


def test_a_key_that_cannot_sign_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "key"
    with pytest.raises(UsageError, match="ssh-keygen -t ed25519"):
        key.checked(path)
    make_key(path)
    assert key.checked(path) == path
    path.chmod(0o640)
    with pytest.raises(UsageError, match="chmod 600"):
        key.checked(path)
    path.chmod(0o600)
    path.write_text("no key")
    with pytest.raises(UsageError, match="not an Ed25519 key"):
        key.checked(path)
