from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot import plain
from bot.commands import Invocation, again, from_home, parse
from bot.usage import usage
from bot.words import LONGEST, after_mention
from workers.catalogue import catalogue
from workers.errors import UsageError
from workers.job import Channel, Job, Requester
from workers.params import Arg, HostPort, PodTarget, words
from workers.values import Target


@dataclass(frozen=True)
class Path:
    source: Annotated[Target, Arg("from where")]
    destination: Annotated[HostPort, Arg("to where", word="to")]


@dataclass(frozen=True)
class Capture:
    pod: Annotated[PodTarget, Arg("the pod")]
    filter: Annotated[Literal["tcp", "udp"] | None, Arg("what to keep")] = None


@dataclass(frozen=True)
class Described:
    name: str
    params: type
    summary: str = "of this test"
    aliases: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()


ENTRIES: dict[str, Any] = {
    **plain.catalogue(),
    **catalogue(),
    "path": Described("path", Path),
    "capture": Described("capture", Capture),
}


def read(text: str) -> Invocation[Any]:
    return parse(text, ENTRIES)


def refused(text: str) -> UsageError:
    with pytest.raises(UsageError) as e:
        read(text)
    return e.value


@pytest.mark.parametrize("name", list(ENTRIES))
def test_every_example_of_the_catalogue_is_understood(name: str) -> None:
    assert [read(example).entry.name for example in ENTRIES[name].examples] == [name] * len(ENTRIES[name].examples)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("POD hello-world", "pod hello-world"),
        ("po hello-world", "pod hello-world"),
        ("pod Hello-World", "pod hello-world"),
        ("pod hello-world in shop", "pod shop/hello-world"),
        ("pod app=web in shop", "pod app=web,metadata.namespace=shop"),
        ("pod deploy/web in shop", "pod shop/deploy/web"),
        ("ping 10.96.0.1 from web in shop", "ping 10.96.0.1 from shop/web"),
        ("connect [fd00::1]:80 from web", "connect [fd00::1]:80 from web"),
        ("pod [fd00::1]", "pod fd00::1"),
        ("pod hello-world -n shop", "pod shop/hello-world"),
        ("pod --namespace=shop hello-world", "pod shop/hello-world"),
        ("pod hello-world ns=shop cluster=lab", "pod shop/hello-world cluster=lab"),
        ("pod shop/web in shop", "pod shop/web"),
        ("pod hello-world raw=ROUTE", "pod hello-world raw=route"),
        ("pod hello-world --raw route", "pod hello-world raw=route"),
        ("pod \u2014raw route hello-world", "pod hello-world raw=route"),
        ("pod hello-world \u2013raw route", "pod hello-world raw=route"),
        ("pod hello\u2013world", "pod hello-world"),
        ("pod \u201chello-world\u201d raw=\u2018route\u2019", "pod hello-world raw=route"),
        ("pod\u00a0hello-world\u200b", "pod hello-world"),
        ("`pod hello-world`", "pod hello-world"),
        ("pod app=web,tier=front", "pod app=web,tier=front"),
        ("pod shop/deploy/web", "pod shop/deploy/web"),
        ("pod deploy/shop/web", "pod shop/deploy/web"),
        ("pods in all", "pods in all"),
        ("pods all", "pods in all"),
        ("pods -n shop", "pods in shop"),
        ("dns <http://web.shop|web.shop> from client", "dns web.shop from client"),
        ("ping <tel:10.0.0.1|10.0.0.1> from client", "ping 10.0.0.1 from client"),
        ("connect [fd00::1]:443 from client", "connect [fd00::1]:443 from client"),
        ("web to db:5432", "path web to db:5432"),
        ("path web to db:5432", "path web to db:5432"),
        ("cancel", "cancel"),
        ("cancel job-1", "cancel job-1"),
        ("help dns", "help dns"),
        (
            "reject ab12 too high in peak hours, pod=1 on \u201cnode-one\u201d",
            "reject ab12 too high in peak hours, pod=1 on node-one",
        ),
    ],
)
def test_it_is_read_as_it_was_meant(typed: str, meant: str) -> None:
    invocation = read(typed)
    assert invocation.text == meant
    assert read(meant).params == invocation.params


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("hello-world", "pod hello-world"),
        ("hello-world in shop", "pod shop/hello-world"),
        ("hello-world raw=addr", "pod hello-world raw=addr"),
        ("deploy/web", "pod deploy/web"),
        ("no/node-one", "node node/node-one"),
        ("pod/web", "pod pod/web"),
        ("10.244.1.7", "pod 10.244.1.7"),
        ("coredns", "pod coredns"),
    ],
)
def test_a_bare_name_asks_about_its_pod_and_says_that_it_was_guessed(typed: str, meant: str) -> None:
    invocation = read(typed)
    assert (invocation.text, invocation.guessed) == (meant, True)


