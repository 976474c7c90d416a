"""Names of tables and chains, as people type them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from workers.errors import UsageError, shown

_NAME = re.compile(r"[A-Za-z0-9_./:+][A-Za-z0-9_./:+-]{0,127}")


@dataclass(frozen=True)
class RuleName:
    """The name of a table or a chain."""

    name: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Letters, digits and what kube-proxy puts between them."""
        if not _NAME.fullmatch(text):
            raise UsageError(f"{shown(text)} is not the name of a table or chain")
        return cls(text)

    def __str__(self) -> str:
        return self.name
