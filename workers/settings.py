"""The settings of worker and terminal, from the environment (NETCHECK_...) and one TOML file, validated at start.

NETCHECK_CONFIG names the file; the environment wins over it.
Secrets come from the environment or from files named here, never from arguments.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from workers.errors import UsageError, shown

S = TypeVar("S", bound="Shared")
Listen = Annotated[str, Field(pattern=r"^(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+):\d{1,5}$")]


class WrongSettings(UsageError):
    """Values that cannot be; `names` are the fields that hold them."""

    def __init__(self, problem: str, names: frozenset[str]) -> None:
        super().__init__(problem)
        self.names = names


class Shared(BaseSettings):
    """What bot, worker and terminal have in common. They read one file: a key in it must be known to one of its subclasses."""

    model_config = SettingsConfigDict(env_prefix="NETCHECK_", frozen=True, extra="ignore", hide_input_in_errors=True)

    cluster: str = Field(default="kubernetes", description="the name of the cluster, as it is shown and as policy names it")
    data_dir: Path = Field(default=Path("/var/lib/netcheck"), description="the embedded Redis and the generated keys live here")
    redis_url: SecretStr | None = Field(
        default=None, description="redis://, rediss:// or unix://; unset: an embedded one in data_dir"
    )
    redis_tag: str = Field(default="netcheck", description="the hash tag of every key: two installations on one Redis need two")
    job_key_file: Path | None = Field(default=None, description="seals job records; unset: data_dir/job.key, made at first start")
    policy_file: Path | None = Field(default=None, description="who may do what; unset: the built-in policy (deploy/policy.toml)")
    pseudonym_key_file: Path | None = Field(
        default=None, description="keys the pseudonyms in redacted channels; unset: data_dir/pseudonym.key, made at first start"
    )
    slack_bot_token: SecretStr | None = Field(default=None, description="xoxb-...")
    slack_api_url: str = Field(default="https://slack.com/api/", description="another one only for tests and proxies")
    audit_sink: str | None = Field(
        default=None,
        description="where the audit's heads go, outside Redis: file:/path, syslog:, syslog:host:port, otlp:http://host:4318, "
        "several with commas; unset: file:data_dir/audit/heads.log",
    )
    audit_key_file: Path | None = Field(
        default=None, description="signs this process' audit entries; unset: data_dir/audit/ROLE.key, made at first start"
    )
    audit_keys_file: Path | None = Field(
        default=None,
        description="the public keys that are trusted, a line `ROLE HEX` each; unset: those in data_dir and in the sink",
    )
    audit_keep_days: int = Field(default=90, ge=1, le=3650, description="how long audit entries stay in Redis")
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="what is logged, from this on")

    @field_validator("redis_url")
    @classmethod
    def _reachable(cls, url: SecretStr | None) -> SecretStr | None:
        """What the client would refuse later, in words that show nothing of a password."""
        if url and not _names_a_redis(url.get_secret_value()):
            raise ValueError("must be redis://HOST:PORT, rediss://HOST:PORT or unix:///PATH, in passwords %2F for / and so on")
        return url

    @field_validator("redis_tag")
    @classmethod
    def _fits_into_keys(cls, tag: str) -> str:
        if not tag or set(tag) & set("{}"):
            raise ValueError("must be text without braces")
        return tag

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments (tests), then environment, then the file."""
        del dotenv_settings, file_secret_settings
        named = os.environ.get("NETCHECK_CONFIG")
        files = (InitSettingsSource(settings_cls, _of_file(Path(named))),) if named else ()
        return (init_settings, env_settings, *files)


class Settings(Shared):
    """What a worker and the terminal need beyond that: the cluster's API and the way to its nodes."""

    kubeconfig: Path | None = Field(
        default=None, description="unset: in-cluster configuration, else KUBECONFIG, else ~/.kube/config"
    )
    namespace: str = Field(default="default", description="what bare names mean where the channel's policy says nothing")
    ssh_config: Path | None = Field(
        default=None, description="an OpenSSH client configuration; unset: ~/.ssh/config where there is one"
    )
    ssh_user: str | None = Field(default=None, description="where ssh_config does not say it")
    ssh_key: Path | None = Field(default=None, description="where ssh_config does not say it")
    ssh_known_hosts: Path | None = Field(
        default=None, description="host keys and @cert-authority lines; unset: ~/.ssh/known_hosts"
    )
    helper: Literal["installed", "push"] = Field(
        default="installed", description="push is for trying out and refuses all changes"
    )
    asks_per_node: int = Field(default=8, ge=1, le=64, description="questions at once to one node")
    answer_seconds: float = Field(default=10.0, gt=0, le=120, description="what one question may take")
    watch_seconds: float = Field(default=20.0, ge=0, le=600, description="how long changed nodes are watched; 0: not at all")
    worker_listen: Listen = Field(default="127.0.0.1:9465", description="health and metrics of the worker")
    concurrency: int = Field(default=16, ge=1, le=256, description="jobs at once in one worker")
    lease_seconds: float = Field(default=4.0, ge=1, le=60, description="a worker silent for so long has lost its jobs")


def load(kind: type[S], unset: Collection[str] = ()) -> S:
    """The settings of a process, the fields `unset` as they are by default.

    Raises `WrongSettings` that names every wrong one and says nothing of secret values, and `UsageError` for a file that cannot
    be read or holds what is no setting.
    """
    try:
        return kind(**{name: kind.model_fields[name].default for name in unset})
    except ValidationError as e:
        wrong = {str(err["loc"][0]): err["msg"].removeprefix("Value error, ") for err in e.errors()}
        said = "; ".join(f"NETCHECK_{name.upper()}: {why}" for name, why in wrong.items())
        raise WrongSettings(f"Settings: {said}", frozenset(wrong)) from e


def _of_file(path: Path) -> dict[str, object]:
    """What the file says. A key that is no setting is refused: whoever wrote it meant one, which would stay unset."""
    try:
        said: dict[str, object] = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as e:
        why = e.strerror if isinstance(e, OSError) else e
        raise UsageError(f"{path}, which NETCHECK_CONFIG names, cannot be read: {why}") from e
    known = {name for kind in Shared.__subclasses__() for name in kind.model_fields}
    if wrong := [_unknown(key, value, known) for key, value in said.items() if key not in known]:
        raise UsageError(f"{path}, which NETCHECK_CONFIG names: {'; '.join(wrong)}")
    return said


def _unknown(key: str, value: object, known: Collection[str]) -> str:
    if isinstance(value, dict):
        return f"{shown(key)} is a table, and settings stand in none"
    near = difflib.get_close_matches(key.lower().removeprefix("netcheck_"), known, 1)
    return f"{shown(key)} is no setting" + (f"; did you mean {near[0]}?" if near else "")


def _names_a_redis(url: str) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    return parts.path != "" if parts.scheme == "unix" else parts.scheme in ("redis", "rediss") and "://" in url
