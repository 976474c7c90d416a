"""The cluster view against an API server over HTTPS: what arrives, is resumed or listed again, and what is said meanwhile."""

from __future__ import annotations

import asyncio
import time
from asyncio.sslproto import SSLProtocol
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from deploy.lab.kubeapi import KubeApi, Store
from tests import kube_objects
from tests.unit.cluster_views import ALL, QUICK, lagging, until
from workers.cluster import ClusterView, list_once
from workers.kubernetes.connection import Connection
from workers.kubernetes.kinds import Kind
from workers.kubernetes.watch import Patience


@pytest.fixture
def store() -> Store:
    store = Store()
    for obj in (kube_objects.pod("web"), kube_objects.service("web"), kube_objects.node("node-one")):
        store.put(obj)
    return store


@pytest.fixture
def api(store: Store, tmp_path: Path) -> Iterator[KubeApi]:
    with KubeApi(store, tmp_path) as running:
        yield running


@pytest_asyncio.fixture
async def view(api: KubeApi) -> AsyncIterator[ClusterView]:
    started = ClusterView("lab", api.kubeconfig, QUICK)
    await started.start()
    yield started
    await started.aclose()


def asked(api: KubeApi, verb: str, resource: str = "pods") -> int:
    return sum(r.verb == verb and r.resource == resource for r in api.asked)


async def test_everything_is_there_when_it_is_ready(view: ClusterView) -> None:
    assert await view.ready(20)
    seen = view.snapshot()
    assert (list(seen.pods), list(seen.services), list(seen.nodes)) == ([("default", "web")], [("default", "web")], ["node-one"])
    assert (seen.name, seen.behind) == ("lab", ())


async def test_changes_arrive_and_a_snapshot_does_not_change(view: ClusterView, store: Store) -> None:
    await view.ready(20)
    before = view.snapshot()
    store.put(kube_objects.pod("db"))
    await until(view, lambda c: ("default", "db") in c.pods)
    store.put(kube_objects.pod("db") | {"status": {"phase": "Failed"}})
    await until(view, lambda c: c.pods["default", "db"].phase == "Failed")
    store.delete("Pod", "db", "default")
    await until(view, lambda c: ("default", "db") not in c.pods)
    assert list(before.pods) == [("default", "web")]


async def test_a_snapshot_without_changes_costs_no_copy(view: ClusterView) -> None:
    await view.ready(20)
    assert view.snapshot().pods is view.snapshot().pods


async def test_a_cut_watch_is_resumed_where_it_was_without_another_list(view: ClusterView, api: KubeApi, store: Store) -> None:
    await view.ready(20)
    await until(view, lambda _: asked(api, "watch"))
    api.drop()
    store.put(kube_objects.pod("db"))
    await until(view, lambda c: ("default", "db") in c.pods)
    assert asked(api, "list") == 1


async def test_a_watch_that_the_server_ended_is_resumed_and_nothing_is_called_stale(api: KubeApi, store: Store) -> None:
    view = ClusterView("lab", api.kubeconfig, Patience(first=0.02, watch=0.1))
    await view.start()
    await view.ready(20)
    await until(view, lambda _: asked(api, "watch") > 2)
    assert view.snapshot().behind == ()
    store.put(kube_objects.pod("db"))
    await until(view, lambda c: ("default", "db") in c.pods)
    await view.aclose()
    assert asked(api, "list") == 1


async def test_a_connection_on_which_nothing_comes_is_taken_for_dead(api: KubeApi) -> None:
    view = ClusterView("lab", api.kubeconfig, Patience(first=0.02, quiet=0.1))
    await view.start()
    await until(view, lambda _: asked(api, "watch") > 2)
    await view.aclose()


@pytest.mark.parametrize("gone_as", ["status", "event"])
async def test_what_is_too_old_to_resume_is_listed_again(view: ClusterView, api: KubeApi, store: Store, gone_as: str) -> None:
    api.faults.gone_as = "status" if gone_as == "status" else "event"
    await view.ready(20)
    await until(view, lambda _: asked(api, "watch"))
    api.away()
    store.delete("Pod", "web", "default")
    store.put(kube_objects.pod("db"))
    store.compact()
    api.back()
    await until(view, lambda c: list(c.pods) == [("default", "db")] and not c.behind)
    assert asked(api, "list") == 2


async def test_an_open_watch_that_is_told_410_lists_again(view: ClusterView, api: KubeApi) -> None:
    await view.ready(20)
    await until(view, lambda _: asked(api, "watch"))
    api.expire()
    await until(view, lambda c: asked(api, "list") == 2 and not c.behind)


async def test_bookmarks_keep_a_quiet_kind_from_becoming_too_old(store: Store, tmp_path: Path) -> None:
    with KubeApi(store, tmp_path, bookmark_every=0.05) as api:
        view = ClusterView("lab", api.kubeconfig, QUICK)
        await view.start()
        await view.ready(20)
        for number in range(5):
            store.put(kube_objects.service(f"s{number}"))
        newest = str(store.version)
        nodes = next(w for w in view._watched if w.kind.name == "nodes")
        await until(view, lambda _: nodes._version == newest)
        await view.aclose()


