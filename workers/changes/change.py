"""A change: described once, like a check. Its check's report is the plan as the nodes were read; its draft goes to the approvers.

Nothing here changes anything: what approvers agree to is signed by the approver and carried out by `workers.changes.carry_out`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from workers.changes.proposal import Draft
from workers.check import Access, Check, Plan, View

P = TypeVar("P")
S = TypeVar("S")


@dataclass(frozen=True)
class Change(Generic[P, S]):
    """`draft` answers None where nothing can be proposed; then the check's findings say why."""

    check: Check[P, S]
    draft: Callable[[P, View, S], Draft | None]

    def __post_init__(self) -> None:
        """Refuse at import what would change something under a lesser right."""
        if self.check.access is not Access.CHANGE:
            raise TypeError(f"change {self.check.name!r}: its access must be CHANGE")

    @property
    def name(self) -> str:
        """The verb."""
        return self.check.name

    def drafting(self, hear: Callable[[Draft | None], None]) -> Check[P, S]:
        """The check, which says its draft as soon as the nodes were seen."""

        def plan(params: P, view: View) -> Plan[S]:
            seen = yield from self.check.plan(params, view)
            hear(self.draft(params, view, seen))
            return seen

        return replace(self.check, plan=plan)
