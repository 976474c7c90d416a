"""Every rule by which a pod's process and namespace are found, on nodes that exist on paper and on recorded runtimes' words."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node_helper.facts import sandbox
from node_helper.protocol import CannotLook
from node_helper.records import Completed, Process
from tests.hostile_json import JSON, changed
from tests.pretend_kernel import NODE, PretendKernel, process

RECORDED = Path(__file__).parent.parent / "data" / "runtimes"
UID = "386a9073-7e35-11e8-8a3d-bae97d2c1afd"
UNDERSCORED = UID.replace("-", "_")
NAME = "hello-world-5b446dd74b-pxtzt"
POD = sandbox.Query(UID, NAME, "default")
POD_NS, OTHER_NS = 4026532890, 4026532999
PAUSE, APP, OLD = "3d" * 32, "7a" * 32, "0b" * 32
SLICE = f"/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{UNDERSCORED}.slice"
TASKS = "/run/containerd/io.containerd.runtime.v2.task/k8s.io"
CRIO = "/run/containers/storage/overlay-containers"
CRIO_SANDBOX = "53ccf597c7c6ec95116b2e51faea932d4565cf0aeebfe0c3ca6d50bc35df92e5"
CRIO_CONTAINER = "7d17a26be1a7d08945d38d881435aac3d0a8a7aa95d90100aad8ecceef5d7998"
CRIO_NETNS = "/var/run/netns/ed5cdbb4-81ac-4a36-8a14-d96b65de1b55"
CONTAINERD_NETNS = "/var/run/netns/cni-a7d27b4c-112c-6280-700b-fecadf1a5124"


def recorded(name: str) -> Any:
    return json.loads((RECORDED / name).read_text())


def containerd_spec() -> Any:
    return recorded("containerd-1.6-inspectp.json")["info"]["runtimeSpec"]


def task(identity: str, pid: int | None, spec: Any, root: str = TASKS) -> dict[str, str]:
    files = {f"{root}/{identity}/config.json": json.dumps(spec)}
    return files if pid is None else {**files, f"{root}/{identity}/init.pid": str(pid)}


def on_systemd(identity: str) -> str:
    return f"{SLICE}/cri-containerd-{identity}.scope"


def running(*more: Process) -> tuple[Process, ...]:
    """A pause process and an application in one namespace, and what else a node runs."""
    return (
        process(1, "/init.scope", NODE.inode, 1, "systemd"),
        process(144, on_systemd(PAUSE), POD_NS, 900, "pause"),
        process(217, on_systemd(APP), POD_NS, 950),
        *more,
    )


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


def crictl(*items: dict[str, Any]) -> Any:
    def run(argv: tuple[str, ...]) -> Completed:
        if "pods" in argv:
            return Completed(0, json.dumps({"items": items}), "")
        return Completed(0, json.dumps(recorded("containerd-1.6-inspectp.json")), "")

    return run


def item(identity: str, state: str, attempt: int) -> dict[str, Any]:
    return {"id": identity, "state": state, "metadata": {"name": NAME, "uid": UID, "attempt": attempt}}


SOCKET = {"/run/containerd/containerd.sock": ""}


def test_stopped_sandboxes_stay_listed_and_the_ready_one_with_the_highest_attempt_is_taken() -> None:
    tools = crictl(item(OLD, "SANDBOX_NOTREADY", 0), item(PAUSE, "SANDBOX_READY", 2), item(APP, "SANDBOX_READY", 1))
    found = sandbox.collect(PretendKernel(files=SOCKET, process_table=running(), tools=tools), POD)
    assert (found.id, found.pid, found.state) == (PAUSE, 144, "ready")
    assert [(one.id, one.state, one.attempt) for one in found.attempts] == [
        (OLD, "stopped", 0),
        (APP, "ready", 1),
        (PAUSE, "ready", 2),
    ]


def test_a_pod_of_which_only_stopped_sandboxes_are_left_is_stopped() -> None:
    kernel = PretendKernel(files=SOCKET, tools=crictl(item(OLD, "SANDBOX_NOTREADY", 3)))
    found = sandbox.collect(kernel, POD)
    assert (found.state, found.pid, found.netns, found.processes) == ("stopped", None, None, 0)
    assert found.attempts == (sandbox.Attempt(OLD, "stopped", 3, 0),)


def test_crictl_is_asked_with_an_argv_list_and_a_time_limit() -> None:
    kernel = PretendKernel(files=SOCKET, tools=crictl())
    sandbox.collect(kernel, POD)
    assert (
        "node: crictl --runtime-endpoint unix:///run/containerd/containerd.sock --timeout 2s "
        f"pods --label io.kubernetes.pod.uid={UID} -o json"
    ) in kernel.asked


def test_a_crictl_that_fails_is_said_and_not_taken_for_no_pod() -> None:
    kernel = PretendKernel(files=SOCKET, tools=lambda _: Completed(1, "", "connection refused"))
    with pytest.raises(CannotLook, match="connection refused"):
        sandbox.collect(kernel, POD)


def test_a_containerd_that_serves_docker_and_no_cri_lists_no_pods() -> None:
    said = (
        'validate service connection: CRI v1 runtime API is not implemented for endpoint "unix:///run/containerd/containerd.sock"'
        ": rpc error: code = Unimplemented desc = unknown service runtime.v1.RuntimeService"
    )
    kernel = PretendKernel(files=SOCKET, tools=lambda _: Completed(1, "", said))
    assert sandbox.collect(kernel, POD).state == "absent"


def test_what_cri_dockerd_and_docker_both_list_is_one_sandbox() -> None:
    files = DOCKERD | {"/var/run/cri-dockerd.sock": ""}
    tools = crictl(item(PAUSE, "SANDBOX_NOTREADY", 4))
    found = sandbox.collect(PretendKernel(files=files, http=docker(Status="exited", Pid=0), tools=tools), POD)
    assert (found.state, found.attempts) == ("stopped", (sandbox.Attempt(PAUSE, "stopped", 4, 0),))


def test_an_absent_pod_is_absent_from_places_that_are_named() -> None:
    other = task(OLD, 90, {"annotations": {}})
    found = sandbox.collect(PretendKernel(files=other, process_table=(process(1, "/init.scope", NODE.inode, 1),)), POD)
    assert (found.state, found.sources) == ("absent", ("/proc/*/cgroup", TASKS))


def test_without_crictl_the_files_speak_alone() -> None:
    assert sandbox.collect(PretendKernel(files=SOCKET), POD).state == "absent"


def test_a_static_pod_is_known_by_its_config_hash() -> None:
    hashed = "0a1b2c3d4e5f60718293a4b5c6d7e8f9"
    spec = containerd_spec()
    spec["annotations"]["io.kubernetes.cri.sandbox-uid"] = hashed
    cgroup = f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{hashed}.slice/cri-containerd-{PAUSE}.scope"
    kernel = PretendKernel(files=task(PAUSE, 144, spec), process_table=(process(144, cgroup, NODE.inode, 9, "pause"),))
    found = sandbox.collect(kernel, sandbox.Query(UID, "etcd-node-one", "kube-system", host_network=True, config_hash=hashed))
    assert (found.id, found.pid, found.host_network) == (PAUSE, 144, True)
    assert sandbox.collect(kernel, sandbox.Query(UID, "etcd-node-one", "kube-system", host_network=True)).state == "absent"


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


def docker(**state: Any) -> dict[str, str]:
    inspected = {
        "Name": f"/k8s_POD_{NAME}_default_{UID}_4",
        "State": {"Status": "running", "Pid": 144, **state},
        "NetworkSettings": {"SandboxKey": "/var/run/docker/netns/0123456789ab"},
        "HostConfig": {"NetworkMode": "none", "Runtime": "runc"},
    }
    return {"/containers/json": json.dumps([{"Id": PAUSE}]), f"/containers/{PAUSE}/json": json.dumps(inspected)}


DOCKERD = {"/var/run/docker.pid": "99", "/proc/99/comm": "dockerd\n"}


def test_dockers_sandbox_container_is_read_from_its_socket() -> None:
    table = (process(144, f"/kubepods/pod{UID}/{PAUSE}", POD_NS, 900, "pause"),)
    kernel = PretendKernel(
        files=DOCKERD, http=docker(), process_table=table, pinned={"/var/run/docker/netns/0123456789ab": POD_NS}
    )
    found = sandbox.collect(kernel, POD)
    assert (found.runtime, found.id, found.pid, found.attempts[0].attempt) == ("docker", PAUSE, 144, 4)
    assert found.netns is not None
    assert found.netns.path == "/var/run/docker/netns/0123456789ab"


def test_a_docker_sandbox_under_the_systemd_driver_is_found() -> None:
    table = (process(144, f"{SLICE}/docker-{PAUSE}.scope", POD_NS, 900, "pause"),)
    kernel = PretendKernel(
        files=DOCKERD, http=docker(), process_table=table, pinned={"/var/run/docker/netns/0123456789ab": POD_NS}
    )
    assert (sandbox.collect(kernel, POD).runtime, sandbox.collect(kernel, POD).pid) == ("docker", 144)


def test_a_docker_that_does_not_run_is_not_asked_because_its_socket_would_start_it() -> None:
    kernel = PretendKernel(http=docker())
    assert sandbox.collect(kernel, POD).state == "absent"
    assert not [asked for asked in kernel.asked if asked.startswith("/var/run/docker.sock")]


def test_a_stopped_docker_sandbox_is_stopped() -> None:
    found = sandbox.collect(PretendKernel(files=DOCKERD, http=docker(Status="exited", Pid=0)), POD)
    assert (found.state, found.attempts) == ("stopped", (sandbox.Attempt(PAUSE, "stopped", 4, 0),))


def test_a_paused_docker_sandbox_is_there() -> None:
    table = (process(144, f"/kubepods/pod{UID}/{PAUSE}", POD_NS, 900, "pause"),)
    found = sandbox.collect(PretendKernel(files=DOCKERD, http=docker(Status="paused"), process_table=table), POD)
    assert (found.state, found.pid, found.attempts) == ("ready", 144, (sandbox.Attempt(PAUSE, "ready", 4, 144),))


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


@given(st.binary(max_size=400))
def test_no_bytes_in_a_runtimes_file_are_more_than_a_sandbox_that_is_not_there(content: bytes) -> None:
    text = content.decode(errors="backslashreplace") + UID
    files = {f"{TASKS}/{PAUSE}/config.json": text, f"{CRIO}/{PAUSE}/userdata/config.json": text}
    assert sandbox.collect(PretendKernel(files=files, process_table=running()), POD).pid == 144


@given(JSON, st.sampled_from(["annotations", "linux", "process"]))
def test_no_json_of_another_shape_is_more_than_a_sandbox_that_is_not_there(value: Any, key: str) -> None:
    spec = containerd_spec() | {key: value}
    files = task(PAUSE, 144, spec) | {"/var/run/docker.pid": "1", "/proc/1/comm": "dockerd"}
    kernel = PretendKernel(files=files, process_table=running(), http={"/containers/json": json.dumps(value)})
    assert sandbox.collect(kernel, POD).pid == 144


@given(st.data())
def test_a_runtimes_words_with_anything_in_any_place_are_a_sandbox_or_a_typed_error(data: st.DataObject) -> None:
    """Containerd's and CRI-O's configurations, docker's answers and crictl's, each changed in one place."""
    inspected, listed = (json.loads(text) for text in reversed(docker().values()))
    crio = changed(data, recorded("crio-1.37-inspectp.json")["info"]["runtimeSpec"])
    files = {
        **task(PAUSE, 144, changed(data, containerd_spec())),
        f"{CRIO}/{APP}/userdata/config.json": json.dumps(crio),
        **DOCKERD, **SOCKET,
    }  # fmt: skip
    http = {
        "/containers/json": json.dumps(changed(data, listed)),
        f"/containers/{PAUSE}/json": json.dumps(changed(data, inspected)),
    }
    said = changed(data, {"items": [item(PAUSE, "SANDBOX_READY", 1)]}), changed(data, recorded("containerd-1.6-inspectp.json"))
    tools = lambda argv: Completed(0, json.dumps(said["inspectp" in argv]), "")  # noqa: E731
    kernel = PretendKernel(files=files, process_table=running(), http=http, tools=tools, pinned={CONTAINERD_NETNS: POD_NS})
    with contextlib.suppress(CannotLook):
        assert sandbox.collect(kernel, POD).processes == 2


@pytest.mark.parametrize("uid", ["", "../../etc", "a b", "x" * 65, "-a", "a\n"])
def test_what_is_no_uid_is_refused(uid: str) -> None:
    with pytest.raises(ValueError, match="no UID"):
        sandbox.Query(uid, NAME, "default")
