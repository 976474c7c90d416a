"""The end of a question wakes whoever polls for it, whether they began before it or after."""

from __future__ import annotations

import select

import pytest

from node_helper import stop
from node_helper.stop import Stop


@pytest.mark.parametrize("early", [True, False])
def test_who_polls_is_woken_by_an_end_before_or_after(*, early: bool) -> None:
    one = Stop(60)
    poll = select.poll()
    if early:
        poll.register(one, select.POLLIN)
    one.end(stop.CANCELLED)
    poll.register(one, select.POLLIN)
    assert poll.poll(0) == [(one.fileno(), select.POLLIN)]
    one.close()
    one.end(stop.TIMEOUT)  # says nothing more, and is no error


def test_nobody_is_woken_while_the_question_goes_on() -> None:
    one = Stop(60)
    poll = select.poll()
    poll.register(one, select.POLLIN)
    assert poll.poll(0) == []
    one.close()
    one.close()
