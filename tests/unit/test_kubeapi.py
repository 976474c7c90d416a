"""The lab's API server behaves as the API documents, where clients rely on it (kubernetes.io, API Concepts)."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from deploy.lab.kubeapi import KubeApi, Store, certificates
from deploy.lab.kubeapi.rights import EVERYTHING
from tests import kube_objects

PODS = "/api/v1/pods"


@pytest.fixture
def store() -> Store:
    store = Store()
    store.put(kube_objects.pod("web-1", node="node-one", app="web", tier="front"))
    store.put(kube_objects.pod("web-2", node="node-two", app="web"))
    store.put(kube_objects.pod("db", "shop", node="node-two", app="db"))
    return store


@pytest.fixture
def api(store: Store, tmp_path: Path) -> Iterator[KubeApi]:
    with KubeApi(store, tmp_path, bookmark_every=0.05) as running:
        yield running


class Client:
    """Plain HTTP, so that nothing between hides what the server says."""

    def __init__(self, api: KubeApi, session: aiohttp.ClientSession) -> None:
        self._api = api
        self._session = session

    async def get(self, path: str, token: str | None = None, **query: str) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {self._api.token if token is None else token}"}
        async with self._session.get(self._api.url + path, params=query, headers=headers) as response:
            return response.status, json.loads(await response.read())

    async def post(self, path: str, body: Any) -> Any:
        headers = {"Authorization": f"Bearer {self._api.token}"}
        async with self._session.post(self._api.url + path, json=body, headers=headers) as response:
            return await response.json()

    async def names(self, path: str = PODS, **query: str) -> list[str]:
        status, body = await self.get(path, **query)
        assert status == 200, body
        return [item["metadata"]["name"] for item in body["items"]]

    async def watch(self, path: str = PODS, **query: str) -> list[tuple[str, Any]]:
        """Everything that is sent in the second that a watch lasts at least."""
        headers = {"Authorization": f"Bearer {self._api.token}"}
        asked = {"watch": "true", "timeoutSeconds": "1", **query}
        async with self._session.get(self._api.url + path, params=asked, headers=headers) as response:
            lines = (await response.read()).splitlines()
        return [(event["type"], event["object"]) for event in map(json.loads, lines)]


@pytest_asyncio.fixture
async def client(api: KubeApi, tmp_path: Path) -> AsyncIterator[Client]:
    context = ssl.create_default_context(cafile=str(tmp_path / "ca.crt"))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session:
        yield Client(api, session)


async def test_a_list_has_a_version_and_items_without_kind(client: Client, store: Store) -> None:
    _, body = await client.get(PODS)
    assert (body["kind"], body["apiVersion"], body["metadata"]) == ("PodList", "v1", {"resourceVersion": str(store.version)})
    assert "kind" not in body["items"][0]


@pytest.mark.parametrize(
    ("path", "query", "names"),
    [
        (PODS, {}, ["web-1", "web-2", "db"]),
        ("/api/v1/namespaces/shop/pods", {}, ["db"]),
        (PODS, {"labelSelector": "app=web"}, ["web-1", "web-2"]),
        (PODS, {"labelSelector": "app==web,tier"}, ["web-1"]),
        (PODS, {"labelSelector": "app!=web"}, ["db"]),
        (PODS, {"labelSelector": "app in (web, db),!tier"}, ["web-2", "db"]),
        (PODS, {"labelSelector": "tier notin (front)"}, ["web-2", "db"]),
        (PODS, {"fieldSelector": "spec.nodeName=node-two"}, ["web-2", "db"]),
        (PODS, {"fieldSelector": "metadata.name=db,metadata.namespace!=default"}, ["db"]),
        (PODS, {"fieldSelector": "status.phase!=Running"}, []),
    ],
)
async def test_lists_are_selected(client: Client, path: str, query: dict[str, str], names: list[str]) -> None:
    assert await client.names(path, **query) == names


@pytest.mark.parametrize(
    "query", [{"fieldSelector": "spec.color=red"}, {"labelSelector": "a in b"}, {"limit": "x"}, {"continue": "?"}]
)
async def test_what_makes_no_sense_is_a_bad_request(client: Client, query: dict[str, str]) -> None:
    status, body = await client.get(PODS, **query)
    assert (status, body["kind"], body["reason"]) == (400, "Status", "BadRequest")


async def test_pages_show_the_moment_of_the_first(client: Client, store: Store) -> None:
    _, first = await client.get(PODS, limit="2")
    store.delete("Pod", "db", "shop")
    _, second = await client.get(PODS, limit="2", **{"continue": first["metadata"]["continue"]})
    assert [len(page["items"]) for page in (first, second)] == [2, 1]
    assert first["metadata"]["resourceVersion"] == second["metadata"]["resourceVersion"]
    assert first["metadata"]["remainingItemCount"] == 1
    assert "continue" not in second["metadata"]


async def test_an_expired_page_is_gone(client: Client, api: KubeApi) -> None:
    _, first = await client.get(PODS, limit="2")
    api.expire()
    status, body = await client.get(PODS, limit="2", **{"continue": first["metadata"]["continue"]})
    assert (status, body["reason"]) == (410, "Expired")


async def test_a_watch_resumes_after_its_version(client: Client, store: Store) -> None:
    since = str(store.version)
    store.put(kube_objects.pod("new"))
    store.put(kube_objects.pod("new") | {"status": {"phase": "Failed"}})
    store.delete("Pod", "new", "default")
    seen = await client.watch(resourceVersion=since)
    assert [kind for kind, _ in seen] == ["ADDED", "MODIFIED", "DELETED"]
    assert seen[-1][1]["metadata"]["resourceVersion"] == str(store.version)
    assert seen[0][1]["kind"] == "Pod"


async def test_a_watch_without_a_version_begins_with_what_there_is(client: Client) -> None:
    seen = await client.watch()
    assert [(kind, obj["metadata"]["name"]) for kind, obj in seen] == [("ADDED", n) for n in ("web-1", "web-2", "db")]


async def test_a_watched_object_that_leaves_the_selector_is_deleted_for_the_watcher(client: Client, store: Store) -> None:
    since = str(store.version)
    store.put(kube_objects.pod("web-1", app="other"))
    store.put(kube_objects.pod("db", "shop", app="web"))
    seen = await client.watch(resourceVersion=since, labelSelector="app=web")
    assert [(kind, obj["metadata"]["name"]) for kind, obj in seen] == [("DELETED", "web-1"), ("ADDED", "db")]


async def test_bookmarks_come_only_to_who_allows_them_and_name_the_newest_version(client: Client, store: Store) -> None:
    since = str(store.version)
    store.put(kube_objects.node("node-one"))
    assert await client.watch(resourceVersion=since) == []
    marks = await client.watch(resourceVersion=since, allowWatchBookmarks="true")
    assert {kind for kind, _ in marks} == {"BOOKMARK"}
    assert marks[-1][1]["metadata"]["resourceVersion"] == str(store.version)


async def test_a_watch_from_a_version_that_was_forgotten_is_gone_in_both_ways(client: Client, api: KubeApi, store: Store) -> None:
    since = str(store.version)
    store.compact()
    ((kind, status),) = await client.watch(resourceVersion=since)
    assert (kind, status["code"], status["reason"]) == ("ERROR", 410, "Expired")
    api.faults.gone_as = "status"
    code, body = await client.get(PODS, watch="true", resourceVersion=since)
    assert (code, body["code"]) == (410, 410)


async def test_history_is_bounded(tmp_path: Path) -> None:
    store = Store(history=2)
    for name in ("a", "b", "c", "d"):
        store.put(kube_objects.node(name))
    heard: list[int] = []
    store.subscribe(lambda change: heard.append(change.version), store.version - 2)()
    assert heard == [4, 5]
    with KubeApi(store, tmp_path) as api:
        context = ssl.create_default_context(cafile=str(tmp_path / "ca.crt"))
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session:
            ((kind, status),) = await Client(api, session).watch("/api/v1/nodes", resourceVersion=str(store.version - 3))
    assert (kind, status["code"]) == ("ERROR", 410)


async def test_an_open_watch_ends_with_an_error_when_its_version_expires(client: Client, api: KubeApi, store: Store) -> None:
    watching = asyncio.create_task(client.watch(resourceVersion=str(store.version), timeoutSeconds="60"))
    while not any(r.verb == "watch" for r in api.asked):  # noqa: ASYNC110  (the server runs in a thread of its own)
        await asyncio.sleep(0.01)
    api.expire()
    assert (await watching)[-1][1]["code"] == 410


async def test_a_version_of_the_future_is_a_timeout_with_its_cause(client: Client) -> None:
    code, body = await client.get(PODS, resourceVersion="999999")
    assert (code, body["details"]["causes"][0]["reason"]) == (504, "ResourceVersionTooLarge")


@pytest.mark.parametrize("token", ["", "wrong"])
async def test_a_wrong_token_is_unauthorized(client: Client, token: str) -> None:
    status, body = await client.get(PODS, token=token)
    assert (status, body["kind"], body["reason"]) == (401, "Status", "Unauthorized")


async def test_the_token_has_the_rights_that_the_product_needs_and_no_others(client: Client) -> None:
    status, body = await client.get("/api/v1/configmaps")
    assert (status, body["reason"], body["details"]) == (403, "Forbidden", {"kind": "configmaps"})
    status, _ = await client.get("/api/v1/namespaces/kube-system/configmaps/kube-proxy")
    assert status == 404
    status, _ = await client.get("/api/v1/namespaces/kube-system/configmaps/other")
    assert status == 403


async def test_reviews_say_what_is_allowed(client: Client, api: KubeApi) -> None:
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    wanted = {"verb": "list", "resource": "pods"}
    assert (await client.post(path, {"spec": {"resourceAttributes": wanted}}))["status"]["allowed"]
    api.faults.denied.add("pods")
    assert not (await client.post(path, {"spec": {"resourceAttributes": wanted}}))["status"]["allowed"]
    rules = await client.post(path.replace("access", "rules"), {"spec": {"namespace": "kube-system"}})
    assert {"verbs": ["get"], "apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["kube-proxy"]} in rules["status"][
        "resourceRules"
    ]
    assert (await client.post(path, {"spec": 5}))["reason"] == "BadRequest"


async def test_one_object_is_got_by_its_name(client: Client) -> None:
    _, body = await client.get("/api/v1/namespaces/shop/pods/db")
    assert (body["kind"], body["metadata"]["name"]) == ("Pod", "db")
    status, body = await client.get("/api/v1/namespaces/shop/pods/none")
    assert (status, body["message"]) == (404, 'pods "none" not found')


async def test_discovery_names_what_is_served(client: Client) -> None:
    _, core = await client.get("/api/v1/")
    assert {"pods", "services", "nodes"} <= {r["name"] for r in core["resources"]}
    status, _ = await client.get("/version/")
    assert status == 200


async def test_writing_is_not_offered(store: Store, tmp_path: Path) -> None:
    (folder := tmp_path / "open").mkdir()
    with KubeApi(store, folder, rules=EVERYTHING) as api:
        context = ssl.create_default_context(cafile=str(folder / "ca.crt"))
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session:
            assert (await Client(api, session).post(PODS, {}))["reason"] == "MethodNotAllowed"


async def test_the_port_is_the_same_after_it_was_away(client: Client, api: KubeApi) -> None:
    api.away()
    with pytest.raises(aiohttp.ClientConnectorError):
        await client.get(PODS)
    api.back()
    assert await client.names()


def test_an_object_that_says_nothing_new_keeps_its_version(store: Store) -> None:
    before = store.version
    store.put(kube_objects.pod("web-2", node="node-two", app="web"))
    assert store.version == before


def test_an_object_keeps_its_uid_when_it_is_replaced(store: Store) -> None:
    assert (
        store.put(kube_objects.pod("web-1", app="x"))["metadata"]["uid"]
        == store.put(kube_objects.pod("web-1"))["metadata"]["uid"]
    )


def test_keys_are_for_nobody_else(tmp_path: Path) -> None:
    made = certificates.make(tmp_path)
    assert made.key.stat().st_mode & 0o077 == 0
