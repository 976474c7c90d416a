"""Settings are refused at start with the name of every wrong one, and each is documented."""

from __future__ import annotations

import subprocess
import sys
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


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b'policy_fil = "/etc/netcheck/policy.toml"', "'policy_fil' is no setting; did you mean policy_file?"),
        (b'slack_app_tokn = "hunter2"', "'slack_app_tokn' is no setting; did you mean slack_app_token?"),
        (b'NETCHECK_CLUSTER = "hunter2"', "'NETCHECK_CLUSTER' is no setting; did you mean cluster?"),
        (b'[netcheck]\ncluster = "hunter2"', "'netcheck' is a table, and settings stand in none"),
        (b"zzz = 2\nconcurency = 3", "'zzz' is no setting; 'concurency' is no setting; did you mean concurrency?"),
        (b'cluster = "a\nx', "line 1"),
        (b'cluster = "\xff"', "can't decode byte 0xff"),
    ],
)
@pytest.mark.parametrize("kind", [Settings, BotSettings])
def test_a_file_with_what_is_no_setting_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: type[Settings | BotSettings], text: bytes, said: str
) -> None:
    file = tmp_path / "netcheck.toml"
    file.write_bytes(text)
    monkeypatch.setenv("NETCHECK_CONFIG", str(file))
    with pytest.raises(UsageError) as refused:
        load(kind)
    assert refused.value.problem.startswith(f"{file}, which NETCHECK_CONFIG names")
    assert said in refused.value.problem
    assert "hunter2" not in refused.value.problem


def test_all_processes_share_one_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "netcheck.toml"
    file.write_text("concurrency = 3\nbot_listen = '127.0.0.1:1'\n")
    monkeypatch.setenv("NETCHECK_CONFIG", str(file))
    assert (load(Settings).concurrency, load(BotSettings).bot_listen) == (3, "127.0.0.1:1")


@pytest.mark.parametrize("words", [["audit", "verify", "--from"], ["policy", "check"]])
def test_each_command_knows_the_settings_of_the_others(words: list[str], tmp_path: Path) -> None:
    """A process of its own: nothing else has imported the bot's settings there."""
    file, nothing = tmp_path / "netcheck.toml", tmp_path / "nothing"
    nothing.touch()
    file.write_text(f"bot_listen = '127.0.0.1:1'\nconcurrency = 3\ndata_dir = '{tmp_path}'\n")
    words = [*words, str(nothing)] if words[-1] == "--from" else words
    done = subprocess.run(
        [sys.executable, "-m", "bot", *words], capture_output=True, text=True, check=False, env={"NETCHECK_CONFIG": str(file)}
    )
    assert (done.returncode in (0, 3), "setting" in done.stderr) == (True, False), done.stderr


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