async def test_a_server_restored_from_a_backup_is_listed_again(view: ClusterView, api: KubeApi, store: Store) -> None:
    await view.ready(20)
    await until(view, lambda _: asked(api, "watch"))
    api.away()
    store._version = 1
    api.back()
    await until(view, lambda c: asked(api, "list") == 2 and not c.behind)


async def test_while_the_server_is_away_the_last_known_stays_and_is_called_stale(
    view: ClusterView, api: KubeApi, store: Store
) -> None:
    await view.ready(20)
    api.away()
    seen = await until(view, lambda c: len(c.behind) == len(ALL) and all("Connection refused" in b.reason for b in c.behind))
    assert list(seen.pods) == [("default", "web")]
    assert not any(b.never for b in seen.behind)
    store.put(kube_objects.pod("db"))
    api.back()
    assert ("default", "db") in (await until(view, lambda c: not c.behind)).pods


async def test_a_server_that_is_away_at_the_start_is_waited_for(api: KubeApi) -> None:
    api.away()
    view = ClusterView("lab", api.kubeconfig, QUICK)
    await view.start()
    assert not await view.ready(0.2)
    seen = view.snapshot()
    assert {b.kind for b in seen.behind if b.never} == ALL
    assert not seen.pods
    api.back()
    await until(view, lambda c: c.pods and not c.behind)
    await view.aclose()


async def test_errors_of_the_server_are_waited_out(view: ClusterView, api: KubeApi) -> None:
    await view.ready(20)
    api.faults.status = 500
    api.drop()
    await until(view, lambda c: all("500" in b.reason for b in c.behind) and len(c.behind) == len(ALL))
    api.faults.status = 0
    await until(view, lambda c: not c.behind)


async def test_a_forbidden_kind_is_named_with_the_missing_right_and_the_others_go_on(api: KubeApi, store: Store) -> None:
    api.faults.denied.add("endpointslices")
    view = ClusterView("lab", api.kubeconfig, QUICK)
    await view.start()
    assert await view.ready(20)
    (missing,) = (await until(view, lambda c: c.pods and len(c.behind) == 1)).behind
    assert (missing.kind, missing.never) == ("slices", True)
    assert 'cannot list resource "endpointslices" in API group "discovery.k8s.io"' in missing.reason
    store.put(kube_objects.pod("db"))
    await until(view, lambda c: ("default", "db") in c.pods)
    api.faults.denied.clear()
    await until(view, lambda c: not c.behind)
    await view.aclose()


async def test_a_token_that_was_rotated_is_read_again(view: ClusterView, api: KubeApi, store: Store) -> None:
    await view.ready(20)
    api.rotate("another")
    api.kubeconfig.write_text(api.config("another"))
    api.drop()
    store.put(kube_objects.pod("db"))
    seen = await until(view, lambda c: ("default", "db") in c.pods and not c.behind)
    assert not seen.behind


async def test_a_mistake_of_ours_is_said_and_the_watch_goes_on(api: KubeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(Kind, "keyed", lambda _kind, _value: 1 // 0)
        view = ClusterView("lab", api.kubeconfig, QUICK)
        await view.start()
        await until(view, lambda c: "ZeroDivisionError" in lagging(c)["pods"].reason)
    await until(view, lambda c: c.pods and not c.behind)
    await view.aclose()


async def test_a_request_that_ends_when_tls_has_just_been_agreed_leaves_no_socket(
    api: KubeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library then ends TLS politely: its socket stays open until the server answers to that."""
    connection = Connection(api.kubeconfig)
    asking = asyncio.create_task(connection.get("/api/v1/pods", {}))
    sockets = []
    agreed = SSLProtocol._on_handshake_complete

    def and_cancelled(protocol: Any, error: Exception | None) -> None:
        agreed(protocol, error)
        if not protocol._server_side:
            sockets.append(protocol._transport.get_extra_info("socket"))
            asking.cancel()

    monkeypatch.setattr(SSLProtocol, "_on_handshake_complete", and_cancelled)
    with pytest.raises(asyncio.CancelledError):
        await asking
    await connection.aclose()
    assert [each.fileno() for each in sockets] == [-1]


async def test_a_list_longer_than_a_page_is_complete(api: KubeApi, store: Store) -> None:
    for number in range(1200):
        store.put(kube_objects.pod(f"p{number}"))
    seen = await list_once("lab", api.kubeconfig)
    assert len(seen.pods) == 1201
    assert asked(api, "list") == 3


async def test_ten_thousand_pods(store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(10_000):
        store.put(kube_objects.like_a_real_pod(number))
    with KubeApi(store, tmp_path) as api:
        began, cpu = time.perf_counter(), time.thread_time()
        seen = await list_once("lab", api.kubeconfig)
        took, cpu = time.perf_counter() - began, time.thread_time() - cpu
    assert len(seen.pods) == 10_001
    with capsys.disabled():
        print(f"\n10,000 pods listed in {took:.2f} s, of which {cpu:.2f} s our CPU time")  # noqa: T201  (measured, not asserted)
