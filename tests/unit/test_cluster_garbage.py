"""A server that is no Kubernetes API, or breaks off being one, is told from an empty cluster."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import RawTestServer

from tests.unit.cluster_views import ALL, QUICK, lagging, until
from workers.cluster import ClusterView, list_once

GARBAGE = [
    b"<html>not found</html>", b"", b"[]", b"5", b'{"items": 5}', b'{"items": [{}], "metadata": {}}', b"[" * 100_000, b"\xff\xfe",
    b'{"items": [], "metadata": {"resourceVersion": 5}}', b'{"items": [], "metadata": {"continue": {}}}',
]  # fmt: skip


@asynccontextmanager
async def server_that_says(answer: Callable[[web.BaseRequest], bytes], folder: Path) -> AsyncIterator[Path]:
    """The kubeconfig for something that answers each request with these bytes."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(body=answer(request))

    async with RawTestServer(handle) as server:
        context = {"name": "x", "context": {"cluster": "x", "user": "x"}}
        cluster = {"name": "x", "cluster": {"server": str(server.make_url(""))}}
        users = [{"name": "x", "user": {}}]
        said = {"clusters": [cluster], "contexts": [context], "users": users, "current-context": "x"}
        path = folder / "kubeconfig"
        path.write_text(json.dumps(said))
        yield path


@pytest.mark.parametrize("body", GARBAGE, ids=lambda b: b[:12])
async def test_a_server_that_is_no_kubernetes_api_is_told_from_an_empty_cluster(body: bytes, tmp_path: Path) -> None:
    async with server_that_says(lambda _: body, tmp_path) as kubeconfig:
        seen = await list_once("lab", kubeconfig)
    assert lagging(seen).keys() == ALL
    assert all(b.never and "where the Kubernetes API has" in b.reason for b in seen.behind)


@pytest.mark.parametrize(
    "body", [*GARBAGE[:1], *GARBAGE[2:], b'{"type":"ADDED","object":{}}\n', b"x" * 5_000_000], ids=lambda b: b[:12]
)
async def test_an_event_that_makes_no_sense_leads_to_another_list(body: bytes, tmp_path: Path) -> None:
    lists = 0

    def answer(request: web.BaseRequest) -> bytes:
        nonlocal lists
        if "watch" in request.query:
            return body
        lists += 1
        return b'{"items": [], "metadata": {"resourceVersion": "5"}}'

    async with server_that_says(answer, tmp_path) as kubeconfig:
        view = ClusterView("lab", kubeconfig, QUICK)
        await view.start()
        await until(view, lambda c: lists > len(ALL) and any("where the Kubernetes API has" in b.reason for b in c.behind))
        await view.aclose()
