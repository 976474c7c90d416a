from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.errors import UsageError
from workers.params import (
    Address,
    Arg,
    ClusterName,
    DnsName,
    Duration,
    HostPort,
    Namespace,
    NodeTarget,
    PodTarget,
    ServiceTarget,
    Target,
    arguments,
    build,
    words,
)
from workers.phrase import line, namespace_matters, namespaces

TYPES = (Target, PodTarget, NodeTarget, ServiceTarget, Namespace, ClusterName, DnsName, HostPort, Address, Duration)


@dataclass(frozen=True)
class Everything:
    pod: Annotated[PodTarget, Arg("a pod")]
    port: Annotated[HostPort, Arg("to where", word="to")]
    source: Annotated[PodTarget | None, Arg("from where", word="from")] = None
    count: Annotated[int, Arg("how often")] = 3
    kind: Annotated[Literal["A", "AAAA"], Arg("what")] = "A"
    seconds: Annotated[Duration | None, Arg("how long", word="for")] = None


@pytest.mark.parametrize(
    ("text", "kind", "name", "namespace"),
    [
        ("web", "", "web", None),
        ("Web", "", "web", None),
        ("shop/web", "", "web", "shop"),
        ("deploy/web", "deploy", "web", None),
        ("Deployment/web", "deploy", "web", None),
        ("shop/deploy/web", "deploy", "web", "shop"),
        ("deploy/shop/web", "deploy", "web", "shop"),
        ("job/web", "job", "web", None),
        ("job/pod/web", "pod", "web", "job"),
        ("app=web", "selector", "app=web", None),
        ("app.kubernetes.io/name=web,tier=", "selector", "app.kubernetes.io/name=web,tier=", None),
        ("10.0.0.1", "ip", "10.0.0.1", None),
        ("FD00:0::1", "ip", "fd00::1", None),
    ],
)
def test_a_target_is_read(text: str, kind: str, name: str, namespace: str | None) -> None:
    assert Target.parse(text) == Target(kind, name, namespace)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is not a name"),
        ("a b", "is not a name"),
        ("web;", "is not a name"),
        ("-web", "is not a name"),
        ("10.0.0.256", "each of its four numbers"),
        ("10.0.0.1/24", "'10.0.0.1' is not a valid namespace"),
        ("a/b/c", "too many slashes"),
        ("a/pod/b/c", "too many slashes"),
        ("a_b/web", "'a_b' is not a valid namespace"),
        ("fe80::1%eth0", "is not a name"),
        ("x" * 254, "is not a name"),
    ],
)
def test_what_is_no_target_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        Target.parse(text)


@pytest.mark.parametrize(
    ("text", "seconds", "said"),
    [
        ("30s", 30, "30s"),
        ("2m", 120, "2m"),
        ("1h", 3600, "1h"),
        ("90s", 90, "90s"),
        ("2d", 172_800, "2d"),
        ("500ms", 0.5, "500ms"),
        ("1500ms", 1.5, "1500ms"),
        ("7", 7, "7s"),
    ],
)
def test_a_duration_is_read_and_said_again(text: str, seconds: float, said: str) -> None:
    assert Duration.parse(text).seconds == seconds
    assert str(Duration.parse(text)) == said


@pytest.mark.parametrize("text", ["db", "db:", ":80", "db:0", "db:65536", "db:+80", "db:٣", "db:" + "9" * 5000, "a b:80"])
def test_what_is_no_host_and_port_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        HostPort.parse(text)


@given(st.sampled_from(TYPES), st.one_of(st.text(max_size=40), st.from_regex(r"[a-z0-9./:=-]{1,20}", fullmatch=True)))
def test_every_type_reads_a_word_or_refuses_it_and_what_it_says_reads_back_the_same(kind: type[Target], text: str) -> None:
    try:
        value = kind.parse(text)
    except UsageError:
        return
    assert kind.parse(str(value)) == value
    assert str(value).isprintable()
    assert " " not in str(value)


names = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,10}[a-z0-9])?", fullmatch=True)
pods = st.builds(PodTarget, st.sampled_from(["pod", "deploy"]), names, st.one_of(st.none(), names))


@given(
    pods,
    st.builds(HostPort, st.from_regex(r"[a-z]{1,5}", fullmatch=True), st.integers(1, 65535)),
    st.one_of(st.none(), pods),
    st.integers(-(10**14), 10**14),
    st.sampled_from(["A", "AAAA"]),
    st.one_of(st.none(), st.builds(Duration, st.integers(0, 365 * 86_400_000).map(lambda ms: Duration.parse(f"{ms}ms").seconds))),
)
def test_parameters_are_the_same_after_travelling_as_words(
    pod: PodTarget, port: HostPort, source: PodTarget | None, count: int, kind: Literal["A", "AAAA"], seconds: Duration | None
) -> None:
    params = Everything(pod, port, source, count, kind, seconds)
    assert build(Everything, words(params)) == params


def test_defaults_are_not_said() -> None:
    params = build(Everything, {"pod": "web", "port": "db:80"})
    assert words(params) == {"pod": "web", "port": "db:80"}


def test_a_line_says_prepositions_and_names() -> None:
    said = {"pod": "web", "port": "db:80", "source": "app=cart", "count": "5", "seconds": "2m"}
    params = build(Everything, said)
    assert line("x", params, "shop", "lab") == "x web to db:80 from app=cart count=5 for 2m namespace=shop cluster=lab"


@pytest.mark.parametrize("pod", ["to", "in", "count=5", "cluster=x"])
def test_a_value_that_could_be_taken_for_something_else_is_said_with_its_name(pod: str) -> None:
    assert line("x", build(Everything, {"pod": pod, "port": "db:80"})).startswith(f"x pod={pod} ")


@pytest.mark.parametrize(
    ("said", "about", "matters"),
    [
        ({"pod": "web"}, ("usual",), True),
        ({"pod": "web", "source": "cart"}, (), True),
        ({"pod": "shop/web"}, ("shop", "usual"), True),
        ({"pod": "shop/web", "source": "shop/cart"}, ("shop",), False),
        ({"pod": "shop/web", "source": "10.0.0.1"}, ("shop",), False),
    ],
)
def test_policy_hears_of_every_namespace_that_is_said_or_meant_by_saying_none(
    said: dict[str, str], about: tuple[str, ...], *, matters: bool
) -> None:
    params = build(Everything, {"port": "db:80", **said})
    assert namespaces(params, "usual") == about
    assert namespace_matters(params) is matters


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"port": "db:80"}, "pod is missing: a pod"),
        ({"pod": "web", "port": "db:80", "colour": "red"}, "'colour' is not an argument here"),
        ({"pod": "web", "port": "db:80", "count": "many"}, "must be a whole number"),
        ({"pod": "web", "port": "db:80", "kind": "B"}, "must be one of A, AAAA"),
    ],
)
def test_wrong_words_are_refused(said: dict[str, str], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        build(Everything, said)


def test_a_field_that_is_not_described_is_refused_at_import() -> None:
    @dataclass(frozen=True)
    class Bare:
        pod: PodTarget

    with pytest.raises(TypeError, match="must be Annotated"):
        arguments(Bare)
