"""A channel counts as not shared only where Slack says so, whole."""

from __future__ import annotations

from typing import Any

import pytest

from workers.slack.sharing import shared

OWN = {
    "is_ext_shared": False, "is_pending_ext_shared": False, "is_org_shared": False, "is_shared": False,
    "shared_team_ids": ["T0OWN"], "pending_shared": [], "pending_connected_team_ids": [],
}  # fmt: skip


def test_a_channel_of_the_workspace_alone_is_not_shared() -> None:
    assert shared(OWN, "T0OWN") is False
    assert shared({"is_ext_shared": False, "is_pending_ext_shared": False}, "T0OWN") is False


@pytest.mark.parametrize(
    "more",
    [
        {"is_ext_shared": True},
        {"is_pending_ext_shared": True},
        {"is_org_shared": True},
        {"is_shared": True},
        {"is_global_shared": True},
        {"shared_team_ids": ["T0OWN", "T0OTHER"]},
        {"connected_team_ids": ["T0OTHER"]},
        {"internal_team_ids": ["T0OWN", "T0SISTER"]},
        {"pending_shared": ["T0OTHER"]},
        {"pending_connected_team_ids": ["T0OTHER"]},
    ],
)
def test_one_mark_is_enough(more: dict[str, Any]) -> None:
    assert shared(OWN | more, "T0OWN") is True
    assert shared({"is_im": True} | more, "T0OWN") is True


@pytest.mark.parametrize("mark", ["is_ext_shared", "is_pending_ext_shared"])
@pytest.mark.parametrize("value", [None, "", 0])
def test_what_slack_does_not_say_is_not_known(mark: str, value: object) -> None:
    assert shared(OWN | {mark: value}, "T0OWN") is None
    assert shared({key: said for key, said in OWN.items() if key != mark}, "T0OWN") is None


def test_a_direct_message_is_read_by_the_person_alone() -> None:
    assert shared({"is_im": True, "user": "U0ANN"}, "T0OWN") is False