@pytest.mark.parametrize(
    ("typed", "problem", "nearest"),
    [
        ("pdo", "there is no command 'pdo'", ("pod", "pod pdo")),
        ("serivces in all", "there is no command 'serivces'", ("services", "pod serivces")),
        ("get pods in shop", "there is no command 'get'", ("pods",)),
        ("describe pod web", "there is no command 'describe'", ("pod",)),
        ("xyzzy plugh", "there is no command 'xyzzy'; help lists the commands", ()),
        ("c web", "there is no command 'c'; help lists the commands", ()),
        ("ca web", "'ca' could be cancel or capture", ("cancel", "capture")),
        ("", "say what to look at; help lists the commands", ()),
        ("pod", "pod is missing: the pod: name, namespace/name, prefix, app=label, deploy/name or IP", ()),
        ("pod web route", "'route' is one word too many", ("raw=route",)),
        ("pod web raw=rout", "raw='rout': must be one of addr, route, neigh, sockets", ("route",)),
        ("pod web raw=XYZ", "raw='XYZ': must be one of addr, route, neigh, sockets", ()),
        ("pod web rwa=route", "'rwa' is not an argument here", ("raw=",)),
        ("pod web --rwa=route", "'--rwa' is not an argument here", ("raw=",)),
        ("pod web raw=addr raw=route", "'raw=route': raw is said twice", ()),
        ("pod web in shop in other", "'in': namespace is said twice", ()),
        ("pod shop/web in other", "two namespaces are said, 'shop' and 'other'", ()),
        ("pod web on node-one", "'on' means nothing here", ()),
        ("pod web in", "something is missing after 'in'", ()),
        ("pod web ns=", "'' is not a namespace", ()),
        ('pod web in ""', "'' is not a namespace", ()),
        ("pod web cluster=", "'' is not the name of a cluster", ()),
        ("connect fd00::1:2 from web", "'fd00::1:2' could end in a port or not", ("[fd00::1]:2", "[fd00::1:2]:80")),
        ("connect fd00:10:244:1::2 from web", "'fd00:10:244:1::2' could end in a port or not", ("[fd00:10:244:1::2]:80",)),
        (
            "pod metadata.namespace=shop",
            "'metadata.namespace=shop' is no selector: it names labels, and at most one metadata.namespace=NAMESPACE",
            (),
        ),
        ("pod web in all", "'all' is no namespace here; a bare name that is not in the usual one is looked for in all", ()),
        ("pods shop", "'shop' is one word too many", ("in shop",)),
        ("pods in shop all", "'all': namespace is said twice", ()),
        ("whoami in shop", "whoami knows no namespaces", ()),
        ("connect db from web", "'db' is not HOST:PORT, with a port from 1 to 65535", ()),
        ("pod web\npod db", "a command is one line; send the lines one by one", ()),
        ("pod web\x1b[31m", "the command has characters in it that cannot be seen; type it instead of pasting it", ()),
        ("pod a cluster=$(id)", "'$(id)' is not the name of a cluster", ()),
        ("pod 10.0.0.300", "'10.0.0.300' is not an IPv4 address: each of its four numbers is from 0 to 255", ()),
    ],
)
def test_what_is_not_understood_is_said_in_one_line_with_the_nearest_match(
    typed: str, problem: str, nearest: tuple[str, ...]
) -> None:
    error = refused(typed)
    assert (error.problem, error.nearest) == (problem, nearest)


