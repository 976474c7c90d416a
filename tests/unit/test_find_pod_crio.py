"""A pod's process and namespace by what CRI-O keeps of its containers."""

from __future__ import annotations

import json

import pytest

from node_helper.facts import sandbox
from tests.pretend_kernel import NODE, PretendKernel, process
from tests.unit.pods_on_paper import CRIO, OTHER_NS, POD, POD_NS, UID, recorded

CRIO_SANDBOX = "53ccf597c7c6ec95116b2e51faea932d4565cf0aeebfe0c3ca6d50bc35df92e5"
CRIO_CONTAINER = "7d17a26be1a7d08945d38d881435aac3d0a8a7aa95d90100aad8ecceef5d7998"
CRIO_NETNS = "/var/run/netns/ed5cdbb4-81ac-4a36-8a14-d96b65de1b55"


def crio_files(*, stopped: bool = False, pid: int | None = None) -> dict[str, str]:
    files = {
        f"{CRIO}/{CRIO_SANDBOX}/userdata/config.json": json.dumps(recorded("crio-1.37-inspectp.json")["info"]["runtimeSpec"]),
        f"{CRIO}/{CRIO_CONTAINER}/userdata/config.json": json.dumps(recorded("crio-1.37-inspect.json")["info"]["runtimeSpec"]),
    }
    if stopped:
        files[f"/var/lib/containers/storage/overlay-containers/{CRIO_SANDBOX}/userdata/stopped"] = ""
    if pid is not None:
        files[f"{CRIO}/{CRIO_SANDBOX}/userdata/pidfile"] = str(pid)
    return files


def test_crio_without_a_pause_process_has_a_pinned_namespace_before_any_process() -> None:
    found = sandbox.collect(PretendKernel(files=crio_files(), pinned={CRIO_NETNS: POD_NS}), POD)
    assert (found.runtime, found.id, found.pid, found.state) == ("cri-o", CRIO_SANDBOX, None, "no-process")
    assert found.netns is not None
    assert (found.netns.path, found.netns.inode) == (CRIO_NETNS, POD_NS)


def test_crio_without_a_pause_process_shows_its_earliest_process_in_the_pinned_namespace() -> None:
    cgroup = f"/kubepods/besteffort/pod{UID}/crio-{CRIO_CONTAINER}"
    table = (
        process(200, f"/kubepods/besteffort/pod{UID}/crio-conmon-{CRIO_CONTAINER}", NODE.inode, 80, "conmon"),
        process(205, cgroup, OTHER_NS, 90, "nested"),
        process(217, cgroup, POD_NS, 100, "httpd"),
    )
    found = sandbox.collect(PretendKernel(files=crio_files(), process_table=table, pinned={CRIO_NETNS: POD_NS}), POD)
    assert (found.id, found.pid, found.state, found.processes) == (CRIO_SANDBOX, 217, "ready", 3)
    assert found.netns is not None
    assert found.netns.path == CRIO_NETNS


@pytest.mark.parametrize("files", [crio_files(), {}])
def test_a_monitor_alone_does_not_put_the_pod_on_the_host_network(files: dict[str, str]) -> None:
    cgroup = f"/kubepods/besteffort/pod{UID}/crio-conmon-{CRIO_CONTAINER}"
    table = (process(200, cgroup, NODE.inode, 80, "conmon"),)
    found = sandbox.collect(PretendKernel(files=files, process_table=table, pinned={CRIO_NETNS: POD_NS}), POD)
    assert (found.pid, found.host_network, found.state, found.processes) == (None, False, "no-process", 1)
    assert (found.netns.inode if found.netns else None) == (POD_NS if files else None)


def test_a_crio_sandbox_with_its_stop_marker_is_stopped() -> None:
    found = sandbox.collect(PretendKernel(files=crio_files(stopped=True), pinned={CRIO_NETNS: POD_NS}), POD)
    assert (found.state, found.netns) == ("stopped", None)


def test_a_crio_sandbox_with_a_pause_process_has_its_pid() -> None:
    table = (process(300, f"/kubepods/besteffort/pod{UID}/crio-{CRIO_SANDBOX}", POD_NS, 50, "pause"),)
    found = sandbox.collect(PretendKernel(files=crio_files(pid=300), process_table=table, pinned={CRIO_NETNS: POD_NS}), POD)
    assert (found.pid, found.state) == (300, "ready")
