"""A kernel that has loaded nothing is asked every fact: no module, table, device, sysctl or process comes of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from deploy.lab.guest import uml
from node_helper import facts

pytestmark = pytest.mark.live
_RUN = "import runpy; runpy.run_path('tests/kernel/untouched_guest.py', run_name='__main__')"


@pytest.fixture(scope="module")
def guest() -> dict[str, Any]:
    ended = uml.prepare(print).python(_RUN)
    assert ended.status == 0, ended.err
    said: dict[str, Any] = json.loads(ended.out)
    return said


def test_asking_loads_and_makes_nothing(guest: dict[str, Any]) -> None:
    assert "nf_conntrack" not in guest["before"]["modules"]
    assert {what: said for what, said in guest["after"].items() if said != guest["before"].get(what)} == {}
    assert guest["after"].keys() == guest["before"].keys()


def test_every_fact_was_asked_and_said_how_it_went(guest: dict[str, Any]) -> None:
    assert guest["went"].keys() == facts.catalogue().keys()
    assert [fact for fact, went in guest["went"].items() if not went] == []
    refused = {fact for fact, went in guest["went"].items() if "answered" not in went}
    assert refused == {
        "chain_names",
        "chain_rules",
        "rules_text",
        "conntrack",
        "conntrack_entry",
        "conntrack_events",
    }  # none there