@pytest.mark.parametrize(
    "typed",
    [
        "pod hello-world; rm -rf /",
        "pod hello-world;reboot",
        "pod $(reboot)",
        "pod `reboot`;x",
        "pod web && reboot",
        "pod web | sh",
        "pod <!channel>",
        "pod &lt;!channel&gt;",
        "pod <@U0123ABC|ann>",
        "pod ../../etc/passwd",
        "pod 'a b'",
        "dns 'x -w 9' from web",
    ],
)
def test_shell_and_slack_syntax_are_characters_that_no_type_accepts(typed: str) -> None:
    assert "\n" not in refused(typed).problem


def test_ten_kilobytes_are_refused_without_being_repeated() -> None:
    assert refused("pod " + "a" * 10_240).problem == f"the command is 10244 characters long; {LONGEST} are read at most"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<@U0BOT> pod web", "pod web"),
        ("<@U0BOT|netcheck> pod web", "pod web"),
        ("can you look? <@U0BOT> pod web", "pod web"),
        ("pod web <@U0BOT>", "pod web"),
        ("<@U0BOT> audit <@U0ANN>", "audit <@U0ANN>"),
        ("<@U0BOT>", ""),
    ],
)
def test_a_mention_is_taken_off_the_command(text: str, said: str) -> None:
    assert after_mention(text, "U0BOT") == said


def test_errors_about_arguments_show_the_usage() -> None:
    assert refused("pod").usage == usage(ENTRIES["pod"])


def test_usage_says_how_each_argument_is_given() -> None:
    assert usage(ENTRIES["path"]) == "path SOURCE to HOST:PORT"
    assert usage(ENTRIES["capture"]) == "capture POD [filter=tcp|udp]"
    assert usage(ENTRIES["cancel"]) == "cancel [JOB]"
    assert usage(ENTRIES["pods"]) == "pods [in NAMESPACE|all]"
    assert usage(catalogue()["conntrack"]).startswith("conntrack NODE|POD [dst=IP] [src=IP] [proto=tcp|udp|icmp|icmpv6|…]")


def test_a_job_is_run_again_with_the_namespace_and_cluster_that_it_had() -> None:
    first = read("pod web raw=route")
    job = Job("1", "pod", words(first.params), "shop", "lab", Requester("U1"), Channel("C1"), "d", "t", "2026-01-01T00:00:00Z")
    assert again(job, ENTRIES).text == "pod web raw=route namespace=shop cluster=lab"


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("dns web", "dns web from shop/deploy/cart"),
        ("dns web from client", "dns web from client"),
        ("dns web in other", "dns web namespace=other"),
        ("pod web", "pod web"),
        ("pods", "pods"),
    ],
)
def test_the_channels_pod_is_asked_from_where_neither_a_pod_nor_a_namespace_is_said(typed: str, meant: str) -> None:
    assert from_home(read(typed), "shop/deploy/cart").text == meant
    assert from_home(read(typed), None) == read(typed)


pieces = st.sampled_from(
    [*ENTRIES, "in", "to", "from", "on", "for", "raw=", "--raw", "-n", "app=web", "a/b", "a/pod/b", "db:80", "10.0.0.1", "::1",
     "all", "cluster=lab", "—", "\u201c", "'", "`", "<http://a.b|a.b>", "<@U1>", "&amp;", "\u202e", "\n", "=", "-", "--", "/", ""]
)  # fmt: skip


@given(st.one_of(st.text(max_size=80), st.lists(st.one_of(pieces, st.text(max_size=6)), max_size=7).map(" ".join)))
def test_any_text_is_understood_or_refused_as_a_usage_error_and_what_is_understood_reads_back_the_same(text: str) -> None:
    try:
        invocation = read(text)
    except UsageError:
        return
    once_more = read(invocation.text)
    assert (once_more.entry, once_more.params, once_more.cluster) == (invocation.entry, invocation.params, invocation.cluster)
