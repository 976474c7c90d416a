"""Carry out a grant. It comes to its end also when the helper and its connection do not live to see it."""

from __future__ import annotations

import json
import traceback
from typing import TYPE_CHECKING

from node_helper import codec
from node_helper.changes.deed import Deed
from node_helper.changes.grant import Applied, Grant
from node_helper.log import log
from node_helper.protocol import CannotLook

if TYPE_CHECKING:
    from node_helper.stop import Stop

_TRIES = 2


def _do(grant: Grant, stop: Stop) -> Applied:
    from node_helper.changes import apart, applying, witness
    from node_helper.changes.hands import Hands
    from node_helper.changes.paths import Paths

    def work() -> bytes:
        try:
            applied = applying.apply(grant, Hands(Paths()))
            witness.tell(applied)
            return json.dumps({"applied": codec.encode(applied)}).encode()
        except Exception:  # noqa: BLE001  (a bug: the process cannot say it in another way)
            return json.dumps({"bug": traceback.format_exc()}).encode()

    for tried in range(_TRIES):  # where its process was killed, the second one says from the journal what it did
        try:
            said = json.loads(apart.run(work, stop) or b"{}")
        except apart.NoProcess as e:
            if tried:
                break
            return _told(Applied("failed", f"nothing was written: this node can start no process for it: {e}"))
        if "bug" in said:
            log("bug", deed="apply", traceback=said["bug"])
            raise CannotLook(
                f"the helper failed: {said['bug'].splitlines()[-1]}", kind="bug", fix="Ask `change_state` what is so."
            )
        if said:
            return codec.decode(Applied, said["applied"])
    raise CannotLook("the process that applies it ended without a word", kind="bug", fix="Ask `change_state` what is so.")


def _refused(why: str) -> Applied:
    return _told(Applied("not-offered", why))


def _told(applied: Applied) -> Applied:
    from node_helper.changes import witness

    witness.tell(applied)
    return applied


DEED = Deed(name="apply", query=Grant, answer=Applied, do=_do, refused=_refused)
