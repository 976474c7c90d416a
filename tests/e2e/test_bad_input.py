"""What people get for words that are wrong, hostile, or mean too much or nothing: said in the thread, nothing asked of a node."""

from __future__ import annotations

import copy
import json

import pytest

from deploy.lab.lab import Lab
from tests.e2e.office import Office, Said, buttons, eventually, jobs_of, read

HOSTILE = [
    ("pod hello-world; rm -rf /", "'hello-world;' is not a name"),
    ("pod $(reboot)", "'$(reboot)' is not a name"),
    ("pod client\n/netcheck pod client", "a command is one line"),
    ("pod 'client", "is not a name"),
    ("pod <!channel>", "'@channel' is not a name"),
    ("pod &lt;!channel&gt;", "is not a name"),
    ("dns <!here> from client", "is not a"),
    ("pod " + "x" * 10_000, "the command is 10004 characters long; 1000 are read at most"),
    ("pod " + "x" * 900, "is not a name"),
]


@pytest.mark.parametrize(("text", "part"), HOSTILE, ids=[text[:24] for text, _ in HOSTILE])
def test_hostile_words_are_refused_in_one_line_and_make_no_job(office: Office, text: str, part: str) -> None:
    queued = jobs_of(office.bot, "job_queued")
    message = office.asks(text)
    assert message["subtype"] == "ephemeral"
    assert read(message).startswith("❌ ")
    assert part in read(message)
    assert len(read(message)) < 400
    assert jobs_of(office.bot, "job_queued") == queued


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("pood client", "Did you mean pod"),
        ("pod", "Usage: /netcheck pod POD"),
        ("pod client rwa=addr", "raw="),
        ("dns kubernetes type=XYZ", "Usage: /netcheck dns NAME"),
        ("pod client cluster=lba", "cluster=lab"),
        ("help pdo", "pod"),
    ],
)
def test_what_is_misspelt_is_named_with_the_usage_or_what_is_nearest(office: Office, text: str, part: str) -> None:
    message = office.asks(text)
    assert message["subtype"] == "ephemeral"
    assert part in read(message)


@pytest.mark.parametrize(
    "text",
    [
        "pod —raw=addr “client”",
        "po\N{NO-BREAK SPACE}‘client’ raw=addr",  # noqa: RUF001  (what phones write)
        "`pod client raw=addr`",
        "POD client –raw addr",  # noqa: RUF001  (the same)
        "pod <http://client|client> raw=addr",
    ],
)
def test_what_phones_make_of_dashes_quotes_and_links_is_undone(office: Office, text: str) -> None:
    message = office.asks(text)
    assert read(message).startswith("✅ healthy · pod client raw=addr")
    assert "default/client on node-one" in read(message)


def test_a_pod_that_is_not_there_is_said_so_with_the_nearest_names_to_click(office: Office) -> None:
    message = office.asks("pod clinet")
    assert read(message).startswith("❔ There is no pod clinet in any namespace")
    assert_a_click_answers(office, message, "default/client")


def test_a_name_that_is_like_no_other_has_no_candidates(office: Office) -> None:
    message = office.asks("pod nothing-is-like-it in kube-system")
    assert read(message) == "❔ There is no pod nothing-is-like-it in namespace kube-system"


def test_a_name_that_means_several_pods_has_them_as_buttons(office: Office) -> None:
    message = office.asks("pod cli raw=neigh")
    assert "cli could be any of 2 pods" in read(message)
    assert list(buttons(message)) == ["default/client", "default/client-two"]
    assert "pod default/client raw=neigh" in assert_a_click_answers(office, message, "default/client")


def test_a_candidate_takes_the_place_of_the_target_alone(office: Office) -> None:
    message = office.asks("ping cli from cli")
    said = assert_a_click_answers(office, message, "default/client")
    assert "ping cli from default/client" in said
    assert "cli is not found from inside default/client" in said


def test_a_misspelt_pod_to_ask_from_has_the_nearest_names_to_click(office: Office) -> None:
    message = office.asks("dns kubernetes.default from clinet")
    said = assert_a_click_answers(office, message, "default/client")
    assert "dns kubernetes.default from default/client" in said


def test_a_misspelt_namespace_has_the_others_to_click(office: Office) -> None:
    message = office.asks("pods in kube-systme")
    before = {m["ts"] for m in office.said()}
    office.slack.click(message, buttons(message)["kube-system"])
    assert read(office.answer(before=before)).startswith("✅ healthy · pods in kube-system")


def test_a_mention_that_cannot_be_understood_is_answered_under_it(office: Office) -> None:
    asked = office.slack.mention("pod hello-world; rm -rf /")
    message = office.answer()
    assert message["thread_ts"] == asked
    assert read(message).startswith("❌ ")


def test_what_the_cluster_says_calls_nobody_and_forms_nothing(office: Office, lab: Lab) -> None:
    before = lab.api_object(lab.find_pod("client-two"))
    hostile = dict(copy.deepcopy(before))
    waiting = {"reason": "Err<!here>", "message": "<!channel> <@U0BOB> <https://example.com|click> `*\x1b[31m"}
    hostile["status"]["containerStatuses"][0].update(ready=False, started=False, state={"waiting": waiting})
    lab.store.put(hostile)
    try:
        message = eventually(lambda: finding(office, "pod-container-waiting"), office.read)
    finally:
        lab.store.put(before)
    assert "<!channel> <@U0BOB> <https://example.com|click> " in read(message)  # as it was written, since it is escaped
    assert r"\x1b[31m" in read(message)
    assert "&lt;!channel&gt; &lt;@U0BOB&gt; &lt;https" in json.dumps(message["blocks"])


def finding(office: Office, name: str) -> Said | None:
    message = office.asks("pod client-two")
    return message if name in read(message) else None


def assert_a_click_answers(office: Office, message: Said, name: str) -> str:
    """What the answer says; it stands in the thread of the message that was clicked."""
    before = {m["ts"] for m in office.said()}
    office.slack.click(message, buttons(message)[name])
    answer = office.answer(before=before)
    assert answer["thread_ts"] == message["ts"]
    assert f"{name} on node-one" in read(answer) or f"from inside {name}" in read(answer)
    return read(answer)
