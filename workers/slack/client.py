"""Slack's Web API, one call a method: no retries, no opinion, and no error of a client library leaves this file."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import aiohttp
import structlog
from prometheus_client import Counter, Histogram
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from workers.job import Requester, Standing
from workers.render.message import Block, Message
from workers.slack.errors import AWAY, NotInChannel, SlackAway, SlackError, refused
from workers.slack.methods import NEEDS
from workers.slack.sharing import shared

log = structlog.get_logger()

CALLS = Counter("netcheck_slack_calls", "Calls to Slack's Web API", ["method", "outcome"])
SECONDS = Histogram("netcheck_slack_call_seconds", "How long Slack took to answer", ["method"])
_TIMEOUT_S = 10
_SHORTEST_WAIT_S = 1.0
_GONE = ("file_not_found", "file_deleted")


@dataclass(frozen=True)
class Upload:
    """A file that Slack awaits: its id, and where its bytes go."""

    file_id: str
    url: str


@dataclass(frozen=True)
class Identity:
    """Who the bot is; `scopes` are those that its token has."""

    team: str
    user: str
    scopes: tuple[str, ...]


@dataclass(frozen=True)
class Seat:
    """The bot in a channel: whether it is in there, and whether other organisations read it, None where Slack did not say."""

    member: bool
    shared: bool | None


class Slack:
    """One workspace, as the bot whose token it is. Every method raises `SlackAway` or `SlackRefused`."""

    def __init__(self, token: str, api_url: str) -> None:
        self._token = token
        self._api_url = api_url if api_url.endswith("/") else f"{api_url}/"
        self._session: aiohttp.ClientSession | None = None

    async def post(self, channel: str, text: str, blocks: Sequence[Block], thread: str | None) -> str:
        """A new message, in a thread if one is named; answers its ts."""
        body: dict[str, Any] = {"channel": channel, "text": text, "unfurl_links": False, "unfurl_media": False}
        if thread:
            body["thread_ts"] = thread
        return str((await self._call("chat.postMessage", body | {"blocks": list(blocks)}))["ts"])

    async def write_to(self, user: str, text: str, blocks: Sequence[Block]) -> tuple[str, str]:
        """A direct message to that user (chat.postMessage takes their id); answers the id of the conversation, and the ts."""
        said = await self._call("chat.postMessage", {"channel": user, "text": text, "blocks": list(blocks)})
        return str(said["channel"]), str(said["ts"])

    async def update(self, channel: str, ts: str, text: str, blocks: Sequence[Block]) -> None:
        """Puts this in the place of what the message was; without blocks those that it had go too."""
        await self._call("chat.update", {"channel": channel, "ts": ts, "text": text, "blocks": list(blocks)})

    async def whisper(self, channel: str, user: str, message: Message, thread: str | None) -> None:
        """Says it to one person alone, who may not see it if they are not there."""
        body: dict[str, Any] = {"channel": channel, "user": user, "text": message.text, "blocks": list(message.blocks)}
        await self._call("chat.postEphemeral", body | ({"thread_ts": thread} if thread else {}))

    async def open_modal(self, trigger: str, view: Mapping[str, Any]) -> None:
        """Shows a modal to whoever did something within the last 3 seconds."""
        await self._call("views.open", {"trigger_id": trigger, "view": dict(view)})

    async def begin_upload(self, name: str, length: int) -> Upload:
        """Announces a file of so many bytes."""
        said = await self._call("files.getUploadURLExternal", {"filename": name, "length": length}, form=True)
        return Upload(str(said["file_id"]), str(said["upload_url"]))

    async def send_bytes(self, upload: Upload, data: bytes) -> None:
        """Sends the file's bytes; nobody sees them yet."""
        with _translated("upload"):
            async with self._http().post(upload.url, data=data, headers={"Content-Type": "application/octet-stream"}) as answer:
                await answer.read()
                _check("upload", answer)

    async def complete_upload(self, file_id: str, title: str, channel: str, thread: str) -> None:
        """Shows the file in the thread. Doing it twice may show it twice."""
        body = {"files": [{"id": file_id, "title": title}], "channel_id": channel, "thread_ts": thread}
        await self._call("files.completeUploadExternal", body)

    async def delete_file(self, file_id: str) -> None:
        """The file is gone, wherever it was shared."""
        try:
            await self._call("files.delete", {"file": file_id}, form=True)
        except SlackError as e:
            if getattr(e, "code", "") not in _GONE:
                raise

    async def is_shared(self, file_id: str) -> bool:
        """Whether the file can be seen somewhere."""
        try:
            said = await self._call("files.info", {"file": file_id}, form=True)
        except SlackError as e:
            if getattr(e, "code", "") in _GONE:
                return False
            raise
        return any(said["file"].get("shares", {}).values())

    async def identity(self) -> Identity:
        """Whose token this is."""
        client = self._client()
        with _translated("auth.test"):
            answer = await client.auth_test()
        scopes = answer.headers.get("x-oauth-scopes", "")
        return Identity(str(answer["team_id"]), str(answer["user_id"]), tuple(filter(None, scopes.split(","))))

    async def seat(self, channel: str, team: str) -> Seat:
        """What the bot of the workspace `team` may know of a channel before it writes there."""
        try:
            said = (await self._call("conversations.info", {"channel": channel}, form=True))["channel"]
        except NotInChannel:
            return Seat(member=False, shared=None)
        return Seat(member=bool(said.get("is_member") or said.get("is_im")), shared=shared(said, team))

    async def person(self, user: str, team: str) -> Requester:
        """Somebody, and what they are to the workspace `team`."""
        said = (await self._call("users.info", {"user": user}, form=True))["user"]
        return Requester(user, str(said.get("team_id", "")), standing=_standing(said, team))

    async def group(self, group: str) -> frozenset[str]:
        """The ids of the people in a user group."""
        said = await self._call("usergroups.users.list", {"usergroup": group}, form=True)
        return frozenset(map(str, said["users"]))

    async def respond(self, url: str, message: Message, *, replace: bool = False) -> None:
        """Says it to one person alone, by the `response_url` of what they did (5 times within 30 minutes)."""
        body = {"response_type": "ephemeral", "replace_original": replace, "text": message.text, "blocks": list(message.blocks)}
        with _translated("response_url"):
            async with self._http().post(url, json=body) as answer:
                await answer.read()
                _check("response_url", answer)

    async def close(self) -> None:
        """Ends the connections."""
        if self._session is not None:
            await self._session.close()

    async def _call(self, method: str, body: dict[str, Any], *, form: bool = False) -> Mapping[str, Any]:
        if method not in NEEDS:
            raise ValueError(f"{method}: say in slack_methods.py which scopes it needs")
        client = self._client()
        with _translated(method):
            answer = await (client.api_call(method, data=body) if form else client.api_call(method, json=body))
        data = answer.data
        return data if isinstance(data, dict) else {}

    def _client(self) -> AsyncWebClient:
        """Its default handlers would repeat a post whose answer was lost, so it gets none; `workers.slack.pace` repeats."""
        return AsyncWebClient(
            self._token, self._api_url, _TIMEOUT_S, session=self._http(), trust_env_in_session=False, retry_handlers=[]
        )

    def _http(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_TIMEOUT_S))
        return self._session


