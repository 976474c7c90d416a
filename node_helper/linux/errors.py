"""What the kernel's errors mean for a question."""

from __future__ import annotations

import errno
from types import TracebackType
from typing import Optional

from node_helper.linux.netlink import Malformed
from node_helper.protocol import CannotLook

_KINDS = {
    errno.ENOENT: ("gone", ""),
    errno.ESRCH: ("gone", ""),
    errno.ENOTDIR: ("gone", ""),
    errno.ENXIO: ("gone", ""),
    errno.ENODEV: ("gone", ""),
    errno.ENOTTY: ("gone", ""),
    errno.EPERM: ("denied", "the helper needs root on the node"),
    errno.EACCES: ("denied", "the helper needs root on the node"),
    errno.EOPNOTSUPP: ("missing", "this kernel does not offer it"),
    errno.EAFNOSUPPORT: ("missing", "this kernel does not offer it"),
    errno.EPROTONOSUPPORT: ("missing", "this kernel does not offer it"),
    errno.EAGAIN: ("timeout", "ask again"),
    errno.ETIMEDOUT: ("timeout", "ask again"),
}


class translated:  # noqa: N801  (used like the functions of contextlib, which cost four times as much at each of many uses)
    """Turn `OSError` and malformed answers into `CannotLook` that says what could not be looked at."""

    __slots__ = ("_what",)

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        if isinstance(error, (TimeoutError, BlockingIOError)):  # the latter where SO_RCVTIMEO was over
            raise CannotLook(f"{self._what}: no answer in time", kind="timeout", fix="ask again") from error
        if isinstance(error, OSError):
            # socket.timeout of Python 3.9 has no errno.
            word, fix = _KINDS.get(error.errno or errno.EAGAIN, ("bug", ""))
            raise CannotLook(f"{self._what}: {error.strerror or 'no answer in time'}", kind=word, fix=fix) from error
        if isinstance(error, Malformed):
            raise CannotLook(f"{self._what}: {error}", kind="malformed") from error
