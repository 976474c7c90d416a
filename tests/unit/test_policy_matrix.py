"""Who may do what where, as one table in tests/golden/policy.txt; NETCHECK_WRITE_GOLDEN=1 writes it anew, to be read in the diff.

The bot's decision and the worker's are the same in every line.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from bot.commands import parse as understood
from bot.decided import Meaning, decided
from tests.queue_parts import job
from workers.check import Access, Check
from workers.checks import catalogue
from workers.job import Channel, Requester
from workers.phrase import namespaces
from workers.policy.file import built_in, parse
from workers.policy.rules import Decision
from workers.policy.sight import Sight

GOLDEN = Path(__file__).parents[1] / "golden" / "policy.txt"
RULES = parse(
    """
version = 1

[[rule]]
name = "members"
who = ["members"]
may = ["READ", "REVEAL", "PROBE"]
clusters = ["lab"]

[[rule]]
name = "shop"
who = ["S0SHOP"]
may = ["READ", "CAPTURE"]
channels = ["C0SHOP", "C0JOINT"]
namespaces = ["shop"]
shared_channels = true

[[rule]]
name = "platform"
who = ["U0PLATFORM"]
may = ["CHANGE", "CAPTURE"]

[[rule]]
name = "partners"
who = ["T0PARTNER"]
may = ["READ"]
channels = ["C0JOINT"]
namespaces = ["shop"]
shared_channels = true

[[rule]]
name = "one guest, one bot"
who = ["U0GUEST", "U0BOT"]
may = ["READ"]
channels = ["C0SHOP"]
namespaces = ["shop"]

[[rule]]
name = "all guests probe"
who = ["guests"]
may = ["PROBE"]
channels = ["C0SHOP"]
namespaces = ["shop"]

[[rule]]
name = "platform, shared"
who = ["U0PLATFORM"]
may = ["CHANGE", "REVEAL"]
channels = ["C0JOINT"]
shared_channels = true

[[approval]]
name = "a change"
change = "set"
[[approval.stage]]
approvers = ["U0LEAD"]
""",
    "matrix.toml",
)
PEOPLE = {
    "member": Requester("U0ANN", "T0OWN", (), "member"),
    "member of the shop's group": Requester("U0SUE", "T0OWN", ("S0SHOP",), "member"),
    "platform engineer": Requester("U0PLATFORM", "T0OWN", (), "member"),
    "guest": Requester("U0OTHER", "T0OWN", (), "guest"),
    "guest whom a rule names": Requester("U0GUEST", "T0OWN", (), "guest"),
    "guest in the shop's group": Requester("U0OTHER", "T0OWN", ("S0SHOP",), "guest"),
    "partner": Requester("U0PAT", "T0PARTNER", (), "foreign"),
    "stranger": Requester("U0STRANGE", "T0STRANGE", (), "foreign"),
    "bot": Requester("U0ROBOT", "T0OWN", ("S0SHOP",), "bot"),
    "bot whom a rule names": Requester("U0BOT", "T0OWN", (), "bot"),
    "of unknown standing": Requester("U0ANN", "T0OWN", ("S0SHOP",), "unknown"),
}
CHANNELS = {
    "a channel": Channel("C0ANY", shared=False),
    "the shop's": Channel("C0SHOP", shared=False),
    "the shop's, become shared": Channel("C0SHOP", shared=True),
    "the joint one, shared": Channel("C0JOINT", shared=True),
    "the joint one, perhaps shared": Channel("C0JOINT", shared=None),
    "another one, shared": Channel("C0OTHER", shared=True),
    "another one, perhaps shared": Channel("C0OTHER", shared=None),
}
COMMANDS = {
    "pods in shop": Access.READ,
    "pods in pay": Access.READ,
    "pods in all": Access.READ,
    "node node-one": Access.REVEAL,
    "ping db from shop/web": Access.PROBE,
    "pod shop/web": Access.CAPTURE,
    "set": Access.CHANGE,
}
"""What no check does yet, traffic's content and changes, is done here by checks that say so."""
HOME = Meaning("lab", "default")


def lines() -> Iterator[str]:
    for person, who in PEOPLE.items():
        yield f"\n{person}: {who.user}, {who.standing}"
        for place, channel in CHANNELS.items():
            yield f"  in {place}"
            said: dict[Decision, list[str]] = {}
            for text, access in COMMANDS.items():
                said.setdefault(the_decision(who, channel, text, access), []).append(f"{access.name} {text}")
            for decision, commands in said.items():
                about = "; ".join(commands) if len(commands) < len(COMMANDS) else "all of them"
                yield f"    {'yes' if decision.allowed else 'no '} {about}: {decision.reason}"


def the_decision(who: Requester, channel: Channel, text: str, access: Access) -> Decision:
    """The bot's, which is the worker's."""
    invocation = understood(text, entries(access))
    decision = decided(RULES, who, channel, invocation, Meaning.of(invocation, RULES, channel.id, HOME))
    asked = replace(job(), requester=who, channel=channel, cluster="lab")
    assert Sight(RULES, asked, access).decide(*namespaces(invocation.params, "default")) == decision
    return decision


@cache
def entries(access: Access) -> dict[str, Check[Any, Any]]:
    known = {name: replace(check, access=access) for name, check in catalogue().items()}
    if access is Access.CHANGE:
        return {"set": replace(known["nodes"], name="set")}
    return known


def test_who_may_do_what_where_is_as_recorded() -> None:
    text = "".join(f"{line}\n" for line in lines()).lstrip()
    if os.environ.get("NETCHECK_WRITE_GOLDEN"):
        GOLDEN.write_text(text, "utf-8")
    assert GOLDEN.read_text("utf-8") == text


def test_who_is_outside_gets_nothing_by_default() -> None:
    for who in PEOPLE.values():
        for channel in CHANNELS.values():
            for access in Access:
                invocation = understood("pods", entries(Access.READ))
                inside = who.standing == "member" and channel.shared is False
                allowed = inside and access in (Access.READ, Access.REVEAL, Access.PROBE)
                entry = replace(invocation.entry, access=access)
                decision = decided(built_in(), who, channel, replace(invocation, entry=entry), HOME)
                assert decision.allowed is allowed, (who, channel, access, decision)
