"""The API server as a part of the lab: a thread with a port of its own on 127.0.0.1, a kubeconfig file, and fault switches."""

import asyncio
import json
import secrets
import socket
import threading
from collections.abc import Coroutine, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import kmock
from aiohttp import web

from deploy.lab.kubeapi import certificates
from deploy.lab.kubeapi.faults import Faults
from deploy.lab.kubeapi.resources import RESOURCES
from deploy.lab.kubeapi.rights import LEAST, USER, Request, Rule
from deploy.lab.kubeapi.server import Server
from deploy.lab.kubeapi.store import Store

_T = TypeVar("_T")
_PATIENCE_S = 10.0


class KubeApi:
    """Serves `store` over HTTPS from `start` to `stop` (`close` is the same). Its methods may be called from any thread.

    `kubeconfig` is the file that clients use; `rules` are the rights of its token, by default those that the product needs.
    """

    def __init__(
        self,
        store: Store,
        folder: Path,
        *,
        rules: Iterable[Rule] = LEAST,
        cluster: str = "lab",
        bookmark_every: float = 60.0,
    ) -> None:
        """`folder` exists and holds certificates, token and kubeconfig; `bookmark_every` is in seconds."""
        self.store = store
        self.token = secrets.token_urlsafe(24)
        self.kubeconfig = folder / "kubeconfig"
        self._cluster = cluster
        self._certificates = certificates.make(folder)
        self._place = _reserved_port()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="kubeapi", daemon=True)
        self._discovery = _discovery()
        self._server = Server(store, self.token, rules, self._discovery, bookmark_every)
        self._runner: web.ServerRunner | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"https://127.0.0.1:{self._place.getsockname()[1]}"

    @property
    def faults(self) -> Faults:
        """The switches."""
        return self._server.faults

    @property
    def asked(self) -> tuple[Request, ...]:
        """Every request for objects that carried the right token, in the order in which they came."""
        return tuple(self._server.asked)

    def start(self) -> None:
        """Listen, and write the kubeconfig."""
        self._thread.start()
        self._run(self._discovery.__aenter__())
        self._run(self._open())
        self.kubeconfig.touch(mode=0o600)
        self.kubeconfig.write_text(self.config(self.token))

    def stop(self) -> None:
        """End; connections are reset, the port is free again. Also where it was never started."""
        if self._thread.is_alive():
            self._run(self._shut())
            self._run(self._discovery.__aexit__(None, None, None))
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(_PATIENCE_S)
        self._loop.close()
        self._place.close()

    close = stop

    def away(self) -> None:
        """Reset every connection and refuse new ones, until `back`."""
        self._run(self._shut())

    def back(self) -> None:
        """Listen again, at the same port."""
        self._run(self._open())

    def drop(self) -> None:
        """Reset every connection once."""
        self._loop.call_soon_threadsafe(self._server.drop)

    def expire(self) -> None:
        """Make every version and continue token too old: 410 for who resumes, an ERROR event for who watches."""
        self._loop.call_soon_threadsafe(self._server.expire)

    def rotate(self, token: str) -> None:
        """From now on only this token is right; the kubeconfig is not written again."""
        self._server.token = token

    def config(self, token: str) -> str:
        """A kubeconfig for this server (JSON, which is YAML)."""
        cluster = {"server": self.url, "certificate-authority": str(self._certificates.authority)}
        context = {"cluster": self._cluster, "user": USER}
        return json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": self._cluster, "cluster": cluster}],
                "users": [{"name": USER, "user": {"token": token}}],
                "contexts": [{"name": self._cluster, "context": context}],
                "current-context": self._cluster,
            },
            indent=2,
        )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()

    async def _open(self) -> None:
        self._runner = web.ServerRunner(
            web.Server(self._server, access_log=None, handler_cancellation=True), shutdown_timeout=0.1
        )
        await self._runner.setup()
        port = self._place.getsockname()[1]
        await web.TCPSite(self._runner, "127.0.0.1", port, ssl_context=self._certificates.context(), reuse_port=True).start()

    async def _shut(self) -> None:
        if self._runner is not None:
            for site in tuple(self._runner.sites):
                await site.stop()
            self._server.drop()
            await self._runner.cleanup()
            self._runner = None

    def _run(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(_PATIENCE_S)


def _reserved_port() -> socket.socket:
    """A port that stays ours while nobody listens there: bound, never listening, shared with the listening socket."""
    place = socket.socket()
    place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    place.bind(("127.0.0.1", 0))
    return place


def _discovery() -> Any:
    """The bare API server of kmock, told of our resources."""
    server = kmock.KubernetesScaffold()
    for resource in RESOURCES:
        server.resources[f"{resource.api_version}/{resource.plural}"] = {
            "kind": resource.kind,
            "namespaced": resource.namespaced,
            "singular": resource.kind.lower(),
            "verbs": ["get", "list", "watch"],
        }
    return server
