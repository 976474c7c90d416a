"""Work that goes on when the helper, its connection and whoever started it are gone: in a process of its own. I/O.

It is a child of PID 1 in a session of its own, with nothing inherited but the end of a pipe on which it tells what came of it.
"""

from __future__ import annotations

import errno
import os
import select
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Callable, NoReturn, Optional

if TYPE_CHECKING:
    from node_helper.stop import Stop


class NoProcess(OSError):
    """No process could be started: nothing was begun."""


_LAST = 1 << 16
_WHY = 200
_PIPE = 3
_CGROUPS = "/sys/fs/cgroup"


def run(work: Callable[[], bytes], stop: Stop) -> bytes:
    """What the work said, b"" where it ended before. Raises `CannotLook` when nobody waits any more; the work goes on.

    Raises `NoProcess`.
    """
    poll = select.poll()
    poll.register(stop, select.POLLIN)
    said = _apart(lambda pipe: _say(pipe, work()))
    heard = b""
    try:
        poll.register(said, select.POLLIN)
        while True:
            poll.poll(max(stop.left, 0) * 1000)
            stop.check()
            data = os.read(said, _LAST)
            if not data:
                return heard
            heard += data
    finally:
        os.close(said)


def start(argv: list[str], ready: bytes, seconds: float) -> str:
    """Start a program that stays, in a cgroup of its own where one can be made. Why it does not, "" once it says `ready`.

    It says so on descriptor 3, or its failure, on standard error too. Raises `NoProcess`.
    """

    def become(pipe: int) -> None:
        for told in (_PIPE, 2):
            os.dup2(pipe, told)
        os.set_inheritable(_PIPE, True)  # noqa: FBT003  (it takes no keyword)
        os.execve(argv[0], argv, {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"})  # noqa: S606  (no shell is wanted)

    said, heard = _apart(become), b""
    try:
        while not heard.endswith(ready):  # a loader that could not preload something says that first
            if not select.select([said], [], [], seconds)[0]:
                return f"it does not say within {seconds:g} s that it waits"
            data = os.read(said, _LAST)
            if not data:
                return heard.decode(errors="replace").strip().rpartition("\n")[2][:_WHY] or "it ended without a word"
            heard += data
        return ""
    finally:
        os.close(said)


def tell(ready: bytes) -> None:
    """For the program that was started so: say that all is well, and nothing more."""
    os.write(_PIPE, ready)
    os.close(_PIPE)
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    os.close(nothing)


def enter_cgroup(name: str) -> Optional[str]:
    """Leave the cgroup of the connection, which may be ended as a whole; None where that cannot be (cgroup v1, no rights)."""
    folder = os.path.join(_CGROUPS, f"netcheck-{name}-{os.getpid()}")
    if not os.path.exists(os.path.join(_CGROUPS, "cgroup.procs")):
        return None
    try:
        os.mkdir(folder)
        _join(folder)
    except OSError:
        with suppress(OSError):
            os.rmdir(folder)
        return None
    return folder


def leave_cgroup(folder: Optional[str]) -> None:
    """Go up, so that it can be removed."""
    if folder is not None:
        with suppress(OSError):
            _join(_CGROUPS)
            os.rmdir(folder)


def _apart(work: Callable[[int], None]) -> int:
    """The reading end of what `work` writes to the descriptor that it is given, in a process whose parent is PID 1."""
    try:
        reading, writing = os.pipe()
    except OSError as e:
        raise NoProcess(e.errno, e.strerror) from e
    try:
        _fork(work, writing)
    except OSError as e:
        os.close(reading)
        raise NoProcess(e.errno, e.strerror) from e
    finally:
        os.close(writing)
    return reading


def _fork(work: Callable[[int], None], pipe: int) -> None:
    child = os.fork()
    if child == 0:
        _second(work, pipe)
    number = 0
    with suppress(ChildProcessError):  # where whoever started us ignores SIGCHLD, nobody tells how it ended
        number = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if number > 0:
        raise OSError(number, os.strerror(number))


def _second(work: Callable[[int], None], pipe: int) -> NoReturn:
    number = 0
    try:
        os.setsid()
        if os.fork() == 0:
            _settle(pipe)
            work(pipe)
    except OSError as e:
        number = e.errno or errno.EIO
    finally:
        os._exit(number)


def _settle(pipe: int) -> None:
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.chdir("/")
    os.umask(0o077)
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    for inherited in map(int, os.listdir("/proc/self/fd")):
        if inherited not in (0, 1, 2, pipe):
            with suppress(OSError):  # the one that listed them
                os.close(inherited)


def _say(pipe: int, said: bytes) -> None:
    rest = memoryview(said)
    with suppress(OSError):  # nobody listens any more: the journal has it
        while rest:
            rest = rest[os.write(pipe, rest) :]


def _join(folder: str) -> None:
    with open(os.path.join(folder, "cgroup.procs"), "w") as procs:
        procs.write("0")
