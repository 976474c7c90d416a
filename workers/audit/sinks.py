"""Where heads go, outside Redis: a file, the syslog, an OpenTelemetry collector. `send` returns when they are there."""

from __future__ import annotations

import asyncio
import fcntl
import os
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import aiohttp

from workers.audit.errors import SinkAway
from workers.errors import UsageError

_SECONDS = 5.0
_LOCAL = "/dev/log"
_NOTICE_OF_SECURITY = 13 * 8 + 5  # log audit, notice: RFC 5424, 6.2.1
_OTLP_PATH = "/v1/logs"


class Sink(Protocol):
    """One place, or several."""

    async def send(self, lines: Sequence[str]) -> None:
        """Returns when the lines are there. Raises `SinkAway`; then they are sent again, and may be there twice."""


class File:
    """Lines appended to a file, each batch written at once and fsynced."""

    def __init__(self, path: Path) -> None:
        self.path = path

    async def send(self, lines: Sequence[str]) -> None:
        """Raises `SinkAway`."""
        with _translated(str(self.path)):
            await asyncio.to_thread(self._append, "".join(f"{line}\n" for line in lines).encode())

    def _append(self, data: bytes) -> None:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = not self.path.exists()
        descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)  # of two who see half a line only one ends it
            size = os.fstat(descriptor).st_size
            if size and os.pread(descriptor, 1, size - 1) != b"\n":  # half a line: a disk was full, or a machine lost its power
                data = b"\n" + data
            if os.write(descriptor, data) != len(data):
                raise OSError("the disk is full")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if new:
            _fsync_folder(self.path.parent)


class Syslog:
    """RFC 5424: datagrams to the local socket, or TCP with octet counting (RFC 6587, 3.4.1). No daemon confirms a line."""

    def __init__(self, address: str) -> None:
        self.address = address

    async def send(self, lines: Sequence[str]) -> None:
        """Raises `SinkAway`."""
        with _translated(f"syslog at {self.address or _LOCAL}"):
            messages = [_rfc5424(line) for line in lines]
            await (self._over_tcp(messages) if self.address else asyncio.to_thread(_to_local, messages))

    async def _over_tcp(self, messages: Sequence[bytes]) -> None:
        host, _, port = self.address.rpartition(":")
        async with asyncio.timeout(_SECONDS):
            _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
            try:
                writer.writelines(b"%d %b" % (len(message), message) for message in messages)
                await writer.drain()
            finally:
                writer.close()
                await writer.wait_closed()


class Otlp:
    """OTLP over HTTP in JSON (opentelemetry.io, specs/otlp): a log record a line."""

    def __init__(self, url: str) -> None:
        self.url = url if url.partition("://")[2].strip("/").count("/") else url.rstrip("/") + _OTLP_PATH

    async def send(self, lines: Sequence[str]) -> None:
        """Raises `SinkAway`, also where the collector rejects a record."""
        with _translated(self.url):
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_SECONDS)) as http,
                http.post(self.url, json=_otlp(lines), raise_for_status=True) as answer,
            ):
                said = await answer.json(content_type=None) or {}
        rejected = (said.get("partialSuccess") or {}) if isinstance(said, dict) else {}
        if int(rejected.get("rejectedLogRecords") or 0):
            raise SinkAway(f"{self.url} rejected records: {rejected.get('errorMessage', '')!r}")


class All:
    """Several; each must have the lines."""

    def __init__(self, sinks: Sequence[Sink]) -> None:
        self.sinks = tuple(sinks)

    async def send(self, lines: Sequence[str]) -> None:
        """Raises `SinkAway`."""
        for sink in self.sinks:
            await sink.send(lines)


def made(setting: str) -> Sink:
    """Of `file:PATH`, `syslog:[HOST:PORT]`, `otlp:URL`, several with commas between. Raises `UsageError`."""
    sinks = [_one(part.strip()) for part in setting.split(",") if part.strip()]
    if not sinks:
        raise UsageError("NETCHECK_AUDIT_SINK names no sink: file:/path, syslog:, syslog:host:port or otlp:http://host:4318")
    return sinks[0] if len(sinks) == 1 else All(sinks)


def files(sink: Sink) -> tuple[Path, ...]:
    """Those of its places that can be read again here."""
    if isinstance(sink, All):
        return tuple(path for one in sink.sinks for path in files(one))
    return (sink.path,) if isinstance(sink, File) else ()


def _one(text: str) -> Sink:
    kind, _, rest = text.partition(":")
    if kind == "file" and rest.startswith("/"):
        return File(Path(rest))
    if kind == "syslog" and (not rest or (rest.count(":") and rest.rpartition(":")[2].isdigit())):
        return Syslog(rest)
    if kind == "otlp" and rest.startswith(("http://", "https://")):
        return Otlp(rest)
    raise UsageError(f"NETCHECK_AUDIT_SINK: {text!r} is not file:/path, syslog:, syslog:host:port or otlp:http://host:4318")


def _rfc5424(line: str) -> bytes:
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return f"<{_NOTICE_OF_SECURITY}>1 {at} {socket.gethostname()} netcheck {os.getpid()} audit - {line}".encode()


def _to_local(messages: Sequence[bytes]) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.settimeout(_SECONDS)
        sock.connect(_LOCAL)
        for message in messages:
            sock.send(message)


def _otlp(lines: Sequence[str]) -> dict[str, object]:
    at = str(time.time_ns())
    records = [
        {"timeUnixNano": at, "severityNumber": 10, "severityText": "INFO2", "body": {"stringValue": line}} for line in lines
    ]
    service = {"key": "service.name", "value": {"stringValue": "netcheck"}}
    scope = {"scope": {"name": "netcheck.audit"}, "logRecords": records}
    return {"resourceLogs": [{"resource": {"attributes": [service]}, "scopeLogs": [scope]}]}


def _fsync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _translated(where: str) -> Iterator[None]:
    try:
        yield
    except (OSError, TimeoutError, ValueError, aiohttp.ClientError) as e:
        raise SinkAway(f"the audit's sink {where} did not take a head: {str(e) or type(e).__name__}") from e
