"""What the doctor says of the approver: whether it is there, and whether it can sign what was agreed to. I/O."""

from __future__ import annotations

from bot.approvals import Approvals, NoApprover
from bot.approver import key
from bot.settings import BotSettings
from workers import seal
from workers.doctor import Seen
from workers.errors import BadKeyFile, UsageError
from workers.jobs import QueueError, asked
from workers.policy import file as policy_file

_PART = "approver"
_HERE = "Run doctor where the bot runs, as its user, with its settings."
_START = "See deploy/README.md, Changes and approvals; without changes leave [[approval]] out of the policy."


async def examine(settings: BotSettings) -> Seen:
    """Only where the policy has approval rules there is anything to mend."""
    try:
        if not policy_file.load(settings.policy_file).approvals:
            return Seen(_PART, "nothing can be changed: the policy has no [[approval]] rule")
        if settings.approves:
            key.checked(settings.signing_key)
        voices = seal.read(settings.voice_key_file or settings.data_dir / "voice.key")
        seal.read(settings.job_key_file or settings.data_dir / "job.key")
    except (BadKeyFile, OSError) as e:
        return Seen(_PART, f"whether it is alive cannot be told here: {e}", _HERE, warning=True)
    except UsageError as e:
        return Seen(_PART, e.problem, _START)
    url = settings.redis_url.get_secret_value() if settings.redis_url else None
    try:
        async with asked(url, settings.data_dir, key_file=settings.job_key_file, tag=settings.redis_tag) as jobs:
            board = await Approvals(jobs.mail(voices)).board()
    except NoApprover as e:
        return Seen(_PART, e.problem, _START)
    except (QueueError, BadKeyFile, UsageError, OSError) as e:
        return Seen(_PART, f"whether it is alive cannot be told: {e}", "See what is said of Redis.")
    if board.trouble:
        return Seen(_PART, f"alive, and cannot sign: {board.trouble}", "See the audit's sink and the approver's key.")
    waiting = sum(posted.open for posted in board.approvals)
    return Seen(_PART, f"alive; {waiting} approvals wait for people")
