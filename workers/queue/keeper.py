"""The process that owns an embedded server: starts it, and stops it when the last process that uses it has ended, however it did.

Run as `python -I -S keeper.py SERVER CONFIG` in the server's folder; standard library only, so that it starts in milliseconds.
One lock is shared by all who use the server. Another is held by the keeper, whose pid is in its file, and by the server, so that
no second server ever opens the same data, not even while the first is being stopped.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import subprocess
import sys
import threading

KEEPER_LOCK = "keeper.lock"
USERS_LOCK = "users.lock"
REFUSED = 3
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main(server: str, config: str) -> int:
    """`REFUSED` when the server refuses to start; 0 when it has ended otherwise, or somebody else keeps one."""
    mine = os.open(KEEPER_LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(mine, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return 0
    os.truncate(mine, 0)
    os.write(mine, f"{os.getpid()}\n".encode())
    child = subprocess.Popen(
        [server, config],
        pass_fds=(mine,),
        preexec_fn=_end_with_parent,  # noqa: PLW1509  (there is no other thread yet)
    )
    threading.Thread(target=_stop_when_unused, args=(child,), daemon=True).start()
    return REFUSED if child.wait() > 0 else 0


def _stop_when_unused(child: subprocess.Popen[bytes]) -> None:
    """The users' lock is ours only when nobody shares it; it is kept until we end, so that newcomers wait for that."""
    fcntl.flock(os.open(USERS_LOCK, os.O_RDWR | os.O_CREAT, 0o600), fcntl.LOCK_EX)
    child.terminate()


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
