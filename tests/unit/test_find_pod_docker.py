"""A pod's process and namespace by what docker says of its sandbox."""

from __future__ import annotations

from node_helper.facts import sandbox
from tests.pretend_kernel import PretendKernel, process
from tests.unit.pods_on_paper import DOCKERD, PAUSE, POD, POD_NS, SLICE, UID, docker


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
