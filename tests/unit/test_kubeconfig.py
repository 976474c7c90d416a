"""Who we are to the API server: every way in which kubeconfigs and pods say it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from kubernetes.aio.config import incluster_config

from bot.cli import cli
from deploy.lab.kubeapi import KubeApi, Store
from tests import kube_objects
from workers.cluster import list_once


@pytest.fixture
def api(tmp_path: Path) -> Iterator[KubeApi]:
    store = Store()
    store.put(kube_objects.pod("web"))
    with KubeApi(store, tmp_path) as running:
        yield running


def write(api: KubeApi, user: dict[str, Any]) -> None:
    said = json.loads(api.config(""))
    said["users"][0]["user"] = user
    api.kubeconfig.write_text(json.dumps(said))


async def answered(kubeconfig: Path | None) -> bool:
    return bool((await list_once("lab", kubeconfig)).pods)


async def test_a_token_file_may_end_with_a_line(api: KubeApi, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{api.token}\n")
    write(api, {"tokenFile": "token"})
    assert await answered(api.kubeconfig)


async def test_an_exec_plugin_is_asked_for_the_token(api: KubeApi, tmp_path: Path) -> None:
    plugin = tmp_path / "plugin.py"
    credential = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": api.token}}
    plugin.write_text(f"print({json.dumps(json.dumps(credential))})")
    asked = {"apiVersion": credential["apiVersion"], "command": sys.executable, "args": [str(plugin)], "interactiveMode": "Never"}
    write(api, {"exec": asked})
    assert await answered(api.kubeconfig)


async def test_the_environment_names_the_kubeconfig(api: KubeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(api.kubeconfig))
    assert await answered(None)


async def test_several_kubeconfigs_are_one(api: KubeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path}/none:{api.kubeconfig}")
    assert await answered(None)


async def test_in_a_pod_its_service_account_is_used(api: KubeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text(f"{api.token}\n")
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(tmp_path / "token"))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(tmp_path / "ca.crt"))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", api.url.rpartition(":")[2])
    assert await answered(None)


async def test_a_pod_without_a_service_account_is_told_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(tmp_path / "none"))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "1")
    seen = await list_once("lab", None)
    assert all("service account of this pod" in b.reason for b in seen.behind)


async def test_a_user_without_credentials_is_refused_by_the_server(api: KubeApi) -> None:
    write(api, {})
    seen = await list_once("lab", api.kubeconfig)
    assert all(b.never and "credentials" in b.reason and b.fix for b in seen.behind)
    assert not seen.pods


def test_from_the_terminal_a_pod_is_not_called_absent_where_no_list_was_read(tmp_path: Path) -> None:
    env = {"NETCHECK_KUBECONFIG": str(tmp_path / "nowhere")}
    done = CliRunner().invoke(cli, ["check", "pod", "client"], env=env)
    assert (done.exit_code, "There is no pod" in done.output) == (3, False)
    assert "Cannot tell whether there is a pod client: Kubernetes' list of pods has not been read" in done.stdout
    assert "there is no such file" in done.stdout
    assert "fix: Name a kubeconfig that kubectl can use in NETCHECK_KUBECONFIG." in done.stdout
