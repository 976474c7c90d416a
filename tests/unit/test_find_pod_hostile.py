"""Whatever a runtime's words or a query hold: a sandbox, or a typed error."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node_helper.facts import sandbox
from node_helper.protocol import CannotLook
from node_helper.records import Completed
from tests.hostile_json import JSON, changed
from tests.pretend_kernel import PretendKernel
from tests.unit.pods_on_paper import (
    APP,
    CONTAINERD_NETNS,
    CRIO,
    DOCKERD,
    NAME,
    PAUSE,
    POD,
    POD_NS,
    SOCKET,
    TASKS,
    UID,
    containerd_spec,
    docker,
    item,
    recorded,
    running,
    task,
)


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
