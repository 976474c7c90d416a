"""What a worker puts before the approvers: the plan as it read the nodes, and all that the card shows of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from node_helper.changes.plan import Target
from workers.job import Job
from workers.model import Table


@dataclass(frozen=True)
class Draft:
    """A change that could be made. The approver makes a `node_helper.changes.plan.Plan` of it when it is agreed to.

    `headline` is one line; `tables` and `warnings` are what approvers must see: values, memory, usage, who can overwrite it,
    where it is persisted, how it will be undone.
    """

    key: str
    targets: tuple[Target, ...]
    hold_s: int
    headline: str
    tables: tuple[Table, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Proposal:
    """A draft, and the job that asked for it; the job's message (its `ts`) is the approval's card. The id is the job's."""

    job: Job
    ts: str
    draft: Draft

    @property
    def id(self) -> str:
        """That of the approval."""
        return self.job.id


Ended = Literal["done", "refused", "failed", "unreachable", "skipped"]


@dataclass(frozen=True)
class NodeEnd:
    """What became of one node: "skipped" was never asked; "unreachable" did not answer, so what it holds is not known."""

    node: str
    ended: Ended
    reason: str = ""
    undo_at: str = ""


@dataclass(frozen=True)
class CarriedOut:
    """What a worker tells the approver when it is through with a grant."""

    approval: str
    nonce: str
    nodes: tuple[NodeEnd, ...]
