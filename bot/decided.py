"""What policy says of a command that was understood: the cluster and the namespaces that it means, and the decision. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bot.commands import Invocation, from_home
from bot.entry import E, Entry
from workers.check import Access
from workers.errors import UsageError, shown
from workers.job import Channel, Requester
from workers.phrase import namespaces
from workers.policy.approval import agreeable
from workers.policy.rules import Decision, Rules, decide


@dataclass(frozen=True)
class Meaning:
    """Where a command looks: what it says, else what the channel's policy says, else what the settings say."""

    cluster: str
    namespace: str

    @classmethod
    def of(cls, invocation: Invocation[Any], rules: Rules, channel: str, home: Meaning) -> Meaning:
        """`home` is what the settings say. Raises `UsageError` for a cluster that is not the one there."""
        usual = rules.defaults(channel)
        cluster = invocation.cluster or usual.cluster or home.cluster
        if cluster != home.cluster:
            raise no_cluster(cluster, home.cluster)
        return cls(cluster, invocation.namespace or usual.namespace or home.namespace)


@dataclass(frozen=True)
class Asking:
    """Who asks where, under which policy; `cluster` is the one that commands mean there."""

    rules: Rules
    who: Requester
    channel: Channel
    cluster: str


def at_home(invocation: Invocation[E], rules: Rules, channel: str, home: Meaning) -> tuple[Invocation[E], Meaning]:
    """The command with what it leaves to the channel, and where it looks. Raises `UsageError` as `Meaning.of`."""
    whole = from_home(invocation, rules.defaults(channel).pod)
    return whole, Meaning.of(whole, rules, channel, home)


def no_cluster(named: str, here: str) -> UsageError:
    """One installation looks at one cluster; an answer about another than the one that was named would be a wrong one."""
    return UsageError(f"there is no cluster {shown(named)} here, only {shown(here)}", nearest=(f"cluster={here}",))


def access_of(entry: object) -> Access | None:
    """What a command does; None for plain commands, which the bot answers itself. Raises `TypeError` for what is neither."""
    access = getattr(entry, "access", None)
    if isinstance(access, Access):
        return access
    if hasattr(entry, "answer"):
        return None
    raise TypeError(f"{entry!r} does not say what it does, so that nothing can be decided about it")


def decided(rules: Rules, who: Requester, channel: Channel, invocation: Invocation[Any], meaning: Meaning) -> Decision:
    """Whether this person may say this here, and why."""
    about = namespaces(invocation.params, meaning.namespace)
    named = (*about, *([invocation.namespace] if invocation.namespace else ()))
    return at_all(rules, who, channel, invocation.entry, meaning.cluster, named)


def at_all(rules: Rules, who: Requester, channel: Channel, entry: Entry, cluster: str, named: tuple[str, ...] = ()) -> Decision:
    """Whether this person may use this command here, about these namespaces; nobody may use a change that none can agree to.

    Plain commands are everybody's unless they say otherwise.
    """
    access = access_of(entry)
    if access is None:
        may: Callable[[Asking], Decision] | None = getattr(entry, "may", None)
        return may(Asking(rules, who, channel, cluster)) if may else _EVERYBODY
    decision = decide(rules, who, channel, access, cluster, named)
    if decision.allowed and access is Access.CHANGE:
        agreed = agreeable(rules, entry.name, cluster)
        return decision if agreed.allowed else agreed
    return decision


_EVERYBODY = Decision(allowed=True, reason="everybody may ask this")
