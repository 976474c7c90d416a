"""The names that a pod's resolver tries, as glibc's getaddrinfo was seen to ask them of a server that knows none."""

from __future__ import annotations

import pytest

from node_helper.facts import resolv_conf
from workers.checks._from_pod import candidates

CLUSTER = "search ns.svc.c svc.c c\noptions ndots:5\n"


@pytest.mark.parametrize(
    ("name", "text", "asked"),
    [
        ("web", CLUSTER, ["web.ns.svc.c.", "web.svc.c.", "web.c.", "web."]),
        ("a.b", CLUSTER, ["a.b.ns.svc.c.", "a.b.svc.c.", "a.b.c.", "a.b."]),
        ("a.b", "search ns.svc.c c\n", ["a.b.", "a.b.ns.svc.c.", "a.b.c."]),
        ("a.b.", CLUSTER, ["a.b."]),
        ("web", "", ["web."]),
        ("web", "search ns.svc.c . c\n", ["web.ns.svc.c.", "web.", "web.c."]),
        ("web", "search ns.svc.c. .\n", ["web.ns.svc.c.", "web."]),
        ("web", f"search {' '.join(f'd{i}' for i in range(9))}\n", [*(f"web.d{i}." for i in range(9)), "web."]),
        ("a.b", "options ndots:1\nsearch c\noptions ndots:2x\n", ["a.b.c.", "a.b."]),
    ],
)
def test_the_names_are_those_that_glibc_asks_for_in_its_order(name: str, text: str, asked: list[str]) -> None:
    assert list(candidates(name, resolv_conf.parse(text))) == asked
