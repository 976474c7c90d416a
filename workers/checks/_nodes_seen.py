"""What the `nodes` check saw: each node's summary, told apart by its node, and the same as a look at one node."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from node_helper.facts.devices import Devices
from node_helper.facts.netstat import Netstat
from node_helper.facts.node_summary import NodeSummary
from node_helper.facts.softnet import Softnet
from node_helper.programs import Programs
from node_helper.protocol import CannotLook
from workers.check import Samples
from workers.checks._node_seen import Counted, Seen, Settings
from workers.objects import Node, Pod

_NOT_ASKED = CannotLook("the kernel log is not asked for here", kind="cancelled")


@dataclass(frozen=True)
class Each:
    """A node and its summary; `pods` are those that run on it in a network of their own."""

    node: Node
    summary: NodeSummary | CannotLook
    pods: tuple[Pod, ...] = ()

    @cached_property
    def as_one(self) -> Seen | None:
        """The summary as what one look at that node sees, for the same judgement; None where nobody could look.

        Nothing has risen between two samples that are one; programs and the kernel log are not part of a summary.
        """
        told = self.summary
        if isinstance(told, CannotLook):
            return None
        counted = Counted(
            netstat=Samples(Netstat({}), Netstat({}), 0.0),
            softnet=Samples(Softnet(()), Softnet(()), 0.0),
            neighbours=Samples(told.neighbours, told.neighbours, 0.0),
            devices=Samples(Devices(told.devices), Devices(told.devices), 0.0),
            forward=Samples(told.forward, told.forward, 0.0),
            conntrack=Samples(told.conntrack, told.conntrack, 0.0),
        )
        settings = Settings(told.sysctls, Programs(()), told.kube_proxy, _NOT_ASKED, told.backends)
        return Seen(self.node, settings, counted, every_device=False, pods=self.pods)
