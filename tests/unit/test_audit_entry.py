"""What is put into an entry is bounded, on one line, and holds no token."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.audit_place import BOT
from workers.audit import record
from workers.audit.chain import Chain
from workers.audit.entry import About, Kind, canonical, read


def entry_of(about: About, said: dict[str, str]) -> bytes:
    return canonical(Chain(BOT, "a1", lambda: 1).add(Kind.COMMAND, about, said).entry)


@given(st.text(), st.text(), st.text(max_size=2000))
def test_hostile_words_become_one_bounded_line_of_ascii(who: str, subject: str, line: str) -> None:
    data = entry_of(About(who=who, subject=subject), {"line": line})
    assert data.isascii()
    assert b"\n" not in data
    assert json.loads(data)["said"]["line"].isprintable()
    assert len(json.loads(data)["said"]["line"]) <= 500
    assert canonical(read(data)) == data


@pytest.mark.parametrize(
    "secret",
    ["xoxb-12345678901-abcdefABCDEF", "xapp-1-A123-456-abcdef", "xoxe.xoxp-1-Mi0yLTEyMw", "xoxp-1-2-3-abc", "xoxe-1-abcdefgh"],
)
def test_a_token_that_somebody_typed_is_not_kept(secret: str) -> None:
    assert secret.rpartition("-")[2].encode() not in entry_of(About(), {"line": f"dns {secret} from web"})


def test_the_secret_of_a_webhook_is_not_kept() -> None:
    made = "T0000000/B0000000/" + "X" * 24
    assert b"XXXX" not in entry_of(About(), {"line": f"dns hooks.slack.com/services/{made}"})


@pytest.mark.parametrize("name", ["", "Line", "a b", "x" * 40, "é"])
def test_only_names_of_ours_are_said(name: str) -> None:
    with pytest.raises(ValueError, match="an entry says"):
        entry_of(About(), {name: "x"})


def test_the_private_key_is_never_shown() -> None:
    assert "private" not in repr(BOT)
    assert "signature" in repr(record.close(BOT, read(entry_of(About(), {}))))
