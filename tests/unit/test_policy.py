from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.check import Access
from workers.job import Channel, Requester, Standing
from workers.objects import Cluster, Pod, Service
from workers.policy.file import BadPolicy, built_in, load, parse
from workers.policy.rules import Decision, Defaults, Rules, decide, narrowed

SHOP = """
version = 1

[[rule]]
name = "members look at staging"
who = ["members"]
may = ["READ", "PROBE"]
clusters = ["staging-*"]

[[rule]]
name = "the shop team"
who = ["S0SHOP"]
may = ["READ", "REVEAL"]
channels = ["C0SHOP"]
namespaces = ["shop", "shop-*"]

[[rule]]
name = "partners"
who = ["T0PARTNER", "U0GUEST"]
may = ["READ"]
channels = ["C0JOINT"]
shared_channels = true
namespaces = ["joint"]

[[channel]]
id = "C0SHOP"
cluster = "production"
namespace = "shop"
pod = "deploy/cart"
"""

HERE = Channel("C0ANY", shared=False)
IN_SHOP = Channel("C0SHOP", shared=False)
JOINT = Channel("C0JOINT", shared=True)


def person(standing: Standing = "member", user: str = "U0ANN", team: str = "T0OWN", *groups: str) -> Requester:
    return Requester(user, team, groups, standing)


MEMBER = person()
GUEST = person("guest", "U0OTHER", "T0OWN", "S0SHOP")
PARTNER = person("foreign", "U0PAT", "T0PARTNER")


def by_default(who: Requester = MEMBER, channel: Channel = HERE, access: Access = Access.READ) -> Decision:
    return decide(built_in(), who, channel, access, "lab", ("default",))


def shop(who: Requester, channel: Channel, access: Access, cluster: str, *namespaces: str) -> Decision:
    return decide(parse(SHOP, "shop.toml"), who, channel, access, cluster, namespaces)


@pytest.mark.parametrize("access", [Access.READ, Access.REVEAL, Access.PROBE])
def test_by_default_members_look_and_probe(access: Access) -> None:
    assert by_default(access=access) == Decision(
        allowed=True, reason=f"rule 'members may look and probe' grants {access.name}", rule="members may look and probe"
    )


@pytest.mark.parametrize("access", [Access.CAPTURE, Access.CHANGE])
def test_by_default_nobody_captures_or_changes(access: Access) -> None:
    decision = by_default(access=access)
    assert decision == Decision(allowed=False, reason=f"no rule grants you {access.name} ({access.value}) in this channel")


@pytest.mark.parametrize(
    ("standing", "reason"),
    [
        ("guest", "you are a guest here, and no rule names you (U0ANN)"),
        ("foreign", "you belong to another organisation, and no rule names you (U0ANN)"),
        ("bot", "you are a bot, and no rule names you (U0ANN)"),
        ("unknown", "it is not known whether you are a member of this workspace, and no rule names you"),
    ],
)
def test_by_default_others_see_nothing(standing: Standing, reason: str) -> None:
    assert by_default(person(standing)) == Decision(allowed=False, reason=reason)


@pytest.mark.parametrize(
    ("shared", "reason"),
    [
        (True, "this channel is shared with another organisation or workspace, and no rule of yours allows that"),
        (None, "it cannot be known whether others read this channel, and no rule of yours allows that"),
    ],
)
def test_by_default_nothing_is_said_where_others_read_or_may_be_reading(shared: bool | None, reason: str) -> None:  # noqa: FBT001
    assert by_default(channel=Channel("C0ANY", shared=shared)) == Decision(allowed=False, reason=reason)


@pytest.mark.parametrize(
    ("who", "channel", "access", "cluster", "namespaces", "rule"),
    [
        (MEMBER, HERE, Access.READ, "staging-1", ("web",), "members look at staging"),
        (MEMBER, HERE, Access.READ, "staging-1", ("*",), "members look at staging"),
        (person("member", "U0BOB", "T0OWN", "S0SHOP"), IN_SHOP, Access.REVEAL, "production", (), "the shop team"),
        (person("member", "U0BOB", "T0OWN", "S0SHOP"), IN_SHOP, Access.READ, "production", ("shop", "shop-2"), "the shop team"),
        (PARTNER, JOINT, Access.READ, "production", ("joint",), "partners"),
        (person("guest", "U0GUEST"), JOINT, Access.READ, "production", ("joint",), "partners"),
    ],
)
def test_what_a_rule_grants_is_allowed(
    who: Requester, channel: Channel, access: Access, cluster: str, namespaces: tuple[str, ...], rule: str
) -> None:
    assert shop(who, channel, access, cluster, *namespaces).rule == rule


