"""What becomes of an approval when people speak, workers report and time passes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.approver import asking, rules
from bot.approver.approval import Approval, Signed, State
from bot.approver.rules import Heard
from tests.approvals import ALICE, BOB, CAROL, RULE, START, approval, now, person, voice
from workers.changes.letters import Act
from workers.changes.proposal import CarriedOut, NodeEnd
from workers.job import Requester
from workers.policy.approval import ApprovalRule, BreakGlass, Refusal, Stage
from workers.policy.rules import Decision

DAVE, EVE, MALLORY = person("U0DAVE"), person("U0EVE"), person("U0MALLORY")
TWO = replace(RULE, needed=2)


def say(it: Approval, act: Act, who: Requester, at: float = START, reason: str = "", **more: object) -> Heard:
    return rules.hear(it, voice(act, who, at, reason), now(at, **more))  # type: ignore[arg-type]  # those of `now`


def granted(nodes: tuple[str, ...] = ("node-one",)) -> Approval:
    it = say(approval(nodes=nodes), "approve", BOB).approval
    return replace(it, granted=Signed(it.id, "1" * 32, "plan", "signature", 1, int(START) + 600, "job"))


def ended(it: Approval, *ends: NodeEnd) -> Approval:
    return rules.report(it, CarriedOut(it.id, "1" * 32, ends))


def test_one_approver_is_enough_where_one_is_needed() -> None:
    heard = say(approval(), "approve", BOB)
    assert (heard.approval.state, heard.counted) == (State.GRANTED, True)
    assert heard.approval.decided is not None


def test_two_have_to_agree_where_two_are_needed_and_the_same_person_counts_once() -> None:
    once = say(approval(TWO), "approve", BOB, rule=TWO).approval
    again = say(once, "approve", BOB, rule=TWO)
    assert (again.approval, again.counted) == (once, False)
    assert "once" in again.answer
    assert say(once, "approve", CAROL, rule=TWO).approval.state is State.GRANTED


def test_of_two_in_the_same_millisecond_one_decides_and_the_other_is_told() -> None:
    first = say(approval(), "approve", BOB).approval
    second = say(first, "approve", CAROL)
    assert second.approval == first
    assert "decided already: granted by U0BOB" in second.answer


@pytest.mark.parametrize(
    ("who", "part"),
    [
        (ALICE, "asked for this yourself"),
        (MALLORY, "does not name you"),
        (DAVE, "only 10 min after"),
        (person("U0BOB", "guest"), "guest"),
        (person("U0BOB", "unknown"), "not known"),
        (person("U0BOB", "foreign"), "another organisation"),
    ],
)
def test_who_may_not_agree_is_told_why_and_changes_nothing(who: Requester, part: str) -> None:
    heard = say(approval(), "approve", who)
    assert heard.approval.state is State.WAITING
    assert not heard.approval.votes
    assert part in heard.answer


def test_a_later_stage_may_agree_when_its_time_has_come() -> None:
    assert say(approval(), "approve", DAVE, START + 600).approval.state is State.GRANTED


def test_a_policy_that_became_stricter_counts_and_one_that_became_laxer_does_not() -> None:
    assert say(approval(), "approve", BOB, rule=TWO).approval.state is State.WAITING
    assert say(approval(TWO), "approve", BOB, rule=RULE).approval.state is State.WAITING
    without_bob = replace(RULE, stages=(Stage(("U0CAROL",)),))
    assert "does not name you" in say(approval(), "approve", BOB, rule=without_bob).answer
    assert "does not name you" in say(approval(without_bob), "approve", BOB, rule=RULE).answer
    assert say(approval(), "approve", BOB, rule=Refusal("there is no rule")).answer.endswith("there is no rule")
    assert not say(approval(), "approve", BOB, may=Decision(allowed=False, reason="no more")).counted


def test_an_agreement_of_somebody_who_was_taken_out_since_is_not_counted() -> None:
    once = say(approval(TWO), "approve", BOB, rule=TWO).approval
    without_bob = replace(TWO, stages=(Stage(("U0CAROL", "U0DAVE")),))
    heard = say(once, "approve", CAROL, rule=without_bob)
    assert heard.approval.state is State.WAITING
    assert "1 of 2" in heard.answer


def test_what_waits_to_be_signed_is_not_when_those_who_agreed_may_not_any_more() -> None:
    agreed = say(approval(), "approve", BOB).approval
    alone = say(approval(), "break-glass", EVE, reason="on fire").approval
    without = replace(RULE, stages=(Stage(("U0CAROL",)),), break_glass=BreakGlass())
    for it in (agreed, alone):
        assert it.state is State.GRANTED
        assert rules.against(it, now()) == ""
        assert "any more" in rules.against(it, now(may=Decision(allowed=False, reason="a guest by now")))
        assert "may not any more" in rules.against(it, now(rule=without)) or "too few" in rules.against(it, now(rule=without))
        assert rules.against(it, now(rule=Refusal("no rule")))


def test_rejecting_needs_a_reason_and_an_approver() -> None:
    assert "say why" in say(approval(), "reject", BOB, reason=" ").answer
    assert not say(approval(), "reject", MALLORY, reason="no").counted
    assert "withdraw it instead" in say(approval(), "reject", ALICE, reason="no").answer
    heard = say(approval(), "reject", DAVE, reason="too much")
    assert heard.approval.state is State.REJECTED
    assert heard.approval.decided is not None
    assert heard.approval.decided.reason == "too much"


def test_only_who_asked_withdraws() -> None:
    assert not say(approval(), "withdraw", BOB).counted
    assert say(approval(), "withdraw", ALICE).approval.state is State.WITHDRAWN


def test_it_expires_and_a_late_click_says_so() -> None:
    late = START + RULE.expires_s
    assert rules.passed(approval(), late - 1).state is State.WAITING
    assert rules.passed(approval(), late).state is State.EXPIRED
    assert "expired" in say(approval(), "approve", BOB, late).answer
    assert not say(approval(), "approve", BOB, late).counted


def test_a_word_that_was_held_up_is_not_acted_on() -> None:
    heard = rules.hear(approval(), voice("approve", BOB, START), now(START + rules.VOICE_S + 1))
    assert "too late" in heard.answer
    assert not heard.counted


def test_break_glass_is_for_those_named_with_a_reason_and_has_to_be_reviewed_by_another() -> None:
    assert not say(approval(), "break-glass", BOB, reason="on fire").counted
    assert "say why" in say(approval(), "break-glass", EVE).answer
    alone = say(approval(), "break-glass", EVE, reason="on fire").approval
    assert (alone.state, alone.alone, alone.to_review) == (State.GRANTED, True, True)
    for who in (EVE, ALICE, MALLORY):
        assert not say(alone, "review", who).counted
    reviewed = say(alone, "review", BOB)
    assert reviewed.counted
    assert not reviewed.approval.to_review
    assert not say(reviewed.approval, "review", CAROL).counted


@pytest.mark.parametrize(
    ("ends", "state"),
    [
        (("done", "done"), State.DONE),
        (("done", "failed"), State.PARTLY),
        (("done", "unreachable"), State.PARTLY),
        (("refused", "skipped"), State.FAILED),
        (("unreachable", "skipped"), State.UNKNOWN),
    ],
)
def test_a_report_says_what_became_of_every_node(ends: tuple[str, str], state: State) -> None:
    nodes = [NodeEnd(node, end) for node, end in zip(("a", "b"), ends, strict=True)]  # type: ignore[arg-type]  # said as words
    assert ended(granted(("a", "b")), *nodes).state is state


def test_a_report_that_leaves_a_node_out_does_not_count_it_as_done() -> None:
    after = ended(granted(("a", "b")), NodeEnd("a", "done"), NodeEnd("elsewhere", "done"))
    assert after.state is State.PARTLY
    assert after.granted is not None
    assert [(e.node, e.ended) for e in after.granted.ends] == [("a", "done"), ("b", "unreachable")]


def test_a_report_of_another_grant_or_a_second_one_changes_nothing() -> None:
    it = granted()
    assert rules.report(it, CarriedOut(it.id, "2" * 32, (NodeEnd("node-one", "done"),))) is it
    done = ended(it, NodeEnd("node-one", "done"))
    assert ended(done, NodeEnd("node-one", "failed")) is done
    assert rules.report(approval(), CarriedOut(it.id, "1" * 32, ())).state is State.WAITING


def test_without_a_report_it_is_unknown_until_one_comes() -> None:
    unknown = rules.passed(granted(), START + 600 + rules.REPORT_S)
    assert unknown.state is State.UNKNOWN
    assert ended(unknown, NodeEnd("node-one", "done")).state is State.DONE


def test_what_was_never_signed_is_not_carried_out() -> None:
    it = replace(granted(), granted=None)
    assert rules.passed(it, it.expires).state is State.NOT_CARRIED_OUT


def test_undo_is_for_who_asked_and_for_approvers_once() -> None:
    done = ended(granted(), NodeEnd("node-one", "done"))
    assert not say(done, "undo", MALLORY).counted
    assert not say(done, "undo", ALICE, may=Decision(allowed=False, reason="no more")).counted
    for who in (ALICE, CAROL):
        assert say(done, "undo", who).approval.state is State.UNDOING
    undoing = say(done, "undo", ALICE).approval
    assert "already" in say(undoing, "undo", CAROL).answer
    assert "nothing to undo" in say(granted(), "undo", ALICE).answer


def test_what_may_have_been_changed_can_be_undone_and_is_not_said_to_have_failed() -> None:
    lost = ended(granted(("a", "b")), NodeEnd("a", "unreachable"), NodeEnd("b", "skipped"))
    undoing = say(lost, "undo", ALICE).approval
    assert (undoing.state, undoing.granted and undoing.granted.to_undo) == (State.UNDOING, ("a",))
    undo = replace(undoing, undo=Signed("u", "2" * 32, "", "", 1, 2, "job"))
    after = rules.report(undo, CarriedOut("u", "2" * 32, (NodeEnd("a", "unreachable"),)))
    assert (after.state, after.undoable) == (State.UNDO_UNKNOWN, False)
    assert rules.report(after, CarriedOut("u", "2" * 32, (NodeEnd("a", "done"),))).state is State.UNDONE


def test_what_nodes_have_put_back_by_themselves_is_not_undone_again() -> None:
    done = ended(granted(), NodeEnd("node-one", "done"))
    held = replace(done, proposal=replace(done.proposal, draft=replace(done.proposal.draft, hold_s=60)))
    assert say(held, "undo", ALICE, START + 700).counted
    assert "by itself" in say(held, "undo", ALICE, START + 600 + rules.REPORT_S + 60).answer


def test_an_undo_that_could_not_be_signed_in_time_can_be_asked_for_again() -> None:
    done = ended(granted(), NodeEnd("node-one", "done"))
    undoing = say(done, "undo", ALICE).approval
    assert rules.passed(undoing, START + rules.UNDO_S) == done


def test_stages_are_asked_in_their_time_and_reminded_once_each_turn() -> None:
    keys = [c.key for c in asking.due(approval(), START, frozenset())]
    assert keys == ["ask:0"]
    made = frozenset(keys)
    assert asking.due(approval(), START + 599, made) == ()
    assert [(c.key, c.people) for c in asking.due(approval(), START + 600, made)] == [("ask:1", ("U0DAVE",))]
    late = asking.due(approval(), START + 600 + 950, made | {"ask:1"})
    assert [c.key for c in late] == ["remind:1:3"]


def test_a_review_that_nobody_made_is_asked_for_every_day() -> None:
    alone = say(approval(), "break-glass", EVE, reason="on fire").approval
    assert asking.due(alone, START + 3600, frozenset()) == ()
    (call,) = asking.due(alone, START + 2 * 86400 + 5, frozenset({"review:1"}))
    assert (call.key, call.people) == ("review:2", ("U0BOB", "U0CAROL", "U0DAVE"))


PEOPLE = [ALICE, BOB, CAROL, DAVE, EVE, MALLORY, person("U0BOB", "guest"), person("U0CAROL", "unknown")]
ACTS: list[Act] = ["approve", "reject", "withdraw", "undo", "review"]
ACT_STEPS = st.tuples(st.sampled_from(ACTS), st.sampled_from(PEOPLE), st.integers(0, 900), st.sampled_from([1, 2, 3]))


@given(st.integers(1, 3), st.lists(ACT_STEPS, max_size=30))
def test_nothing_is_granted_without_enough_different_entitled_people_and_no_end_is_left(
    needed: int, steps: list[tuple[Act, Requester, int, int]]
) -> None:
    rule: ApprovalRule = replace(RULE, needed=needed)
    it, at = approval(rule), START
    agreed: dict[str, float] = {}
    for act, who, wait, needed_then in steps:
        at += wait
        before, it = it, rules.passed(it, at)
        heard = say(it, act, who, at, "why", rule=replace(RULE, needed=needed_then))
        entitled = who.user in rule.asked(at - START) and who.standing == "member" and who.user != ALICE.user
        if act == "approve" and entitled:
            agreed.setdefault(who.user, at)
        it = heard.approval
        if it.state is State.GRANTED and before.state is not State.GRANTED:
            assert len(agreed) >= max(needed, needed_then)
            assert at < START + RULE.expires_s
        if before.state.final or before.state is State.GRANTED:
            assert it.state is before.state or (before.state is State.GRANTED and it.state is State.NOT_CARRIED_OUT)
        assert all(vote.who.user != ALICE.user for vote in it.votes)
        assert len({vote.who.user for vote in it.votes}) == len(it.votes)