def _standing(said: Mapping[str, Any], team: str) -> Standing:
    """By the marks that docs.slack.dev, reference/objects/user-object describes."""
    if said.get("is_bot") or said.get("is_workflow_bot"):
        return "bot"
    if said.get("is_stranger") or said.get("team_id") != team:
        return "foreign"
    marks = (said.get("is_restricted"), said.get("is_ultra_restricted"))
    if None in marks:
        return "unknown"
    return "guest" if any(marks) else "member"


@contextmanager
def _translated(method: str) -> Iterator[None]:
    started, outcome = time.monotonic(), "ok"
    try:
        yield
    except SlackApiError as e:
        error = _of_answer(method, e.response)
        outcome = getattr(error, "code", "away")
        raise error from e
    except (aiohttp.ClientError, OSError, TimeoutError, json.JSONDecodeError, SlackClientError, AttributeError) as e:
        # AttributeError: slack_sdk looks for words in a body that is mere text, as of a proxy on the way
        outcome = "no answer"
        raise SlackAway(f"{method}: no answer ({type(e).__name__})", maybe_done=True) from e
    finally:
        CALLS.labels(method, outcome).inc()
        SECONDS.labels(method).observe(time.monotonic() - started)
        log.debug("slack_call", method=method, outcome=outcome, took_ms=round((time.monotonic() - started) * 1000))


def _of_answer(method: str, answer: Any) -> SlackError:
    """`answer` is slack_sdk's record, or aiohttp's where the body was no JSON."""
    status = int(getattr(answer, "status_code", 0) or getattr(answer, "status", 0))
    data = getattr(answer, "data", None)
    code = str(data.get("error", "")) if isinstance(data, dict) else ""
    if status == HTTPStatus.OK and code and code not in AWAY:
        return refused(method, code)
    known_undone = status == HTTPStatus.TOO_MANY_REQUESTS or code in ("ratelimited", "rate_limited")
    return SlackAway(
        f"{method}: status {status} {code}".strip(), after_s=_retry_after(answer.headers), maybe_done=not known_undone
    )


def _check(method: str, answer: aiohttp.ClientResponse) -> None:
    """For what is no Web API method: other statuses than 200 are errors, those of the client's own side for good."""
    if answer.status == HTTPStatus.TOO_MANY_REQUESTS or answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise SlackAway(f"{method}: status {answer.status}", after_s=_retry_after(answer.headers))
    if answer.status != HTTPStatus.OK:
        raise refused(method, f"status {answer.status}")


def _retry_after(headers: Mapping[str, str]) -> float:
    said = next((value for name, value in headers.items() if name.lower() == "retry-after"), "")
    return max(float(said), _SHORTEST_WAIT_S) if said.isdecimal() else 0.0
