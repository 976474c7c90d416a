"""Who may do what, where: rules in, a decision with its reason out. Pure; the bot decides, and the worker decides again.

What no rule grants is refused. Guests, people of other organisations and bots are granted what names them and nothing else;
a channel that others read, or may be reading, only what names that channel and says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, TypeVar

from workers.check import Access
from workers.job import Channel, Requester
from workers.objects import Cluster, Key

if TYPE_CHECKING:
    from workers.policy.approval import ApprovalRule

T = TypeVar("T")
ANY = "*"
MEMBERS = "members"
GUESTS = "guests"


@dataclass(frozen=True)
class Rule:
    """A grant. `who`: "members", "guests", and ids of users, user groups and teams; `channels`: ids or "*".

    `clusters` and `namespaces` are globs. `shared_channels` extends the grant to its channels when others read them.
    """

    name: str
    who: tuple[str, ...]
    may: frozenset[Access]
    channels: tuple[str, ...] = (ANY,)
    clusters: tuple[str, ...] = (ANY,)
    namespaces: tuple[str, ...] = (ANY,)
    shared_channels: bool = False


@dataclass(frozen=True)
class Defaults:
    """What a command means in a channel when it does not say it; None: what the worker's settings say.

    `pod` is the one that `dns` asks from, as a target. `redacted` is None where only the channel's sharing decides.
    """

    cluster: str | None = None
    namespace: str | None = None
    pod: str | None = None
    redacted: bool | None = None


@dataclass(frozen=True)
class Limits:
    """How much one person, and one command, may ask for."""

    jobs_at_once: int = 10
    """Unfinished jobs of one person: enough for an incident, too few to starve the others."""
    jobs_per_minute: int = 120
    """Of one person: more than anybody types, fewer than a script that went wrong."""
    nodes_per_command: int = 1000
    """Nodes that one command may ask."""
    nodes_per_change: int = 100
    """Nodes that one request for a change may name."""


@dataclass(frozen=True)
class Rules:
    """The whole policy. `source` says where it was read; `pool_label` is the label of nodes whose value `pool=NAME` means."""

    rules: tuple[Rule, ...]
    channels: dict[str, Defaults] = field(default_factory=dict)
    source: str = ""
    approvals: tuple[ApprovalRule, ...] = ()
    limits: Limits = Limits()
    pool_label: str = ""

    @property
    def groups(self) -> tuple[str, ...]:
        """The ids of the user groups that the rules name."""
        return tuple(sorted({name for rule in self.rules for name in rule.who if name.startswith("S")}))

    def defaults(self, channel: str) -> Defaults:
        """Those of this channel id."""
        return self.channels.get(channel, Defaults())

    def redacts(self, channel: Channel) -> bool:
        """Whether answers there go without names and addresses: where others read, or may be reading, unless the file says no."""
        said = self.defaults(channel.id).redacted
        return channel.shared is not False if said is None else said


@dataclass(frozen=True)
class Decision:
    """`reason` is one sentence for the person and for the audit; `rule` is the one that granted it, "" in a refusal."""

    allowed: bool
    reason: str
    rule: str = ""


def decide(rules: Rules, who: Requester, channel: Channel, access: Access, cluster: str, namespaces: tuple[str, ...]) -> Decision:
    """Whether it is allowed, and why. A namespace "*" means all; no namespaces means that none is concerned."""
    about = _about(rules.rules, who)
    if not about:
        return _refused(_stranger(who))
    here = [r for r in about if _covers_channel(r, channel)]
    if not here:
        return _refused(_elsewhere(channel))
    able = [r for r in here if access in r.may]
    if not able:
        return _refused(f"no rule grants you {access.name} ({access.value}) in this channel")
    if access is Access.CHANGE and rules.redacts(channel):
        return _refused("answers in this channel are redacted, so nobody here could see what they agree to: ask in another one")
    there = [r for r in able if _matches(cluster, r.clusters)]
    if not there:
        return _refused(f"you may not use {access.name} in the cluster {cluster} from this channel")
    closed = [n for n in namespaces if not any(_matches(n, r.namespaces) for r in there)]
    if closed:
        return _refused(_closed(closed[0], there))
    granting = next((r for r in there if all(_matches(n, r.namespaces) for n in namespaces)), there[0])
    return Decision(allowed=True, reason=f"rule {granting.name!r} grants {access.name}", rule=granting.name)


def narrowed(rules: Rules, who: Requester, channel: Channel, access: Access, cluster: Cluster) -> Cluster:
    """The cluster as this person may see it here: names that were not said in full are looked for in its namespaces alone."""
    if decide(rules, who, channel, access, cluster.name, (ANY,)).allowed:
        return cluster
    seen = {key[0] for objects in (cluster.pods, cluster.services, cluster.slices, cluster.replica_sets) for key in objects}
    open_ = {n for n in seen if decide(rules, who, channel, access, cluster.name, (n,)).allowed}
    return replace(
        cluster,
        pods=_within(cluster.pods, open_),
        services=_within(cluster.services, open_),
        slices=_within(cluster.slices, open_),
        replica_sets=_within(cluster.replica_sets, open_),
    )


def _within(objects: Mapping[Key, T], namespaces: set[str]) -> dict[Key, T]:
    return {key: o for key, o in objects.items() if key[0] in namespaces}


def _about(rules: Iterable[Rule], who: Requester) -> list[Rule]:
    return [r for r in rules if any(_is(who, name) for name in r.who)]


def _is(who: Requester, name: str) -> bool:
    """Ids of groups and teams stand for their people, not for the guests and bots among them."""
    if name in (MEMBERS, GUESTS):
        return who.standing == name.removesuffix("s")
    person = who.standing in ("member", "foreign")
    return name == who.user or (person and (name == who.team or name in who.groups))


def _covers_channel(rule: Rule, channel: Channel) -> bool:
    if channel.shared is not False:
        return rule.shared_channels and channel.id in rule.channels
    return ANY in rule.channels or channel.id in rule.channels


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    """Globs; "*" itself, which means all, is matched by "*" alone."""
    return ANY in patterns if name == ANY else any(fnmatchcase(name, pattern) for pattern in patterns)


def _refused(reason: str) -> Decision:
    return Decision(allowed=False, reason=reason)


def _stranger(who: Requester) -> str:
    if who.standing == "unknown":
        return "it is not known whether you are a member of this workspace, and no rule names you"
    what = {"member": "", "guest": "you are a guest here, and ", "bot": "you are a bot, and "}
    return f"{what.get(who.standing, 'you belong to another organisation, and ')}no rule names you ({who.user})"


def _elsewhere(channel: Channel) -> str:
    if channel.shared:
        return "this channel is shared with another organisation or workspace, and no rule of yours allows that"
    if channel.shared is None:
        return "it cannot be known whether others read this channel, and no rule of yours allows that"
    return f"no rule of yours covers this channel ({channel.id})"


def _closed(namespace: str, rules: list[Rule]) -> str:
    open_ = ", ".join(sorted({pattern for r in rules for pattern in r.namespaces}))
    what = "all namespaces" if namespace == ANY else f"the namespace {namespace}"
    return f"you may not ask about {what} from this channel, only about {open_}"
