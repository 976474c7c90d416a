"""One GET to a daemon on its unix socket, with its own limits of time and size. Nothing but GET is ever sent."""

from __future__ import annotations

import http.client
import os
import socket
import stat
from typing import Optional

from node_helper.linux.errors import translated
from node_helper.protocol import CannotLook

_SECONDS = 3.0
_OK, _NOT_FOUND = 200, 404


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self.sock.settimeout(_SECONDS)
        self.sock.connect(self._path)


def get(path: str, target: str, limit: int) -> Optional[str]:
    """The body; None where there is no such socket, nobody listens on it, or the daemon has no such thing."""
    with translated(path):
        if not _is_socket(path):
            return None
        connection = _Connection(path)
        try:
            return _get(connection, path, target, limit)
        except ConnectionRefusedError:
            return None
        except http.client.HTTPException as e:
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
