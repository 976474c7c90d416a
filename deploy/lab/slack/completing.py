"""What the stand-in leaves out and Slack does not: who is a guest, in which group, and who else reads a channel. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deploy.lab.slack.workspace import WORKSPACE, Workspace


def completed(method: str, answer: Mapping[str, Any], workspace: Workspace = WORKSPACE) -> Mapping[str, Any]:
    """The answer as Slack would give it; most are as they were."""
    if method == "users.info" and "user" in answer:
        guest = answer["user"]["id"] == workspace.guest
        return {**answer, "user": {**answer["user"], "is_restricted": guest, "is_ultra_restricted": False}}
    if method == "conversations.info" and "channel" in answer:
        channel = answer["channel"]
        shared = channel["id"] == workspace.shared
        more = {"is_ext_shared": shared, "is_pending_ext_shared": False, "is_member": channel["id"] != workspace.outside}
        return {**answer, "channel": {**channel, **more}}
    if method == "usergroups.users.list":
        return {"ok": True, "users": [workspace.alice]}
    return answer
