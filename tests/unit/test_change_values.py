"""What the words of a change mean, in every spelling that people use, and what they never mean."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.changes.values import Buckets, Count, NodesTarget, SettingName
from workers.errors import UsageError

NUMBERS = st.integers(1, (1 << 31) - 1)


@pytest.mark.parametrize(
    "said",
    [
        "conntrack_max", "nf_conntrack_max", "conntrack-max", "CONNTRACK_MAX", "net.netfilter.nf_conntrack_max",
        "net/netfilter/nf_conntrack_max", "net.nf_conntrack_max", "/proc/sys/net/netfilter/nf_conntrack_max",
    ],
)  # fmt: skip
def test_every_usual_spelling_of_the_key_is_one_key(said: str) -> None:
    assert SettingName.parse(said) == SettingName("conntrack_max")


@pytest.mark.parametrize("said", ["ip_forward", "net.ipv4.ip_forward", "conntrack_buckets", "", "conntrack_max;reboot"])
def test_nothing_else_can_be_set(said: str) -> None:
    with pytest.raises(UsageError, match="cannot be set"):
        SettingName.parse(said)


def test_a_key_with_its_value_is_answered_with_the_way_to_say_it() -> None:
    with pytest.raises(UsageError) as refused:
        SettingName.parse("net.netfilter.nf_conntrack_max=198000")
    assert refused.value.nearest == ("conntrack_max 198000",)


@pytest.mark.parametrize(
    ("said", "number"),
    [("198000", 198_000), ("262,144", 262_144), ("262_144", 262_144), ("256k", 262_144), ("256K", 262_144), ("1m", 1_048_576)],
)
def test_a_number_is_read_as_people_write_it(said: str, number: int) -> None:
    assert Count.parse(said).number == number


@pytest.mark.parametrize(
    "said", ["0", "-1", "-256k", "2147483648", "4096m", "1.5k", "262.144", "2,62,144", "26,2144", "1e6", "0x10", "k", ""]
)
def test_what_is_no_number_in_range_is_refused(said: str) -> None:
    with pytest.raises(UsageError):
        Count.parse(said)


@given(NUMBERS)
def test_a_number_is_the_same_in_every_way_of_writing_it(number: int) -> None:
    for said in (str(number), f"{number:,}", f"{number:_}"):
        assert Count.parse(said).number == number


@given(st.text(max_size=20) | st.from_regex(r"-?[0-9_,.]{1,14}[kKmMgG]?", fullmatch=True))
def test_any_text_is_a_number_in_range_or_refused(text: str) -> None:
    try:
        number = Count.parse(text).number
    except UsageError:
        return
    assert 0 < number < 1 << 31
    assert Count.parse(str(Count(number))).number == number


@pytest.mark.parametrize(
    ("said", "kind", "names"),
    [
        ("node-one", "names", ("node-one",)),
        ("node-one,node-two", "names", ("node-one", "node-two")),
        ("NODE/node-one,10.0.0.11", "names", ("node-one", "10.0.0.11")),
        ("node-one,node-one", "names", ("node-one",)),
        ("all", "all", ()),
        ("ALL", "all", ()),
        ("node/all", "names", ("all",)),
        ("pool=gpu", "pool", ("gpu",)),
        ("role=worker", "selector", ("role=worker",)),
        ("role=worker,zone=a", "selector", ("role=worker,zone=a",)),
    ],
)
def test_nodes_are_named_in_every_way(said: str, kind: str, names: tuple[str, ...]) -> None:
    assert NodesTarget.parse(said) == NodesTarget(kind, names)  # type: ignore[arg-type]  # one of them


@pytest.mark.parametrize(
    "said", ["", "a,,b", "a,", "pod/web", "shop/web", "a;b", "pool=", "pool=a,zone=b", "node-one,role=worker"]
)
def test_what_names_no_nodes_is_refused(said: str) -> None:
    with pytest.raises(UsageError):
        NodesTarget.parse(said)


@given(st.text(max_size=40) | st.from_regex(r"(node/|pool=|a=)?[a-z0-9.,=-]{1,30}", fullmatch=True))
@pytest.mark.parametrize("kind", [Count, Buckets, NodesTarget, SettingName])
def test_what_a_value_says_of_itself_reads_back_the_same(kind: Any, text: str) -> None:
    try:
        value = kind.parse(text)
    except UsageError:
        return
    assert kind.parse(str(value)) == value
