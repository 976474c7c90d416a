"""The helper itself, spoken to line by line as no worker would."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from node_helper import parts, wire
from tests.unit import toy_helper as toy
from tests.unit.local import TOY, gone

if TYPE_CHECKING:
    from collections.abc import Iterator

    from node_helper.protocol import AnyFact


class Talk:
    """A helper with toy facts and both ends of its wire."""

    def __init__(self, *arguments: str) -> None:
        pipe = subprocess.PIPE
        self.process = subprocess.Popen([sys.executable, "-I", TOY, *arguments], stdin=pipe, stdout=pipe, stderr=pipe)
        self.log = ""
        self.hello = self.read()["hello"]

    def say(self, line: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line)
        self.process.stdin.flush()

    def ask(self, fact: AnyFact[Any, Any], number: int = 1, **more: Any) -> None:
        limits = {"seconds": 20.0, **{k: more.pop(k) for k in list(more) if k in {"seconds", "credit", "memory_mb", "schema"}}}
        asked = {"id": number, "ask": fact.name, "schema": fact.schema, "query": more, **limits}
        self.say(json.dumps(asked).encode() + b"\n")

    def read(self) -> Any:
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())

    def end(self) -> tuple[int, str]:
        """End its input; its status and its log."""
        if not self.log:
            self.log = self.process.communicate(timeout=20)[1].decode() or "nothing"
        return self.process.returncode, self.log


@pytest.fixture
def talk() -> Iterator[Talk]:
    talk = Talk()
    yield talk
    talk.end()


@pytest.fixture(scope="module")
def patient() -> Iterator[Talk]:
    """One helper for all that is said to it."""
    talk = Talk()
    yield talk
    talk.end()


def wait_for(true: Any) -> None:
    until = time.monotonic() + 20
    while not true():
        assert time.monotonic() < until
        time.sleep(0.005)


def test_the_helper_speaks_first(talk: Talk) -> None:
    assert talk.hello["schemas"]["echo"] == toy.ECHO.schema
    assert talk.hello["installed"] is True
    assert talk.hello["changes"] is False
    assert talk.hello["journal"] == []


def test_the_end_of_input_ends_it(talk: Talk) -> None:
    assert talk.end()[0] == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize("fact", [toy.BURN, toy.SLOW], ids=lambda f: f.name)
def test_a_signal_ends_it_with_its_children(talk: Talk, number: int, fact: Any, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    talk.say(wire.request_line(asked(1, fact, seconds=60.0, path=str(mark))))
    wait_for(lambda: mark.exists() and mark.read_text())
    talk.process.send_signal(number)
    assert talk.end()[0] == 0
    if fact is toy.BURN:
        wait_for(lambda: gone(int(mark.read_text())))


def test_children_end_when_it_is_killed(talk: Talk, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    talk.say(wire.request_line(asked(1, toy.BURN, seconds=60.0, path=str(mark))))
    wait_for(lambda: mark.exists() and mark.read_text())
    talk.process.kill()
    talk.process.wait(timeout=20)
    wait_for(lambda: gone(int(mark.read_text())))


def test_a_helper_that_nobody_asks_ends_itself() -> None:
    talk = Talk("0.05")
    assert talk.process.wait(timeout=20) == 0
    talk.end()


@given(line=st.binary(max_size=200).map(lambda b: b.replace(b"\n", b"")))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_malformed_line_is_answered_and_changes_nothing(patient: Talk, line: bytes) -> None:
    patient.say(line + b"\n")
    assert patient.read()["cannot"]["kind"] == "malformed"
    patient.ask(toy.ECHO, 5, text="still here")
    assert patient.read()["answer"]["text"] == "still here"


def test_a_line_without_end_ends_the_connection(talk: Talk) -> None:
    talk.say(b"x" * (wire.MAX_LINE + 2))
    assert talk.read()["cannot"]["kind"] == "malformed"
    assert talk.process.wait(timeout=20) == 0


@pytest.mark.parametrize(("fact", "schema"), [("echo", "000000000000"), ("never_heard_of", "x")])
def test_a_fact_in_another_form_is_refused(patient: Talk, fact: str, schema: str) -> None:
    patient.say(json.dumps({"id": 3, "ask": fact, "schema": schema, "seconds": 5, "query": {}}).encode() + b"\n")
    said = patient.read()
    assert (said["id"], said["cannot"]["kind"]) == (3, "old-helper")
    assert said["cannot"]["fix"]


def test_a_query_of_another_shape_is_refused(patient: Talk) -> None:
    patient.ask(toy.ECHO, 4, text=5)
    assert patient.read()["cannot"]["kind"] == "malformed"


def test_parts_wait_for_credit(talk: Talk) -> None:
    talk.ask(toy.BIG, credit=1, size=3_000_000)
    first = talk.read()
    talk.ask(toy.ECHO, 2, text="between")
    assert talk.read()["answer"]["text"] == "between"
    joined = parts.Joined(1 << 24)
    joined.add(first["part"], first["z"])
    while True:
        talk.say(wire.request_line(wire.Credit(1, 1)))
        said = talk.read()
        if "end" in said:
            break
        joined.add(said["part"], said["z"])
    assert len(json.loads(joined.content())["text"]) == 3_000_000


@pytest.mark.parametrize("fact", [toy.COUNT, toy.HEAVY_COUNT], ids=lambda f: f.name)
def test_rows_wait_for_credit_and_memory_stays_bounded(talk: Talk, fact: Any) -> None:
    talk.ask(fact, credit=1, size=10_000_000, text="x" * 1000)
    assert "rows" in talk.read()
    before = resident(talk.process.pid)
    talk.ask(toy.ECHO, 2, text="between")
    assert talk.read()["answer"]["text"] == "between"
    assert resident(talk.process.pid) - before < 8 << 20
    talk.say(wire.request_line(wire.Cancel(1)))
    assert talk.read()["cannot"]["kind"] == "cancelled"


@pytest.mark.parametrize("fact", [toy.BIG, toy.HEAVY_BIG], ids=lambda f: f.name)
def test_a_reader_that_never_pays_gets_a_timeout(talk: Talk, fact: Any) -> None:
    talk.ask(fact, credit=1, size=3_000_000, seconds=2.0)
    assert "part" in talk.read()
    assert talk.read()["cannot"]["kind"] == "timeout"


@pytest.mark.parametrize("fact", [toy.SLOW, toy.BURN], ids=lambda f: f.name)
def test_cancel_is_answered_and_ends_the_work(talk: Talk, fact: Any, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    talk.say(wire.request_line(asked(1, fact, seconds=60.0, path=str(mark))))
    wait_for(lambda: mark.exists() and mark.read_text())
    talk.say(wire.request_line(wire.Cancel(1)))
    assert talk.read()["cannot"]["kind"] == "cancelled"
    wait_for(lambda: mark.read_text() == "ended" if fact is toy.SLOW else gone(int(mark.read_text())))


def test_a_cancelled_question_in_line_never_starts(talk: Talk, tmp_path: Path) -> None:
    for number in range(1, 9):
        talk.say(wire.request_line(asked(number, toy.SLOW, seconds=60.0)))
    talk.say(wire.request_line(asked(20, toy.SLOW, path=str(tmp_path / "mark"))))
    talk.say(wire.request_line(wire.Cancel(20)))
    assert talk.read() == {"id": 20, "cannot": {"kind": "cancelled", "reason": "the question was cancelled", "fix": ""}}
    for number in range(1, 9):
        talk.say(wire.request_line(wire.Cancel(number)))
        assert talk.read()["id"] == number
    assert talk.end()[0] == 0
    assert not (tmp_path / "mark").exists()


def asked(number: int, fact: AnyFact[Any, Any], **query: Any) -> wire.Asked:
    return wire.Asked(number, fact.name, fact.schema, 60.0, query=query)


def test_too_long_a_line_of_questions_is_refused(talk: Talk) -> None:
    for number in range(100):
        talk.say(wire.request_line(asked(number, toy.SLOW, seconds=60.0)))
    assert talk.read()["cannot"]["kind"] == "budget"


def test_cancelling_what_is_not_asked_is_no_news(patient: Talk) -> None:
    patient.say(wire.request_line(wire.Cancel(99)) + wire.request_line(wire.Credit(99, 3)))
    patient.ask(toy.ECHO, 6, text="fine")
    assert patient.read()["answer"]["text"] == "fine"


def test_a_child_that_wants_too_much_memory_is_refused_it(patient: Talk) -> None:
    patient.ask(toy.HOG, 7, size=512 << 20, memory_mb=64)
    said = patient.read()["cannot"]
    assert said["kind"] == "budget"
    assert "64 MiB" in said["reason"]


def test_a_child_that_crashes_harms_nobody(patient: Talk) -> None:
    patient.ask(toy.CRASH, 8)
    said = patient.read()["cannot"]
    assert said["kind"] == "bug"
    assert "status 7" in said["reason"]
    patient.ask(toy.HEAVY_BIG, 9, size=10)
    assert len(patient.read()["answer"]["text"]) == 10


def test_heavy_questions_take_turns(talk: Talk, tmp_path: Path) -> None:
    marks = [tmp_path / "1", tmp_path / "2"]
    other = Talk()
    for who, mark in zip((talk, other), marks, strict=True):
        who.say(wire.request_line(asked(1, toy.BURN, seconds=60.0, path=str(mark))))
    wait_for(lambda: any(mark.exists() and mark.read_text() for mark in marks))
    first = 0 if marks[0].exists() else 1
    assert not marks[1 - first].exists()
    (talk, other)[first].say(wire.request_line(wire.Cancel(1)))
    wait_for(lambda: marks[1 - first].exists() and marks[1 - first].read_text())
    other.end()


def test_a_heavy_question_that_never_got_its_turn_says_so(talk: Talk, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    talk.say(wire.request_line(asked(1, toy.BURN, seconds=60.0, path=str(mark))))
    wait_for(lambda: mark.exists() and mark.read_text())
    talk.ask(toy.HEAVY_BIG, 2, seconds=0.2)
    assert "another heavy question" in talk.read()["cannot"]["reason"]


def test_what_facts_print_never_reaches_the_wire(patient: Talk) -> None:
    patient.ask(toy.CHATTY, 10)
    assert patient.read()["answer"]["text"] == ""
    patient.ask(toy.ECHO, 11, text="clean")
    assert patient.read()["id"] == 11


def test_the_log_carries_the_trace_and_no_forged_line(talk: Talk) -> None:
    talk.say(wire.request_line(wire.Asked(1, "broken", toy.BROKEN.schema, 5.0, trace="t-42", query={})))
    assert talk.read()["cannot"]["kind"] == "bug"
    lines = talk.end()[1].splitlines()
    assert any(line.startswith("event=bug trace=t-42 fact=broken") for line in lines)
    assert not any(line.startswith("event=forged") for line in lines)


def test_a_python_that_is_too_old_is_told(tmp_path: Path) -> None:
    main = Path(wire.__file__).with_name("__main__.py").read_text()
    (tmp_path / "old.py").write_text(main.replace("(3, 9)", "(99, 0)"))
    ended = subprocess.run([sys.executable, "-I", str(tmp_path / "old.py"), "serve"], capture_output=True, text=True, check=False)
    assert ended.returncode == 3
    assert "needs Python 3.9 or newer" in ended.stderr
    assert ended.stdout == ""


def test_only_serve_is_understood() -> None:
    argv = [sys.executable, "-m", "node_helper", "serve", "; rm -rf /"]
    ended = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (2, "")


def resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
