"""Every method of Slack's Web API that is called here, with the scopes that it needs (docs.slack.dev, reference/methods)."""

from __future__ import annotations

from typing import Final

NEEDS: Final[dict[str, tuple[str, ...]]] = {
    "auth.test": (),
    "chat.postEphemeral": ("chat:write",),
    "chat.postMessage": ("chat:write",),
    "chat.update": ("chat:write",),
    "conversations.info": ("channels:read", "groups:read"),  # who else reads a channel; private ones are "groups"
    "files.completeUploadExternal": ("files:write",),
    "files.delete": ("files:write",),  # what was posted before others came to read the channel
    "files.getUploadURLExternal": ("files:write",),
    "files.info": ("files:read",),  # whether a file was shared before a worker died
    "usergroups.users.list": ("usergroups:read",),  # who is in a group that the policy names; asked only if it names one
    "views.open": (),
    "users.info": ("users:read",),  # whether somebody is a guest
}
DELIVERIES: Final = ("commands", "app_mentions:read")
"""What Slack sends by itself: slash commands, and mentions of the bot."""
SCOPES: Final = frozenset({scope for scopes in NEEDS.values() for scope in scopes} | set(DELIVERIES))
"""All that the bot's token must be allowed; deploy/slack-manifest.yaml asks for exactly these."""
