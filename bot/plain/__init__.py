"""The plain commands, one file each; found by themselves. A malformed or misnamed one cannot be imported."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

from bot.command import Command


def catalogue() -> dict[str, Command[Any]]:
    """Every plain command by its name. Raises `TypeError` for a module without a `COMMAND` of its own name."""
    found: dict[str, Command[Any]] = {}
    for module in pkgutil.iter_modules(__path__):
        if module.name.startswith("_"):
            continue
        command = getattr(importlib.import_module(f"{__name__}.{module.name}"), "COMMAND", None)
        if not isinstance(command, Command) or command.name != module.name:
            raise TypeError(f"bot/plain/{module.name}.py must define COMMAND named {module.name!r}")
        found[command.name] = command
    return found
