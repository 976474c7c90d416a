from __future__ import annotations

import pytest

from workers.job import Requester, Standing
from workers.policy.approval import (
    ApprovalRule,
    BreakGlass,
    Refusal,
    Stage,
    agreeable,
    may_approve,
    may_break_glass,
    may_request,
    rule_for,
)
from workers.policy.file import BadPolicy, built_in, parse
from workers.policy.rules import Rules

EVERYWHERE = """
version = 1
pool_label = "example.com/pool"

[limits]
nodes_per_change = 3

[[approval]]
name = "edge"
change = "set"
clusters = ["production"]
nodes = ["edge-*"]
needed = 2
expires = "30m"
canary = 2
at_once = 3
break_glass = { who = ["U0LEAD"] }

[[approval.stage]]
approvers = ["U0ANN", "U0BOB"]
remind = "5m"

[[approval.stage]]
approvers = ["U0LEAD", "W0CHIEF"]
after = "10m"

[[approval]]
name = "the rest"
change = "*"

[[approval.stage]]
approvers = ["U0ANN"]
"""
RULES = parse(EVERYWHERE, "p.toml")
EDGE, REST = RULES.approvals


def member(user: str, standing: Standing = "member") -> Requester:
    return Requester(user, "T0OWN", (), standing)


def test_a_rule_says_everything_that_the_file_says() -> None:
    stages = (Stage(("U0ANN", "U0BOB"), 0.0, 300.0), Stage(("U0LEAD", "W0CHIEF"), 600.0))
    assert ApprovalRule("edge", "set", stages, 2, ("production",), ("edge-*",), 1800.0, 2, 3, BreakGlass(("U0LEAD",))) == EDGE
    assert (REST.needed, REST.expires_s, REST.canary, REST.at_once, REST.break_glass) == (1, 3600.0, 1, 5, BreakGlass())
    assert (RULES.pool_label, RULES.limits.nodes_per_change) == ("example.com/pool", 3)


def test_without_an_approval_rule_no_change_can_be_made() -> None:
    refused = rule_for(built_in(), "set", "lab", ("node-one",))
    assert refused == Refusal("the policy has no [[approval]] rule, so nobody can agree to a change and none can be made")
    assert not agreeable(built_in(), "set", "lab").allowed


@pytest.mark.parametrize(
    ("change", "cluster", "nodes", "rule"),
    [
        ("set", "production", ("edge-1", "edge-2"), "edge"),
        ("set", "production", ("core-1",), "the rest"),
        ("set", "staging", ("edge-1",), "the rest"),
        ("clear_stale", "production", ("edge-1",), "the rest"),
    ],
)
def test_the_first_rule_that_fits_counts(change: str, cluster: str, nodes: tuple[str, ...], rule: str) -> None:
    found = rule_for(RULES, change, cluster, nodes)
    assert isinstance(found, ApprovalRule)
    assert found.name == rule


@pytest.mark.parametrize(
    ("rules", "nodes", "reason"),
    [
        (RULES, (), "no node is named, so there is nothing that set could change"),
        (RULES, ("a", "b", "c", "d"), "set would change 4 nodes, and the policy allows 3 in one request"),
        (RULES, ("edge-1", "core-1"),
         "edge-1 falls under the approval rule 'edge' and core-1 under 'the rest': ask for them in separate requests"),
        (Rules((), approvals=(EDGE,)), ("edge-1", "core-1"),
         "no approval rule for set covers the node core-1, so nobody can agree to it"),
    ],
)  # fmt: skip
def test_what_cannot_be_agreed_to_is_refused_before_anybody_is_asked(rules: Rules, nodes: tuple[str, ...], reason: str) -> None:
    assert rule_for(rules, "set", "production", nodes) == Refusal(reason)


def test_another_cluster_is_not_covered_by_a_rule_that_names_one() -> None:
    refused = rule_for(Rules((), approvals=(EDGE,)), "set", "lab", ("edge-1",))
    assert refused == Refusal("no approval rule is about set in the cluster lab, so nobody can agree to it")


