"""The one way to the API server: `kubernetes.aio`, its configuration and its raw JSON; every exception of its is translated here.

Raw JSON rather than the client's models: those cost many times the reading of the answer itself.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any
from weakref import WeakSet

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong
from kubernetes.aio import client
from kubernetes.aio.client.rest import RESTClientObject

from workers.kubernetes import collecting, configuration
from workers.kubernetes.errors import ApiTrouble, Expired, Malformed

CONNECT_S = 10.0
ANSWER_S = 60.0
"""What one page of a list may take from the server's first byte to the last."""
_CLOSED_S = 1.0
"""What the last sockets may take to close once they are cut: a few turns of the loop."""

Query = Mapping[str, str | int]


class Connection:
    """Requests to one API server. The configuration is read at the first request, and again whenever the token is refused."""

    def __init__(self, kubeconfig: Path | None = None) -> None:
        """`kubeconfig` None: in-cluster configuration, else KUBECONFIG, else ~/.kube/config."""
        self._kubeconfig = kubeconfig
        self._client: Any = None
        self._opening = asyncio.Lock()

    async def get(self, path: str, query: Query) -> Any:
        """The JSON at a path. Raises `ApiTrouble`, `Expired`, `Malformed`."""
        async with self._request("GET", path, query, None, ANSWER_S) as response:
            return parsed(await response.read())

    async def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """The JSON that is answered to a new object. Raises as `get` does."""
        async with self._request("POST", path, {}, body, ANSWER_S) as response:
            return parsed(await response.read())

    @asynccontextmanager
    async def lines(self, path: str, query: Query, quiet_s: float) -> AsyncIterator[AsyncIterator[bytes]]:
        """A stream of lines, which breaks when nothing comes for `quiet_s` seconds. Raises as `get` does."""
        async with self._request("GET", path, query, None, quiet_s) as response, aclosing(_lines(response)) as lines:
            yield lines

    async def aclose(self) -> None:
        """Close every connection; after it none is open."""
        if self._client is not None:
            closing, self._client = self._client, None
            await closing.close()
            await closing.rest_client.cut()

    @asynccontextmanager
    async def _request(
        self, method: str, path: str, query: Query, body: Any, quiet_s: float
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        where = self._client.configuration.host if self._client else "the API server"
        with _translated(where):
            response = await self._answered(method, path, query, body, quiet_s)
            try:
                if response.status >= HTTPStatus.BAD_REQUEST:
                    raise _refused(response.status, await response.read())
                yield response
            finally:
                _abandon(response)

    async def _answered(self, method: str, path: str, query: Query, body: Any, quiet_s: float) -> aiohttp.ClientResponse:
        async with self._opening:
            self._client = self._client or _client(await configuration.load(self._kubeconfig))
        response = await self._sent(method, path, query, body, quiet_s)
        if response.status == HTTPStatus.UNAUTHORIZED and await self._token_changed():
            response.close()
            response = await self._sent(method, path, query, body, quiet_s)
        return response

    async def _sent(self, method: str, path: str, query: Query, body: Any, quiet_s: float) -> aiohttp.ClientResponse:
        api = self._client
        sent = await api.param_serialize(
            method, path, query_params=list(query.items()), header_params={"Accept": "application/json"}, body=body,
            auth_settings=["BearerToken"],
        )  # fmt: skip
        verb, url, headers, serialized, _ = sent
        timeout = aiohttp.ClientTimeout(total=None, connect=CONNECT_S, sock_connect=CONNECT_S, sock_read=quiet_s)
        answer = await api.rest_client.request(verb, url, headers=headers, body=serialized, _request_timeout=timeout)
        response: aiohttp.ClientResponse = answer.response
        return response

    async def _token_changed(self) -> bool:
        """Read the configuration again: token files rotate, exec plugins' tokens end."""
        now, fresh = self._client.configuration, await configuration.load(self._kubeconfig)
        if fresh.api_key == now.api_key:
            return False
        now.api_key = fresh.api_key
        return True


def _client(configured: Any) -> Any:
    made = client.ApiClient(configured)
    made.rest_client = _Connections(configured)
    return made


class _Connections(RESTClientObject):  # type: ignore[misc]  # the library says no types
    """The client's own, whose sockets are known: its `close` leaves those open that were about to be connected.

    A request that is cancelled when TLS has just been agreed ends it politely, and waits for a server that may be gone.
    """

    def __init__(self, configured: Any) -> None:
        super().__init__(configured)
        self._sockets: WeakSet[socket.socket] = WeakSet()

    async def cut(self) -> None:
        """Cut what is still open, and wait until it is closed."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSED_S):
                while still_open := [each for each in self._sockets if each.fileno() >= 0]:
                    for each in still_open:
                        with suppress(OSError):  # not connected yet, or not any more
                            each.shutdown(socket.SHUT_RDWR)
                    await asyncio.sleep(0.001)

    def _create_connector(self) -> aiohttp.TCPConnector:
        return aiohttp.TCPConnector(limit=self.maxsize, ssl=self.ssl_context, socket_factory=self._socket)

    def _socket(self, where: aiohttp.AddrInfoType) -> socket.socket:
        family, kind, protocol, _, _ = where
        made = socket.socket(family, kind, protocol)
        self._sockets.add(made)
        return made


def parsed(body: bytes) -> Any:
    """The JSON. Raises `Malformed`."""
    try:
        with collecting.put_off():
            return json.loads(body)
    except (ValueError, RecursionError) as e:
        raise Malformed("the answer", body[:40], "JSON") from e


def _abandon(response: aiohttp.ClientResponse) -> None:
    """Give the connection back, or cut it where more would have come: TLS's polite end waits for a server that may be gone."""
    if response.connection is not None and response.connection.transport is not None:
        response.connection.transport.abort()
    response.close()


async def _lines(response: aiohttp.ClientResponse) -> AsyncGenerator[bytes, None]:
    """Raises `Malformed` for a line longer than the client's buffer, 4 MiB: etcd holds no object that large."""
    while True:
        try:
            line = await response.content.readline()
        except (ValueError, LineTooLong) as e:
            raise Malformed("an event", "longer than 4 MiB", "lines") from e
        if not line:
            return
        yield line


@contextmanager
def _translated(where: str) -> Iterator[None]:
    try:
        yield
    except aiohttp.ClientConnectorCertificateError as e:
        fix = "Put the authority that signed the API server's certificate into the kubeconfig (certificate-authority)."
        raise ApiTrouble(f"{where}: its certificate is not trusted: {e}", kind="denied", fix=fix) from e
    except TimeoutError as e:
        raise ApiTrouble(f"{where} is silent", kind="timeout", fix=_FIX) from e
    except aiohttp.ClientConnectorError as e:
        raise ApiTrouble(f"{where} does not answer: {_said(e.os_error)}", kind="unreachable", fix=_FIX) from e
    except (aiohttp.ServerDisconnectedError, aiohttp.ClientPayloadError, ConnectionError) as e:
        raise ApiTrouble(f"{where} cut the connection", kind="unreachable", fix=_FIX) from e
    except (aiohttp.ClientError, HttpProcessingError, OSError, ValueError) as e:
        raise ApiTrouble(f"{where} does not answer: {e}", kind="unreachable", fix=_FIX) from e


_FIX = "Check that the API server is up and reachable from here, and that the kubeconfig names it; `netcheck-bot doctor` asks it."


def _said(error: OSError) -> str:
    """The message of asyncio repeats the address; the error number says it better."""
    return os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)


def _refused(status: int, body: bytes) -> Exception:
    message = _message(body)
    match status:
        case HTTPStatus.GONE:
            return Expired(message)
        case HTTPStatus.UNAUTHORIZED:
            fix = "Renew the token in the kubeconfig, or the service account's."
            return ApiTrouble("the API server does not accept our credentials (401)", kind="denied", fix=fix)
        case HTTPStatus.FORBIDDEN:
            return ApiTrouble(
                message, kind="denied", fix="Grant this right; deploy/kustomize/base/rbac.yaml has all that are needed."
            )
        case HTTPStatus.NOT_FOUND:
            return ApiTrouble(f"the API server answers 404: {message}", kind="missing", fix=_FIX)
        case HTTPStatus.GATEWAY_TIMEOUT if "Too large resource version" in message:
            return Expired(message)
    return ApiTrouble(f"the API server answers {status}: {message}", kind="unreachable", fix=_FIX)


def _message(body: bytes) -> str:
    """What a `Status` says, or the start of whatever came instead."""
    with suppress(ValueError, AttributeError, RecursionError):
        return str(json.loads(body)["message"] if b'"message"' in body else body.decode())[:300]
    return body[:300].decode(errors="replace")
