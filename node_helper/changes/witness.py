"""What became of each grant, in the node's own log as well: whoever handed it over cannot keep that back. I/O."""

from __future__ import annotations

from node_helper.changes.grant import Applied
from node_helper.log import said

_LONGEST = 300


def tell(applied: Applied) -> None:
    """A line for syslog(3), of the facility that logins and sudo have; nothing where no daemon listens."""
    import syslog  # here, because looking has no need of it

    done = applied.done
    words: dict[str, object] = {"refusal": applied.refusal, "reason": applied.reason[:_LONGEST], "again": applied.again or ""}
    if done is not None:
        words.update(approval=done.approval, nonce=done.nonce, state=done.state)
        words.update(old=done.before.value, new=done.after.value, undo_at=done.undo_at)
    syslog.openlog("netcheck", syslog.LOG_PID, syslog.LOG_AUTHPRIV)
    syslog.syslog(syslog.LOG_WARNING if applied.refusal else syslog.LOG_NOTICE, said("change", **words))
