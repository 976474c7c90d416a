"""What was not saved, or cannot be read, is missed only where a finding needed it, and is never taken for nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.saved_files import asked, report


def test_a_missing_list_is_missed_only_by_commands_that_need_it(saved: Path) -> None:
    (saved / "endpointslices.json").unlink()
    assert asked("pods in kube-system", saved).exit_code == 0
    said = report("services in kube-system", saved)
    assert said["verdict"] == "unknown"
    (gap,) = (f for f in said["findings"] if f["id"] == "unknown-cluster")
    assert gap["evidence"][0]["value"] == "endpointslices.json was not saved"
    assert "Save it as" in gap["fix"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"items": [', "pods.json is no JSON: it breaks off at line 1, column 12"),
        ("[]", "pods.json: the object is [] where the Kubernetes API has an object"),
        ('{"items": [{"metadata": {"name": 3}}]}', "pods.json: pods, item 0: "),
        ('{"items": ' + "[" * 5000, "pods.json holds lists or objects one in another, too many to be read"),
        ('{"items": [],\n oops}', "pods.json is no JSON: it is damaged at line 2, column 2"),
        ("", "pods.json is no JSON: it is empty"),
    ],
)
def test_a_malformed_list_is_named_with_the_place_in_it(saved: Path, text: str, reason: str) -> None:
    (saved / "pods.json").write_text(text)
    done = asked("pods in all", saved, "--output", "json")
    assert done.exit_code == 3
    said = json.loads(done.stdout)["findings"][0]["evidence"][0]["value"]
    assert said.startswith(reason)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("services.json", "{}"),
        ("endpointslices.json", '{"kind": "List", "items": [{"kind": "Endpoints", "metadata": {"name": "web"}}]}'),
        ("endpointslices.json", '{"kind": "EndpointsList", "items": []}'),
        ("nodes.json", '{"kind": "Status", "status": "Failure"}'),
    ],
)
def test_a_file_that_holds_something_else_is_not_an_empty_list(saved: Path, file: str, text: str) -> None:
    (saved / file).write_text(text)
    for of_node in saved.glob("node[1-3].*"):
        of_node.unlink()
    said = report("nodes" if file == "nodes.json" else "services in all", saved)
    assert (said["verdict"], {f["id"] for f in said["findings"]}) == ("unknown", {"unknown-cluster"})
    (gap,) = said["findings"]
    assert gap["evidence"][0]["value"].startswith(f"{file}: ")
    assert f"Save as {file} what `kubectl get {file.removesuffix('.json')} " in gap["fix"]


@pytest.mark.parametrize(
    ("words", "files", "unknown"),
    [
        ("rules wob", ["services.json"], "a service or node wob: Kubernetes' list of services"),
        ("ipvs wob in shop", ["services.json"], "a service shop/wob: Kubernetes' list of services"),
        ("rules svc/wob", ["services.json"], "a service svc/wob: Kubernetes' list of services"),
        ("rules 10.96.9.9", ["services.json"], "a service or node with the address 10.96.9.9: Kubernetes' list of services"),
        ("rules node9", ["nodes.json"], "a service or node node9: Kubernetes' list of nodes"),
        ("node node9", ["nodes.json"], "a node node9: Kubernetes' list of nodes"),
        ("conntrack node9", ["nodes.json", "pods.json"], "a node or a pod node9: Kubernetes' list of pods"),
        ("conntrack 10.9.9.9", ["nodes.json"], "a node or a pod with the address 10.9.9.9: Kubernetes' list of nodes"),
        ("pod client", ["pods.json"], "a pod client: Kubernetes' list of pods"),
        ("pod 10.9.9.9", ["pods.json"], "a pod with the address 10.9.9.9: Kubernetes' list of pods"),
        ("pod deploy/web", ["replicasets.json"], "a pod deploy/web: Kubernetes' list of replica_sets"),
        ("dns kubernetes", ["pods.json"], "a ready pod in namespace default: Kubernetes' list of pods"),
    ],
)
@pytest.mark.parametrize("saved_as", ["", None])
def test_what_a_list_that_was_not_read_may_hold_is_not_said_to_be_absent(
    saved: Path, words: str, files: list[str], unknown: str, saved_as: str | None
) -> None:
    for file in files:
        (saved / file).unlink(missing_ok=True)
        if saved_as is not None:
            (saved / file).write_text(saved_as)
    done = asked(words, saved, "--output", "json")
    assert done.exit_code == 3, done.stderr
    found = json.loads(done.stdout)["findings"]
    assert unknown in " ".join(f["claim"] for f in found)
    assert {f["severity"] for f in found} == {"unknown"}
    reasons = {f["evidence"][0]["value"] for f in found}
    assert reasons == {f"{file} {'was not saved' if saved_as is None else 'is no JSON: it is empty'}" for file in files}
    assert all(f["fix"].startswith("Save it") for f in found)


def test_a_name_that_is_read_is_found_whatever_other_list_was_not(saved: Path) -> None:
    (saved / "nodes.json").write_text("")
    assert report("ipvs shop/web on node1", saved)["verdict"] == "healthy"
    (saved / "services.json").unlink()
    assert report("rules node1", saved)["verdict"] == "healthy"


def test_names_that_are_near_are_said_where_another_list_was_not_read(saved: Path) -> None:
    (saved / "nodes.json").write_text("")
    assert "Names that are near: shop/web" in asked("rules wbb", saved).stdout
    done = asked("rules shop/nosuch", saved)
    assert (done.exit_code, "There is no service nosuch in namespace shop\n" in done.stderr) == (2, True)


def test_nodes_are_looked_at_by_their_files_where_their_list_cannot_be_read(saved: Path) -> None:
    bad = "nodes.json is no JSON: it is empty"
    (saved / "nodes.json").write_text("")
    said = report("rules node1", saved)
    assert (said["verdict"], said["asked"]) == ("healthy", ["node1"])
    assert f"Passed over: {bad}. " in " ".join(said["notes"])
    said = report("rules shop/web", saved)
    assert (said["verdict"], said["asked"]) == ("unknown", ["node1", "node2", "node3"])
    (gap,) = said["findings"]
    assert (gap["claim"], gap["evidence"][0]["value"]) == ("Kubernetes' list of nodes is not whole", bad)
    assert "Passed over" not in " ".join(said["notes"])


@pytest.mark.parametrize("words", ["rules shop/web", "nftables shop/web", "ipvs shop/web", "nodes"])
def test_without_a_node_that_was_asked_nothing_is_healthy(saved: Path, words: str) -> None:
    (saved / "nodes.json").write_text('{"kind": "List", "items": []}')
    for file in saved.glob("node[1-3].*"):
        file.unlink()
    said = report(words, saved)
    assert (said["verdict"], said["asked"], [f["subject"] for f in said["findings"]]) == ("unknown", [], ["nodes"])


def test_pods_that_were_not_read_are_no_reason_and_no_evidence(saved: Path) -> None:
    (saved / "pods.json").unlink()
    said = report("rules shop/crash on node1", saved)
    (found,) = (f for f in said["findings"] if f["id"] == "service-no-endpoints")
    assert found["claim"] == "Service shop/crash has no ready endpoint"
    assert not any("pods" in e["source"] for e in found["evidence"])
    assert found["fix"] == "See whether pods match app=crash, and whether one of them is ready."


def test_a_named_port_that_no_pod_has_is_found_without_the_pods(saved: Path) -> None:
    (saved / "pods.json").unlink()
    (found,) = (f for f in report("services in shop", saved)["findings"] if f["subject"] == "shop/namedmiss")
    assert found["claim"].endswith(": a named target port is on no container")
    assert [e["source"] for e in found["evidence"]] == ["Kubernetes API, EndpointSlices of shop/namedmiss"]
    assert "nosuchport" in found["fix"]


def test_services_that_were_not_read_select_no_pod_and_not_none(saved: Path) -> None:
    assert report("pod shop/db-0", saved)["facts"]["services"] == ["shop/db"]
    (saved / "services.json").unlink()
    assert report("pod shop/db-0", saved)["facts"]["services"] is None
    assert "none select it" not in (said := asked("pod shop/db-0", saved).stdout)
    assert "services  not read" in said


def test_endpoints_that_were_not_read_are_not_counted(saved: Path) -> None:
    (saved / "endpointslices.json").unlink()
    said = report("services in shop", saved)
    assert {row["endpoints ready"] for row in said["facts"]["services"]} == {"?"}
    assert {f["id"] for f in said["findings"]} == {"unknown-cluster"}


@pytest.mark.parametrize("kind", ["pods", "services"])
def test_a_list_that_was_not_read_is_not_one_of_nothing(saved: Path, kind: str) -> None:
    (saved / f"{kind}.json").unlink()
    assert report(f"{kind} in shop", saved)["facts"] == {kind: None}
    assert f"{kind} in shop: not read" in asked(f"{kind} in shop", saved).stdout
