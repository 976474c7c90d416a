"""What Slack delivers and must not be lost, as it is kept until it is served. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from bot.asked import Asked
from bot.pressed import Entered, Pressed
from node_helper import codec

Delivered = Asked | Entered | Pressed
_SHAPES: Final[Mapping[str, type[Delivered]]] = {"asked": Asked, "entered": Entered, "pressed": Pressed}


def lasts(delivered: Delivered) -> bool:
    """Whether it is of use later. A click for a modal is not: Slack opens none after 3 seconds, and the person clicks again."""
    return not isinstance(delivered, Pressed) or delivered.act is None


def dumps(delivered: Delivered) -> bytes:
    """As bytes."""
    kind = next(name for name, shape in _SHAPES.items() if isinstance(delivered, shape))
    return json.dumps([kind, codec.encode(delivered)]).encode("ascii")


def loads(data: bytes) -> Delivered:
    """From `dumps`. Raises `ValueError` for what another version of the bot wrote."""
    match json.loads(data):
        case [str(kind), said] if kind in _SHAPES:
            return codec.decode(_SHAPES[kind], said)
    raise ValueError("a delivery of unknown kind")
