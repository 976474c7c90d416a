"""Approvals for tests: a proposal, a rule, people and what they say."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

from bot.approver.approval import Approval, State
from bot.approver.rules import Now
from bot.approver.witness import Note, NotSealed
from node_helper.changes.plan import KEYS, Setting, Target
from workers.changes.letters import Act, Voice
from workers.changes.proposal import Draft, Proposal
from workers.job import Channel, Job, Requester
from workers.model import Table
from workers.policy.approval import ApprovalRule, BreakGlass, Refusal, Stage
from workers.policy.rules import Decision, Rule, Rules

START = 1_800_000_000.0
HERE = Channel("C0INCIDENTS", None, shared=False)
YES = Decision(allowed=True, reason="yes")


def person(user: str, standing: str = "member") -> Requester:
    return Requester(user, "T0LAB", (), standing)  # type: ignore[arg-type]  # tests say standings as words


ALICE, BOB, CAROL = person("U0ALICE"), person("U0BOB"), person("U0CAROL")
RULE = ApprovalRule(
    "platform agrees",
    "set",
    (Stage(("U0BOB", "U0CAROL")), Stage(("U0DAVE",), 600.0, 300.0)),
    1,
    break_glass=BreakGlass(("U0EVE",)),
)


def rfc(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def proposal(
    name: str = "a1b2c3d4e5f6", at: float = START, nodes: tuple[str, ...] = ("node-one",), channel: Channel = HERE
) -> Proposal:
    words = {"setting": "conntrack_max", "value": "198000", "on": ",".join(nodes)}
    job = Job(
        name,
        "set",
        words,
        "default",
        "lab",
        ALICE,
        channel,
        f"D-{name}",
        f"t-{name}",
        rfc(at),
        "set conntrack_max 198000 on node-one",
    )
    targets = tuple(Target(node, "ab" * 16, Setting(131072, 32768), Setting(198000, 32768)) for node in nodes)
    rows = tuple((node, "131072", "198000") for node in nodes)
    draft = Draft(
        KEYS[0],
        targets,
        0,
        "conntrack_max 131072 → 198000",
        (Table("Nodes", rows, ("node", "now", "then")),),
        ("kube-proxy sets it back",),
    )
    return Proposal(job, "1700000000.000100", draft)


def approval(rule: ApprovalRule = RULE, at: float = START, nodes: tuple[str, ...] = ("node-one",)) -> Approval:
    asked = proposal(at=at, nodes=nodes)
    return Approval(asked, rule, State.WAITING, at, at + rule.expires_s, asked.ts)


def voice(act: Act, who: Requester, at: float = START, reason: str = "", delivery: str = "", name: str = "a1b2c3d4e5f6") -> Voice:
    return Voice(name, act, who, HERE, reason, delivery or f"d:{act}:{who.user}:{at}", "t", rfc(at))


def now(at: float = START, rule: ApprovalRule | Refusal = RULE, may: Decision = YES) -> Now:
    return Now(at, rule, may)


def policy(*approvals: ApprovalRule) -> Rules:
    """Alice may ask for changes, and these rules say who agrees."""
    from workers.check import Access

    may = frozenset(Access)
    return Rules((Rule("members", ("members",), may),), approvals=approvals or (RULE,))


@dataclass
class Seen:
    """A witness that remembers, and fails while it is told to."""

    notes: list[Note] = field(default_factory=list)
    seals: int = 0
    trouble: str = ""

    async def note(self, note: Note) -> None:
        if self.trouble:
            raise NotSealed(self.trouble)
        self.notes.append(note)

    async def seal(self) -> None:
        if self.trouble:
            raise NotSealed(self.trouble)
        self.seals += 1


@dataclass
class Clock:
    """Seconds since 1970, as tests want them."""

    at: float = START

    def __call__(self) -> float:
        return self.at


def fresh() -> str:
    """The id of a new job."""
    return secrets.token_hex(6)


def present() -> float:
    """Now, for tests with the real clock."""
    return time.time()
