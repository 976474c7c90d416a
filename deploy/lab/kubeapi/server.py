"""The HTTP side: who asks, whether they may, and which answer or stream they get."""

import asyncio
import hmac
import json
from collections import deque
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from aiohttp import web

from deploy.lab.kubeapi import reviews, watching
from deploy.lab.kubeapi.faults import Faults
from deploy.lab.kubeapi.listing import Lists
from deploy.lab.kubeapi.requests import understood
from deploy.lab.kubeapi.resources import Resource, of_path
from deploy.lab.kubeapi.rights import Request, Rule, forbidden
from deploy.lab.kubeapi.status import RefusalError, expired, not_found, unauthorized
from deploy.lab.kubeapi.store import Store


class Server:
    """Answers requests; called by aiohttp. `elsewhere` answers paths without objects (kmock's discovery)."""

    def __init__(self, store: Store, token: str, rules: Iterable[Rule], elsewhere: Any, bookmark_every: float) -> None:
        self.store = store
        self.faults = Faults()
        self.lists = Lists(store)
        self.token = token
        self.rules = tuple(rules)
        self.asked: deque[Request] = deque(maxlen=1000)
        self._elsewhere = elsewhere
        self._every = bookmark_every
        self._watches: set[watching.Watch] = set()
        self._connections: set[web.RequestHandler] = set()

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Serve one request."""
        self._connections = {c for c in self._connections if c.transport is not None} | {request.protocol}
        try:
            return await self._served(request)
        except RefusalError as refusal:
            return _answer(refusal.body, refusal.code)

    def expire(self) -> None:
        """Forget all changes: every version and continue token is too old, open watches are told so."""
        self.store.compact()
        self.lists.expire()
        for watch in self._watches:
            watch.fail(expired("The resourceVersion for the provided watch is too old."))

    def drop(self) -> None:
        """Reset every connection in the middle of whatever it does."""
        for connection in self._connections:
            if isinstance(connection.transport, asyncio.Transport):  # none any more where the client has gone
                connection.transport.abort()
        self._connections.clear()

    async def _served(self, request: web.BaseRequest) -> web.StreamResponse:
        await asyncio.sleep(self.faults.slow)
        if code := self.faults.status:
            raise RefusalError(code, "InternalError", f"Internal error occurred: {HTTPStatus(code).phrase}")
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(token.encode(), self.token.encode()):
            raise unauthorized()
        if request.method == "POST" and request.path in reviews.PATHS:
            body = reviews.answer(request.path, await request.read(), self.rules, self._allows)
            return _answer(body, HTTPStatus.CREATED)
        said = understood(request.method, request.path, request.query)
        if said is None:
            return await self._discovered(request)
        wanted, version = said
        self.asked.append(wanted)
        resource = of_path(wanted.group, version, wanted.resource)
        if not self._allows(wanted):
            raise forbidden(wanted, f"{wanted.resource}.{wanted.group}" if wanted.group else wanted.resource)
        if resource is None:
            raise RefusalError(404, "NotFound", "the server could not find the requested resource")
        return await self._resource(request, resource, wanted)

    async def _resource(self, request: web.BaseRequest, resource: Resource, wanted: Request) -> web.StreamResponse:
        match wanted.verb:
            case "list":
                return _answer(self.lists.answer(resource, wanted.namespace, request.query))
            case "watch":
                return await self._watch(request, watching.wanted(resource, wanted.namespace, request.query))
            case "get":
                found = self.store.get(resource.kind, wanted.name, wanted.namespace)
                if found is None:
                    raise not_found(resource.plural, wanted.name)
                return _answer(found)
        raise RefusalError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")

    async def _watch(self, request: web.BaseRequest, want: watching.Wanted) -> web.StreamResponse:
        watch = watching.Watch(self.store, want, self._every)
        try:
            watch.open()
        except RefusalError as refusal:
            if refusal.code != HTTPStatus.GONE or self.faults.gone_as == "status":
                raise
            watch.fail(refusal)
        self._watches.add(watch)
        try:
            return await _stream(request, watch)
        finally:
            self._watches.discard(watch)
            watch.close()

    async def _discovered(self, request: web.BaseRequest) -> web.StreamResponse:
        """Paths with a slash at their end, for which clients do ask, are unknown to kmock."""
        bare = request.rel_url.with_path(request.path.rstrip("/") or "/")
        answer: web.StreamResponse = await self._elsewhere(request.clone(rel_url=bare))
        return answer

    def _allows(self, wanted: Request) -> bool:
        return wanted.resource not in self.faults.denied and any(rule.allows(wanted) for rule in self.rules)


async def _stream(request: web.BaseRequest, watch: watching.Watch) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    response.enable_chunked_encoding()
    await response.prepare(request)
    async for line in watch.lines():
        await response.write(line)
    await response.write_eof()
    return response


def _answer(body: Any, status: int = 200) -> web.Response:
    return web.Response(body=json.dumps(body, separators=(",", ":")).encode(), status=status, content_type="application/json")
