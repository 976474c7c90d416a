"""A pod's process and namespace by the cgroups of the node's processes alone, whatever driver and prefix."""

from __future__ import annotations

import pytest

from node_helper.facts import sandbox
from node_helper.records import Process
from tests.pretend_kernel import NODE, PretendKernel, process
from tests.unit.pods_on_paper import APP, NAME, OTHER_NS, POD, POD_NS, SLICE, UID, UNDERSCORED, on_systemd, running


@pytest.mark.parametrize(
    "cgroup",
    [
        f"/kubepods/besteffort/pod{UID}/{APP}",
        f"/kubepods/pod{UID}",
        f"/kubelet/kubepods/burstable/pod{UID}/{APP}",
        f"/docker/0123456789ab/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod{UNDERSCORED}.slice/cri-containerd-{APP}.scope",
        f"{SLICE}/crio-{APP}.scope/container",
        f"/../../kubepods-pod{UNDERSCORED}.slice:cri-containerd:{APP}",
    ],
)
def test_a_pods_processes_are_known_by_their_cgroup_whatever_driver_and_prefix(cgroup: str) -> None:
    found = sandbox.collect(PretendKernel(process_table=(process(7, cgroup, POD_NS, 10),)), POD)
    assert (found.pid, found.state, found.processes) == (7, "ready", 1)


@pytest.mark.parametrize("tail", ["-1", "0", "_x", "a"])
def test_a_longer_id_is_another_pods(tail: str) -> None:
    found = sandbox.collect(PretendKernel(process_table=(process(7, f"/kubepods/pod{UID}{tail}/{APP}", POD_NS, 10),)), POD)
    assert (found.pid, found.state) == (None, "absent")


def test_on_cgroups_v1_any_of_the_hierarchies_names_the_pod() -> None:
    seen = Process(7, 1, 10, "app", ("/user.slice", f"/kubepods/pod{UID}/{APP}"), POD_NS)
    assert sandbox.collect(PretendKernel(process_table=(seen,)), POD).pid == 7


def test_conmon_started_first_and_sits_in_the_pods_cgroup_but_is_not_the_pod() -> None:
    table = (
        process(5, f"{SLICE}/crio-conmon-{APP}.scope", NODE.inode, 10, "conmon"),
        process(9, f"{SLICE}/crio-{APP}.scope", POD_NS, 20),
    )
    found = sandbox.collect(PretendKernel(process_table=table), POD)
    assert (found.pid, found.host_network, found.runtime) == (9, False, "cri-o")
    assert found.netns is not None
    assert found.netns.inode == POD_NS


def test_a_pod_whose_processes_all_live_in_the_nodes_namespace_is_on_the_host_network() -> None:
    table = (
        process(5, f"{SLICE}/crio-conmon-{APP}.scope", NODE.inode, 10, "conmon"),
        process(9, f"{SLICE}/crio-{APP}.scope", NODE.inode, 20, "kube-proxy"),
    )
    found = sandbox.collect(PretendKernel(process_table=table), POD)
    assert (found.pid, found.host_network, found.netns) == (9, True, NODE)


def test_a_host_network_pod_that_makes_a_namespace_is_still_on_the_host_network() -> None:
    table = (
        process(9, on_systemd(APP), NODE.inode, 20, "agent"),
        process(10, on_systemd(APP), OTHER_NS, 30, "probe"),
    )
    query = sandbox.Query(UID, NAME, "default", host_network=True)
    found = sandbox.collect(PretendKernel(process_table=table), query)
    assert (found.pid, found.host_network) == (9, True)


def test_without_a_runtimes_word_the_earliest_process_stands_for_the_pod() -> None:
    found = sandbox.collect(PretendKernel(process_table=running()), POD)
    assert (found.pid, found.runtime, found.id) == (144, "containerd", None)
    assert found.sources == ("/proc/144/cgroup", "/proc/144/ns/net")
