"""The [[approval]] rules of the policy file: read, and refused where they would allow a change that nobody meant to allow."""

from __future__ import annotations

import re

from workers.errors import shown
from workers.policy.approval import ApprovalRule, BreakGlass, Stage
from workers.policy.rules import ANY
from workers.policy.table import Fits, Table

USER = re.compile(r"[UW][A-Z0-9]{2,30}")
GROUP = re.compile(r"[STE][A-Z0-9]{2,30}")
_CHANGE = re.compile(r"[a-z][a-z_]{0,39}")
_GLOB = re.compile(r"[A-Za-z0-9._:/@*?\[\]!-]{1,253}")
CLUSTERS = Fits.pattern(_GLOB, "the name of a cluster, or a glob")
_NODES = Fits.pattern(_GLOB, "the name of a node, or a glob")
_PEOPLE = Fits(lambda text: bool(USER.fullmatch(text) or GROUP.fullmatch(text)), "the id of a user (U… or W…)")
_DAY_S = 86400.0
_MOST_PEOPLE, _MOST_AT_ONCE = 50, 50


def rules(top: Table) -> tuple[ApprovalRule, ...]:
    """Those of the file, in its order, which is the order in which they are tried. Raises `BadPolicy`."""
    found: dict[str, ApprovalRule] = {}
    for table in top.tables("approval"):
        rule = _rule(table)
        if rule.name in found:
            raise table.wrong("name", f"{shown(rule.name)} is the name of another approval rule too")
        found[rule.name] = rule
    return tuple(found.values())


def _rule(table: Table) -> ApprovalRule:
    table.only("name", "change", "clusters", "nodes", "needed", "expires", "canary", "at_once", "stage", "break_glass")
    rule = ApprovalRule(
        name=table.text("name"),
        change=_change(table),
        clusters=table.texts("clusters", CLUSTERS, (ANY,)),
        nodes=table.texts("nodes", _NODES, (ANY,)),
        needed=table.number("needed", 1, _MOST_PEOPLE),
        expires_s=table.seconds("expires", 3600.0, 7 * _DAY_S),
        canary=table.number("canary", 1, _MOST_AT_ONCE),
        at_once=table.number("at_once", 5, _MOST_AT_ONCE),
        stages=tuple(_stage(stage, number) for number, stage in enumerate(table.tables("stage"))),
        break_glass=_break_glass(table.table("break_glass")),
    )
    _sensible(rule, table)
    return rule


def _change(table: Table) -> str:
    change = table.text("change").replace("-", "_")
    if change != ANY and not _CHANGE.fullmatch(change):
        raise table.wrong("change", f'{shown(change)} must be the name of a command that changes something, or "*"')
    return change


def _stage(table: Table, number: int) -> Stage:
    table.only("approvers", "after", "remind")
    if number == 0 and "after" in table.data:
        raise table.wrong("after", "belongs to the later stages: the first one is asked at once")
    if number and "after" not in table.data:
        raise table.wrong("after", 'must say when this stage is asked, as in after = "10m"')
    return Stage(_people(table, "approvers"), table.seconds("after", 0.0, 7 * _DAY_S), table.seconds("remind", 0.0, _DAY_S))


def _break_glass(table: Table | None) -> BreakGlass:
    if table is None:
        return BreakGlass()
    table.only("who")
    return BreakGlass(_people(table, "who"))


def _people(table: Table, key: str) -> tuple[str, ...]:
    """Ids of users. Those of groups are refused with the reason."""
    people = table.texts(key, _PEOPLE)
    for name in people:
        if GROUP.fullmatch(name):
            raise table.wrong(key, f"{shown(name)} is a group or a team: who can edit it could make approvers; name the people")
    if len(set(people)) < len(people):
        raise table.wrong(key, "names somebody twice")
    return people


def _sensible(rule: ApprovalRule, table: Table) -> None:
    """What no reading of a single key can see."""
    if not rule.stages:
        raise table.wrong("stage", "is missing: say who approves in [[approval.stage]]")
    times = [stage.after_s for stage in rule.stages]
    for number, stage in enumerate(table.tables("stage")):
        if number and times[number] <= times[number - 1]:
            raise stage.wrong("after", "must be later than that of the stage before")
        if times[number] >= rule.expires_s:
            raise stage.wrong("after", "is after the request has expired")
    if len(rule.approvers) < rule.needed:
        raise table.wrong("needed", f"is {rule.needed}, and the stages name {len(rule.approvers)} people")
