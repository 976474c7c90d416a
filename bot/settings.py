"""The settings of the bot, from the environment and one file like those of the worker."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field, SecretStr

from workers.errors import BadKeyFile, UsageError
from workers.settings import Listen, Shared

if TYPE_CHECKING:
    from workers.seal import Seal


class BotSettings(Shared):
    """The app token makes it use Socket Mode, the signing secret makes it take signed HTTP; one of them is needed."""

    namespace: str = Field(default="default", description="what bare names mean where the channel's policy says nothing")
    slack_app_token: SecretStr | None = Field(default=None, description="xapp-..., with connections:write: Socket Mode")
    slack_signing_secret: SecretStr | None = Field(
        default=None, description="Slack's requests to /slack/events are signed with it"
    )
    voice_key_file: Path | None = Field(
        default=None,
        description="seals what people said about approvals; unset: data_dir/voice.key. Workers must not be able to read it",
    )
    approver: Literal["inside", "own-process"] = Field(
        default="inside", description="own-process: no bot is the approver, `netcheck-bot approver` is"
    )
    approver_key: Path | None = Field(
        default=None, description="the approver's private SSH key; unset: data_dir/approver/key. Without one nothing is changed"
    )
    approver_listen: Listen = Field(default="127.0.0.1:9466", description="health and metrics of an approver of its own")
    bot_listen: Listen = Field(default="127.0.0.1:9464", description="health, metrics and /slack/events of the bot")

    @property
    def bot_token(self) -> str:
        """The bot's token. Raises `UsageError` without one."""
        return _needed(self.slack_bot_token, "NETCHECK_SLACK_BOT_TOKEN is not set: the bot answers with it")

    @property
    def approver_folder(self) -> Path:
        """Where the approver's store is."""
        return self.data_dir / "approver"

    @property
    def signing_key(self) -> Path:
        """The approver's private key."""
        return self.approver_key or self.approver_folder / "key"

    @property
    def approves(self) -> bool:
        """Whether the bot is to be the approver too: where it has the key for it."""
        return self.approver == "inside" and (self.approver_key is not None or self.signing_key.exists())

    def voices(self) -> Seal:
        """The key that seals what people said. Raises `UsageError`."""
        from workers import seal  # cryptography, which a check needs only now and then

        try:
            return seal.configured("NETCHECK_VOICE_KEY_FILE", self.voice_key_file, self.data_dir / "voice.key")
        except BadKeyFile as e:
            raise UsageError(str(e)) from e

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
