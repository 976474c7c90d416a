"""A pod's process and namespace by what containerd keeps of its tasks."""

from __future__ import annotations

import json

import pytest

from node_helper.facts import sandbox
from node_helper.protocol import CannotLook
from tests.pretend_kernel import NODE, PretendKernel, process
from tests.unit.pods_on_paper import (
    APP,
    CONTAINERD_NETNS,
    NAME,
    OLD,
    OTHER_NS,
    PAUSE,
    POD,
    POD_NS,
    TASKS,
    UID,
    containerd_spec,
    on_systemd,
    running,
    task,
)


def test_containerds_task_names_the_sandbox_and_its_pinned_namespace() -> None:
    files = task(PAUSE, 144, containerd_spec())
    kernel = PretendKernel(files=files, process_table=running(), pinned={CONTAINERD_NETNS: POD_NS})
    found = sandbox.collect(kernel, POD)
    assert (found.runtime, found.id, found.pid, found.state, found.processes) == ("containerd", PAUSE, 144, "ready", 2)
    assert found.netns is not None
    assert (found.netns.path, found.netns.inode) == (CONTAINERD_NETNS, POD_NS)
    assert found.sources[0] == f"{TASKS}/{PAUSE}/config.json"
    assert found.attempts == (sandbox.Attempt(PAUSE, "ready", 0, 144),)


@pytest.mark.parametrize(
    "root",
    ["/run/containerd", "/run/k3s/containerd", "/run/k0s/containerd", "/var/snap/microk8s/common/run/containerd"],
)
def test_containerd_is_found_wherever_distributions_put_it(root: str) -> None:
    files = task(PAUSE, 144, containerd_spec(), f"{root}/io.containerd.runtime.v2.task/k8s.io")
    assert sandbox.collect(PretendKernel(files=files, process_table=running()), POD).id == PAUSE


def test_an_older_containerd_tells_the_uid_in_the_log_directory_only() -> None:
    spec = containerd_spec()
    spec["annotations"]["io.kubernetes.cri.sandbox-log-directory"] = f"/var/log/pods/default_{NAME}_{UID}"
    del spec["annotations"]["io.kubernetes.cri.sandbox-uid"]
    assert sandbox.collect(PretendKernel(files=task(PAUSE, 144, spec), process_table=running()), POD).id == PAUSE


def test_only_the_pods_own_folders_are_read_while_its_processes_name_them() -> None:
    files = task(PAUSE, 144, containerd_spec())
    for number in range(50):
        files |= task(f"{number:064x}", 1000 + number, {"annotations": {}})
    kernel = PretendKernel(files=files, process_table=running())
    sandbox.collect(kernel, POD)
    assert not [path for path in kernel.asked if f"{1:064x}" in path]


def test_a_namespace_pinned_where_this_process_does_not_see_it_is_entered_through_the_process() -> None:
    kernel = PretendKernel(files=task(PAUSE, 144, containerd_spec()), process_table=running())
    found = sandbox.collect(kernel, POD)
    assert found.netns is not None
    assert (found.netns.path, found.netns.inode) == ("/proc/144/ns/net", POD_NS)


def test_a_pid_that_passed_to_another_process_is_not_believed() -> None:
    other = process(666, "/system.slice/cron.service", NODE.inode, 5000, "cron")
    table = (process(1, "/init.scope", NODE.inode, 1), process(217, on_systemd(APP), POD_NS, 950), other)
    found = sandbox.collect(PretendKernel(files=task(PAUSE, 666, containerd_spec()), process_table=table), POD)
    assert found.pid == 217
    assert found.attempts == (sandbox.Attempt(PAUSE, "stopped", 0, 0),)
    assert found.state == "stopped"


def test_a_process_whose_cgroup_is_hidden_is_believed_when_it_lives_in_the_pinned_namespace() -> None:
    hidden = process(144, "/", POD_NS, 900, "pause")
    kernel = PretendKernel(files=task(PAUSE, 144, containerd_spec()), process_table=(hidden,), pinned={CONTAINERD_NETNS: POD_NS})
    assert (sandbox.collect(kernel, POD).pid, sandbox.collect(kernel, POD).state) == (144, "ready")


def test_of_two_running_sandboxes_the_later_started_is_the_pods_where_no_attempt_is_told() -> None:
    files = task(PAUSE, 144, containerd_spec()) | task(OLD, 90, containerd_spec())
    table = running(process(90, on_systemd(OLD), OTHER_NS, 500, "pause"))
    found = sandbox.collect(PretendKernel(files=files, process_table=table), POD)
    assert (found.id, found.pid) == (PAUSE, 144)
    assert {one.id for one in found.attempts} == {PAUSE, OLD}


def test_an_absent_pod_is_absent_from_places_that_are_named() -> None:
    other = task(OLD, 90, {"annotations": {}})
    found = sandbox.collect(PretendKernel(files=other, process_table=(process(1, "/init.scope", NODE.inode, 1),)), POD)
    assert (found.state, found.sources) == ("absent", ("/proc/*/cgroup", TASKS))


def test_a_static_pod_is_known_by_its_config_hash() -> None:
    hashed = "0a1b2c3d4e5f60718293a4b5c6d7e8f9"
    spec = containerd_spec()
    spec["annotations"]["io.kubernetes.cri.sandbox-uid"] = hashed
    cgroup = f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{hashed}.slice/cri-containerd-{PAUSE}.scope"
    kernel = PretendKernel(files=task(PAUSE, 144, spec), process_table=(process(144, cgroup, NODE.inode, 9, "pause"),))
    found = sandbox.collect(kernel, sandbox.Query(UID, "etcd-node-one", "kube-system", host_network=True, config_hash=hashed))
    assert (found.id, found.pid, found.host_network) == (PAUSE, 144, True)
    assert sandbox.collect(kernel, sandbox.Query(UID, "etcd-node-one", "kube-system", host_network=True)).state == "absent"


@pytest.mark.parametrize("shim", ["/opt/kata/bin/containerd-shim-kata-v2", "/usr/local/bin/containerd-shim-runsc-v1"])
def test_a_pod_in_a_virtual_machine_or_a_user_space_kernel_cannot_be_told_and_that_is_said(shim: str) -> None:
    files = task(PAUSE, 144, containerd_spec()) | {f"{TASKS}/{PAUSE}/shim-binary-path": shim}
    with pytest.raises(CannotLook, match="does not see its network") as said:
        sandbox.collect(PretendKernel(files=files, process_table=running()), POD)
    assert said.value.kind == "missing"
    assert shim in said.value.reason


def test_a_half_written_bundle_leaves_the_cgroups_word() -> None:
    files = {f"{TASKS}/{PAUSE}/config.json": json.dumps(containerd_spec())[:200]}
    assert sandbox.collect(PretendKernel(files=files, process_table=running()), POD).pid == 144
