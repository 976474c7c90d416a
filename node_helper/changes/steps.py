"""From one setting of a node to another, step by step, in an order in which the lists suffice at each. No I/O of its own."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Callable, Iterator

from node_helper.changes.plan import Setting

if TYPE_CHECKING:
    from node_helper.changes.hands import Hands

Step = Callable[[], None]


def between(hands: Hands, here: Setting, there: Setting) -> Iterator[tuple[Step, Step]]:
    """Each step with the one that takes it back; nothing for what is the same in both. The file is last."""
    value = _pair(hands.write_value, here.value, there.value)
    buckets = _pair(hands.write_buckets, here.buckets, there.buckets)
    for way in (buckets, value) if there.buckets > here.buckets else (value, buckets):
        yield from way
    if here.persisted is not None and there.persisted is not None:
        yield from _pair(hands.put_file, here.persisted, there.persisted)


def _pair(write: Callable[..., None], here: object, there: object) -> Iterator[tuple[Step, Step]]:
    if here != there:
        yield partial(write, there), partial(write, here)
