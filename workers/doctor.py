"""What an installation lacks: configuration, Slack, Redis, Kubernetes' rights, SSH to each node; each with what to do about it.

Nothing is changed; every part is tried even where an earlier one fails.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass

from node_helper.changes.verifying import SKEW_S
from node_helper.facts import change_state
from node_helper.facts.change_state import ChangeState
from node_helper.protocol import CannotLook
from workers.audit import opening, sinks
from workers.check import Ask
from workers.cluster import list_once
from workers.errors import BadKeyFile, UsageError
from workers.jobs import NothingYet, asked
from workers.kubernetes.rights import rights
from workers.nodes.nodes import Nodes
from workers.policy import file as policy_file
from workers.queue.errors import QueueError
from workers.settings import Settings
from workers.slack.client import Slack
from workers.slack.errors import SlackError
from workers.slack.methods import SCOPES
from workers.terminal import nodes_of

_SECONDS = 20.0
_STATE_SECONDS = 5.0


@dataclass(frozen=True)
class Seen:
    """One thing that was tried. `fix` is "" where all is well; `warning` works, but not as it should be left."""

    part: str
    what: str
    fix: str = ""
    warning: bool = False

    @property
    def well(self) -> bool:
        """Whether nothing needs to be done."""
        return not self.fix


async def examine(settings: Settings, wrong: Collection[str] = ()) -> AsyncIterator[Seen]:
    """Everything, part by part, as it is known; what needs a setting that is `wrong` is not tried, and said so."""
    for part, needs in _NEEDS.items():
        name = part.__name__.strip("_")
        if without := [f"NETCHECK_{setting.upper()}" for setting in needs if setting in wrong]:
            yield Seen(name, f"not tried: {' and '.join(without)} cannot be used", "See what is said of the configuration.")
            continue
        try:
            async with asyncio.timeout(_SECONDS):
                found = [seen async for seen in part(settings)]
        except TimeoutError:
            fix = "See whether the address is right, and what is between here and there."
            found = [Seen(name, f"no answer in {_SECONDS:g} s", fix)]
        for seen in found:
            yield seen


async def _policy(settings: Settings) -> AsyncIterator[Seen]:
    try:
        rules = policy_file.load(settings.policy_file)
    except UsageError as e:
        yield Seen("policy", e.problem, "Correct the file that NETCHECK_POLICY_FILE names; deploy/policy.toml shows its form.")
    else:
        yield Seen("policy", f"{rules.source}, rules: {len(rules.rules)}")


async def _slack(settings: Settings) -> AsyncIterator[Seen]:
    if settings.slack_bot_token is None:
        yield Seen("Slack", "no bot token", "Set NETCHECK_SLACK_BOT_TOKEN; `check` works without it.")
        return
    slack = Slack(settings.slack_bot_token.get_secret_value(), settings.slack_api_url)
    try:
        who = await slack.identity()
    except SlackError as e:
        yield Seen("Slack", str(e), "Install the app again from deploy/slack-manifest.yaml and use its bot token.")
        return
    finally:
        await slack.close()
    missing = sorted(SCOPES - set(who.scopes))
    if who.scopes and missing:
        yield Seen("Slack", f"the token lacks {', '.join(missing)}", "Update the app from deploy/slack-manifest.yaml.")
    else:
        yield Seen("Slack", f"bot {who.user} of team {who.team}, scopes {', '.join(sorted(who.scopes)) or 'not told'}")


async def _redis(settings: Settings) -> AsyncIterator[Seen]:
    url = settings.redis_url.get_secret_value() if settings.redis_url else None
    where = "the configured one" if url else f"embedded, in {settings.data_dir}"
    try:
        async with asked(url, settings.data_dir, key_file=settings.job_key_file, tag=settings.redis_tag) as jobs:
            await jobs.ping()
            depth = await jobs.depth()
            yield Seen("Redis", f"{where}; jobs: {depth.waiting} waiting, {depth.running} running, {depth.dead} given up")
    except NothingYet:
        yield Seen("Redis", f"{where}: not there yet", "The first `netcheck-bot bot` or `worker` makes it.", warning=True)
    except (QueueError, BadKeyFile, UsageError, OSError) as e:
        yield Seen("Redis", f"{where}: {e}", "See whether it runs, and NETCHECK_REDIS_URL, _DATA_DIR and _JOB_KEY_FILE.")


async def _audit(settings: Settings) -> AsyncIterator[Seen]:
    """Nothing is sent: what reaches a sink stays there."""
    try:
        sink, keys = opening.sink_of(settings), opening.known_keys(settings)
    except UsageError as e:
        yield Seen("audit", e.problem, "See deploy/README.md, Audit.")
        return
    where = settings.audit_sink or ", ".join(map(str, sinks.files(sink)))
    said = f"heads go to {where}; keys known: {len(keys)}"
    if settings.audit_sink is None:
        fix = "Set NETCHECK_AUDIT_SINK, so that whoever owns this machine cannot rewrite what was done."
        yield Seen("audit", f"{said}; ON THIS MACHINE ONLY", fix, warning=True)
    else:
        yield Seen("audit", said)


async def _kubernetes(settings: Settings) -> AsyncIterator[Seen]:
    try:
        allowed = await rights(settings.kubeconfig)
    except CannotLook as e:
        yield Seen("Kubernetes", str(e), e.fix or "See whether the API server answers, and NETCHECK_KUBECONFIG.")
        return
    for right, granted in allowed.items():
        if not granted:
            yield Seen("Kubernetes", f"not allowed: {right}", "Apply deploy/kustomize/base, which grants exactly what is needed.")
    if all(allowed.values()):
        yield Seen("Kubernetes", f"all {len(allowed)} rights")


async def _nodes(settings: Settings) -> AsyncIterator[Seen]:
    cluster = await list_once(settings.cluster, settings.kubeconfig)
    nodes = nodes_of(settings)
    try:
        for done in asyncio.as_completed([_node(nodes, name, settings.cluster) for name in cluster.nodes]):
            for seen in await done:
                yield seen
    finally:
        await nodes.aclose()
    if not cluster.nodes:
        yield Seen("nodes", "none known", "See what is said of Kubernetes.")


_NEEDS = {
    _policy: ("policy_file",),
    _slack: ("slack_bot_token", "slack_api_url"),
    _redis: ("redis_url", "redis_tag", "data_dir", "job_key_file"),
    _audit: ("audit_sink", "audit_keys_file", "data_dir"),
    _kubernetes: ("kubeconfig",),
    _nodes: (
        "cluster", "kubeconfig", "ssh_config", "ssh_user", "ssh_key", "ssh_known_hosts", "helper", "asks_per_node",
        "answer_seconds",
    ),
}  # fmt: skip
"""The parts in their order, and the settings that each cannot be tried without."""


async def _node(nodes: Nodes, name: str, cluster: str) -> tuple[Seen, ...]:
    try:
        hello = await nodes.hello(name)
    except CannotLook as e:
        return (Seen(name, e.reason, e.fix or "See whether sshd answers there."),)
    said = f"helper {hello.helper}, kernel {hello.kernel}, Python {hello.python}"
    if not hello.root:
        return (Seen(name, f"{said}, NOT ROOT", "Let the forced command start the helper as root (deploy/node)."),)
    if not hello.installed:
        fix = "Install the helper (deploy/node): a pushed one refuses all changes."
        return (Seen(name, f"{said}, PUSHED: for trying out only", fix, warning=True),)
    try:
        ask = Ask(name, change_state.FACT, change_state.Query())
        state = await nodes.ask(ask, trace="doctor", seconds=_STATE_SECONDS)
    except CannotLook as e:
        return Seen(name, said), Seen(name, f"whether it takes changes cannot be told: {e.reason}", e.fix or "Try again.")
    return Seen(name, said), changes(name, state, cluster, time.time())


def changes(name: str, state: ChangeState, cluster: str, now: float) -> Seen:
    """Whether a node takes approved changes, and would take those of this installation. Pure."""
    if not state.offered:
        return Seen(name, f"takes no changes: {state.why_not}")
    if (state.cluster, state.node) != (cluster, name):
        what = f"takes changes as {state.node} of {state.cluster}, and is {name} of {cluster} here: it would refuse them"
        return Seen(name, what, "Run deploy/node/install.sh there again with these as --cluster and --node.")
    for wrong in (state.unreadable, state.unwritable, state.file_problem, state.lost):
        if wrong:
            return Seen(name, f"takes changes, but not all: {wrong}", "See deploy/node/README.md, Allow changes.", warning=True)
    apart = state.now - now
    if abs(apart) > SKEW_S / 2:
        what = f"takes changes, and its clock is {apart:+.0f} s from this one's: at {SKEW_S} s it refuses what was just signed"
        return Seen(name, what, "Have both keep the time (NTP).", warning=True)
    return Seen(name, f"takes changes that the approver signed, as {state.node} of {state.cluster}")
