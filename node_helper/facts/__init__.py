"""Every way to look, one file each; found by themselves. A malformed or misnamed one cannot be imported."""

from __future__ import annotations

import importlib
from typing import Any, Union

from node_helper.protocol import Fact, RowFact


def catalogue() -> dict[str, Union[Fact[Any, Any], RowFact[Any, Any]]]:
    """Every fact by its name. Raises `TypeError` for a module without a `FACT` of its own name."""
    import pkgutil  # here, because whoever imports one fact of this package has no need of it

    found: dict[str, Union[Fact[Any, Any], RowFact[Any, Any]]] = {}
    for module in pkgutil.iter_modules(__path__):
        fact = getattr(importlib.import_module(f"{__name__}.{module.name}"), "FACT", None)
        if not isinstance(fact, (Fact, RowFact)) or fact.name != module.name:
            raise TypeError(f"node_helper/facts/{module.name}.py must define FACT named {module.name!r}")
        found[fact.name] = fact
    return found
