"""The grammar: one line of text to one command of the catalogue and its typed parameters. Nothing that was said is ignored.

A line is a verb, a target, then words in any order: `from on to in for` with what follows them, `key=value`, `--key value`.
A line that starts with a name instead asks about it (`hello-world`), or about the way between two (`web to db:5432`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Generic

from bot.entry import E, E_co, Entry
from bot.nearest import nearest
from bot.sentence import Sentence
from bot.usage import usage
from bot.words import words
from workers.errors import UsageError, shown
from workers.job import Job
from workers.params import ALL, ClusterName, Namespace, PodTarget, Target, arguments, build
from workers.phrase import line, namespace_matters, placed

_ABOUT = {"node": "node", "svc": "service"}
"""Which command a bare name asks for, by its kind; a name of any other kind asks for the pod behind it."""
_SHORTEST_PREFIX = 2
_HELP = "help lists the commands"


@dataclass(frozen=True)
class Invocation(Generic[E_co]):
    """A command that was understood. `guessed`: the verb was not said, only a name."""

    entry: E_co
    params: Any
    namespace: str | None = None
    cluster: str | None = None
    guessed: bool = False

    @property
    def text(self) -> str:
        """As it could be typed; reading it again gives the same invocation, the guess aside."""
        return line(self.entry.name, self.params, self.namespace, self.cluster)


def parse(text: str, entries: Mapping[str, E]) -> Invocation[E]:
    """The command that the text means. Raises `UsageError`, with the usage and the nearest match where there is one."""
    said = words(text)
    if not said:
        raise UsageError(f"say what to look at; {_HELP}", usage="COMMAND")
    if len(said) > 2 and said[1].lower() == "to" and "path" in entries:  # noqa: PLR2004  (A to B)
        return _read(entries["path"], said)
    entry = _verb(said[0].lower().replace("-", "_"), entries)
    return _read(entry, said[1:]) if entry else _bare(said, entries)


def again(job: Job, entries: Mapping[str, E]) -> Invocation[E]:
    """The command of a job. Raises `UsageError` where this version has no such command, or not with these words."""
    entry = entries.get(job.command)
    if entry is None:
        raise UsageError(f"there is no command {shown(job.command)} any more", nearest=_near(job.command, entries))
    return Invocation(entry, build(entry.params, job.words), job.namespace, job.cluster)


def from_home(invocation: Invocation[E], pod: str | None) -> Invocation[E]:
    """The same, asked from the channel's pod where it could say one and says neither that nor a namespace."""
    params = invocation.params
    left = [a.name for a in arguments(type(params)) if a.kind is PodTarget and getattr(params, a.name) is None]
    if pod is None or invocation.namespace is not None or not left:
        return invocation
    return replace(invocation, params=replace(params, **{name: PodTarget.parse(pod) for name in left}))


def named(verb: str, entries: Mapping[str, E]) -> E:
    """The command that a person means by this verb. Raises `UsageError` with the nearest ones."""
    entry = _verb(verb.lower().replace("-", "_"), entries)
    if entry is None:
        raise _unknown(verb, _near(verb.lower(), entries))
    return entry


def _verb(verb: str, entries: Mapping[str, E]) -> E | None:
    """The command of that name, alias or unique beginning; `no` is `node` and not `nodes`, of which it is a beginning too."""
    for entry in entries.values():
        if verb == entry.name or verb in entry.aliases:
            return entry
    found = sorted(name for name in entries if name.startswith(verb)) if len(verb) >= _SHORTEST_PREFIX else []
    if not found:
        return None
    if not all(name.startswith(found[0]) for name in found):
        raise UsageError(f"{shown(verb)} could be {' or '.join(found)}", nearest=tuple(found))
    return entries[found[0]]


def _bare(said: list[str], entries: Mapping[str, E]) -> Invocation[E]:
    """A line that starts with a name: what it asks for, unless it looks like a mistyped verb, or one of kubectl's before ours."""
    about = _asks_about(said[0], entries)
    near = _near(said[0].lower(), entries) if "/" not in said[0] else ()
    if about is None or not _alone(about, said):
        after = tuple(entry.name for entry in entries.values() if said[1:] and said[1].lower() in (entry.name, *entry.aliases))
        raise _unknown(said[0], after or near)
    if near:
        raise _unknown(said[0], (*near, f"{about.name} {said[0]}"))
    return replace(_read(about, said), guessed=True)


def _unknown(verb: str, near: tuple[str, ...]) -> UsageError:
    return UsageError(f"there is no command {shown(verb)}" + ("" if near else f"; {_HELP}"), nearest=near)


def _near(verb: str, entries: Mapping[str, E]) -> tuple[str, ...]:
    """The commands whose name or alias is nearest, by their names."""
    verbs = {said: entry.name for entry in entries.values() for said in (entry.name, *entry.aliases)}
    return tuple(dict.fromkeys(verbs[found] for found in nearest(verb, verbs)))


def _alone(about: Entry, said: list[str]) -> bool:
    """Whether there is one bare word, the name, and everything else has its place."""
    try:
        return len(Sentence.of(about.params, said).bare) == 1
    except UsageError:
        return False


def _asks_about(name: str, entries: Mapping[str, E]) -> E | None:
    try:
        target = Target.parse(name)
    except UsageError:
        return None
    return entries.get(_ABOUT.get(target.kind, ""), entries.get("pod"))


def _read(entry: E, said: list[str]) -> Invocation[E]:
    """The arguments; every error shows the usage."""
    try:
        sentence = Sentence.of(entry.params, said)
        params = build(entry.params, sentence.arguments())
        cluster = None if sentence.cluster is None else ClusterName.parse(sentence.cluster).name
        namespace = None if sentence.namespace is None else Namespace.parse(sentence.namespace).name
        _consistent(entry, params, namespace)
    except UsageError as e:
        raise UsageError(e.problem, usage=usage(entry), nearest=e.nearest) from e
    if namespace is not None:
        params = placed(params, namespace)
    return Invocation(entry, params, namespace if namespace_matters(params) else None, cluster)


def _consistent(entry: Entry, params: Any, namespace: str | None) -> None:
    """Refuse a namespace that would have no effect, which is a way of being ignored."""
    if namespace is None:
        return
    if namespace == ALL:
        raise UsageError("'all' is no namespace here; a bare name that is not in the usual one is looked for in all")
    said = sorted({v.namespace for v in vars(params).values() if isinstance(v, Target) and v.namespace})
    if said and namespace not in said and not namespace_matters(params):
        raise UsageError(f"two namespaces are said, {shown(said[0])} and {shown(namespace)}")
    if not said and not namespace_matters(params):
        raise UsageError(f"{entry.name} knows no namespaces")
