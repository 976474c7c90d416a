"""The checks run on a folder of saved evidence: what they find, where they look, and what a report says of itself."""

from __future__ import annotations

import gzip
import json
import os
import shutil
from pathlib import Path

import pytest

from tests.unit.saved_files import SAMPLES, asked, report


def test_pods_are_listed_as_kubectl_saved_them() -> None:
    said = report("pods in all", SAMPLES)
    assert (said["verdict"], said["asked"], len(said["facts"]["pods"])) == ("problem", [], 8)
    stuck = {("pod-container-waiting", "shop/crash-1"), ("pod-container-waiting", "shop/pull-1")}
    assert {(f["id"], f["subject"]) for f in said["findings"]} == stuck
    assert {"name": "coredns-1", "IP": "10.244.0.53", "node": "node1"}.items() <= said["facts"]["pods"][0].items()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("pod crash-1 in kube-system", "There is no pod crash-1 in namespace kube-system"),
        ("pod crash in nosuch", "There is no pod crash in namespace nosuch"),
        ("rules web in kube-system", "There is no service web in namespace kube-system"),
        ("rules node1 in shop", "There is no service node1 in namespace shop"),
        ("ping 10.96.0.1 from crash-1 in kube-system", "There is no pod crash-1 in namespace kube-system"),
        ("services in all cluster=production", "there is no cluster 'production' here, only 'kubernetes'"),
    ],
)
def test_what_was_said_of_where_to_look_is_kept_to(words: str, said: str) -> None:
    done = asked(words, SAMPLES)
    assert done.exit_code == 2
    assert f"netcheck-bot: {said}\n" in done.stderr


def test_a_name_alone_is_looked_for_everywhere() -> None:
    assert report("pod crash-1", SAMPLES)["facts"]["pod"] == "shop/crash-1"
    assert "could be any of 3 pods" in asked("pod app=web in shop", SAMPLES).stderr
    assert "There is no pod app=web in namespace kube-system\n" in asked("pod app=web in kube-system", SAMPLES).stderr


def test_where_nothing_can_be_written_the_report_is_printed_all_the_same() -> None:
    done = asked("pods in all", SAMPLES, "--files", "/proc/x")
    assert (done.exit_code, "the report is above, but /proc/x cannot be written" in done.stderr) == (2, True)
    assert "crash-1" in done.stdout


def test_services_without_ready_endpoints_are_found_in_saved_lists() -> None:
    said = report("services in all", SAMPLES)
    found = {(f["id"], f["subject"]) for f in said["findings"]}
    assert found >= {("service-no-endpoints", "shop/crash"), ("service-no-endpoints", "shop/namedmiss")}


def test_a_report_is_of_the_moment_in_which_the_files_were_saved(saved: Path) -> None:
    for file in saved.iterdir():
        os.utime(file, (1_800_000_000, 1_800_000_000))
    first, second = report("services in all", saved), report("services in all", saved)
    assert {e["at"] for f in first["findings"] for e in f["evidence"]} == {"2027-01-15T08:00:00Z"}
    assert {**first, "took_s": 0} == {**second, "took_s": 0}


def test_packed_files_are_read_as_plain_ones(saved: Path) -> None:
    plain = report("services in all", saved)
    for file in list(saved.iterdir()):
        packed = file.with_name(f"{file.name}.gz")
        packed.write_bytes(gzip.compress(file.read_bytes()))
        shutil.copystat(file, packed)
        file.unlink()
    assert {**report("services in all", saved), "took_s": 0} == {**plain, "took_s": 0}


def test_who_finds_none_in_a_namespace_learns_where_to_look() -> None:
    said = asked("pods", SAMPLES).stdout
    assert "0 pods in default" in said
    assert "Note: `pods in all` lists those of every namespace." in said
    assert "lists those" not in asked("pods in all", SAMPLES).stdout


@pytest.mark.parametrize(("words", "status"), [("pods in kube-system", 0), ("services in all", 1), ("services", 0)])
def test_the_exit_status_follows_the_verdict(words: str, status: int) -> None:
    assert asked(words, SAMPLES).exit_code == status


def test_every_report_says_that_it_is_from_saved_files() -> None:
    for words in ("pods in all", "rules shop/web", "node node1"):
        assert f"From the files in {SAMPLES}: nothing was asked." in report(words, SAMPLES)["notes"]
        assert f"Note: From the files in {SAMPLES}: nothing was asked." in " ".join(asked(words, SAMPLES).stdout.split())


def test_one_object_by_itself_is_a_list_of_one(saved: Path) -> None:
    nodes = json.loads((saved / "nodes.json").read_text())["items"]
    (saved / "nodes.json").write_text(json.dumps(next(n for n in nodes if n["metadata"]["name"] == "node1")))
    for file in (*saved.glob("node2.*"), *saved.glob("node3.*")):
        file.unlink()
    said = report("rules shop/web", saved)
    assert (said["verdict"], said["asked"]) == ("healthy", ["node1"])
    assert [n["node"] for n in report("nodes", saved)["facts"]["nodes"]] == ["node1"]


def test_a_named_port_that_no_container_has_is_found_with_the_pods_that_lack_it() -> None:
    (found,) = (f for f in report("services in shop", SAMPLES)["findings"] if f["subject"] == "shop/namedmiss")
    assert [e["value"] for e in found["evidence"]][1] == "shop/web-1, shop/web-2, shop/web-3"
    assert "nosuchport" in found["fix"]
