"""The terms on which jobs are queued, taken and kept; each default with its reason."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Terms:
    """Times are in seconds."""

    lease_s: float = 4.0
    """A worker that has not renewed for this long has died; longer than any pause of a healthy one, short for who waits."""
    heartbeat_s: float = 0.4
    """Also how soon a running job hears that it was cancelled."""
    attempts: int = 3
    """A job that killed three workers would kill the fourth."""
    retry_delay_s: float = 1.0
    """Before the second attempt; doubled before each further one."""
    open_per_user: int = 10
    """Unfinished jobs of one person: enough for an incident, too few to starve the others."""
    node_slots: int = 4
    """Questions at once to one node from all workers together: the node is a guest room."""
    keep_s: int = 7 * 86400
    """Outcomes, evidence and records of finished jobs; also how long a repeated delivery is known as one."""
    recent: int = 50
    """Jobs of a person that `jobs` can list."""
    dead_letters: int = 1000
    """The dead-letter list is for reading by people; older letters fall off."""
    patience_s: float = 30.0
    """How long a worker in the middle of a job waits for Redis to come back before it gives the job up to whoever takes it."""
