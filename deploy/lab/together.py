"""Independent parts start at the same time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait


def together(calls: Iterable[Callable[[], object]]) -> None:
    """Run every call in a thread of its own, wait for all of them, and raise the first error.

    An interruption (Ctrl-C) is raised only then, too: nobody may take down parts while others are still coming up.
    """
    waiting = list(calls)
    with ThreadPoolExecutor(max_workers=len(waiting)) as threads:
        started = [threads.submit(call) for call in waiting]
        try:
            wait(started)
        except BaseException:
            wait(started)
            raise
    for future in started:
        future.result()
