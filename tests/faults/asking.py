"""Asking about a lab as a person at a terminal does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from deploy.lab.lab import Lab


def check(lab: Lab, ask: str) -> Any:
    """The report of `netcheck-bot check ASK`; {hello} and {client} stand for pods of the first node."""
    return json.loads(text(lab, ask, "--output", "json"))


def text(lab: Lab, ask: str, *options: str) -> str:
    """The same as a person at a terminal reads it."""
    words = {"hello": lab.find_pod("hello-world").spec.name, "client": lab.find_pod("client").spec.name}
    argv = [sys.executable, "-m", "bot", "check", *ask.format(**words).split(), *options]
    environment = {**os.environ, **lab.settings()}
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout, done.stderr
    return done.stdout
