"""The process that holds a lab: it lives in the background, and everything of the lab ends with it.

It says its progress, a line for each part, on the pipe whose number it is given, and closes that when the lab is up.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import traceback
from types import FrameType

from deploy.lab import control
from deploy.lab.errors import LabError
from deploy.lab.lab import Lab
from deploy.lab.plan import NODES, WITH_DOCKER


def main(name: str, pipe: int, runtime: str = "containerd") -> int:
    """Hold the lab until it is asked to end, by ``down`` or by a signal. Status 1: the lab could not start."""
    os.set_inheritable(pipe, False)  # noqa: FBT003 - its only form
    server = control.listen(name)
    if server is None:
        return 0  # somebody else's lab of this name is starting: whoever asks for it waits for that
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _leave)
    lab = Lab(lambda line: _say(pipe, line), plans=WITH_DOCKER if runtime == "docker" else NODES)
    try:
        if not _is_up(lab, pipe):
            return 1
        os.close(pipe)
        control.serve(server, lambda what: _answer(lab, what))
    finally:
        lab.down()
    return 0


def _is_up(lab: Lab, pipe: int) -> bool:
    try:
        lab.up()
    except LabError as error:
        _say(pipe, str(error))
        return False
    except Exception:  # noqa: BLE001 - a bug of ours; this process has no other place to show it
        _say(pipe, traceback.format_exc())
        return False
    return True


def _answer(lab: Lab, what: str) -> control.Answer:
    if what == "down":
        lab.down()
        return {}
    if what == "status":
        return {**lab.describe(), "owner": os.getpid()}
    raise ValueError(what)


def _leave(number: int, _: FrameType | None) -> None:
    sys.exit(128 + number)


def _say(pipe: int, line: str) -> None:
    with contextlib.suppress(BrokenPipeError):  # whoever started us left; the lab goes on
        os.write(pipe, line.encode() + b"\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:]))
