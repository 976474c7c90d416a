"""What policy lets the person who asked for a job see with one kind of access, and how that is said. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from workers.check import Access
from workers.errors import Unresolved
from workers.job import Channel, Job
from workers.objects import Cluster
from workers.policy import rules as policy


@dataclass(frozen=True)
class Sight:
    """The rules as they hold for a job."""

    rules: policy.Rules
    job: Job
    access: Access

    def decide(self, *namespaces: str) -> policy.Decision:
        """Whether the person may ask about all of these namespaces."""
        job = self.job
        return policy.decide(self.rules, job.requester, job.channel, self.access, job.cluster, namespaces)

    def alone(self, cluster: Cluster) -> bool:
        """Whether they may see what is in this view where nobody else reads, as in a direct message."""
        there = replace(self, job=replace(self.job, channel=Channel("", shared=False)))
        kinds = (cluster.pods, cluster.services, cluster.slices, cluster.replica_sets)
        seen = {key[0] for objects in kinds for key in objects}
        return there.decide(policy.ANY).allowed or (there.decide().allowed and all(there.decide(n).allowed for n in seen))

    def of(self, cluster: Cluster) -> Cluster:
        """The cluster without what is not for them."""
        return policy.narrowed(self.rules, self.job.requester, self.job.channel, self.access, cluster)

    def explained(self, error: Unresolved) -> Unresolved:
        """The same, where only a part of the cluster was looked at: what is not in it may well be in the rest."""
        everything = self.decide(policy.ANY)
        if everything.allowed:
            return error
        problem = f"{error.problem}, as far as you may see: {everything.reason}"
        return Unresolved(problem, said=error.said, candidates=error.candidates)
