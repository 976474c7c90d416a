"""The terminal command on a folder of saved evidence, and the recordings of a real cluster."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from bot.cli import cli
from tests.rule_samples import DATA

SAMPLES = DATA / "kube-proxy-1.36"


def asked(words: str, folder: Path, *more: str) -> Result:
    return CliRunner().invoke(cli, ["check", *words.split(), "--from", str(folder), *more])


def report(words: str, folder: Path) -> Any:
    return json.loads(asked(words, folder, "--output", "json").stdout)
