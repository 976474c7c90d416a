"""Approvals as people see them: the card, its modals, and who is told what."""

from __future__ import annotations

import json

from deploy.lab.slack import Fault, Kind
from tests import approvals
from tests.slack.approver_office import NODES, Office
from tests.slack.parts import of_the_bot, until


async def test_a_change_is_agreed_to_by_two_carried_out_and_undone(office: Office) -> None:
    alice, bob, carol = office.slack.workspace.alice, office.slack.workspace.bob, office.slack.workspace.carol
    it = await office.proposed()
    card = await office.card(it, "waiting for <@U0BOB>")
    assert "131072" in json.dumps(card["blocks"])
    asked = await office.replied("asks for your approval")
    assert (asked["thread_ts"], "<@U0BOB>" in asked["text"], "<@U0CAROL>" in asked["text"]) == (it.ts, True, True)
    await office.says(it, "approve", bob)
    await office.told(bob, "being counted")
    await office.told(bob, "1 of 2")
    await office.card(it, "approved by <@U0BOB>")
    await office.says(it, "approve", carol)
    (job,) = await office.carrying()
    assert (job.job.channel.thread, job.job.requester.user, job.job.words) == (it.ts, alice, {"approval": it.id})
    plan = await office.carried_out(job)
    assert (plan.approval, plan.undoes, [t.node for t in plan.targets]) == (it.id, "", list(NODES))
    card = await office.card(it, "carried out")
    await office.card(it, "netcheck_act-undo")
    await office.says(it, "undo", alice)
    jobs = await office.carrying(2)
    undo = await office.carried_out(next(j for j in jobs if j.job.id != job.job.id))
    assert (undo.undoes, undo.approval) == (plan.nonce, f"{it.id}-undo")
    assert {(t.before.value, t.after.value) for t in undo.targets} == {(198000, 131072)}
    card = await office.card(it, "undone")
    assert not [b for b in card["blocks"] if b["type"] == "actions"]


async def test_a_rejection_needs_a_reason_and_ends_it(office: Office) -> None:
    it = await office.proposed()
    await office.does(office.slack.click, office.message(it), "netcheck_act-reject", user="U0BOB")
    await until(lambda: office.slack.calls("views.open"))
    assert await office.does(office.slack.submit, {"reason": "  "}, user="U0BOB") == {"reason": "Say why; everybody sees it."}
    assert await office.does(office.slack.submit, {"reason": "too high <!channel>"}, user="U0BOB") == {}
    card = await office.card(it, "rejected")
    assert "<!channel>" not in json.dumps(card, ensure_ascii=False)
    assert "too high" in (await office.replied("rejected"))["text"]
    await office.does(office.slack.command, f"approve {it.id}", user="U0CAROL")
    await office.told("U0CAROL", "too late")


async def test_who_may_not_decide_is_told_why_and_it_goes_on_waiting(office: Office) -> None:
    it = await office.proposed()
    await office.says(it, "approve", "U0ALICE")
    await office.told("U0ALICE", "asked for this yourself")
    await office.says(it, "approve", "U0GUEST")
    await office.told("U0GUEST", "guest")
    await office.says(it, "withdraw", "U0BOB")
    await office.told("U0BOB", "Only who asked")
    await office.says(it, "withdraw", "U0ALICE")
    await office.card(it, "withdrawn")


async def test_what_nobody_decides_in_time_expires_and_a_late_word_changes_nothing(office: Office) -> None:
    it = await office.proposed(created=approvals.rfc(approvals.present() - 3597))
    card = await office.card(it, "expired")
    assert not [block for block in card["blocks"] if block["type"] == "actions"]
    assert "nothing was changed" in (await office.replied("not enough people agreed in time"))["text"]
    await office.mail.send(approvals.voice("approve", approvals.BOB, approvals.present(), name=it.id))
    await office.told("U0BOB", "It is decided already: expired")
    assert await office.mail.grant(it.id) is None


async def test_twice_the_same_click_counts_once(office: Office) -> None:
    it = await office.proposed()
    office.slack.fail(Fault("delivery", Kind.REPEATED, times=-1))
    await office.says(it, "approve", "U0BOB")
    await office.told("U0BOB", "1 of 2")
    office.slack.heal()
    await office.says(it, "approve", "U0BOB")
    await office.told("U0BOB", "it counts once")
    assert "1 of 2 approved" in office.text(it)


async def test_who_goes_ahead_alone_is_seen_by_everybody_and_reviewed(office: Office) -> None:
    it = await office.proposed()
    await office.says(it, "break-glass", "U0ALICE", "the site is down")
    (job,) = await office.carrying()
    await office.replied("goes ahead *alone*")
    everybody = [m for m in of_the_bot(office.slack) if "goes ahead *alone*" in m["text"]]
    assert {m.get("thread_ts") for m in everybody} == {None, it.ts}
    assert "the site is down" in everybody[0]["text"]
    await office.carried_out(job, node_two="failed")
    await office.card(it, "partly carried out")
    await office.does(office.slack.command, "approvals", user="U0BOB")
    await office.told("U0BOB", "nobody has reviewed it")
    await office.says(it, "review", "U0BOB")
    await office.card(it, "Reviewed by <@U0BOB>")


async def test_commands_list_decide_and_withdraw(office: Office) -> None:
    it = await office.proposed()
    await office.does(office.slack.command, "approvals", user="U0BOB")
    listed = await office.told("U0BOB", it.id)
    assert "waiting for <@U0BOB>, <@U0CAROL>" in listed["text"]
    await office.does(office.slack.command, f"approve {it.id}", user="U0BOB")
    await office.told("U0BOB", "1 of 2")
    await office.does(office.slack.command, "approve nothing", user="U0BOB")
    await office.told("U0BOB", "there is no approval nothing")
    await office.does(office.slack.command, f"reject {it.id} not in peak hours, please", user="U0CAROL")
    await office.card(it, "not in peak hours, please")


async def test_a_requester_who_may_not_ask_and_a_change_without_a_rule_are_refused_before_anybody_is_asked(
    office: Office,
) -> None:
    it = await office.proposed(requester=approvals.person("U0GUEST", "guest"))
    await office.card(it, "nobody was asked")
    other = await office.proposed(command="clear_stale")
    await office.card(other, "no approval rule is about clear_stale")
    assert not [m for m in of_the_bot(office.slack) if "asks for your approval" in m["text"]]
