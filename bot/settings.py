"""The settings of the bot, from the environment and one file like those of the worker."""

from __future__ import annotations

from pydantic import Field, SecretStr

from workers.errors import UsageError
from workers.settings import Listen, Shared


class BotSettings(Shared):
    """The app token makes it use Socket Mode, the signing secret makes it take signed HTTP; one of them is needed."""

    namespace: str = Field(default="default", description="what bare names mean where the channel's policy says nothing")
    slack_app_token: SecretStr | None = Field(default=None, description="xapp-..., with connections:write: Socket Mode")
    slack_signing_secret: SecretStr | None = Field(
        default=None, description="Slack's requests to /slack/events are signed with it"
    )
    bot_listen: Listen = Field(default="127.0.0.1:9464", description="health, metrics and /slack/events of the bot")

    @property
    def bot_token(self) -> str:
        """The bot's token. Raises `UsageError` without one."""
        return _needed(self.slack_bot_token, "NETCHECK_SLACK_BOT_TOKEN is not set: the bot answers with it")

    def check_ways_in(self) -> None:
        """Raises `UsageError` where Slack has no way to the bot."""
        if self.slack_app_token is None:
            _needed(
                self.slack_signing_secret,
                "Slack has no way to the bot: set NETCHECK_SLACK_APP_TOKEN (Socket Mode) or NETCHECK_SLACK_SIGNING_SECRET (HTTP)",
            )


def _needed(secret: SecretStr | None, problem: str) -> str:
    if secret is None or not secret.get_secret_value():
        raise UsageError(problem)
    return secret.get_secret_value()
