"""A name that could be any of several is told from one that names nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.cases.test_cases import view_of
from tests.cases.world import world
from workers import locate
from workers.check import View
from workers.errors import Ambiguous, Unresolved
from workers.params import NodeTarget, PodTarget

LOOKS: dict[str, Callable[[View, str], object]] = {
    "pod": lambda view, name: locate.pod(view, PodTarget("", name)),
    "node": lambda view, name: locate.node(view, NodeTarget("", name)),
}


@pytest.mark.parametrize("kind", LOOKS)
def test_what_could_be_any_of_several_is_not_called_absent(kind: str) -> None:
    view = view_of(world({}))
    with pytest.raises(Ambiguous, match="could be any of "):
        LOOKS[kind](view, "")
    with pytest.raises(Unresolved, match=f"There is no {kind} nosuch") as absent:
        LOOKS[kind](view, "nosuch")
    assert not isinstance(absent.value, Ambiguous)
