"""`jobs`, `cancel` and `again`: the person's own jobs, listed, ended and run once more."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.plain_parts import Bot, Queue, job
from workers.audit.entry import Kind
from workers.errors import UsageError
from workers.queue.status import State


async def test_jobs_are_listed_with_their_state() -> None:
    said = await Bot(Queue((job("j-2"), job("j-1", State.DONE)))).say("jobs")
    assert "`j-2` `pod web raw=addr namespace=shop` running" in said
    assert "`j-1` `pod web raw=addr namespace=shop` done after 2.50 s" in said


async def test_nobody_has_jobs_at_first() -> None:
    assert await Bot().say("jobs") == "*You have no jobs yet*"


@pytest.mark.parametrize(("text", "wanted"), [("cancel", "j-2"), ("cancel j-1", "j-1"), ("stop j-3", "j-3")])
async def test_cancel_ends_the_last_job_or_the_one_that_is_named(text: str, wanted: str) -> None:
    bot = Bot(Queue((job("j-2"), job("j-1"), job("j-3", user="U0BOB"))))
    assert f"cancelling job `{wanted}`" in await bot.say(text)
    assert bot.queue.cancelled == [(wanted, "U0ANN")]
    assert bot.books.noted == [(Kind.CANCEL, wanted, {"was": "running"})]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("cancel j-9", "there is no job j-9 of yours or of this channel"),
        ("cancel elsewhere", "there is no job elsewhere of yours or of this channel"),
        ("cancel over", "job over is over already: it is done"),
        ("cancel $(id)", "'$(id)' is not the id of a job"),
        ("again elsewhere", "there is no job elsewhere of yours or of this channel"),
        ("whoami cluster=other", "whoami knows no clusters"),
    ],
)
async def test_what_cannot_be_done_is_said(text: str, problem: str) -> None:
    bot = Bot(Queue((job("j-1"), job("over", State.DONE), job("elsewhere", user="U0BOB", channel="C0SECRET"))))
    with pytest.raises(UsageError) as e:
        await bot.say(text)
    assert e.value.problem == problem


async def test_the_steps_of_an_approval_are_listed_and_not_run_again() -> None:
    step = job("ab12-undo", State.DONE)
    step = replace(step, job=replace(step.job, command="carry_out", words={"approval": "ab12"}))
    bot = Bot(Queue((step, job("j-1", State.DONE))))
    assert "`ab12-undo` `carry out " in await bot.say("jobs")
    assert await bot.say("again") == ""
    assert bot.ran == ["pod web raw=addr namespace=shop cluster=lab"]


async def test_without_jobs_there_is_nothing_to_cancel() -> None:
    with pytest.raises(UsageError, match="you have no jobs yet"):
        await Bot().say("cancel")


async def test_again_runs_the_command_with_the_namespace_and_cluster_that_it_had() -> None:
    bot = Bot(Queue((job("j-1", State.DONE),)))
    assert await bot.say("again") == ""
    assert bot.ran == ["pod web raw=addr namespace=shop cluster=lab"]
