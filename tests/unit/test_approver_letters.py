"""Letters to the approver, in any order and as often as anybody repeats them: what was decided stays decided."""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import cast

from hypothesis import given
from hypothesis import strategies as st

from bot.approver import card
from bot.approver.approval import State
from bot.approver.approver import Approver
from bot.approver.store import Store
from tests.approvals import ALICE, BOB, CAROL, RULE, START, Clock, person, policy, proposal, rfc, voice
from tests.examples import few
from workers.changes.letters import CodeWanted, Letter
from workers.changes.mail import Mail
from workers.changes.proposal import CarriedOut, NodeEnd
from workers.job import Channel
from workers.policy.approval import ApprovalRule

TWO = replace(RULE, needed=2)
MEMORY = "/dev/shm"  # noqa: S108  (so many commits to a disk would take a minute)
PEOPLE = [ALICE, BOB, CAROL, person("U0BOB", "guest"), person("U0MALLORY")]
ID = proposal().id


def approver_in(folder: Path, clock: Clock, rule: ApprovalRule = TWO) -> Approver:
    nobody = cast("Mail", None)  # letters are handed in
    return Approver(Store(folder), nobody, lambda: policy(rule), clock)


LETTERS: st.SearchStrategy[Letter] = st.one_of(
    st.just(proposal()),
    st.just(replace(proposal(), ts="9.9")),
    st.builds(
        lambda act, who, n: voice(act, who, START, "why", f"d{n}"),
        st.sampled_from(["approve", "reject", "withdraw", "undo", "review"]),
        st.sampled_from(PEOPLE),
        st.integers(0, 12),
    ),
    st.builds(lambda nonce: CarriedOut(ID, nonce * 32, (NodeEnd("node-one", "done"),)), st.sampled_from("0f")),
    st.just(CodeWanted("K7QF2M9X", ID, "approve", "", rfc(START))),
)


@few(50)
@given(st.lists(LETTERS, max_size=20))
def test_nothing_is_granted_without_two_who_may_and_nothing_that_is_over_begins_again(letters: list[Letter]) -> None:
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        approver, over = approver_in(Path(folder), Clock()), False
        for letter in [*letters, *letters]:
            before = approver.store.get(ID)
            approver.hear(letter)
            approver.pass_time()
            after = approver.store.get(ID)
            if after is None:
                continue
            over |= after.state is not State.WAITING
            assert before is None or before.state is after.state or before.state is State.WAITING
            assert after.ts == (before.ts if before else after.ts)
            if after.state is State.GRANTED:
                assert {vote.who.user for vote in after.votes} == {"U0BOB", "U0CAROL"}
                assert all(vote.who.standing == "member" for vote in after.votes)
        signing = [errand for errand in approver.store.errands() if errand.kind in ("do", "undo")]
        final = approver.store.get(ID)
        assert len(signing) == (final is not None and final.state is State.GRANTED)
        approver.store.close()


def test_a_proposal_that_is_said_again_has_its_card_drawn_again_and_nothing_else(tmp_path: Path) -> None:
    approver = approver_in(tmp_path, Clock())
    approver.hear(proposal())
    before = approver.store.get(ID)
    for errand in approver.store.errands():
        approver.store.run(errand)
    approver.hear(replace(proposal(), ts="9.9"))
    assert [errand.kind for errand in approver.store.errands()] == ["card"]
    assert approver.store.get(ID) == before
    approver.store.close()


def test_a_proposal_that_was_held_back_is_as_old_as_its_job(tmp_path: Path) -> None:
    approver = approver_in(tmp_path, Clock(START + TWO.expires_s))
    approver.hear(proposal())
    known = approver.store.get(ID)
    assert known is not None
    assert known.state is State.EXPIRED
    approver.store.close()


def test_in_a_channel_that_others_read_by_now_nothing_is_agreed_to_and_everything_can_be_stopped(tmp_path: Path) -> None:
    approver = approver_in(tmp_path, Clock(), RULE)
    approver.hear(proposal())
    for shared in (True, None):
        said = voice("approve", BOB, delivery=f"d{shared}")
        approver.hear(replace(said, channel=replace(said.channel, shared=shared)))
        known = approver.store.get(ID)
        assert known is not None
        assert known.state is State.WAITING
    said = voice("reject", BOB, reason="others read this")
    approver.hear(replace(said, channel=replace(said.channel, shared=True)))
    known = approver.store.get(ID)
    assert known is not None
    assert known.state is State.REJECTED
    approver.store.close()


def test_an_approval_whose_channel_others_came_to_read_says_nothing_there_for_good(tmp_path: Path) -> None:
    approver = approver_in(tmp_path, Clock(), RULE)
    approver.hear(proposal())
    assert approver.channels() == {"C0INCIDENTS"}
    approver.overheard("C0INCIDENTS")
    approver.overheard("C0INCIDENTS")
    assert approver.channels() == frozenset()
    assert [errand.kind for errand in approver.store.errands()].count("card") == 1
    approver.hear(replace(voice("approve", BOB), channel=Channel("D0BOB", shared=False)))
    known = approver.store.get(ID)
    assert known is not None
    assert (known.state, known.votes) == (State.WAITING, ())
    said = json.dumps(card.message(known, approver.standing(known)).blocks)
    assert all(word not in said for word in ("node-one", "198000", "conntrack", "button", "U0ALICE"))
    approver.store.close()


def test_a_code_is_good_for_what_it_was_made_for_once(tmp_path: Path) -> None:
    clock = Clock()
    approver = approver_in(tmp_path, clock, RULE)
    approver.hear(proposal())
    approver.hear(CodeWanted("K7QF2M9X", ID, "reject", "no", rfc(START)))
    approver.hear(voice("approve", BOB, delivery="code:K7QF2M9X"))
    approver.hear(voice("approve", CAROL, delivery="code:22222222"))
    known, code = approver.store.get(ID), approver.store.code("K7QF2M9X")
    assert known is not None
    assert code is not None
    assert (known.state, code.who, code.counted) == (State.WAITING, "U0BOB", False)
    assert "something else" in code.answer
    approver.hear(CodeWanted("K7QF2M9Y", ID, "reject", "no", rfc(START)))
    clock.at += 601
    approver.hear(voice("reject", BOB, clock.at, "no", delivery="code:K7QF2M9Y"))
    known = approver.store.get(ID)
    assert known is not None
    assert known.state is State.WAITING
    approver.store.close()
