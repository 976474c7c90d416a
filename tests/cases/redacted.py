"""What a report of a case says where others read: nothing of its cluster's names and addresses."""

from __future__ import annotations

import json
import re

from workers.job import Channel, Job, Requester
from workers.model import Report
from workers.objects import Cluster
from workers.params import arguments
from workers.redaction.discretion import Discretion
from workers.redaction.pseudonyms import Pseudonyms
from workers.render.message import Message

_V4 = re.compile(r"(?<![0-9.])[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![0-9])")
_V6 = re.compile(r"(?<![0-9A-Za-z:])(?!\d\d:\d\d:\d\d)[0-9a-f]{1,4}:[0-9a-f:]*:[0-9a-f]{1,4}(?![0-9A-Za-z:])")
_TIME = re.compile(r"T\d\d:\d\d:\d\d")


def redacted(report: Report, cluster: Cluster, words: dict[str, str], params: type) -> Message:
    """The message for a channel that others read."""
    who, where = Requester("U1"), Channel("C1", shared=True)
    verb = report.command.partition(" ")[0]
    job = Job("j", verb, words, "default", "lab", who, where, "D", "t", "2026-01-01T00:00:00Z", redacted=True)
    choices = tuple(word for a in arguments(params) for word in (a.name, *a.choices))
    return (
        Discretion(job, redacted=True, pseudonyms=Pseudonyms(b"k" * 32), choices=choices)
        .report(report, cluster, entitled=False)
        .here
    )


def told(message: Message, cluster: Cluster) -> list[str]:
    """What it says all the same of pods, nodes and addresses."""
    text = _TIME.sub(
        "", "\n".join([message.text, json.dumps(message.blocks, ensure_ascii=False), *(file.text for file in message.files)])
    )
    names = {*cluster.nodes, *(pod.name for pod in cluster.pods.values())}
    known = [name for name in names if re.search(rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])", text)]
    return [*known, *_V4.findall(text), *_V6.findall(text)]
