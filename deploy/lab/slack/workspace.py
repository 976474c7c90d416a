"""The workspace that the stand-in pretends to be: its people, its channels and the bot's tokens, none of them worth stealing."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

DELIVERY_PORT: Final = 9
"""Where the stand-in delivers signed HTTP to, inside its network namespace."""


class Mode(enum.Enum):
    """How Slack delivers to the bot."""

    SOCKET = "socket"
    HTTP = "events"


@dataclass(frozen=True)
class Workspace:
    """Ids are Slack's shapes. The bot is in every channel but ``outside``; another organisation reads ``shared``."""

    team: str = "T0LAB"
    bot: str = "U0NETCHECK"
    alice: str = "U0ALICE"
    bob: str = "U0BOB"
    carol: str = "U0CAROL"
    guest: str = "U0GUEST"
    group: str = "S0PLATFORM"
    """A user group; alice alone is in it."""
    incidents: str = "C0INCIDENTS"
    platform: str = "C0PLATFORM"
    outside: str = "C0OUTSIDE"
    shared: str = "C0SHARED"
    bot_token: str = "xoxb-lab"  # noqa: S105  (opens nothing but the stand-in)
    app_token: str = "xapp-lab"  # noqa: S105  (the same)
    signing_secret: str = "lab-signing-secret"  # noqa: S105  (the same)

    def config(self, mode: Mode, request_url: str) -> Mapping[str, Any]:
        """The stand-in's configuration file, as a value."""
        people = [self.alice, self.bob, self.carol, self.guest]
        return {
            "workspace": {"name": "Lab", "domain": "lab", "teamId": self.team},
            "app": {
                "appId": "A0NETCHECK", "botUserId": self.bot, "botName": "netcheck",
                "mode": mode.value, "requestUrl": request_url,
                "botToken": self.bot_token, "appToken": self.app_token, "signingSecret": self.signing_secret,
            },
            "users": [
                {"id": self.alice, "name": "alice", "real_name": "Alice"},
                {"id": self.bob, "name": "bob", "real_name": "Bob"},
                {"id": self.carol, "name": "carol", "real_name": "Carol"},
                {"id": self.guest, "name": "gast", "real_name": "A guest"},
            ],
            "channels": [
                {"id": self.incidents, "name": "incidents", "members": [*people, self.bot]},
                {"id": self.platform, "name": "platform", "members": [*people, self.bot]},
                {"id": self.outside, "name": "outside", "members": people},
                {"id": self.shared, "name": "shared-with-others", "members": [*people, self.bot]},
            ],
        }  # fmt: skip


WORKSPACE: Final = Workspace()
