"""Who we are to the API server, in every way in which kubeconfigs and pods say it, and what we may there."""

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
from deploy.lab.kubeapi import KubeApi, Store, certificates
from node_helper.protocol import CannotLook
from tests import kube_objects
from tests.unit.cluster_views import ALL, lagging
from workers.cluster import list_once
from workers.kubernetes.rights import rights


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
    assert lagging(seen).keys() == ALL
    assert all("service account of this pod" in b.reason for b in seen.behind)


async def test_a_user_without_credentials_is_refused_by_the_server(api: KubeApi) -> None:
    write(api, {})
    seen = await list_once("lab", api.kubeconfig)
    assert lagging(seen).keys() == ALL
    assert all(b.never and "credentials" in b.reason and b.fix for b in seen.behind)
    assert not seen.pods


def test_from_the_terminal_a_pod_is_not_called_absent_where_no_list_was_read(tmp_path: Path) -> None:
    env = {"NETCHECK_KUBECONFIG": str(tmp_path / "nowhere")}
    done = CliRunner().invoke(cli, ["check", "pod", "client"], env=env)
    assert (done.exit_code, "There is no pod" in done.output) == (3, False)
    assert "Cannot tell whether there is a pod client: Kubernetes' list of pods has not been read" in done.stdout
    assert "there is no such file" in done.stdout
    assert "fix: Name a kubeconfig that kubectl can use in NETCHECK_KUBECONFIG." in done.stdout


async def test_a_wrong_token_is_said_to_be_wrong(api: KubeApi) -> None:
    api.kubeconfig.write_text(api.config("wrong"))
    seen = await list_once("lab", api.kubeconfig)
    assert {b.kind for b in seen.behind if b.never} == ALL
    assert all("does not accept our credentials" in b.reason for b in seen.behind)


async def test_a_server_whose_certificate_nobody_we_trust_signed_is_not_asked(api: KubeApi, tmp_path: Path) -> None:
    (other := tmp_path / "other").mkdir()
    certificates.make(other)
    api.kubeconfig.write_text(api.config(api.token).replace(str(tmp_path / "ca.crt"), str(other / "ca.crt")))
    seen = await list_once("lab", api.kubeconfig)
    assert all("certificate is not trusted" in b.reason for b in seen.behind)
    assert lagging(seen).keys() == ALL


@pytest.mark.parametrize("text", [None, "", "{", "[]", "a: b", "clusters: 5", "current-context: x\nclusters: []"])
async def test_a_kubeconfig_that_is_none_is_said_to_be_none(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "kubeconfig"
    if text is not None:
        path.write_text(text)
    seen = await list_once("lab", path)
    assert lagging(seen).keys() == ALL
    assert all(f"{path} does not say how to reach the API server" in b.reason for b in seen.behind)


async def test_rights_are_told_one_by_one(api: KubeApi) -> None:
    assert all((await rights(api.kubeconfig)).values())
    api.faults.denied.add("networkpolicies")
    missing = [str(right) for right, allowed in (await rights(api.kubeconfig)).items() if not allowed]
    assert missing == [f"{verb} networkpolicies.networking.k8s.io" for verb in ("get", "list", "watch")]


async def test_rights_that_cannot_be_asked_for_are_not_called_missing(api: KubeApi) -> None:
    api.away()
    with pytest.raises(CannotLook, match="Connection refused"):
        await rights(api.kubeconfig)
