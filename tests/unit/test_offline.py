"""The checks run on a folder of saved evidence; what was not saved is missed only where a finding needed it."""

from __future__ import annotations

import gzip
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from bot.cli import cli
from node_helper.facts import catalogue as facts
from node_helper.protocol import CannotLook
from tests.examples import few
from workers.errors import UsageError
from workers.offline import saved_cluster
from workers.offline.answers import registry
from workers.offline.folder import Folder

SAMPLES = Path(__file__).parents[1] / "data" / "kube-proxy-1.36"


def asked(words: str, folder: Path, *more: str) -> Result:
    return CliRunner().invoke(cli, ["check", *words.split(), "--from", str(folder), *more])


def report(words: str, folder: Path) -> Any:
    return json.loads(asked(words, folder, "--output", "json").stdout)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A copy of the recording of a real cluster."""
    return Path(shutil.copytree(SAMPLES, tmp_path / "saved"))


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


def test_a_file_that_is_cut_is_named(saved: Path) -> None:
    packed = gzip.compress((saved / "pods.json").read_bytes())
    (saved / "pods.json").unlink()
    (saved / "pods.json.gz").write_bytes(packed[: len(packed) // 2])
    said = report("pods in all", saved)["findings"][0]["evidence"][0]["value"]
    assert said.startswith("pods.json.gz is not whole as a gzip file")


def test_a_file_without_end_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pods.json.gz").write_bytes(gzip.compress(b" " * 3_000_000))
    with pytest.raises(CannotLook, match="holds more than 1 MiB") as refused:
        Folder(tmp_path, largest=1 << 20).text("pods.json")
    assert refused.value.kind == "budget"


def test_a_folder_without_evidence_is_not_understood(tmp_path: Path) -> None:
    done = asked("pods", tmp_path)
    assert (done.exit_code, "holds no saved evidence: pods.json" in done.stderr) == (2, True)
    assert asked("pods", tmp_path / "nowhere").exit_code == 2
    with pytest.raises(UsageError, match="cannot be read as a folder"):
        Folder(tmp_path / "nowhere")


def test_no_name_leads_out_of_the_folder(saved: Path) -> None:
    outside = saved.parent / "secret.conntrack.txt"
    outside.write_text("secret")
    with pytest.raises(CannotLook, match="was not saved"):
        Folder(saved).text("../secret.conntrack.txt")


def test_what_only_a_node_can_tell_is_unknown(saved: Path) -> None:
    done = asked("pod coredns-1 in kube-system", saved, "--output", "json")
    assert done.exit_code == 3
    (gap,) = (f for f in json.loads(done.stdout)["findings"] if f["id"] == "unknown-fact")
    assert gap["evidence"][0]["value"] == "node1: no kind of saved file tells sandbox"


def test_every_source_answers_a_fact_that_there_is() -> None:
    assert registry().keys() <= facts().keys()


def test_virtual_servers_are_read_from_either_form_of_ipvsadm(saved: Path) -> None:
    (saved / "node1.iptables-save.txt").unlink()
    (saved / "node1.ipvsadm.txt").write_text("-A -t 10.96.0.10:53 -s rr\n-a -t 10.96.0.10:53 -r 10.244.0.53:53 -m -w 1\n")
    said = report("ipvs node1", saved)
    assert {f["id"] for f in said["findings"]} == {"ipvs-deprecated", "unknown-fact"}
    (server,) = said["facts"]["nodes"]["node1"]["virtual_servers"]
    assert [(real["address"], real["port"]) for real in server["real_servers"]] == [("10.244.0.53", 53)]


def test_a_node_whose_other_rules_were_saved_does_not_use_ipvs(saved: Path) -> None:
    done = asked("ipvs node1", saved, "--output", "json")
    assert (done.exit_code, json.loads(done.stdout)["findings"]) == (0, [])
    for file in saved.glob("node1.*"):
        file.unlink()
    assert asked("ipvs node1", saved).exit_code == 3


IPVS_RULES = """\
*nat
:PREROUTING ACCEPT [0:0]
:KUBE-MARK-MASQ - [0:0]
:KUBE-SERVICES - [0:0]
-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A KUBE-SERVICES ! -s 10.244.0.0/16 -m set --match-set KUBE-CLUSTER-IP dst,dst -j KUBE-MARK-MASQ
-A KUBE-SERVICES -m set --match-set KUBE-CLUSTER-IP dst,dst -j ACCEPT
COMMIT
"""
"""What kube-proxy writes in IPVS mode (`writeIptablesRules` in pkg/proxy/ipvs/proxier.go of Kubernetes), in short."""


@pytest.mark.parametrize("words", ["ipvs shop/web on node1", "ipvs node1", "rules shop/web on node1"])
def test_virtual_servers_that_were_not_saved_are_missed_where_the_rules_need_them(saved: Path, words: str) -> None:
    for file in saved.glob("node1.*"):
        file.unlink()
    (saved / "node1.iptables-save.txt").write_text(IPVS_RULES)
    said = report(words, saved)
    assert (said["verdict"], {f["id"] for f in said["findings"]}) == ("unknown", {"unknown-fact"})
    if words.startswith("ipvs"):
        (gap,) = said["findings"]
        assert gap["evidence"][0]["value"].startswith("node1.ipvsadm.txt was not saved, and the node's rules are those of")
        assert gap["fix"] == "Save as node1.ipvsadm.txt what `ipvsadm-save -n` prints on the node."


def test_a_malformed_listing_is_named_with_its_line(saved: Path) -> None:
    (saved / "node1.ipvsadm.txt").write_text("-A -t 10.96.0.10:53 -s rr\n-A -t banana\n")
    (gap, *_) = report("ipvs node1", saved)["findings"]
    assert gap["evidence"][0]["value"].startswith("node1.ipvsadm.txt: line 2: ")


@given(st.binary(max_size=300), st.sampled_from(["pods.json", "services.json.gz", "nodes.json"]))
def test_whatever_a_list_holds_it_is_read_or_named(tmp_path_factory: pytest.TempPathFactory, data: bytes, name: str) -> None:
    folder = tmp_path_factory.mktemp("saved")
    (folder / name).write_bytes(data)
    cluster = saved_cluster.read(Folder(folder), "saved")
    assert name.split(".", maxsplit=1)[0] in {b.kind for b in cluster.behind}


@few(60)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["items", "metadata", "name", "namespace", "spec", "status", "podIPs", "kind"]), inner, max_size=4
            )
        ),
        max_leaves=12,
    )
)
def test_whatever_json_a_list_holds_a_command_says_its_verdict(tmp_path_factory: pytest.TempPathFactory, value: Any) -> None:
    folder = tmp_path_factory.mktemp("saved")
    (folder / "pods.json").write_text(json.dumps(value))
    done = asked("pods in all", folder)
    assert done.exit_code in (0, 1, 3)
    assert done.exception is None or isinstance(done.exception, SystemExit)


def test_a_named_port_that_no_container_has_is_found_with_the_pods_that_lack_it() -> None:
    (found,) = (f for f in report("services in shop", SAMPLES)["findings"] if f["subject"] == "shop/namedmiss")
    assert [e["value"] for e in found["evidence"]][1] == "shop/web-1, shop/web-2, shop/web-3"
    assert "nosuchport" in found["fix"]


NODES_FILES = {
    "rules node1": ["node1.iptables-save.txt", "node1.iptables-save-c.txt", "node1.ip6tables-save.txt"],
    "nftables node2": ["node2.nft.json", "node2.nft.txt"],
    "rules shop/web on node3": ["node3.iptables-legacy-save.txt"],
    "ipvs node1": ["node1.ipvsadm.txt"],
    "conntrack node1 proto=tcp": ["node1.conntrack.txt"],
}
PIECES = (
    b"*nat", b":A - [0:0]", b"-A A -j B", b"COMMIT", b"table ip kube-proxy {", b"chain services {", b"}",
    b"-A -t 10.0.0.1:80 -s rr", b"TCP  10.0.0.1:80 rr", b"  -> 10.0.0.2:80 Masq 1 0 0",
    b"tcp 6 117 ESTABLISHED src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2",
    b'{"nftables": [{"table": {"family": "ip"}}]}', b"\xff\x00",
)  # fmt: skip


@few(60)
@given(st.sampled_from(sorted(NODES_FILES)), st.data())
def test_whatever_a_nodes_file_holds_a_command_says_its_verdict(
    tmp_path_factory: pytest.TempPathFactory, words: str, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("saved")
    for name in ("nodes.json", "services.json", "endpointslices.json", "pods.json"):
        shutil.copy(SAMPLES / name, folder)
    lines = data.draw(st.lists(st.sampled_from(PIECES) | st.binary(max_size=40), max_size=8))
    (folder / data.draw(st.sampled_from(NODES_FILES[words]))).write_bytes(b"\n".join(lines))
    done = asked(words, folder)
    assert done.exit_code in (0, 1, 3), done.output
    assert done.exception is None or isinstance(done.exception, SystemExit)
