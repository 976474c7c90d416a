from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from click.testing import CliRunner, Result

from bot import cli
from bot.cli.policy import warnings
from bot.decided import at_all
from bot.entry import Entry
from workers.check import Access
from workers.job import Channel, Requester
from workers.policy.file import parse

CHANGES = """
version = 1
[[rule]]
name = "ann asks"
who = ["U0ANN"]
may = ["READ", "CHANGE"]
"""
APPROVAL = """
[[approval]]
name = "bob agrees"
change = "set"
[[approval.stage]]
approvers = ["U0BOB"]
"""


def run(*words: str, policy: Path | None = None, cluster: str = "kubernetes") -> Result:
    named = {"NETCHECK_POLICY_FILE": str(policy)} if policy else {}
    return CliRunner().invoke(cli.cli, ["policy", *words], env={"NETCHECK_CLUSTER": cluster, **named})


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "policy.toml"
    path.write_text(CHANGES)
    return path


def test_a_good_policy_is_counted(policy: Path) -> None:
    done = run("check", str(policy))
    assert (done.exit_code, done.stdout) == (0, f"{policy}: rules: 1, approval rules: 0, channels: 0\n")


def test_a_good_policy_may_still_be_odd(policy: Path) -> None:
    assert "without an [[approval]] rule nobody can agree to one" in run("check", policy=policy).stderr


def test_a_wrong_policy_ends_with_its_line_and_status_2(policy: Path) -> None:
    policy.write_text("version = 1\n[[rul]]")
    done = run("check", str(policy))
    assert (done.exit_code, done.stderr) == (2, f"netcheck-bot: {policy}:2: rul: is not known here; did you mean rule?\n")


@pytest.mark.parametrize(
    ("words", "status", "first"),
    [
        (("--standing", "member", "--shared", "no", "U0ANN", "C0A", "pods"), 0, "allowed: rule 'ann asks' grants READ"),
        (("--standing", "member", "--shared", "no", "U0ANN", "C0A", "ping", "db", "from", "web"), 1,
         "refused: no rule grants you PROBE (sends packets) in this channel"),
        (("--standing", "guest", "--in", "T0OWN", "U0EVE", "C0A", "pods"), 1,
         "refused: you are a guest here, and no rule names you (U0EVE)"),
        (("--standing", "member", "U0ANN", "C0A", "pods"), 1,
         "refused: it cannot be known whether others read this channel, and no rule of yours allows that"),
        (("--standing", "foreign", "U0EVE", "C0A", "help"), 0, "allowed: everybody may ask this"),
    ],
)  # fmt: skip
def test_a_decision_is_explained(policy: Path, words: tuple[str, ...], status: int, first: str) -> None:
    done = run("explain", *words, policy=policy)
    assert (done.exit_code, done.stdout.splitlines()[0]) == (status, first)


@pytest.mark.parametrize(
    ("who", "shared", "command", "said"),
    [
        ("guest", "no", "audit", "refused: you are a guest here, and no rule names you (U0G)"),
        ("member", "unknown", "audit", "refused: it cannot be known whether others read this channel"),
        ("member", "no", "audit", "allowed: rule 'members may look and probe' grants REVEAL"),
        ("member", "no", "approve 5f2c9a01b7de", "refused: the policy has no [[approval]] rule"),
        ("guest", "no", "whoami", "allowed: everybody may ask this"),
    ],
)
def test_a_command_of_the_bot_is_explained_as_the_bot_decides(who: str, shared: str, command: str, said: str) -> None:
    done = run("explain", "--standing", who, "--shared", shared, "U0G", "C0X", *command.split())
    assert done.stdout.startswith(said)
    assert done.exit_code == (0 if said.startswith("allowed") else 1)


@pytest.mark.parametrize(
    ("channel", "command", "said"),
    [
        ("C0TOOL", "dns kubernetes", "allowed: rule 'shop only' grants PROBE"),
        ("C0SYS", "dns kubernetes", "refused: you may not ask about the namespace kube-system"),
        ("C0SYS", "dns kubernetes from shop/web", "allowed: "),
        ("C0ELSE", "dns kubernetes", "refused: you may not ask about the namespace default"),
    ],
)
def test_a_command_is_explained_with_the_pod_of_the_channel(policy: Path, channel: str, command: str, said: str) -> None:
    policy.write_text("""version = 1
[[rule]]
name = "shop only"
who = ["U0BOB"]
may = ["PROBE"]
namespaces = ["shop"]
[[channel]]
id = "C0TOOL"
pod = "shop/toolbox"
[[channel]]
id = "C0SYS"
namespace = "shop"
pod = "kube-system/toolbox"
""")
    done = run("explain", "--standing", "member", "--shared", "no", "U0BOB", channel, *command.split(), policy=policy)
    assert done.stdout.startswith(said)


