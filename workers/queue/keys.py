"""The names of everything in Redis; all carry one hash tag, so that a cluster keeps them in one slot."""

from __future__ import annotations

from dataclasses import dataclass

GROUP = "workers"
"""The consumer group. Who holds a job is told by its fence, so one consumer name serves all workers and none is left behind."""
CONSUMER = "worker"
POSTED_S = 90 * 86400
"""How long it is known which files a channel has. A workspace on a free plan forgets them after that time by itself."""


@dataclass(frozen=True)
class Keys:
    """`tag` separates installations that share a Redis."""

    tag: str = "netcheck"

    def __post_init__(self) -> None:
        if not self.tag or set(self.tag) & set("{}"):
            raise ValueError(f"the key tag {self.tag!r} must be text without braces")

    @property
    def queue(self) -> str:
        """Stream of the ids of queued and running jobs."""
        return f"{{{self.tag}}}:queue"

    @property
    def intents(self) -> str:
        """Sorted set of jobs whose message is not yet known to exist, by time (ms)."""
        return f"{{{self.tag}}}:intents"

    @property
    def later(self) -> str:
        """Sorted set of jobs that wait for another attempt, by the time (ms) at which they are due."""
        return f"{{{self.tag}}}:later"

    @property
    def dead(self) -> str:
        """List of dead letters (JSON), newest first."""
        return f"{{{self.tag}}}:dead"

    def job(self, job_id: str) -> str:
        """Hash: the sealed record and the state of a job."""
        return f"{{{self.tag}}}:job:{job_id}"

    def outcome(self, job_id: str) -> str:
        """The rendered result, sealed and compressed."""
        return f"{{{self.tag}}}:outcome:{job_id}"

    def bundle(self, job_id: str) -> str:
        """The evidence, sealed and compressed."""
        return f"{{{self.tag}}}:bundle:{job_id}"

    def files(self, job_id: str) -> str:
        """Hash: the id at Slack of each file of the result, by its name."""
        return f"{{{self.tag}}}:files:{job_id}"

    def posted(self, channel: str) -> str:
        """Sorted set of the ids at Slack of the files in a channel, by time (s)."""
        return f"{{{self.tag}}}:posted:{channel}"

    def shared(self, channel: str) -> str:
        """Set while a channel is known to be read by others."""
        return f"{{{self.tag}}}:shared:{channel}"

    def removing(self, channel: str) -> str:
        """Set while a process removes the files of a channel."""
        return f"{{{self.tag}}}:removing:{channel}"

    def delivery(self, delivery: str) -> str:
        """The id of the job that a delivery of Slack's made."""
        return f"{{{self.tag}}}:delivery:{delivery}"

    def answered(self, delivery: str) -> str:
        """Set while a delivery that made no job is known to have been answered."""
        return f"{{{self.tag}}}:answered:{delivery}"

    @property
    def inbox(self) -> str:
        """Sorted set of deliveries that are not served yet, by the time (ms) at which their server was last known to live."""
        return f"{{{self.tag}}}:inbox"

    def kept(self, delivery: str) -> str:
        """What was delivered, hidden; gone when it is stale."""
        return f"{{{self.tag}}}:kept:{delivery}"

    def unfinished(self, user: str) -> str:
        """Sorted set of a person's unfinished jobs, by time (ms)."""
        return f"{{{self.tag}}}:unfinished:{user}"

    def minute(self, user: str) -> str:
        """How many jobs a person has started since the minute began; gone when it is over."""
        return f"{{{self.tag}}}:minute:{user}"

    def recent(self, user: str) -> str:
        """List of a person's jobs, newest first."""
        return f"{{{self.tag}}}:recent:{user}"

    def node(self, node: str) -> str:
        """Sorted set of the questions being asked of a node, by the time (ms) at which they lapse."""
        return f"{{{self.tag}}}:node:{node}"

    @property
    def letters(self) -> str:
        """Stream of sealed letters to the approver."""
        return f"{{{self.tag}}}:letters"

    def grant(self, approval: str) -> str:
        """The approver's grant for the worker that carries it out, sealed."""
        return f"{{{self.tag}}}:grant:{approval}"

    @property
    def beat(self) -> str:
        """That the approver lives, and which board is its own, sealed."""
        return f"{{{self.tag}}}:beat"

    @property
    def board(self) -> str:
        """What the approver shows of its approvals, sealed."""
        return f"{{{self.tag}}}:board"

    @property
    def audit_writers(self) -> str:
        """Sorted set of those who wrote to the audit, by the time (ms) of their last entry."""
        return f"{{{self.tag}}}:audit:writers"

    def audit(self, writer: str) -> str:
        """Stream of a writer's signed entries; an id is the entry's time (ms) and its number."""
        return f"{{{self.tag}}}:audit:chain:{writer}"
