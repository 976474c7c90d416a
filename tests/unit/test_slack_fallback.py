"""A message as text alone: everything that its blocks say, within Slack's limit, and nothing that they escaped comes to life."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot import trouble
from tests.reports import huge
from tests.slack_limits import refuse_what_slack_refuses
from workers.render import blocks, limits
from workers.render.fallback import plain
from workers.render.message import Message


def section(text: str) -> dict[str, object]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def test_texts_of_all_kinds_of_blocks_are_there_in_order_and_buttons_are_not() -> None:
    message = Message(
        "short",
        (
            section("one"),
            {"type": "context", "elements": [{"type": "mrkdwn", "text": "two"}]},
            {"type": "section", "fields": [{"type": "mrkdwn", "text": "three"}]},
            {"type": "markdown", "text": "four"},
            {"type": "table", "rows": [[{"type": "raw_text", "text": "five"}, {"type": "raw_text", "text": "six"}]]},
            {"type": "actions", "elements": [{"type": "button", "text": {"type": "plain_text", "text": "Again"}}]},
        ),
    )
    assert plain(message) == "one\ntwo\nthree\nfour\nfive | six"


def test_without_blocks_the_text_is_all_there_is() -> None:
    assert plain(Message("short")) == "short"


@given(st.lists(st.text(max_size=3000), max_size=20))
def test_it_is_never_longer_than_slack_takes(texts: list[str]) -> None:
    said = plain(Message("short", tuple(section(text) for text in texts)))
    assert len(said) <= limits.TEXT


def test_a_report_in_plain_text_pings_nobody_and_starts_with_its_verdict() -> None:
    rendered = blocks.message(huge())
    said = plain(rendered)
    assert "<!" not in said
    assert "<@" not in said
    assert said.startswith(rendered.blocks[0]["text"]["text"][:20])


@pytest.mark.parametrize(
    "message",
    [
        trouble.queue_away(),
        trouble.slack_away("a1"),
        trouble.waits_for_queue("a1"),
        trouble.slack_refused("<!x>"),
        trouble.fault("t-1"),
    ],
)
def test_what_people_are_told_in_trouble_is_taken_by_slack(message: Message) -> None:
    refuse_what_slack_refuses(message)


def test_who_is_outside_is_told_whom_to_invite() -> None:
    assert "`/invite` <@U0BOT>" in trouble.not_in_channel("U0BOT").text
