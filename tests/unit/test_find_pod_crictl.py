"""A pod's sandboxes as crictl lists them, where a runtime's socket is."""

from __future__ import annotations

import pytest

from node_helper.facts import sandbox
from node_helper.protocol import CannotLook
from node_helper.records import Completed
from tests.pretend_kernel import PretendKernel
from tests.unit.pods_on_paper import APP, DOCKERD, OLD, PAUSE, POD, SOCKET, UID, crictl, docker, item, running


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


def test_without_crictl_the_files_speak_alone() -> None:
    assert sandbox.collect(PretendKernel(files=SOCKET), POD).state == "absent"
