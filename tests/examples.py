"""What properties are tried with: the same few inputs, no clock, in `make test`; new ones with a deadline in `make fuzz`."""

from __future__ import annotations

import functools
import inspect
import os
import signal
from collections.abc import Callable, Iterable
from types import FrameType

import pytest
from hypothesis import HealthCheck, settings

SECONDS = 2.0
"""One example's time in `make fuzz`, on a machine that does other things too."""
HANGING_SECONDS = 10.0


class Hang(Exception):
    """An example did not end by itself."""


def register() -> None:
    """The profiles; that of `make test` is on."""
    settings.register_profile("netcheck", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
    settings.register_profile(
        "fuzz",
        settings.get_profile("netcheck"),
        derandomize=False,
        deadline=SECONDS * 1000,
        max_examples=int(os.environ.get("EXAMPLES", "1000")),
    )
    settings.load_profile("netcheck")


def few(most: int) -> settings:
    """Examples that cost much: at most so many in `make test`, as many as are asked for in `make fuzz`."""
    return settings(max_examples=most) if settings().derandomize else settings()


def watch(items: Iterable[pytest.Item]) -> None:
    """Where examples have a deadline, one that does not end fails its property too: Hypothesis measures those that do."""
    if settings().deadline is None:
        return
    for test in {item.obj for item in items if isinstance(item, pytest.Function)}:
        handle = getattr(test, "hypothesis", None)
        if handle and not inspect.iscoroutinefunction(handle.inner_test):
            handle.inner_test = ended(handle.inner_test)


def ended(test: Callable[..., None]) -> Callable[..., None]:
    """The same, but :class:`Hang` where it takes too long."""

    @functools.wraps(test)
    def run(*args: object, **kwargs: object) -> None:
        signal.signal(signal.SIGALRM, _ring)
        signal.setitimer(signal.ITIMER_REAL, HANGING_SECONDS)
        try:
            test(*args, **kwargs)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    return run


def _ring(_number: int, _frame: FrameType | None) -> None:
    raise Hang(f"not done after {HANGING_SECONDS:g} s")
