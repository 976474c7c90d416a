"""Files are read with limits, and a pod's symbolic links never lead out of its root."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from node_helper.linux import files, unix_http
from node_helper.protocol import CannotLook


def test_a_file_is_read_up_to_its_limit(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("0123456789")
    assert files.read(str(tmp_path / "file"), 4) == "0123"


def test_bytes_that_are_no_text_are_shown_as_such(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"a\xffb")
    assert files.read(str(tmp_path / "file"), 100) == "a\\xffb"


@pytest.mark.parametrize("path", ["nothing", "file/below"])
def test_what_is_not_there_is_none(tmp_path: Path, path: str) -> None:
    (tmp_path / "file").write_text("")
    assert files.read(str(tmp_path / path), 100) is None
    assert files.names_in(str(tmp_path / path)) == ()


def test_names_come_sorted(tmp_path: Path) -> None:
    for name in ("b", "a", "c"):
        (tmp_path / name).touch()
    assert files.names_in(str(tmp_path)) == ("a", "b", "c")


def test_a_fifo_would_hold_the_reader_and_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(CannotLook, match="not a regular file"):
        files.read(str(tmp_path / "fifo"), 100)


@pytest.fixture
def root(tmp_path: Path) -> Iterator[int]:
    """A pod's root with a file, and the node's file of the same name outside."""
    (tmp_path / "root" / "etc").mkdir(parents=True)
    (tmp_path / "root" / "run" / "deep").mkdir(parents=True)
    (tmp_path / "root" / "etc" / "resolv.conf").write_text("inside")
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "resolv.conf").write_text("outside")
    descriptor = os.open(tmp_path / "root", os.O_PATH)
    yield descriptor
    os.close(descriptor)


def read_below(top: int, path: str) -> str:
    with os.fdopen(files.resolve(top, path)) as file:
        return file.read()


@pytest.mark.parametrize(
    ("link", "target"),
    [
        ("absolute", "/etc/resolv.conf"),
        ("relative", "etc/resolv.conf"),
        ("escaping", "../../../../../etc/resolv.conf"),
        ("run/deep/escaping", "../../../../etc/resolv.conf"),
        ("run/deep/absolute", "/run/../etc/./resolv.conf"),
    ],
)
def test_a_link_is_resolved_from_the_pods_root(tmp_path: Path, root: int, link: str, target: str) -> None:
    (tmp_path / "root" / link).symlink_to(target)
    assert read_below(root, f"/{link}") == "inside"


def test_a_folder_that_is_a_link_does_not_lead_out_either(tmp_path: Path, root: int) -> None:
    (tmp_path / "root" / "up").symlink_to("..")
    (tmp_path / "root" / "top").symlink_to("/")
    assert read_below(root, "/up/etc/resolv.conf") == "inside"
    assert read_below(root, "/top/../etc/resolv.conf") == "inside"


def test_links_in_a_circle_lead_nowhere(tmp_path: Path, root: int) -> None:
    (tmp_path / "root" / "a").symlink_to("b")
    (tmp_path / "root" / "b").symlink_to("a")
    with pytest.raises(FileNotFoundError):
        files.resolve(root, "/a")


@pytest.mark.parametrize("path", ["/nothing", "/etc/resolv.conf/below"])
def test_a_path_to_nowhere_is_not_found(root: int, path: str) -> None:
    with pytest.raises((FileNotFoundError, NotADirectoryError)):
        files.resolve(root, path)


def test_resolving_leaves_no_descriptor_open(tmp_path: Path, root: int) -> None:
    (tmp_path / "root" / "run" / "deep" / "link").symlink_to("/etc/resolv.conf")
    before = len(files.names_in("/proc/self/fd"))
    for path in ("/run/deep/link", "/etc/resolv.conf", "/run/nothing", "/run/deep"):
        with contextlib.suppress(OSError):
            os.close(files.resolve(root, path))
    assert len(files.names_in("/proc/self/fd")) == before


def test_a_process_sees_its_own_root() -> None:
    found = files.read_inside(os.getpid(), str(Path(__file__)), 20)
    assert found == '"""Files are read wi'
    assert files.read_inside(os.getpid(), "/nothing/there", 20) is None


def test_a_process_that_is_no_more_is_gone() -> None:
    with pytest.raises(CannotLook) as said:
        files.read_inside(2**22 + 1, "/etc/resolv.conf", 20)
    assert said.value.kind == "gone"


@contextlib.contextmanager
def daemon(path: Path, *answers: bytes) -> Iterator[list[bytes]]:
    """A daemon that answers each connection with the next of its answers."""
    requests: list[bytes] = []
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()

        def serve() -> None:
            for answer in answers:
                talk, _ = listening.accept()
                with talk:
                    requests.append(talk.recv(4096))
                    talk.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield requests
        thread.join()


