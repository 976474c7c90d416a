"""Keys of the audit: made once, with the public half beside; what they sign is one thing and no other."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.audit_place import BOT
from workers.audit import key_files, keys
from workers.errors import BadKeyFile


def test_a_key_is_made_once_and_its_public_half_is_beside_it(tmp_path: Path) -> None:
    first, second = key_files.signer("bot", tmp_path), key_files.signer("bot", tmp_path)
    assert first.public == second.public
    assert (tmp_path / "audit" / "bot.key").stat().st_mode & 0o077 == 0
    assert key_files.public([tmp_path / "audit" / "bot.pub"]) == {first.public.id: first.public}
    (tmp_path / "audit" / "bot.key").chmod(0o644)
    with pytest.raises(BadKeyFile, match="chmod 600"):
        key_files.signer("bot", tmp_path)
    (tmp_path / "no.key").write_text("x")
    (tmp_path / "no.key").chmod(0o600)
    with pytest.raises(BadKeyFile, match="holds no private key"):
        key_files.signer("bot", tmp_path, tmp_path / "no.key")


def test_a_signature_of_one_thing_is_none_of_another() -> None:
    signature = BOT.sign("entry", b"data")
    assert BOT.public.verifies("entry", signature, b"data")
    assert not BOT.public.verifies("head", signature, b"data")
    assert not BOT.public.verifies("entry", signature, b"date")
    assert not BOT.public.verifies("entry", "no base64", b"data")


@given(st.text(max_size=100))
def test_lines_of_a_key_file_are_keys_or_refused(text: str) -> None:
    try:
        key = keys.parse(text)
    except ValueError:
        return
    assert key is None or keys.parse(key.line) == key
