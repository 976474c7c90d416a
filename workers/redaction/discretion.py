"""What is said of a job in its channel: everything, or, where others read, what a redactor leaves. Pure.

In such a channel a command is named by its verb, since its words are names.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from workers.errors import Unresolved, UsageError
from workers.job import Job
from workers.model import Report
from workers.objects import Cluster
from workers.params import Namespace, Target, arguments
from workers.redaction import names
from workers.redaction.pseudonyms import Pseudonyms
from workers.redaction.redact import Redactor
from workers.render import blocks, notices
from workers.render.message import Message

REFUSED = "the policy does not allow that in this channel; `/netcheck whoami`, which only you see, says why"


@dataclass(frozen=True)
class Said:
    """The message for the channel, and the one for the person alone, None where there is none."""

    here: Message
    directly: Message | None = None


@dataclass(frozen=True)
class Discretion:
    """How one job is told. `choices` are words of its command that are no names."""

    job: Job
    redacted: bool
    pseudonyms: Pseudonyms
    choices: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The command as it may be shown."""
        return self.job.command if self.redacted else self.job.text

    @property
    def again(self) -> str:
        """The command of the Again button, which whoever reads the message can read."""
        return f"again {self.job.id}" if self.redacted else self.job.text

    def report(self, report: Report, cluster: Cluster, *, entitled: bool, stopped_by: str = "", once: bool = False) -> Said:
        """`cluster` is the whole one. `entitled`: the person may see the report where nobody else reads. `once`: not again."""
        again = None if once else self.again
        if not self.redacted:
            return Said(blocks.message(report, again=again, stopped_by=stopped_by))
        known = names.of_facts(report.shown.facts) | names.of_words({"": " ".join(report.asked)})
        here = blocks.message(self._redactor(cluster, known).report(report), again=again, stopped_by=stopped_by)
        return Said(here, blocks.message(report).without_buttons() if entitled else None)

    def unresolved(self, error: Unresolved, template: str, cluster: Cluster, *, entitled: bool) -> Said:
        """Candidates are names of what is there, so that they are counted here."""
        whole = notices.unresolved(error, template)
        if not self.redacted:
            return Said(whole)
        count = len(error.candidates)
        more = f" ({count} {'names are' if count > 1 else 'name is'} near; names are not said here)" if count else ""
        here = UsageError(f"{self._redactor(cluster, {}).text(error.problem)}{more}")
        return Said(notices.usage(here), whole.without_buttons() if entitled else None)

    def usage(self, error: UsageError, cluster: Cluster) -> Said:
        """What was wrong with the words."""
        if not self.redacted:
            return Said(notices.usage(error))
        return Said(notices.usage(UsageError(self._redactor(cluster, {}).text(error.problem), usage=error.usage)))

    def refusal(self, reason: str) -> Said:
        """What policy says; its reasons name namespaces."""
        return Said(notices.refused(REFUSED if self.redacted else reason))

    def nodes(self, nodes: Iterable[str]) -> tuple[str, ...]:
        """Nodes as they may be named while they are asked."""
        return tuple(self.pseudonyms.of("node", node) if self.redacted else node for node in sorted(nodes))

    def _redactor(self, cluster: Cluster, more: names.Names) -> Redactor:
        job = self.job
        said = names.of_words({**job.words, "": f"{job.cluster} {job.namespace} {job.line}"}, (job.command, *self.choices))
        return Redactor(self.pseudonyms, said | more | names.of_cluster(cluster))


def with_candidate(job: Job, said: str, params: type) -> str:
    """The command with `{}` in place of the target that named nothing, for the buttons of the candidates.

    The same word can be something else as well: `ping db from db`.
    """
    targets = {a.name for a in arguments(params) if a.kind and issubclass(a.kind, Target | Namespace)}
    words = {name: "{}" if text == said and name in targets else text for name, text in job.words.items()}
    return replace(job, words=words, line="").text
