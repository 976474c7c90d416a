"""`make demo`: the lab, the bot, a worker; `/netcheck pod hello-world` through Slack's protocol, and the thread that results."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from typing import Any, NoReturn

from deploy.lab import machine
from deploy.lab.errors import LabError
from deploy.lab.lab import Lab
from deploy.lab.roles import Role
from deploy.lab.transcript import transcript
from workers.checks.pod import USUAL_RAW
from workers.render import verdict

COMMAND = "pod hello-world"
VERDICTS = tuple(verdict.SIGNS.values())
_RESULT_S, _POLL_S = 30.0, 0.1
_STARTED = time.monotonic()


def main() -> int:
    """Exit status 0 only if the thread holds a verdict."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--once", action="store_true", help="end after printing the thread")
    once = parser.parse_args().once
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        machine.require()
        with ExitStack() as stack:
            return _show(stack, once=once)
    except LabError as e:
        print(f"demo: {e}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nThe lab is gone; nothing of it is left.")
        return 130 if once else 0


def _show(stack: ExitStack, *, once: bool) -> int:
    lab = stack.enter_context(Lab(_say))
    roles = [stack.enter_context(closing(Role(name, lab.settings(), lab.folder))) for name in ("bot", "worker")]
    for role in roles:
        role.await_ready()
        _say(f"{role.name}: {role.url}/metrics, log {role.log}")
    _say(f"/netcheck {COMMAND}")
    asked = time.monotonic()
    lab.slack.command(COMMAND)
    thread = _thread(lab)
    print(f"\n{'─' * 78}\n#incidents · Alice: /netcheck {COMMAND}\n\n{transcript(thread)}\n{'─' * 78}")
    if not _has_verdict(thread):
        print(f"demo: no verdict in {_RESULT_S:g} s; see {roles[0].log} and {roles[1].log}", file=sys.stderr)
        return 1
    print(f"The result was there {time.monotonic() - asked:.1f} s after the command.")
    if not once:
        _stay(lab)
    return 0


def _stay(lab: Lab) -> None:
    print(f"\nSlack's page: {lab.slack.page_url} — type /netcheck help there. Ctrl-C ends everything.", flush=True)
    while True:
        signal.pause()


def _thread(lab: Lab) -> Sequence[Mapping[str, Any]]:
    """What the bot says, when it holds a verdict and its files; at the latest after the time for it."""
    end = time.monotonic() + _RESULT_S
    said: list[dict[str, Any]] = []
    while time.monotonic() < end:
        said = [m for m in lab.slack.messages() if m.get("user") == lab.slack.workspace.bot or m.get("bot_id")]
        if _has_verdict(said) and sum(len(m.get("files") or ()) for m in said) == len(USUAL_RAW):
            break
        time.sleep(_POLL_S)
    return said


def _has_verdict(messages: Sequence[Mapping[str, Any]]) -> bool:
    return any(str(m.get("text", "")).startswith(VERDICTS) for m in messages)


def _say(line: str) -> None:
    print(f"{time.monotonic() - _STARTED:6.2f} s  {line}", flush=True)


def _interrupt(_number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
