"""Settings are refused at start with the name of every wrong one, and each is documented."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.settings import BotSettings
from workers.errors import UsageError
from workers.settings import Settings, WrongSettings, load

DOCUMENT = Path(__file__).parents[2] / "deploy" / "README.md"


@pytest.mark.parametrize("kind", [Settings, BotSettings])
def test_each_setting_is_in_the_table_with_its_default_and_its_words(kind: type[Settings | BotSettings]) -> None:
    table = DOCUMENT.read_text().splitlines()
    for name, field in kind.model_fields.items():
        default = "none" if field.default is None else field.default
        assert field.description, name
        assert f"| `NETCHECK_{name.upper()}` | {default} | {field.description} |" in table


def test_every_wrong_setting_is_named_and_no_value_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETCHECK_CONCURRENCY", "hunter2")
    monkeypatch.setenv("NETCHECK_WORKER_LISTEN", "hunter2")
    with pytest.raises(UsageError) as refused:
        load(Settings)
    assert "NETCHECK_CONCURRENCY" in refused.value.problem
    assert "NETCHECK_WORKER_LISTEN" in refused.value.problem
    assert "hunter2" not in refused.value.problem


def test_the_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "netcheck.toml"
    file.write_text('cluster = "from-file"\nconcurrency = 3\n')
    monkeypatch.setenv("NETCHECK_CONFIG", str(file))
    monkeypatch.setenv("NETCHECK_CLUSTER", "from-environment")
    settings = load(Settings)
    assert (settings.cluster, settings.concurrency) == ("from-environment", 3)


@pytest.mark.parametrize("url", ["redis://:hunter2/s@h", "hunter2", "redis:hunter2"])
def test_a_wrong_redis_url_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("NETCHECK_REDIS_URL", url)
    with pytest.raises(WrongSettings, match="NETCHECK_REDIS_URL") as refused:
        load(Settings)
    assert (refused.value.names, "hunter2" in refused.value.problem) == (frozenset({"redis_url"}), False)
    assert load(Settings, refused.value.names).redis_url is None


@pytest.mark.parametrize("url", ["", "redis://h", "rediss://u:%2F@h:1/2", "unix:///run/redis.sock", "redis://[::1]:6379"])
def test_a_redis_url_is_taken_as_it_is(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("NETCHECK_REDIS_URL", url)
    taken = load(Settings).redis_url
    assert taken is not None
    assert taken.get_secret_value() == url


def test_a_file_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NETCHECK_CONFIG", str(tmp_path / "missing.toml"))
    with pytest.raises(UsageError, match=r"missing\.toml"):
        load(Settings)
