"""Which grants a node takes: one that was signed for it, now, by a key that it knows; any other changes nothing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node_helper.changes import installed
from node_helper.changes import plan as plans
from node_helper.changes.applying import apply
from node_helper.changes.grant import Applied, Grant
from node_helper.changes.plan import Setting, Target
from tests.change_node import AFTER, BEFORE, MACHINE, NODE, FolderNode, make_key, plan_of
from workers.changes import signing


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_key(tmp_path_factory.mktemp("keys") / "approver")


@pytest.fixture
def node(tmp_path: Path, key: Path) -> FolderNode:
    return FolderNode.make(tmp_path / "node", key)


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory, key: Path) -> Iterator[tuple[FolderNode, Grant]]:
    """A node that is offered much and takes nothing, and a grant that it would take."""
    node = FolderNode.make(tmp_path_factory.mktemp("patient") / "node", key)
    yield node, node.grant(plan_of())
    assert node.recent() == ()
    assert node.held()[:2] == (BEFORE.value, BEFORE.buckets)


def refused(said: Applied, code: str, *words: str) -> None:
    assert (said.refusal, said.done) == (code, None), said
    for word in words:
        assert word in said.reason


def test_a_grant_for_this_node_is_carried_out(node: FolderNode) -> None:
    said = node.apply(plan_of())
    assert said.done is not None
    assert (said.refusal, said.done.state, said.done.found) == ("", "done", AFTER)
    assert node.held() == (198000, 65536, "")
    assert [(done.approval, done.state) for done in node.recent()] == [("approval-1", "done")]


def test_the_same_grant_again_is_told_what_came_of_it_even_when_it_is_over(node: FolderNode) -> None:
    grant = node.grant(plan_of())
    first = apply(grant, node.hands)
    node.hold(BEFORE)
    node.hands.now = lambda: 1e11  # type: ignore[method-assign]  # a later day
    assert apply(grant, node.hands) == replace(first, again=True)
    assert node.held()[0] == BEFORE.value


def test_a_nonce_counts_once(node: FolderNode) -> None:
    node.change(plan_of())
    refused(node.apply(plan_of(AFTER, Setting(150000, 65536))), "used", "approval-1")
    assert node.held()[0] == AFTER.value


def test_another_cluster_another_node_and_another_machine_of_that_name(node: FolderNode) -> None:
    refused(node.apply(plan_of(cluster="prod")), "wrong-cluster", "prod", "lab")
    refused(node.apply(plan_of(targets=(Target("node-b", MACHINE, BEFORE, AFTER),))), "wrong-node", NODE)
    refused(node.apply(plan_of(targets=(Target(NODE, "b" * 32, BEFORE, AFTER),))), "wrong-node", MACHINE, "b" * 32)
    assert node.held()[0] == BEFORE.value


def test_what_is_over_and_what_is_from_the_future(node: FolderNode) -> None:
    now = plan_of().issued
    refused(node.apply(plan_of(issued=now - 100, expires=now - 50)), "expired", "Z")
    refused(node.apply(plan_of(issued=now + 1000, expires=now + 2000)), "clock", "clock")
    assert node.apply(plan_of(issued=now + 30, expires=now + 2000)).refusal == ""


def test_a_node_that_holds_something_else_is_left_alone(node: FolderNode) -> None:
    node.hold(Setting(131072, 65536))
    refused(node.apply(plan_of()), "changed", "131072", "262144")
    node.hold(Setting(262144, 16384))
    refused(node.apply(plan_of()), "changed", "16384")
    assert node.held()[:2] == (262144, 16384)


def test_keys_are_rotated(node: FolderNode, tmp_path: Path) -> None:
    new = make_key(tmp_path / "new")
    node.trust(new)
    refused(node.apply(plan_of()), "bad-signature")
    node.trust(new, node.key)
    assert node.apply(plan_of()).refusal == ""
    assert apply(signing.sign(plan_of(AFTER, BEFORE, 2), new), node.hands).refusal == ""


@pytest.mark.parametrize("options", [('valid-before="20200101Z"',), ('valid-after="20990101Z"',)])
def test_a_key_counts_in_its_time(node: FolderNode, options: tuple[str, ...]) -> None:
    node.trust(node.key, options=options)
    refused(node.apply(plan_of()), "bad-signature")


def test_a_key_of_another_principal_or_namespace_does_not_count(node: FolderNode) -> None:
    allowed = Path(node.paths.signers).read_text()
    for wrong in (allowed.replace("approver@", "worker@"), allowed.replace('"netcheck"', '"git"'), "", "nonsense\n"):
        Path(node.paths.signers).write_text(wrong)
        refused(node.apply(plan_of()), "bad-signature")


def test_a_signature_over_something_else_does_not_count(node: FolderNode) -> None:
    other = node.grant(plan_of(after=Setting(1, 65536)))
    refused(apply(Grant(node.grant(plan_of()).plan, other.signature), node.hands), "bad-signature")


def test_the_same_plan_written_in_another_way_is_not_read(node: FolderNode) -> None:
    plan = plan_of()
    for text in (
        json.dumps(json.loads(plans.canonical(plan))),
        plans.canonical(plan) + "\n",
        plans.canonical(plan).replace('"version":1', '"version":1.0'),
    ):
        refused(apply(Grant(text, node.grant(plan).signature), node.hands), "malformed")


@given(place=st.integers(0), byte=st.integers(1, 255), part=st.sampled_from(("plan", "signature")))
def test_no_grant_that_was_altered_is_taken(patient: tuple[FolderNode, Grant], place: int, byte: int, part: str) -> None:
    node, grant = patient
    text = getattr(grant, part)
    place %= len(text)
    altered = text[:place] + chr(ord(text[place]) ^ byte) + text[place + 1 :]
    said = apply(replace(grant, **{part: altered}), node.hands)
    assert said.refusal in ("malformed", "bad-signature")
    assert said.done is None


def test_another_spelling_of_a_signature_is_none(patient: tuple[FolderNode, Grant]) -> None:
    """OpenSSH takes most of these."""
    node, grant = patient
    begin, *lines, end = grant.signature.splitlines()
    *full, last = lines
    unused = last.replace("==", "").replace("=", "")
    for armour in (
        [begin, *lines, end, "and more"],
        [begin, *lines, end, ""],
        [begin, "".join(lines), end],
        [begin, *full, f" {last}", end],
        [begin, *full, unused[:-1] + chr(ord(unused[-1]) + 1) + "=" * (len(last) - len(unused)), end],
    ):
        said = apply(replace(grant, signature="\n".join([*armour, ""])), node.hands)
        assert (said.refusal, said.done) == ("bad-signature", None), armour


@given(plan=st.text() | st.from_regex(r'\{"[a-z]{1,9}":[\[{0-9"]{0,40}'), signature=st.text())
def test_whatever_is_sent_is_answered(patient: tuple[FolderNode, Grant], plan: str, signature: str) -> None:
    node, grant = patient
    assert apply(Grant(plan, signature), node.hands).refusal == "malformed"
    assert apply(Grant(grant.plan, signature), node.hands).refusal == "bad-signature"


@pytest.mark.parametrize("plan", ["9" * 800_000, "[" * 800_000, "\ud800", "x" * 2_000_000, '{"version":1e999}', "NaN"])
def test_what_costs_much_to_read_is_not_read(node: FolderNode, plan: str) -> None:
    refused(apply(Grant(plan, ""), node.hands), "malformed")


def test_nothing_is_offered_where_something_is_missing(node: FolderNode) -> None:
    for path in (node.paths.identity, node.paths.signers, node.paths.state):
        shutil.move(path, f"{path}.away")
        refused(node.apply(plan_of()), "not-offered")
        assert installed.why_not(node.paths, installed=True)
        shutil.move(f"{path}.away", path)
    assert installed.why_not(node.paths, installed=True) == ""
    assert "pushed" in installed.why_not(node.paths, installed=False)


@pytest.mark.parametrize("mode", [0o666, 0o664, 0o646])
def test_nothing_is_offered_where_others_may_write_who_may_approve(node: FolderNode, mode: int) -> None:
    Path(node.paths.signers).chmod(mode)
    refused(node.apply(plan_of()), "not-offered", "written by others")
    Path(node.paths.signers).chmod(0o644)
    folder = Path(node.paths.signers).parent
    folder.chmod(0o777)
    refused(node.apply(plan_of()), "not-offered", str(folder))
    folder.chmod(0o755)
    Path(node.paths.state).chmod(0o750)
    refused(node.apply(plan_of()), "not-offered", "open to others")


def test_nothing_is_offered_by_way_of_a_link(node: FolderNode) -> None:
    signers = Path(node.paths.signers)
    signers.rename(signers.with_suffix(".real"))
    signers.symlink_to(signers.with_suffix(".real"))
    refused(node.apply(plan_of()), "not-offered", "symbolic link")


@pytest.mark.parametrize("text", ["", "[]", '{"cluster": "lab"}', '{"cluster": "lab", "node": "node-a", "more": 1}', "\udcff"])
def test_nothing_is_offered_where_the_node_does_not_know_who_it_is(node: FolderNode, text: str) -> None:
    Path(node.paths.identity).write_bytes(text.encode(errors="surrogateescape"))
    refused(node.apply(plan_of()), "not-offered", "node.json")


def test_the_files_must_be_roots(node: FolderNode) -> None:
    other = replace(node.paths, owner=node.paths.owner + 1)
    assert installed.why_not(other, installed=True) == "this helper does not run as root"
