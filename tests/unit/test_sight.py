"""What a person may not see is told from what is not there."""

from __future__ import annotations

from dataclasses import replace

from tests.queue_parts import job
from workers.check import Access
from workers.errors import Unresolved
from workers.job import Channel, Requester
from workers.policy.rules import Rule, Rules
from workers.policy.sight import Sight

ALL = Rule("everything", ("members",), frozenset({Access.READ}))
SHOP = replace(ALL, name="the shop", namespaces=("shop",))
ASKED = replace(job(), requester=Requester("U1", standing="member"), channel=Channel("C1", shared=False))
NOTHING = Unresolved("There is no pod web in any namespace", said="web", candidates=("shop/wep",))


def test_who_sees_everything_hears_that_it_is_not_there() -> None:
    assert Sight(Rules((ALL,)), ASKED, Access.READ).explained(NOTHING) is NOTHING


def test_who_sees_a_part_hears_that_only_this_was_looked_at() -> None:
    said = Sight(Rules((SHOP,)), ASKED, Access.READ).explained(NOTHING)
    assert said.problem == (
        "There is no pod web in any namespace, as far as you may see: "
        "you may not ask about all namespaces from this channel, only about shop"
    )
    assert (said.said, said.candidates) == ("web", ("shop/wep",))


def test_a_namespace_that_is_not_theirs_is_refused() -> None:
    sight = Sight(Rules((SHOP,)), ASKED, Access.READ)
    assert sight.decide("shop").allowed
    assert sight.decide("pay").reason == "you may not ask about the namespace pay from this channel, only about shop"