@pytest.mark.parametrize(
    ("approver", "age_s", "reason"),
    [
        (member("U0ASKER"), 0, "you asked for this yourself: somebody else has to agree"),
        (member("U0BOB", "guest"), 0, "you are a guest here, and only members agree to changes"),
        (member("U0BOB", "foreign"), 0, "you belong to another organisation, and only members agree to changes"),
        (member("U0BOB", "bot"), 0, "you are a bot, and only members agree to changes"),
        (member("U0BOB", "unknown"), 0,
         "it is not known whether you are a member of this workspace, and only members agree to changes"),
        (member("U0EVE"), 0, "the approval rule 'edge' does not name you (U0EVE)"),
        (member("U0LEAD"), 599, "the approval rule 'edge' asks you only 10 min after the request"),
        (member("U0BOB"), 1800, "this expired 30 min after it was asked for"),
    ],
)  # fmt: skip
def test_an_agreement_that_does_not_count(approver: Requester, age_s: float, reason: str) -> None:
    decision = may_approve(EDGE, "U0ASKER", approver, age_s)
    assert (decision.allowed, decision.reason) == (False, reason)


@pytest.mark.parametrize(("user", "age_s"), [("U0BOB", 0), ("U0BOB", 1799), ("U0LEAD", 600), ("W0CHIEF", 1000)])
def test_an_agreement_that_counts(user: str, age_s: float) -> None:
    decision = may_approve(EDGE, "U0ASKER", member(user), age_s)
    assert (decision.allowed, decision.rule) == (True, "edge")


def test_a_later_stage_asks_more_people_and_needs_no_fewer() -> None:
    assert EDGE.asked(0) == ("U0ANN", "U0BOB")
    assert EDGE.asked(600) == ("U0ANN", "U0BOB", "U0LEAD", "W0CHIEF") == EDGE.approvers


def test_who_asks_does_not_count_among_those_who_can_agree() -> None:
    assert may_request(REST, "U0BOB").reason == "the approval rule 'the rest' asks 1 person to agree"
    assert may_request(REST, "U0ANN").reason == "the approval rule 'the rest' needs 1 person besides you, and names 0"
    assert may_request(EDGE, "U0ANN").reason == "the approval rule 'edge' asks 2 of 3 people to agree"


def test_who_may_break_the_glass_may_ask_where_nobody_else_can_agree() -> None:
    alone = ApprovalRule("alone", "set", (Stage(("U0ANN",)),), break_glass=BreakGlass(("U0ANN",)))
    assert may_request(alone, "U0ANN").allowed


@pytest.mark.parametrize(
    ("rule", "who", "reason"),
    [
        (EDGE, member("U0ANN"), "the approval rule 'edge' lets somebody else go ahead alone"),
        (REST, member("U0LEAD"), "the approval rule 'the rest' lets nobody go ahead alone"),
        (EDGE, member("U0LEAD", "unknown"),
         "it is not known whether you are a member of this workspace, and only members go ahead alone"),
    ],
)  # fmt: skip
def test_nobody_else_goes_ahead_alone(rule: ApprovalRule, who: Requester, reason: str) -> None:
    decision = may_break_glass(rule, who)
    assert (decision.allowed, decision.reason) == (False, reason)


def test_whom_the_rule_names_goes_ahead_alone() -> None:
    assert may_break_glass(EDGE, member("U0LEAD")).allowed


