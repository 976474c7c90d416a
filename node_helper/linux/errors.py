"""What the kernel's errors mean for a question."""

from __future__ import annotations

import errno
from contextlib import contextmanager
from typing import Iterator

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


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn `OSError` and malformed answers into `CannotLook` that says what could not be looked at."""
    try:
        yield
    except TimeoutError as e:
        raise CannotLook(f"{what}: no answer in time", kind="timeout", fix="ask again") from e
    except OSError as e:
        # socket.timeout of Python 3.9 has no errno.
        kind, fix = _KINDS.get(e.errno or errno.EAGAIN, ("bug", ""))
        raise CannotLook(f"{what}: {e.strerror or 'no answer in time'}", kind=kind, fix=fix) from e
    except Malformed as e:
        raise CannotLook(f"{what}: {e}", kind="malformed") from e
