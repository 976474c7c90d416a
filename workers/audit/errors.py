"""What can be wrong with the audit, each named for what its caller does next."""

from __future__ import annotations


class AuditError(Exception):
    """Any of the failures below: no change goes on without its audit."""


class AuditAway(AuditError):
    """An entry could not be stored in time: it waits, and nothing that depends on it may begin."""


class SinkAway(AuditError):
    """A head did not reach the place outside Redis: it is sent again, and nothing that depends on it may begin."""


class AuditTampered(AuditError):
    """What is stored is not what was written: nothing is changed until somebody has looked. `problems` say what differs."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__(f"the audit has been tampered with: {'; '.join(problems)}")
        self.problems = problems