@pytest.mark.parametrize(
    ("who", "channel", "access", "cluster", "namespaces", "reason"),
    [
        (MEMBER, HERE, Access.READ, "production", ("web",), "you may not use READ in the cluster production from this channel"),
        (MEMBER, HERE, Access.REVEAL, "staging-1", (), "no rule grants you REVEAL (node-wide data) in this channel"),
        (GUEST, IN_SHOP, Access.READ, "production", ("shop",), "you are a guest here, and no rule names you (U0OTHER)"),
        (PARTNER, HERE, Access.READ, "staging-1", ("web",), "no rule of yours covers this channel (C0ANY)"),
        (MEMBER, JOINT, Access.READ, "staging-1", ("web",),
         "this channel is shared with another organisation or workspace, and no rule of yours allows that"),
        (PARTNER, JOINT, Access.READ, "production", ("joint", "shop"),
         "you may not ask about the namespace shop from this channel, only about joint"),
        (PARTNER, JOINT, Access.READ, "production", ("*",),
         "you may not ask about all namespaces from this channel, only about joint"),
    ],
)  # fmt: skip
def test_what_no_rule_grants_is_refused_with_the_reason(
    who: Requester, channel: Channel, access: Access, cluster: str, namespaces: tuple[str, ...], reason: str
) -> None:
    assert shop(who, channel, access, cluster, *namespaces) == Decision(allowed=False, reason=reason)


def test_a_channel_has_the_defaults_that_it_is_given() -> None:
    rules = parse(SHOP, "shop.toml")
    assert rules.defaults("C0SHOP") == Defaults("production", "shop", "deploy/cart")
    assert rules.defaults("C0ANY") == Defaults()


def test_names_are_looked_for_only_where_the_person_may_look() -> None:
    cluster = Cluster("production", "", pods=pods("shop", "other"), services={("other", "db"): service("other", "db")})
    seen = narrowed(parse(SHOP, ""), person("member", "U0BOB", "T0OWN", "S0SHOP"), IN_SHOP, Access.READ, cluster)
    assert (set(seen.pods), set(seen.services)) == ({("shop", "web")}, set())


def test_who_may_see_everything_gets_the_cluster_itself() -> None:
    cluster = Cluster("lab", "", pods=pods("shop", "other"))
    assert narrowed(built_in(), MEMBER, HERE, Access.READ, cluster) is cluster


def pods(*namespaces: str) -> dict[tuple[str, str], Pod]:
    return {(n, "web"): Pod(n, "web", "uid", "node-one", "Running", (), "", "", {}, False, ()) for n in namespaces}  # noqa: FBT003


def service(namespace: str, name: str) -> Service:
    return Service(namespace, name, "ClusterIP", (), (), {})


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("version = 1\n[[rule]\n", "p.toml:2: Expected ']]' at the end of an array declaration (column 7)"),
        ("", "p.toml:1: version: must be version = 1"),
        ("version = 2", "p.toml:1: version: must be version = 1"),
        ("version = 1\nrules = []", "p.toml:2: rules: is not known here; did you mean rule?"),
        ("version = 1\nrule = 3", "p.toml:2: rule: must be written as [[rule]]"),
        ('version = 1\n[[rule]]\nwho = ["members"]', "p.toml:2: name: must be a text between quotes"),
        ('version = 1\n\n[[rule]]\nname = "a"\nwho = ["ann"]\n',
         'p.toml:5: who: \'ann\' must be "members", "guests" or the id of a user (U…), group (S…) or team (T…), never a name'),
        ('version = 1\n[[rule]]\nname = "a"\nwho = []', "p.toml:4: who: must be a list with something in it"),
        ('version = 1\n[[rule]]\nname = "a"\nwho = ["member"]',
         ('p.toml:4: who: \'member\' must be "members", "guests" or the id of a user (U…), group (S…) or team (T…), never a name'
          "; did you mean members?")),
        ("version = true", "p.toml:1: version: must be version = 1"),
        ("version = 1\n[limits", "p.toml:2: Expected ']' at the end of a table declaration"),
        ('version = 1\n"a b" = 1',
         "p.toml:2: 'a b': is not known here; known: version, pool_label, limits, rule, channel, approval"),
        ('version = 1\n[[rule]]\nname = "a"\nwho = ["members"]\nmay = ["ALL"]',
         "p.toml:5: may: 'ALL' must be one of READ, REVEAL, PROBE, CAPTURE, CHANGE"),
        ('version = 1\n[[rule]]\nname = "a"\nwho = ["U0ANN"]\nmay = ["READ"]\nchannels = ["#ops"]',
         "p.toml:6: channels: '#ops' must be \"*\" or the id of a channel (C…), never its name"),
        ('version = 1\n[[rule]]\nname = "a"\nwho = ["U0ANN"]\nmay = ["READ"]\nshared_channels = true',
         "p.toml:6: shared_channels: needs the ids of those channels in `channels`"),
        ('version = 1\n[[rule]]\nname = "a"\nwho = ["U0ANN"]\nmay = ["READ"]\nshared_channels = "yes"',
         "p.toml:6: shared_channels: must be true or false"),
        ('version = 1\n[[channel]]\nid = "C0A"\n[[channel]]\nid = "C0A"',
         "p.toml:5: id: 'C0A' must be the id of a channel (C…), and said once"),
        ('version = 1\n[[channel]]\nid = "C0A"\nnamespace = "*"', "p.toml:4: namespace: '*' is not a namespace"),
        ('version = 1\n[[channel]]\nid = "C0A"\npod = "a;b"',
         "p.toml:4: pod: 'a;b' is not a name, namespace/name, selector (app=web), workload (deploy/web) or IP"),
    ],
)  # fmt: skip
def test_a_wrong_policy_is_refused_with_its_line(text: str, problem: str) -> None:
    with pytest.raises(BadPolicy) as e:
        parse(text, "p.toml")
    assert e.value.problem == problem


