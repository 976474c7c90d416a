"""What Slack can answer instead of doing what it was asked, each named for what its caller does next."""

from __future__ import annotations

from typing import Final


class SlackError(Exception):
    """Any of the failures below. The text has Slack's word for it and no message of anybody's."""


class SlackAway(SlackError):
    """It may work later, not before `after_s` seconds. `maybe_done`: no answer came, so Slack may have done it."""

    def __init__(self, problem: str, *, after_s: float = 0.0, maybe_done: bool = False) -> None:
        super().__init__(problem)
        self.after_s = after_s
        self.maybe_done = maybe_done


class SlackRefused(SlackError):
    """Slack will not do it, now or later; `code` is its word for why."""

    def __init__(self, method: str, code: str) -> None:
        super().__init__(f"Slack refused {method}: {code}")
        self.code = code


class NotInChannel(SlackRefused):
    """The bot cannot write there: somebody has to invite it."""


class MessageGone(SlackRefused):
    """The message cannot be edited any more: post another one."""


class BlocksRefused(SlackRefused):
    """Slack does not take these blocks, or not so many: send plain text."""


class UploadsRefused(SlackRefused):
    """No files here: send the text itself."""


AWAY: Final = frozenset({
    "ratelimited", "rate_limited", "service_unavailable", "internal_error", "fatal_error", "request_timeout", "team_added_to_org",
    "file_update_failed",  # temporary, by Slack's support: slackapi/python-slack-sdk#1730
})  # fmt: skip
"""Words of Slack for what may work later (docs.slack.dev, reference/methods, the errors of each method)."""

_KINDS: Final[dict[str, type[SlackRefused]]] = {
    "not_in_channel": NotInChannel,
    "channel_not_found": NotInChannel,  # a private channel that the bot is not in
    "is_archived": NotInChannel,
    "message_not_found": MessageGone,
    "cant_update_message": MessageGone,
    "edit_window_closed": MessageGone,
    "invalid_blocks": BlocksRefused,
    "invalid_blocks_format": BlocksRefused,
    "msg_blocks_too_long": BlocksRefused,
    "msg_too_long": BlocksRefused,
    "file_uploads_disabled": UploadsRefused,
    "file_uploads_except_images_disabled": UploadsRefused,
    "file_upload_size_restricted": UploadsRefused,
    "storage_limit_reached": UploadsRefused,
    "posting_to_channel_denied": UploadsRefused,
    "missing_scope": UploadsRefused,
}


def refused(method: str, code: str) -> SlackRefused:
    """The error for Slack's word."""
    kind = _KINDS.get(code, SlackRefused)
    if code == "missing_scope" and not method.startswith("files."):
        kind = SlackRefused
    return kind(method, code)
