"""From a command in Slack to its acknowledgement, and to the result in the thread, in the lab."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, closing

from benchmarks._rows import Row, milliseconds
from deploy.lab.lab import Lab
from deploy.lab.roles import Role
from workers.render import verdict

IDS = {
    "slack-ack": "/netcheck help: from the command to its acknowledgement",
    "slack-pod-p50": "/netcheck pod client: from the command to its result",
    "slack-pod-p99": "the same, the slowest",
}
ACKS, PODS = 200, 60
_SIGNS = tuple(verdict.SIGNS.values())
_POLL_S = 0.005
_LAST_S = 30.0


def rows() -> Iterator[Row]:
    """Three rows: acknowledgement, and the median and the tail of the result of `pod`."""
    with ExitStack() as stack:
        lab = stack.enter_context(Lab())
        for role in [stack.enter_context(closing(Role(name, lab.settings(), lab.folder))) for name in ("bot", "worker")]:
            role.await_ready()
        _pod(lab)  # the first one connects to the node
        acks = [_ack(lab) for _ in range(ACKS)]
        yield milliseconds("slack-ack", IDS["slack-ack"], acks, 150)
        pods = [_pod(lab) for _ in range(PODS)]
        yield milliseconds("slack-pod-p50", IDS["slack-pod-p50"], pods, 1000, "p50")
        yield milliseconds("slack-pod-p99", IDS["slack-pod-p99"], pods, 2500)


def _ack(lab: Lab) -> float:
    """The stand-in answers when the bot has acknowledged."""
    began = time.perf_counter()
    lab.slack.command("help")
    return (time.perf_counter() - began) * 1000


def _pod(lab: Lab) -> float:
    lab.slack.reset()
    began = time.perf_counter()
    lab.slack.command("pod client")
    while not any(str(m.get("text", "")).startswith(_SIGNS) for m in lab.slack.messages()):
        if time.perf_counter() - began > _LAST_S:
            raise TimeoutError("no result in the thread")
        time.sleep(_POLL_S)
    return (time.perf_counter() - began) * 1000
