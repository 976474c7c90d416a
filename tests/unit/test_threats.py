"""The threat model names tests: each of them is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAMED = sorted(set(re.findall(r"`([a-z0-9_/]+)::(test_[a-z0-9_]+)`", (ROOT / "deploy" / "THREATS.md").read_text("utf-8"))))


def test_it_names_some() -> None:
    assert len(NAMED) > 20


@pytest.mark.parametrize(("module", "test"), NAMED, ids=str)
def test_the_test_that_shows_it_is_there(module: str, test: str) -> None:
    assert re.search(rf"^(async )?def {test}\(", (ROOT / "tests" / f"{module}.py").read_text("utf-8"), re.MULTILINE)
