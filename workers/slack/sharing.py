"""Whether others than the workspace read a conversation, from what Slack says of it. Pure.

The marks are those of docs.slack.dev, reference/objects/conversation-object. One that is set is enough; only the two marks of
Slack Connect have to be there for an answer to be sure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_CONNECT = ("is_ext_shared", "is_pending_ext_shared")
_OTHER_MARKS = ("is_org_shared", "is_shared", "is_global_shared")
_TEAMS = ("shared_team_ids", "connected_team_ids", "internal_team_ids", "pending_shared", "pending_connected_team_ids")


def shared(said: Mapping[str, Any], team: str) -> bool | None:
    """Whether teams other than `team` read it, or are invited to; None where Slack did not say.

    Nobody but one person reads a direct message, and what that person is decides about it.
    """
    others = [other for key in _TEAMS for other in (said.get(key) or ()) if other != team]
    if others or any(said.get(mark) for mark in (*_CONNECT, *_OTHER_MARKS)):
        return True
    if said.get("is_im") is True:
        return False
    return None if any(not isinstance(said.get(mark), bool) for mark in _CONNECT) else False
