"""The approver in a process of its own, killed for real, and deciding at a terminal with a code that is confirmed in Slack."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sqlite3
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest_asyncio

from deploy.lab.slack import SlackStandIn
from tests.slack.approver_office import Office, office_in
from tests.slack.parts import of_the_bot, until
from tests.unit.conftest import RedisPlace

NETCHECK = (sys.executable, "-m", "bot")
ALONE = {"NETCHECK_APPROVER": "own-process", "NETCHECK_APPROVER_LISTEN": "127.0.0.1:0"}


def environment(office: Office, place: RedisPlace) -> dict[str, str]:
    return {
        **os.environ,
        **office.slack.settings(),
        "NETCHECK_REDIS_URL": place.url,
        "NETCHECK_REDIS_TAG": place.tag,
        "NETCHECK_JOB_KEY_FILE": str(place.key_file),
        "NETCHECK_DATA_DIR": str(office.settings.data_dir),
        "NETCHECK_POLICY_FILE": str(office.policy),
        "NETCHECK_CLUSTER": "lab",
        **ALONE,
    }


@asynccontextmanager
async def approver(office: Office, place: RedisPlace) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        *NETCHECK, "approver", env=environment(office, place), stdout=PIPE, stderr=DEVNULL
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(60):
            assert b"health and metrics" in await process.stdout.readline()
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def terminal(office: Office, place: RedisPlace, *words: str) -> Process:
    return await asyncio.create_subprocess_exec(*NETCHECK, *words, env=environment(office, place), stdout=PIPE, stderr=PIPE)


async def said(process: Process) -> tuple[int, str]:
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, (out + err).decode()


@pytest_asyncio.fixture
async def office(slack: SlackStandIn, redis_place: RedisPlace, tmp_path: Path) -> AsyncIterator[Office]:
    """A bot that is no approver."""
    async with office_in(slack, redis_place, tmp_path, approver="own-process") as it:
        yield it


async def test_killed_and_started_again_it_signs_once(office: Office, redis_place: RedisPlace) -> None:
    async with approver(office, redis_place) as process:
        it = await office.proposed()
        await office.says(it, "approve", "U0BOB")
        await office.told("U0BOB", "1 of 2")
        await office.says(it, "approve", "U0CAROL")
        process.send_signal(signal.SIGKILL)
    for seconds in (0.1, 0.3):
        async with approver(office, redis_place) as process:
            await asyncio.sleep(seconds)
            process.send_signal(signal.SIGKILL)
    async with approver(office, redis_place) as process:
        code, words = await said(await terminal(office, redis_place, "approver"))
        assert (code, "another approver has" in words) == (2, True)
        (job,) = await office.carrying()
        await office.carried_out(job)
        await office.card(it, "carried out")
        process.terminate()
        async with asyncio.timeout(30):
            assert await process.wait() == 0
    with contextlib.closing(sqlite3.connect(office.settings.data_dir / "approver" / "approvals.db")) as store:
        assert store.execute("SELECT count(*) FROM signed").fetchone() == (1,)


async def test_a_terminal_decides_by_a_code_that_somebody_confirms_in_slack(office: Office, redis_place: RedisPlace) -> None:
    code, words = await said(await terminal(office, redis_place, "approvals"))
    assert (code, "no approver" in words) == (2, True)
    async with approver(office, redis_place):
        it = await office.proposed()
        code, words = await said(await terminal(office, redis_place, "approvals"))
        assert (code, it.id in words, "waiting for U0BOB, U0CAROL" in words) == (0, True, True)
        code, words = await said(await terminal(office, redis_place, "reject", "nothing", "--reason", "no"))
        assert (code, "there is no approval nothing" in words) == (2, True)
        rejecting = await terminal(office, redis_place, "reject", it.id, "--reason", "not <!here> today")
        assert rejecting.stdout is not None
        word = ""
        async with asyncio.timeout(60):
            while "confirm" not in word:
                word = (await rejecting.stdout.readline()).decode()
        await office.does(office.slack.command, word.strip().removeprefix("/netcheck "), user="U0CAROL")
        shown = await office.told("U0CAROL", "in your name")
        assert "not &lt;!here&gt; today" in shown["text"]
        assert "0 of 2" in office.text(it)
        await office.does(office.slack.click, shown, "netcheck_confirm", user="U0CAROL")
        code, words = await said(rejecting)
        assert (code, "U0CAROL: it is rejected" in words) == (0, True)
        await office.card(it, "rejected by <@U0CAROL>")
        await office.does(office.slack.click, shown, "netcheck_confirm", user="U0BOB")
        await until(lambda: [m for m in of_the_bot(office.slack) if "has been used" in m["text"]])
