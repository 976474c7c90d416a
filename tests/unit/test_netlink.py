"""A dump of netlink is whole, and is what the kernel answered to this question."""

from __future__ import annotations

import errno
import socket
import struct
from typing import Any

import pytest

from node_helper.linux.netlink import Malformed, Netlink
from node_helper.protocol import CannotLook
from tests.unit.pretend_netlink import DONE, END, ERROR, INTERRUPTED, MULTI, NEWLINK, PretendChannel


def test_a_dump_is_every_body_until_its_end() -> None:
    channel = PretendChannel([(NEWLINK, MULTI, b"aaaa"), (1, MULTI, b""), (NEWLINK, MULTI, b"bbbb"), END])
    assert Netlink(channel).dump(18, b"body") == [b"aaaa", b"bbbb"]
    assert channel.asked == [struct.pack("=IHHII", 20, 18, 0x301, 1, 0) + b"body"]


def test_a_dump_during_which_the_table_changed_is_read_again() -> None:
    half = [(NEWLINK, MULTI | INTERRUPTED, b"old!"), END]
    whole = [(NEWLINK, MULTI, b"new!"), END]
    assert Netlink(PretendChannel(half, half, whole)).dump(18, b"") == [b"new!"]


def test_a_dump_that_is_interrupted_only_in_its_last_message_is_read_again_too() -> None:
    half = [(NEWLINK, MULTI, b"old!"), (DONE, MULTI | INTERRUPTED, bytes(4))]
    assert Netlink(PretendChannel(half, [(NEWLINK, MULTI, b"new!"), END])).dump(18, b"") == [b"new!"]


def test_a_table_that_never_holds_still_is_not_shown_half() -> None:
    with pytest.raises(CannotLook, match="changed during each"):
        Netlink(PretendChannel(*([(NEWLINK, MULTI | INTERRUPTED, b"old!"), END] for _ in range(5)))).dump(18, b"")


def test_a_lost_answer_is_asked_for_again() -> None:
    whole = [(NEWLINK, MULTI, b"new!"), END]
    assert Netlink(PretendChannel(whole, whole, error=errno.ENOBUFS)).dump(18, b"") == [b"new!"]


@pytest.mark.parametrize("kind", [ERROR, DONE])
def test_an_error_of_the_kernel_is_raised_wherever_it_stands(kind: int) -> None:
    with pytest.raises(PermissionError):
        Netlink(PretendChannel([(kind, MULTI, struct.pack("=i", -errno.EPERM))])).dump(18, b"")


def test_a_single_answer_is_asked_for_without_an_acknowledgement() -> None:
    channel = PretendChannel([(1, 0, b""), (NEWLINK, 0, b"body")])
    assert Netlink(channel).get(90, b"") == b"body"
    assert channel.asked == [struct.pack("=IHHII", 16, 90, 0x1, 1, 0)]


def test_a_single_question_that_the_kernel_refuses_is_an_error() -> None:
    with pytest.raises(PermissionError):
        Netlink(PretendChannel([(ERROR, 0, struct.pack("=i", -errno.EPERM))])).get(90, b"")


def test_what_another_process_sends_is_not_heard() -> None:
    channel = PretendChannel([END])
    forged = channel.recvmsg

    def both(size: int, /) -> tuple[bytes, list[Any], int, Any]:
        if channel.sender == 0:
            channel.sender = 4711
            return struct.pack("=IHHII", 20, NEWLINK, MULTI, 1, 0) + b"evil", [], 0, (4711, 0)
        channel.sender = 0
        return forged(size)

    channel.sender, channel.recvmsg = 0, both  # type: ignore[method-assign]  # the kernel's queue, with a guest in it
    assert Netlink(channel).dump(18, b"") == []


def test_an_answer_to_an_earlier_question_is_skipped() -> None:
    channel = PretendChannel([END])
    true = channel.recvmsg
    late = [struct.pack("=IHHII", 20, NEWLINK, MULTI, 99, 0) + b"late"]
    channel.recvmsg = lambda size, /: (late.pop(), [], 0, (0, 0)) if late else true(size)  # type: ignore[method-assign]
    assert Netlink(channel).dump(18, b"") == []


def test_a_truncated_datagram_is_malformed() -> None:
    channel = PretendChannel([END])
    channel.recvmsg = lambda _, /: (b"", [], socket.MSG_TRUNC, (0, 0))  # type: ignore[method-assign]
    with pytest.raises(Malformed):
        Netlink(channel).dump(18, b"")
