"""Sinks of the audit: files, syslog and collectors take whole lines, or say that they did not."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from pathlib import Path

import pytest
from aiohttp import web

from workers.audit import sinks
from workers.audit.errors import SinkAway
from workers.errors import UsageError


async def test_a_file_keeps_every_line_and_survives_half_of_one(tmp_path: Path) -> None:
    sink = sinks.made(f"file:{tmp_path}/audit/heads.log")
    await sink.send(["one", "two"])
    (path,) = sinks.files(sink)
    with path.open("a") as file:
        file.write("hal")
    await asyncio.gather(*(sink.send([f"line {n}"]) for n in range(20)))
    told = path.read_text().splitlines()
    assert told[:3] == ["one", "two", "hal"]
    assert sorted(told[3:]) == sorted(f"line {n}" for n in range(20))
    assert path.stat().st_mode & 0o007 == 0


async def test_a_file_that_cannot_be_written_is_said_so() -> None:
    with pytest.raises(SinkAway, match="/proc/nowhere"):
        await sinks.made("file:/proc/nowhere/heads.log").send(["x"])


async def test_syslog_over_tcp_gets_whole_messages() -> None:
    heard = bytearray()
    done = asyncio.Event()

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.extend(await reader.read())
        writer.close()
        done.set()

    server = await asyncio.start_server(hear, "127.0.0.1", 0)
    async with server:
        await sinks.made(f"syslog:127.0.0.1:{server.sockets[0].getsockname()[1]}").send(["one", "two"])
        async with asyncio.timeout(20):
            await done.wait()
    length, _, rest = bytes(heard).partition(b" ")
    assert rest[: int(length)].startswith(b"<109>1 ")
    assert rest[: int(length)].endswith(b" audit - one")
    assert rest.endswith(b" audit - two")


async def test_the_local_syslog_gets_a_datagram_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(tmp_path / "log")
    monkeypatch.setattr(sinks, "_LOCAL", path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
        daemon.bind(path)
        await sinks.made("syslog:").send(["one", "two"])
        assert [daemon.recv(4096)[-3:] for _ in range(2)] == [b"one", b"two"]
    monkeypatch.setattr(sinks, "_LOCAL", str(tmp_path / "none"))
    with pytest.raises(SinkAway):
        await sinks.made("syslog:").send(["one"])


@pytest.mark.parametrize(
    ("answer", "status", "taken"),
    [("{}", 200, True), ("", 200, True), ('{"partialSuccess":{"rejectedLogRecords":"1"}}', 200, False), ("{}", 503, False)],
)
async def test_a_collector_gets_a_record_a_line_and_may_refuse(answer: str, status: int, *, taken: bool) -> None:
    got: list[object] = []

    async def collect(request: web.Request) -> web.Response:
        got.append(await request.json())
        return web.Response(text=answer, status=status, content_type="application/json")

    app = web.Application()
    app.router.add_post("/v1/logs", collect)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        sink = sinks.made(f"otlp:http://127.0.0.1:{runner.addresses[0][1]}")
        with contextlib.nullcontext() if taken else pytest.raises(SinkAway):
            await sink.send(["one"])
    finally:
        await runner.cleanup()
    assert '"stringValue": "one"' in str(got).replace("'", '"')


@pytest.mark.parametrize("setting", ["", "file:relative", "syslog:host", "otlp:ftp://x", "redis:", "file:/a,,x"])
def test_a_sink_that_is_none_is_named(setting: str) -> None:
    with pytest.raises(UsageError, match="NETCHECK_AUDIT_SINK"):
        sinks.made(setting)