def say(path: Path, answer: bytes) -> str | None:
    """What is made of the answer of a daemon; None where it refused to make anything of it."""
    with daemon(path, answer):
        try:
            return unix_http.get(str(path), "/", 100)
        except CannotLook as e:
            assert e.kind in ("malformed", "budget", "timeout")  # noqa: PT017  (the refusal is one of two fine ends)
            return None
        finally:
            path.unlink()


def ok(body: bytes, status: bytes = b"200 OK") -> bytes:
    return b"HTTP/1.1 " + status + b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def test_a_daemon_is_asked_with_get_and_its_body_is_the_answer(tmp_path: Path) -> None:
    with daemon(tmp_path / "s", ok(b"[]")) as requests:
        assert unix_http.get(str(tmp_path / "s"), "/containers/json?all=true", 100) == "[]"
    assert requests[0].startswith(b"GET /containers/json?all=true HTTP/1.1\r\nHost: localhost\r\n")


def test_what_a_daemon_has_not_is_none(tmp_path: Path) -> None:
    with daemon(tmp_path / "s", ok(b"{}", b"404 Not Found")):
        assert unix_http.get(str(tmp_path / "s"), "/containers/x/json", 100) is None


def test_no_daemon_is_none(tmp_path: Path) -> None:
    assert unix_http.get(str(tmp_path / "nothing"), "/", 100) is None
    (tmp_path / "file").touch()
    assert unix_http.get(str(tmp_path / "file"), "/", 100) is None
    with socket.socket(socket.AF_UNIX) as unheard:
        unheard.bind(str(tmp_path / "left"))
    assert unix_http.get(str(tmp_path / "left"), "/", 100) is None


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (ok(b"x" * 101), "budget"),
        (ok(b"no", b"500 Oh"), "malformed"),
        (b"SSH-2.0-OpenSSH\r\n", "malformed"),
        (b"", "malformed"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf", "malformed"),
    ],
)
def test_a_daemon_that_does_not_answer_properly_is_said(tmp_path: Path, answer: bytes, kind: str) -> None:
    with daemon(tmp_path / "s", answer), pytest.raises(CannotLook) as said:
        unix_http.get(str(tmp_path / "s"), "/", 100)
    assert said.value.kind == kind


PIECES = (
    *(b"HTTP/1.1 200 OK", b"HTTP/1.1 100 Continue", b"HTTP/1.0 200", b"HTTP/1.1 404 no", b"HTTP/9.9 200 OK", b"Content-Length: "),
    *(
        b"Transfer-Encoding: chunked",
        b"\r\n",
        b"\r\n\r\n",
        b"\n",
        b"5",
        b"-5",
        b"-1",
        b"0",
        b"ffffffffffff",
        b"99999999999",
        b": ",
    ),
    *(b"5\r\nhello\r\n", b"0\r\n\r\n", b"hello", b"\xff\0"),
)
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@given(st.binary(max_size=100) | st.lists(st.sampled_from(PIECES), max_size=12).map(b"".join), st.sampled_from([b"", CHUNKED]))
@example(b"-5\r\nhello\r\n0\r\n\r\n", CHUNKED)
@example(b"HTTP/1.1 100 Continue\r\n\r\n" * 5, b"")
def test_whatever_a_daemon_answers_is_a_body_or_refused(
    tmp_path_factory: pytest.TempPathFactory, said: bytes, head: bytes
) -> None:
    body = say(tmp_path_factory.getbasetemp() / "s", head + said)
    assert body is None or len(body.encode()) <= 4 * (len(head + said))  # a byte that is no text is written in four characters


@given(st.lists(st.binary(min_size=1, max_size=30), max_size=5))
def test_a_body_is_what_was_sent_however_it_was_parted(tmp_path_factory: pytest.TempPathFactory, parts: list[bytes]) -> None:
    body, path = b"".join(parts), tmp_path_factory.getbasetemp() / "s"
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in [*parts, b""])
    wanted = body.decode(errors="backslashreplace") if len(body) <= 100 else None
    assert say(path, CHUNKED + chunks) == say(path, ok(body)) == wanted


@pytest.mark.parametrize(
    ("piece", "pause", "kind"),
    [(b"HTTP/1.1 100 Continue\r\n\r\n" * 100, 0.0, "budget"), (b"HTTP/1.1 100 Continue\r\n\r\n", 0.02, "timeout")],
)
def test_an_answer_without_end_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: bytes, pause: float, kind: str
) -> None:
    monkeypatch.setattr(unix_http, "_SECONDS", 0.3 if pause else 60.0)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s"))
        listening.listen()

        def serve() -> None:
            talk, _ = listening.accept()
            with talk, contextlib.suppress(OSError):  # hung up on
                while True:
                    talk.sendall(piece)
                    time.sleep(pause)

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(CannotLook) as said:
            unix_http.get(str(tmp_path / "s"), "/", 100)
        thread.join()
    assert said.value.kind == kind