WHOLE = f"""
{SHOP}
profile = "full"

[limits]
jobs_at_once = 3

[[approval]]
name = "a"
change = "set"
break_glass = {{ who = ["U0ANN"] }}

[[approval.stage]]
approvers = ["U0ANN"]

[[approval.stage]]
approvers = ["U0BOB"]
after = "10m"
"""
VALUES = ("1", "true", '""', '"x"', "[]", "[[]]", "{}", "{ a = 1 }", "1e999", "-1", "9" * 5000, "2020-01-01", '"U0ANN"', '["*"]')
KEYS = sorted({line.partition("=")[0] for line in WHOLE.splitlines() if "=" in line})
LINES = st.one_of(
    st.sampled_from(WHOLE.splitlines()),
    st.tuples(st.sampled_from(KEYS), st.sampled_from(VALUES)).map("=".join),
)


@given(
    st.one_of(
        st.text(max_size=60),
        st.text(st.sampled_from('version=1[]\n"rulewho, {}#.'), max_size=60).map(lambda t: f"version = 1\n{t}"),
        st.lists(LINES, max_size=12).map(lambda lines: "\n".join(["version = 1", *lines])),
    )
)
def test_any_text_is_a_policy_or_refused_with_its_line(text: str) -> None:
    problem = refusal(text)
    line = re.match(r"p\.toml:(\d+): ", problem or "p.toml:1: ")
    assert line, problem
    assert 1 <= int(line[1]) <= max(len(text.splitlines()), 1)
    assert problem is None or problem.isprintable()


@pytest.mark.parametrize("value", VALUES)
def test_a_wrong_value_is_refused_with_its_line_or_that_of_its_table(value: str) -> None:
    for number, line in enumerate(WHOLE.splitlines(), 1):
        if "=" in line:
            lines = WHOLE.splitlines()
            lines[number - 1] = f"{line.partition('=')[0]}= {value}"
            problem = refusal("\n".join(lines))
            table = max((n for n, head in enumerate(lines[:number], 1) if head.startswith("[")), default=1)
            assert problem is None or int(problem.split(":")[1]) >= table, problem


def refusal(text: str) -> str | None:
    """Why the text is no policy; None if it is one."""
    try:
        assert isinstance(parse(text, "p.toml"), Rules)
    except BadPolicy as e:
        return e.problem
    return None


def test_the_documented_limits_are_those_that_hold() -> None:
    said = resources.files("deploy").joinpath("policy.toml").read_text("utf-8")
    for name, value in vars(built_in().limits).items():
        assert re.search(rf"^#   {name} = {value} ", said, re.MULTILINE), name


def test_the_documented_examples_are_a_policy() -> None:
    said = resources.files("deploy").joinpath("policy.toml").read_text("utf-8")
    examples = said.partition("# A team that sees")[2].partition("\n#\n")[2]
    rules = parse("version = 1\n" + re.sub("^# ?", "", examples, flags=re.MULTILINE), "examples")
    assert [rule.name for rule in rules.rules] == ["the shop team sees the shop", "platform engineers may ask for changes"]
    assert [rule.name for rule in rules.approvals] == ["conntrack_max in production"]


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadPolicy, match="cannot be read"):
        load(tmp_path / "policy.toml")


def test_without_a_file_the_documented_one_holds() -> None:
    assert load(None) == built_in()
    assert [rule.name for rule in built_in().rules] == ["members may look and probe"]
