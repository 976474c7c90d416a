"""What the helper has to say about itself: one event a line, key=value, on standard error."""

from __future__ import annotations

import json
import os
from contextlib import suppress


def log(event: str, **values: object) -> None:
    """Write one line; values that are not plain words are written as JSON strings, so that none can pretend another line."""
    with suppress(OSError):  # nobody reads the log any more; the answers matter more
        os.write(2, (said(event, **values) + "\n").encode())


def said(event: str, **values: object) -> str:
    """Such a line, without its end."""
    return " ".join(f"{k}={_word(str(v))}" for k, v in {"event": event, **values}.items() if v != "")


def _word(value: str) -> str:
    plain = value.isascii() and value.replace("-", "").replace(".", "").replace("_", "").isalnum()
    return value if plain else json.dumps(value[:4000])
