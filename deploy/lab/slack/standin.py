"""A running Slack workspace of one's own: what a person would do there, what they would see, and the faults it shall have."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from deploy.lab.errors import LabError
from deploy.lab.packages import Say
from deploy.lab.slack import package
from deploy.lab.slack.faults import Call, Fault, Kind
from deploy.lab.slack.workspace import DELIVERY_PORT, WORKSPACE, Mode, Workspace

_ANSWER_SECONDS = 30.0
_NAMESPACES = ("--net", "--pid", "--fork", "--mount-proc", "--kill-child=KILL")


class SlackStandIn:
    """It ends when it is closed, and when the process that made it dies. Needs root, for a network namespace.

    Its methods wait for the stand-in, which waits up to 5 s for the bot: a bot in the same event loop needs them in a thread.
    """

    workspace: Workspace = WORKSPACE

    def __init__(self, folder: Path, *, mode: Mode = Mode.SOCKET, say: Say = lambda _: None) -> None:
        """Files go into ``folder``. Raises :class:`LabError` where it cannot be fetched or does not start."""
        program = package.prepare(say)
        folder.mkdir(parents=True, exist_ok=True)
        self._log = folder / "slack.log"
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = int(listener.getsockname()[1])
            config = folder / "slack.yaml"  # JSON is YAML
            config.write_text(json.dumps(self.workspace.config(mode, f"http://127.0.0.1:{DELIVERY_PORT}/slack/events")))
            self._process = self._started(self._argv(program, folder, config), listener)
        self._await_ready()
        self.fail(Fault("chat.postMessage", Kind.REFUSED, -1, error="not_in_channel", channel=self.workspace.outside))

    @property
    def api_url(self) -> str:
        """The base of the Web API, as slack_sdk wants it."""
        return f"http://127.0.0.1:{self.port}/api/"

    @property
    def page_url(self) -> str:
        """Where a person sees the workspace and types into it."""
        return f"http://127.0.0.1:{self.port}/"

    def settings(self) -> dict[str, str]:
        """The environment with which a bot and its workers use this workspace."""
        return {
            "NETCHECK_SLACK_API_URL": self.api_url,
            "NETCHECK_SLACK_BOT_TOKEN": self.workspace.bot_token,
            "NETCHECK_SLACK_APP_TOKEN": self.workspace.app_token,
            "NETCHECK_SLACK_SIGNING_SECRET": self.workspace.signing_secret,
        }

    def command(self, text: str, *, user: str = "", channel: str = "", command: str = "/netcheck") -> None:
        """Somebody types a slash command."""
        self._act("command", {"text": text, "command": command}, user, channel)

    def say(self, text: str, *, user: str = "", channel: str = "", thread: str = "") -> str:
        """Somebody writes a message; answers its ts."""
        body = {"text": text} | ({"thread_ts": thread} if thread else {})
        return str(self._act("message", body, user, channel)["message"]["ts"])

    def mention(self, text: str, *, user: str = "", channel: str = "", thread: str = "") -> str:
        """Somebody writes to the bot; answers the ts of the message."""
        return self.say(f"<@{self.workspace.bot}> {text}", user=user, channel=channel, thread=thread)

    def click(self, message: Mapping[str, Any], action_id: str, *, user: str = "") -> None:
        """Somebody clicks a button of a message. Raises :class:`LabError` if it has no such button."""
        for block in message.get("blocks") or ():
            for element in block.get("elements", ()):
                if element.get("action_id") == action_id:
                    action = {**element, "block_id": block.get("block_id", "b")}
                    self._act("interact", {"messageTs": message["ts"], "action": action}, user, message["channel"])
                    return
        raise LabError(f"the message has no button {action_id}")

    def submit(self, values: Mapping[str, str] | None = None, *, user: str = "") -> Mapping[str, str]:
        """Somebody submits the modal that is open, with what they typed by block; answers what the bot finds wrong with it.

        A field's action must have the id of its block.
        """
        typed = {block: {block: {"type": "plain_text_input", "value": text}} for block, text in (values or {}).items()}
        said = self._asked("POST", "/_lab/submit", {"user": user or self.workspace.alice, "values": typed})
        return dict(said["errors"])

    def messages(self, channel: str = "") -> list[dict[str, Any]]:
        """All messages of a channel, those in threads and those that one person sees included, oldest first."""
        return list(self._asked("GET", f"/_control/messages/{channel or self.workspace.incidents}")["messages"])

    def calls(self, *methods: str) -> list[Call]:
        """The calls of these methods (without any: all), in their order."""
        return [Call(**said) for said in self._asked("GET", "/_lab/calls") if not methods or said["method"] in methods]

    def fail(self, fault: Fault) -> None:
        """From now on calls meet this fault; of several the one that was set first counts."""
        self._asked("POST", "/_lab/fail", fault.dumps())

    def heal(self) -> None:
        """No fault from now on but that the bot is not in one channel."""
        self._asked("POST", "/_lab/heal")
        self.fail(Fault("chat.postMessage", Kind.REFUSED, -1, error="not_in_channel", channel=self.workspace.outside))

    def reset(self) -> None:
        """No messages, no calls and no faults, as at the start."""
        self._asked("POST", "/_control/reset")
        self._asked("POST", "/_lab/forget")
        self.heal()

    def deliver_to(self, url: str) -> None:
        """Where signed HTTP deliveries go, on this machine's loopback."""
        self._asked("POST", "/_lab/deliver-to", {"url": url})

    def disconnect(self) -> None:
        """Tell every Socket Mode connection to go and come again, as Slack does every few hours."""
        self._asked("POST", "/_lab/disconnect")

    def close(self) -> None:
        """End it; nothing of it is left but its files."""
        self._process.kill()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def _argv(self, program: Path, folder: Path, config: Path) -> list[str]:
        files = folder / "files"
        host = ["--port", str(self.port), "--base-host", "127.0.0.1"]
        return [str(program), "--config", str(config), *host, "--files-dir", str(files)]

    def _started(self, program: list[str], listener: socket.socket) -> subprocess.Popen[str]:
        netns = os.open("/proc/self/ns/net", os.O_RDONLY)
        said = {"program": program, "listener": listener.fileno(), "netns": netns}
        try:
            with self._log.open("wb") as log:
                return subprocess.Popen(
                    ["unshare", *_NAMESPACES, sys.executable, "-P", "-m", "deploy.lab.slack.proxy", json.dumps(said)],
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
                    pass_fds=(listener.fileno(), netns), start_new_session=True, cwd="/",
                )  # fmt: skip
        finally:
            os.close(netns)

    def _await_ready(self) -> None:
        if self._process.stdout is None or self._process.stdout.readline() != "ready\n":
            self.close()
            raise LabError(f"the Slack stand-in did not start\n{self._log.read_text(errors='replace')[-3000:]}")

    def _act(self, what: str, body: Mapping[str, Any], user: str, channel: str) -> Any:
        who = {"user": user or self.workspace.alice, "channel": channel or self.workspace.incidents}
        return self._asked("POST", f"/_control/{what}", {**who, **body})

    def _asked(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_ANSWER_SECONDS)
        try:
            connection.request(method, path, json.dumps(body or {}), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            said = answer.read()
        finally:
            connection.close()
        if answer.status != http.HTTPStatus.OK:
            raise LabError(f"the Slack stand-in answered {answer.status} to {path}: {said.decode(errors='replace')[:300]}")
        return json.loads(said)
