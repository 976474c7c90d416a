"""A grant on nodes where everything that can go wrong does: what is begun, what is not, and what is said of each node."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from node_helper.changes import plan as plans
from node_helper.changes.grant import Applied
from node_helper.changes.plan import Setting
from node_helper.protocol import CannotLook
from tests.pretend_changes import LOST, NEW, OLD, Field, Pretended, done_of, plan_for, state_of, then
from tests.slack_limits import refuse_what_slack_refuses
from workers.changes.carried_report import Carried, report
from workers.changes.carry_out import How, Result
from workers.render import blocks

FIVE = ("n1", "n2", "n3", "n4", "n5")
PLAN = plan_for(*FIVE)


def said(result: Result) -> dict[str, str]:
    return {end.node: end.ended for end in result.ends}


def ids(result: Result) -> list[str]:
    made = report(Carried(PLAN, result, "set conntrack_max 198000 on n1", 1.0, 20.0, "2026-01-01T00:10:00Z"))
    refuse_what_slack_refuses(blocks.message(made, again=None))
    return [f.id for f in made.findings]


def test_the_canary_first_then_the_others_a_few_at_a_time() -> None:
    field = Field.of(*FIVE)
    result = field.run(PLAN, How(canary=1, at_once=2))
    assert said(result) == dict.fromkeys(FIVE, "done")
    assert [tell.doing for tell in field.told][1:4] == ["changing n1", "changing n2, n3", "changing n4, n5"]
    assert field.most == 2
    assert all((node.setting, node.writes) == (NEW, 1) for node in field.nodes.values())
    assert ids(result) == ["change-made"]


def test_two_canaries_go_one_after_the_other() -> None:
    field = Field.of(*FIVE)
    field.run(PLAN, How(canary=2))
    assert [tell.doing for tell in field.told][1:4] == ["changing n1", "changing n2", "changing n3, n4, n5"]


def elsewhere(node: Pretended) -> None:
    node.setting = Setting(65_536, 131_072)


def carried(node: Pretended) -> None:
    node.carry_out(PLAN)


def failed(node: Pretended) -> None:
    node.journal.append(done_of(PLAN, PLAN.targets[0], state="failed", reason="no space left"))


def carried_and_put_back(node: Pretended) -> None:
    carried(node)
    elsewhere(node)


@pytest.mark.parametrize("at", range(5))
@pytest.mark.parametrize(
    ("apply", "look", "ended", "finding", "writes"),
    [
        ([Applied("changed", "the node holds 65536")], [], "refused", "change-refused", 0),
        ([Applied("expired", "it is over")], [], "refused", "change-refused", 0),
        ([Applied("failed", "no space left")], [], "failed", "change-failed", 0),
        ([then(failed, LOST)], [], "failed", "change-failed", 0),
        ([LOST, LOST], [], "unreachable", "change-unknown", 0),
        ([then(carried, LOST)], [None, LOST], "unreachable", "change-unknown", 1),
        ([then(carried_and_put_back, LOST)], [], "done", "change-not-kept", 1),
        ([], [None, then(elsewhere, None)], "done", "change-not-kept", 1),
        ([], [None, LOST], "done", "change-not-kept", 1),
        ([], [LOST], "unreachable", "change-unknown", 0),
    ],
)
def test_the_first_surprise_stops_it_at_each_node(
    at: int, apply: list[Any], look: list[Any], ended: str, finding: str, writes: int
) -> None:
    field = Field.of(*FIVE)
    node = field.nodes[FIVE[at]]
    node.apply, node.look = list(apply), list(look)
    result = field.run(PLAN, How(canary=1, at_once=1))
    seen_first = look[:1] == [LOST]  # before any is changed
    before = 0 if seen_first else at
    expected = ["done"] * before + [ended] + ["skipped"] * (4 - before)
    if seen_first:
        expected = ["skipped"] * at + [ended] + ["skipped"] * (4 - at)
    assert list(said(result).values()) == expected
    assert node.writes == writes
    assert ids(result)[0] == finding
    assert node.name in result.stopped


@pytest.mark.parametrize(
    "apply",
    [
        [LOST],  # it never arrived
        [then(carried, LOST)],  # its answer was lost
        [CannotLook("no answer in 10 s", kind="timeout")],
    ],
)
def test_a_lost_answer_is_found_in_the_nodes_journal_or_asked_for_once_more(apply: list[Any]) -> None:
    field = Field.of(*FIVE)
    field.nodes["n3"].apply = apply
    assert said(field.run(PLAN)) == dict.fromkeys(FIVE, "done")
    assert field.nodes["n3"].writes == 1
    assert field.nodes["n3"].asked <= 2


@pytest.mark.parametrize("done", range(6))
def test_whoever_begins_anew_asks_the_nodes_and_changes_only_what_is_left(done: int) -> None:
    field = Field.of(*FIVE)
    for name in FIVE[:done]:
        field.nodes[name].carry_out(PLAN)
    assert said(field.run(PLAN)) == dict.fromkeys(FIVE, "done")
    assert [node.writes for node in field.nodes.values()] == [1] * 5
    assert field.order == list(FIVE[done:])


def test_what_went_wrong_before_is_said_by_whoever_begins_anew() -> None:
    field = Field.of(*FIVE)
    field.nodes["n1"].carry_out(PLAN)
    failed(field.nodes["n2"])
    result = field.run(PLAN)
    assert list(said(result).values()) == ["done", "failed", "skipped", "skipped", "skipped"]
    assert field.order == []


def test_a_node_that_is_at_it_just_now_is_asked_and_answers_when_it_is_through() -> None:
    field = Field.of("n1")
    node = field.nodes["n1"]
    node.look = [then(lambda n: n.journal.append(done_of(PLAN, PLAN.targets[0], state="intent")), None)]
    node.apply = [then(lambda n: n.journal.clear(), None)]
    assert said(field.run(plan_for("n1"))) == {"n1": "done"}


@pytest.mark.parametrize(
    ("state", "word"),
    [("undone", "gone back by itself"), ("undo-refused", "did not go back"), ("undo-failed", "could not go back")],
)
def test_a_node_that_has_gone_back_by_itself_meanwhile_is_said_so(state: str, word: str) -> None:
    field = Field.of("n1", "n2")
    plan = plan_for("n1", "n2", hold_s=60)
    field.nodes["n1"].journal.append(done_of(plan, plan.targets[0], state=state))
    result = field.run(plan)
    assert word in result.ends[0].reason
    assert said(result) == {"n1": "done", "n2": "skipped"}


def test_what_the_worker_before_had_begun_is_not_said_to_be_as_before() -> None:
    field = Field.of(*FIVE)
    field.nodes["n2"].look = [then(carried, state_of("n2", OLD))]
    field.against = ["cancelled by U1"]
    assert said(field.run(PLAN)) == dict.fromkeys(FIVE, "skipped") | {"n2": "done"}


def test_a_node_whose_setting_cannot_be_read_afterwards_is_not_called_well() -> None:
    field = Field.of("n1")
    field.nodes["n1"].look = [None, replace(state_of("n1", OLD), setting=None, unreadable="conntrack is not in use here")]
    result = field.run(plan_for("n1"))
    assert result.came[0].surprise
    assert "cannot be read: conntrack is not in use" in result.ends[0].reason


@pytest.mark.parametrize("after", range(5))
def test_a_cancelled_one_stops_before_the_next_node_and_says_which_were_changed(after: int) -> None:
    field = Field.of(*FIVE)
    field.against = [""] * after + ["cancelled by U1"]
    result = field.run(PLAN, How(at_once=1))
    assert list(said(result).values()) == ["done"] * after + ["skipped"] * (5 - after)
    assert result.stopped == "cancelled by U1"
    assert {end.reason for end in result.ends if end.ended == "skipped"} <= {"cancelled by U1"}


def test_a_grant_that_expired_changes_nothing_and_still_says_what_was_done() -> None:
    field = Field.of(*FIVE)
    field.nodes["n1"].carry_out(PLAN)
    field.against = ["the grant has expired"]
    assert list(said(field.run(PLAN)).values()) == ["done", "skipped", "skipped", "skipped", "skipped"]
    assert field.order == []


def test_what_the_node_itself_undoes_later_is_told() -> None:
    plan = plan_for("n1", hold_s=7200)
    assert Field.of("n1").run(plan).ends[0].undo_at == "2026-01-01T02:10:00Z"


def test_a_file_is_part_of_what_is_read_back() -> None:
    text = plans.text(NEW.value, None)
    before, after = replace(OLD, persisted=""), replace(NEW, persisted=text)
    plan = plan_for("n1")
    plan = replace(plan, targets=(replace(plan.targets[0], before=before, after=after),))
    field = Field.of("n1")
    field.nodes["n1"].setting = before
    assert not field.run(plan).stopped
    field = Field.of("n1")
    field.nodes["n1"].setting = before
    field.nodes["n1"].look = [None, then(lambda n: setattr(n, "setting", replace(after, persisted="")), None)]
    assert field.run(plan).came[0].surprise


def test_taking_it_back_goes_the_same_way() -> None:
    back = replace(PLAN, undoes=PLAN.nonce, nonce="cd" * 16, approval="a1-undo", targets=tuple(
        replace(t, before=t.after, after=t.before) for t in PLAN.targets
    ))  # fmt: skip
    field = Field.of(*FIVE)
    field.run(PLAN)
    assert said(field.run(back)) == dict.fromkeys(FIVE, "done")
    assert all(node.setting == OLD for node in field.nodes.values())


@pytest.mark.parametrize(
    ("drops", "finding"),
    [((5, 9, 9, 9), "change-drops-stopped"), ((5, 9, 9, 12), "change-drops-go-on"), ((5, 5, 5, 5), "change-made")],
)
def test_whether_the_table_still_drops_is_told(drops: tuple[int, int, int, int], finding: str) -> None:
    field = Field.of(*FIVE)
    field.nodes["n1"].drops = drops
    assert ids(field.run(PLAN))[0] == finding


def test_somebody_who_puts_it_back_while_it_is_watched_is_told() -> None:
    field = Field.of(*FIVE)
    field.nodes["n2"].look = [None, None]
    result = field.run(PLAN)
    back = replace(result.after["n2"].second, maximum=OLD.value)  # type: ignore[union-attr]  # samples
    after = {**result.after, "n2": replace(result.after["n2"], second=back)}  # type: ignore[type-var]  # as above
    seen = replace(result, after=after)
    assert ids(seen) == ["conntrack-max-not-durable", "change-made"]
    made = report(Carried(PLAN, seen, "set conntrack_max 198000 on n1", 1.0, 20.0, "2026-01-01T00:10:00Z")).findings[-1]
    assert made.claim == "conntrack_max is 198,000 on n1, n3, n4, n5"


def test_a_node_that_cannot_be_watched_is_not_called_well() -> None:
    result = Field.of(*FIVE).run(PLAN)
    assert ids(replace(result, after={**result.after, "n2": LOST}))[0] == "unknown-node"


def test_a_plan_of_a_thousand_nodes_fits_into_a_message() -> None:
    names = tuple(f"node-{number:04}" for number in range(1000))
    plan = plan_for(*names)
    result = Field.of(*names).run(plan)
    made = report(Carried(plan, result, "set conntrack_max 198000 on all", 1.0, 20.0, "2026-01-01T00:10:00Z"))
    refuse_what_slack_refuses(blocks.message(made, again=None))
