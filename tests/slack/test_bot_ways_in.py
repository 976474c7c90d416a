"""Every way in to the bot: commands, mentions and buttons become one message and one job each."""

from __future__ import annotations

import asyncio

from tests.slack.parts import of_the_bot
from tests.slack.running_bot import POD, Bot


async def test_a_slash_command_becomes_a_message_in_the_channel_and_a_job(either: Bot) -> None:
    await either.does(either.slack.command, POD)
    (status,) = await either.queued()
    (message,) = of_the_bot(either.slack)
    assert (status.ts, "thread_ts" in message) == (message["ts"], False)
    assert "queued" in message["text"]
    assert status.job.id in message["text"]
    job = status.job
    assert (job.command, job.cluster, job.channel.id) == ("pod", "lab", either.slack.workspace.incidents)
    assert (job.channel.shared, job.requester.standing, job.channel.thread) == (False, "member", None)


async def test_a_mention_is_answered_in_a_thread_under_it(either: Bot) -> None:
    asked = await either.does(either.slack.mention, POD)
    (status,) = await either.queued()
    (message,) = of_the_bot(either.slack)
    assert message["thread_ts"] == status.job.channel.thread == asked


async def test_a_mention_in_a_thread_is_answered_in_that_thread(either: Bot) -> None:
    root = await either.does(either.slack.say, "it is broken")
    await either.does(either.slack.mention, POD, thread=root)
    await either.queued()
    assert [m["thread_ts"] for m in of_the_bot(either.slack)] == [root]


async def test_a_button_runs_what_it_says_in_the_thread_of_its_message(either: Bot) -> None:
    await either.does(either.slack.command, POD)
    (status,) = await either.queued()
    message = (await asyncio.to_thread(of_the_bot, either.slack))[0]
    button = {"type": "button", "action_id": "netcheck_run-1", "value": "pods in default"}
    with_button = {**message, "blocks": [{"type": "actions", "block_id": "b", "elements": [button]}]}
    await either.does(either.slack.click, with_button, "netcheck_run-1")
    newest, _ = await either.queued(2)
    assert (newest.job.command, newest.job.channel.thread) == ("pods", status.ts)


async def test_the_cancel_button_cancels_the_job_of_its_message(either: Bot) -> None:
    await either.does(either.slack.command, POD)
    (status,) = await either.queued()
    (message,) = of_the_bot(either.slack)
    await either.does(either.slack.click, message, "netcheck_cancel")
    await either.said("cancel")
    assert (await either.jobs.status(status.job.id)).cancelled_by == either.slack.workspace.alice


async def test_nothing_but_the_command_is_help(either: Bot) -> None:
    await either.does(either.slack.command, "")
    message = await either.said("What you can ask here")
    assert (message["subtype"], message["ephemeral_to"]) == ("ephemeral", either.slack.workspace.alice)


async def test_again_makes_another_job_of_the_same_command(bot: Bot) -> None:
    await bot.does(bot.slack.command, "pods in all")
    await bot.queued()
    await bot.does(bot.slack.command, "again")
    jobs = await bot.queued(2)
    assert {status.job.words["namespace"] for status in jobs} == {"all"}
    assert len({status.job.id for status in jobs}) == 2
