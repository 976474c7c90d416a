"""One GET to a daemon on its unix socket, with its own limits of time and size. Nothing but GET is ever sent."""

from __future__ import annotations

import http.client
import os
import socket
import stat
import time
from typing import Any, Optional

from node_helper.linux.errors import translated
from node_helper.protocol import CannotLook

_SECONDS = 3.0
_HEADS = 1 << 16  # bytes beside the body, which may come in many chunks
_OK, _NOT_FOUND = 200, 404


class _Bounded(socket.socket):
    """Ends a talk that lasts too long or grows too large, in whatever pieces it comes."""

    def __init__(self, path: str, most: int) -> None:
        super().__init__(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self._path, self._left, self._ends = path, most, time.monotonic() + _SECONDS
        self.settimeout(_SECONDS)

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        seconds = self._ends - time.monotonic()
        if seconds <= 0:
            raise TimeoutError
        self.settimeout(seconds)
        size = super().recv_into(*args, **kwargs)
        self._left -= size
        if self._left < 0:
            raise CannotLook(f"{self._path} answered with too many bytes", kind="budget")
        return size


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: str, most: int) -> None:
        super().__init__("localhost", timeout=_SECONDS)
        self._path = path
        self._most = most

    def connect(self) -> None:
        self.sock = _Bounded(self._path, self._most)
        self.sock.connect(self._path)


def get(path: str, target: str, limit: int) -> Optional[str]:
    """The body; None where there is no such socket, nobody listens on it, or the daemon has no such thing."""
    with translated(path):
        if not _is_socket(path):
            return None
        connection = _Connection(path, 2 * limit + _HEADS)
        try:
            return _get(connection, path, target, limit)
        except ConnectionRefusedError:
            return None
        except (http.client.HTTPException, ValueError) as e:  # the latter for a chunk of less than no bytes
            raise CannotLook(f"{path} does not speak HTTP: {type(e).__name__}", kind="malformed") from e
        finally:
            connection.close()


def _get(connection: _Connection, path: str, target: str, limit: int) -> Optional[str]:
    connection.request("GET", target)
    response = connection.getresponse()
    if response.status == _NOT_FOUND:
        return None
    if response.status != _OK:
        raise CannotLook(f"{path} answered GET {target} with status {response.status}", kind="malformed")
    body = response.read(limit + 1)
    if len(body) > limit:
        raise CannotLook(f"{path} answered GET {target} with more than {limit} bytes", kind="budget")
    if response.length:
        raise http.client.IncompleteRead(body, response.length)
    return body.decode(errors="backslashreplace")


def _is_socket(path: str) -> bool:
    try:
        return stat.S_ISSOCK(os.stat(path).st_mode)
    except FileNotFoundError:
        return False
