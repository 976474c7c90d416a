"""The card and its modals within Slack's limits, whatever names say, in every state; nobody is pinged who is not meant."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from slack_sdk.models.views import View

from bot import acts
from bot.approver import asking, card, signable, words
from bot.approver.approval import Approval, Said, Signed, State
from bot.approver.board import Beat, Board, digest
from bot.approver.card import Standing
from node_helper.changes.plan import Setting
from tests.approvals import ALICE, BOB, RULE, START, approval, person
from tests.slack_limits import refuse_what_slack_refuses
from workers.changes.letters import Act
from workers.changes.proposal import Ended, NodeEnd
from workers.model import Table
from workers.policy.approval import ApprovalRule, Stage

PEOPLE = ("U0ALICE", "U0BOB", "U0CAROL", "U0DAVE", "U0EVE")
HOSTILE = [
    "<!channel>",
    "<@U0MALLORY>",
    "*_~`",
    "]]>",
    "\x1b[31m",
    "\u202e",
    "x" * 4000,
    "&lt;!here&gt;",
    "```",
    "http://evil.example",
]
TEXTS = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=80))
STANDING = Standing(START + 60, 2, ("U0BOB",), "the audit is away <!channel>")


def ended(ends: list[NodeEnd]) -> Signed:
    return Signed("a", "1" * 32, "plan", "signature", 1, 2, "job", tuple(ends))


@st.composite
def approvals(draw: st.DrawFn) -> Approval:
    it = approval(nodes=tuple(f"node-{n}" for n in range(draw(st.sampled_from([1, 3, 100])))))
    rows = draw(st.lists(st.tuples(TEXTS, TEXTS, TEXTS), max_size=60))
    draft = replace(
        it.proposal.draft,
        headline=draw(TEXTS) or "x",
        tables=(Table(draw(TEXTS) or "t", tuple(rows), ("a", "b", "c")),) * draw(st.integers(0, 4)),
        warnings=tuple(draw(st.lists(TEXTS.filter(bool), max_size=12))),
    )
    job = replace(it.proposal.job, line=draw(TEXTS) or "set")
    ends = [
        NodeEnd(draw(TEXTS) or "n", draw(st.sampled_from(get_args(Ended))), draw(TEXTS)) for _ in range(draw(st.integers(0, 40)))
    ]
    reason = Said(BOB, START, draw(TEXTS))
    return replace(
        it,
        proposal=replace(it.proposal, draft=draft, job=job),
        state=draw(st.sampled_from(State)),
        votes=(Said(BOB, START),) if draw(st.booleans()) else (),
        decided=draw(st.sampled_from([None, reason])),
        alone=draw(st.booleans()),
        reviewed=draw(st.sampled_from([None, reason])),
        granted=ended(ends) if draw(st.booleans()) else None,
        undo=ended(ends) if draw(st.booleans()) else None,
    )


@given(approvals())
def test_cards_modals_and_notices_are_taken_by_slack_whatever_they_say(it: Approval) -> None:
    refuse_what_slack_refuses(card.message(it, STANDING), PEOPLE)
    refuse_what_slack_refuses(card.message(it, replace(STANDING, overheard=True)), ())
    posted = card.posted(it, STANDING)
    for act in get_args(Act):
        view = acts.modal(acts.About(it.id, act, "C0ANY", "1.2"), posted)
        View(**view).validate_json()
        assert len(view["title"]["text"]) <= 24
        said = json.dumps(view, ensure_ascii=False)
        assert "<!" not in said
        assert "<@" not in said
        assert all(len(b["text"]["text"]) <= 3000 for b in view["blocks"] if b["type"] == "section")
    for notice in words.told(replace(it, state=State.WAITING, alone=False, reviewed=None), it):
        refuse_what_slack_refuses(notice.message, PEOPLE)
    for call in asking.due(replace(it, state=State.WAITING), START + 5000, frozenset()):
        refuse_what_slack_refuses(words.called(it, call).message, PEOPLE)


@given(TEXTS)
def test_the_approvers_answer_is_text(text: str) -> None:
    refuse_what_slack_refuses(words.counted(text or "x"))


def test_the_card_says_who_has_agreed_and_for_whom_it_waits() -> None:
    it = replace(approval(replace(RULE, needed=2)), votes=(Said(BOB, START),))
    message = card.message(it, Standing(START, 2, ("U0BOB",)))
    assert "1 of 2 approved: approved by <@U0BOB>; waiting for <@U0CAROL>; expires" in message.text
    ids = [e["action_id"] for b in message.blocks if b["type"] == "actions" for e in b["elements"]]
    assert ids == ["netcheck_act-approve", "netcheck_act-reject", "netcheck_act-withdraw", "netcheck_act-break-glass"]


def test_what_would_be_signed_is_said_from_the_plan_whatever_a_worker_says_of_it() -> None:
    it = approval(nodes=tuple(f"node-{n}" for n in range(99)))
    odd = replace(it.proposal.draft.targets[57], after=Setting(1, 32768))
    targets = tuple(odd if t.node == odd.node else t for t in it.proposal.draft.targets)
    draft = replace(it.proposal.draft, targets=targets, hold_s=60, headline="nothing much", tables=(), warnings=())
    it = replace(it, proposal=replace(it.proposal, draft=draft))
    posted = card.posted(it, STANDING)
    modal = json.dumps(acts.modal(acts.About(it.id, "approve", "C0ANY", "1.2"), posted), ensure_ascii=False)
    for said in (modal, json.dumps(card.message(it, STANDING).blocks, ensure_ascii=False)):
        assert "nf_conntrack_max 131072 → 1 on node-57" in said
        assert "131072 → 198000 on node-0, node-1" in said
        assert "and 90 more nodes" in said
        assert "by itself after 60 s" in said
    many = replace(draft, targets=tuple(replace(t, after=Setting(n + 1, 32768)) for n, t in enumerate(draft.targets)))
    assert "and 93 more nodes, each changed in another way than those" in signable.lines(many)


def test_a_name_that_is_no_id_is_never_a_mention() -> None:
    rule = ApprovalRule("r", "set", (Stage(("!channel", "U0BOB")),))
    assert "<!channel" not in card.message(approval(rule), STANDING).text
    odd = replace(approval().proposal.job, requester=person("!here"))
    it = approval()
    assert "<!here" not in card.message(replace(it, proposal=replace(it.proposal, job=odd)), STANDING).text


@pytest.mark.parametrize("state", [s for s in State if s is not State.WAITING])
def test_only_what_waits_can_be_decided(state: State) -> None:
    it = replace(approval(), state=state, decided=Said(BOB, START))
    assert not {"approve", "reject", "withdraw", "break-glass"} & set(card.acts(it))


def test_a_board_is_read_as_it_was_written() -> None:
    board = Board(START, "s", START, "", (card.posted(approval(), STANDING),))
    beat = Beat(START + 5, digest(board.dumps()))
    assert Board.loads(beat.dumps(), board.dumps()) == replace(board, at=START + 5)
    with pytest.raises(ValueError, match="showed last"):
        Board.loads(beat.dumps(), replace(board, since=1.0).dumps())
    assert ALICE.user == board.approvals[0].requester