def one(more: str = "", stage: str = 'approvers = ["U0ANN"]') -> str:
    return f'version = 1\n[[approval]]\nname = "a"\nchange = "set"\n{more}\n[[approval.stage]]\n{stage}\n'


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('version = 1\n[[approval]]\nname = "a"\nchange = "set"',
         "p.toml:2: stage: is missing: say who approves in [[approval.stage]]"),
        (one('change_ = "x"'), "p.toml:5: change_: is not known here; did you mean change?"),
        (one("needed = 2"), "p.toml:5: needed: is 2, and the stages name 1 people"),
        (one("needed = 0"), "p.toml:5: needed: must be a whole number from 1 to 50"),
        (one("needed = true"), "p.toml:5: needed: must be a whole number from 1 to 50"),
        (one('expires = "soon"'), "p.toml:5: expires: 'soon' is not a duration such as 30s, 2m or 1h"),
        (one('expires = "0s"'), "p.toml:5: expires: must be longer than nothing and at most 168h"),
        (one("expires = 60"), "p.toml:5: expires: must be a text between quotes"),
        (one(stage='approvers = ["U0ANN"]\nremind = 60'), "p.toml:8: remind: must be a text between quotes"),
        (one("at_once = 51"), "p.toml:5: at_once: must be a whole number from 1 to 50"),
        (one('break_glass = { who = ["S0OPS"] }'),
         "p.toml:5: who: 'S0OPS' is a group or a team: who can edit it could make approvers; name the people"),
        (one('break_glass = { whom = ["U0ANN"] }'), "p.toml:5: whom: is not known here; did you mean who?"),
        (one("break_glass = true"), "p.toml:5: break_glass: must be written as [break_glass] or break_glass = {...}"),
        (one(stage='approvers = ["S0OPS"]'),
         "p.toml:7: approvers: 'S0OPS' is a group or a team: who can edit it could make approvers; name the people"),
        (one(stage='approvers = ["ann"]'), "p.toml:7: approvers: 'ann' must be the id of a user (U… or W…)"),
        (one(stage='approvers = ["U0ANN", "U0ANN"]'), "p.toml:7: approvers: names somebody twice"),
        (one(stage='approvers = ["U0ANN"]\nafter = "1m"'),
         "p.toml:8: after: belongs to the later stages: the first one is asked at once"),
        (one(stage='approvers = ["U0ANN"]\n[[approval.stage]]\napprovers = ["U0BOB"]'),
         'p.toml:8: after: must say when this stage is asked, as in after = "10m"'),
        (one(stage='approvers = ["U0ANN"]\n[[approval.stage]]\napprovers = ["U0BOB"]\nafter = "2h"'),
         "p.toml:10: after: is after the request has expired"),
        (one() + one().partition("\n")[2], "p.toml:9: name: 'a' is the name of another approval rule too"),
        (one() + one().partition("\n")[2].replace('"a"', '"b"').replace("U0ANN", "bob"),
         "p.toml:13: approvers: 'bob' must be the id of a user (U… or W…)"),
        ('version = 1\napproval = [{ name = "a", change = "set", needed = 0 }]',
         "p.toml:2: needed: must be a whole number from 1 to 50"),
        ("version = 1\n[limits]\njobs_at_once = 0", "p.toml:3: jobs_at_once: must be a whole number from 1 to 100000"),
        ("version = 1\n[limits]\njobs = 1", ("p.toml:3: jobs: is not known here; known: jobs_at_once, jobs_per_minute, "
         "nodes_per_command, nodes_per_change")),
        ('version = 1\npool_label = "a b"', "p.toml:2: pool_label: 'a b' is not the name of a label, such as example.com/pool"),
        ('version = 1\n[[channel]]\nid = "C0A"\nprofile = "red"', "p.toml:4: profile: 'red' must be \"redacted\" or \"full\""),
        ('version = 1\n[[channel]]\nid = "C0A"\npod = "a/b/c/d"',
         "p.toml:4: pod: 'a/b/c/d' has too many slashes; say namespace/name or namespace/kind/name"),
    ],
)  # fmt: skip
def test_a_wrong_approval_rule_is_refused_with_its_line(text: str, problem: str) -> None:
    with pytest.raises(BadPolicy) as e:
        parse(text, "p.toml")
    assert e.value.problem == problem
