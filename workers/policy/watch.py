"""The policy as its file says it now: read again when the file changes, and the last good one as long as the new one is wrong."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

import structlog
from prometheus_client import Counter, Gauge

from workers.policy import file as policy_file
from workers.policy.file import BadPolicy
from workers.policy.rules import Rules

log = structlog.get_logger()

READ = Counter("netcheck_policy_reads", "Changes of the policy file that were seen", ["outcome"])
WRONG = Gauge("netcheck_policy_wrong", "1 while the policy file is wrong and the last good policy is in force")
_APART_S = 1.0


class PolicyFile:
    """The rules of a file, or the built-in ones without; called, it gives those in force."""

    def __init__(self, path: Path | None) -> None:
        """Raises `BadPolicy`: what is wrong at the start is no policy at all."""
        self._path = path
        self._seen = _content(path)
        self._rules = policy_file.load(path)
        self.trouble = ""
        """What is wrong with the file as it is now, "" for nothing."""
        self._hear: Callable[[Mapping[str, str]], None] = _unheard

    def tell(self, hear: Callable[[Mapping[str, str]], None]) -> None:
        """`hear` is told which policy is in force, now and whenever the file has changed, in words for the audit."""
        self._hear = hear
        self._hear(self._said())

    def __call__(self) -> Rules:
        """The rules in force."""
        return self._rules

    def look(self) -> None:
        """Read the file again if it is another one than before."""
        content = _content(self._path)
        if content == self._seen:
            return
        self._seen = content
        try:
            self._rules = policy_file.load(self._path)
        except BadPolicy as e:
            self.trouble = f"Policy: {e.problem}; the last good one is in force"
            log.error("policy_wrong", problem=e.problem)  # noqa: TRY400  (the problem says all)
        else:
            self.trouble = ""
            log.info("policy_read", source=self._rules.source, rules=len(self._rules.rules), approvals=len(self._rules.approvals))
        READ.labels("wrong" if self.trouble else "good").inc()
        WRONG.set(bool(self.trouble))
        self._hear(self._said())

    async def watch(self) -> None:
        """Look each second, until it is cancelled."""
        while self._path is not None:
            await asyncio.sleep(_APART_S)
            self.look()

    def _said(self) -> dict[str, str]:
        """The digest is that of the file, which is not in force while it is wrong."""
        said = {"source": self._rules.source, "rules": str(len(self._rules.rules)), "trouble": self.trouble}
        digest = "" if self._seen is None else hashlib.sha256(self._seen).hexdigest()
        return {name: word for name, word in {**said, "sha256": digest}.items() if word}


def _unheard(said: Mapping[str, str]) -> None:
    """The log has it."""


def _content(path: Path | None) -> bytes | None:
    """What is in the file; times of files are too coarse to tell that two edits follow each other closely. None: unreadable."""
    try:
        return None if path is None else path.read_bytes()
    except OSError:
        return None
