"""What can be wrong with the queue, each named for what its caller does next."""

from __future__ import annotations


class QueueError(Exception):
    """Any of the failures below."""


class QueueAway(QueueError):
    """Redis did not answer, or refused for a reason that may pass: tell the person now, or try again later."""


class NothingYet(QueueAway):
    """There is no Redis yet: the first bot or worker makes it, and no question does."""


class QueueRefused(QueueAway):
    """Redis answered with an error of its own, in its words; `code` is the first of them, as in NOGROUP or WRONGTYPE."""

    @property
    def code(self) -> str:
        """Redis' word for the error."""
        return str(self).split(" ", 1)[0]


class TooMany(QueueError):
    """The person has `unfinished` jobs and may have no more than `limit`: nothing was queued."""

    def __init__(self, unfinished: int, limit: int) -> None:
        super().__init__(f"you have {unfinished} unfinished jobs, and {limit} is the limit: wait for one, or cancel one")
        self.unfinished = unfinished
        self.limit = limit


class TooFast(TooMany):
    """The person has started `unfinished` jobs within a minute and may start no more than `limit`: nothing was queued."""

    def __str__(self) -> str:
        return f"you have started {self.unfinished} commands within a minute, and {self.limit} is the limit: wait a little"


class NoSuchJob(QueueError):
    """No job of that id is known (any more): finished ones are kept for some days."""

    def __init__(self, job_id: str) -> None:
        super().__init__(f"no job {job_id} is known; finished jobs are forgotten after some days")
        self.job_id = job_id


class NotPlaced(QueueError):
    """A job was to be queued before its message's ts was stored, so that nobody could answer it."""


class LostLease(QueueError):
    """Another worker has the job now: stop, write nothing, say nothing."""
