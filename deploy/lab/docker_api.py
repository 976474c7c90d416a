"""Docker Engine's HTTP interface (docs.docker.com/engine/api) on a node's socket, as cri-dockerd uses it."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from deploy.lab.errors import LabError

_SECONDS = 30.0
_REFUSED = 400


class _Connection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("docker", timeout=_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(_SECONDS)
        self.sock.connect(str(self._path))


class Docker:
    """One daemon, by its socket; every call is a connection of its own."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def create(self, name: str, body: Mapping[str, object]) -> str:
        """Create a container; its id."""
        return str(self.call("POST", f"/containers/create?{urlencode({'name': name})}", body)["Id"])

    def start(self, container: str) -> Any:
        """Start it; what ``inspect`` says of it then."""
        self.call("POST", f"/containers/{container}/start")
        return self.inspect(container)

    def inspect(self, container: str) -> Any:
        """All that docker knows of it."""
        return self.call("GET", f"/containers/{container}/json")

    def remove(self, container: str) -> None:
        """Kill and forget it."""
        self.call("DELETE", f"/containers/{container}?force=true")

    def call(self, method: str, target: str, body: Mapping[str, object] | None = None) -> Any:
        """The JSON of the answer. Raises :class:`LabError` with what docker says."""
        connection = _Connection(self._path)
        try:
            said = None if body is None else json.dumps(body)
            connection.request(method, target, said, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read().decode()
        except (OSError, http.client.HTTPException) as error:
            raise LabError(f"docker: {method} {target}: {error}") from error
        finally:
            connection.close()
        if answer.status >= _REFUSED:
            raise LabError(f"docker: {method} {target}: {answer.status} {text.strip()}")
        return json.loads(text) if text else None
