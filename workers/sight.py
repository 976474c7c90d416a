"""What policy lets the person who asked for a job see with one kind of access, and how that is said. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from workers import policy
from workers.check import Access
from workers.errors import Unresolved
from workers.job import Job
from workers.objects import Cluster


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