def test_an_explanation_says_what_it_was_made_from(policy: Path) -> None:
    policy.write_text(f'{CHANGES}\n[[channel]]\nid = "C0A"\ncluster = "west"\nprofile = "redacted"\n')
    words = (
        "--standing",
        "member",
        "--shared",
        "no",
        "--in",
        "T0OWN",
        "--in",
        "S0OPS",
        "U0ANN",
        "C0A",
        "po",
        "web",
        "in",
        "shop",
    )
    assert run("explain", *words, policy=policy, cluster="west").stdout.splitlines()[1:] == [
        f"  policy: {policy}",
        "  who: U0ANN, member, in T0OWN, in S0OPS",
        "  where: C0A, not shared, answers redacted",
        "  what: pod shop/web (READ) in the cluster west",
    ]


@pytest.mark.parametrize("words", [("C0A", "pods", "cluster=production"), ("C0WEST", "pods"), ("C0WEST", "whoami")])
def test_a_cluster_that_the_bot_does_not_look_at_is_no_answer_of_the_policy(policy: Path, words: tuple[str, ...]) -> None:
    policy.write_text(f'{CHANGES}\n[[channel]]\nid = "C0WEST"\ncluster = "production"\n')
    done = run("explain", "--standing", "member", "--shared", "no", "U0ANN", *words, policy=policy)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "there is no cluster 'production' here, only 'kubernetes'" in done.stderr


def test_a_cluster_means_nothing_to_a_command_of_the_bot(policy: Path) -> None:
    done = run("explain", "--standing", "member", "--shared", "no", "U0ANN", "C0A", "whoami", "cluster=kubernetes", policy=policy)
    assert (done.exit_code, "whoami knows no clusters" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--standing", "member", "bob", "C0A", "pods"), "'bob' must be the id of a user (U… or W…), never a name"),
        (("--standing", "member", "S0OPS", "C0A", "pods"), "'S0OPS' must be the id of a user"),
        (("--standing", "member", "U0ANN", "#ops", "pods"), "'#ops' must be the id of a channel (C…, D… or G…), never a name"),
        (
            ("--standing", "member", "--in", "bob", "U0ANN", "C0A", "pods"),
            "'bob' must be the id of a team (T…) or a user group (S…)",
        ),
        (
            ("--standing", "member", "--in", "T01", "--in", "T02", "U0ANN", "C0A", "pods"),
            "in one team, and T01 and T02 are several",
        ),
        (("--in", "T01", "U0ANN", "C0A", "pods"), "go with --standing"),
        (("--shared", "no", "U0ANN", "C0A", "pods"), "go with --standing"),
        (("bob", "C0A", "pods"), "'bob' must be the id of a user"),
    ],
)
def test_nothing_that_is_said_of_a_person_is_ignored(policy: Path, words: tuple[str, ...], said: str) -> None:
    done = run("explain", *words, policy=policy)
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr


@pytest.mark.parametrize("words", [("U0ANN", "C0A", "pods"), ("--standing", "member", "U0ANN", "C0A", "pdo"), ("U0ANN", "C0A")])
def test_what_cannot_be_explained_is_a_usage_error(policy: Path, words: tuple[str, ...]) -> None:
    assert run("explain", *words, policy=policy).exit_code == 2


def a_change(name: str) -> Entry:
    return cast("Entry", SimpleNamespace(name=name, access=Access.CHANGE))


def test_a_change_that_nobody_can_agree_to_may_not_be_used() -> None:
    where: dict[str, Any] = {"who": Requester("U0ANN", standing="member"), "channel": Channel("C0A", shared=False)}
    alone, agreed = parse(CHANGES, "p"), parse(CHANGES + APPROVAL, "p")
    assert "no [[approval]] rule" in at_all(alone, entry=a_change("set"), cluster="lab", **where).reason
    assert "no approval rule is about clear_stale" in at_all(agreed, entry=a_change("clear_stale"), cluster="lab", **where).reason
    assert at_all(agreed, entry=a_change("set"), cluster="lab", **where).rule == "ann asks"


def test_a_command_that_does_not_say_what_it_does_is_nobodys() -> None:
    with pytest.raises(TypeError, match="does not say what it does"):
        at_all(parse(CHANGES, "p"), Requester("U0ANN"), Channel("C0A"), cast("Entry", SimpleNamespace(name="set")), "lab")


def test_an_approval_rule_for_no_change_is_warned_of() -> None:
    rules = parse(CHANGES + APPROVAL.replace('"set"', '"sett"'), "p")
    said = list(warnings(rules, {name: a_change(name) for name in ("set", "clear_stale")}))
    assert said == ["the approval rule 'bob agrees' is about 'sett', which is no change; did you mean set?"]


def test_approval_rules_that_nobody_can_use_are_warned_of() -> None:
    assert "nobody can ask for anything" in next(warnings(parse(f"version = 1\n{APPROVAL}", "p"), {}))
