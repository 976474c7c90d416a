"""The audit of an installation as its settings say it: a process' own chain, the store, the sink, the trusted keys. I/O."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from pathlib import Path

import structlog

from workers.audit import key_files, lines, sinks, spool
from workers.audit.chain import Chain
from workers.audit.counter import CounterSigner, Memory
from workers.audit.errors import AuditAway
from workers.audit.keys import Keys, Signer
from workers.audit.lines import Sunk
from workers.audit.sinks import Sink
from workers.audit.store import Store
from workers.audit.trail import Audit
from workers.errors import BadKeyFile, UsageError
from workers.jobs import Jobs
from workers.queue.errors import QueueAway
from workers.settings import Shared

log = structlog.get_logger()
APPROVER = "approver"
HEADS = "heads.log"
_WAITING = "waiting"


@contextlib.asynccontextmanager
async def opened(settings: Shared, role: str, jobs: Jobs) -> AsyncIterator[Audit]:
    """The audit of this process, for the time of the block. Raises `UsageError` for a sink or a key that cannot be used."""
    signer, store, folder = signer_of(settings, role), store_of(settings, jobs), settings.data_dir / key_files.FOLDER / _WAITING
    chain = Chain(signer, secrets.token_hex(6), now_ms)
    async with Audit(chain, store, sink_of(settings), spool.Spool(folder, chain.writer)) as audit:
        await _adopt(folder, store)
        yield audit


def signer_of(settings: Shared, role: str) -> Signer:
    """The key with which a role signs. Raises `UsageError`."""
    try:
        return replace(key_files.signer(role, settings.data_dir, settings.audit_key_file), of=installation(settings))
    except (BadKeyFile, OSError) as e:
        raise UsageError(f"The audit's key: {e}") from e


def countersigner(settings: Shared, jobs: Jobs, memory: Memory, signer: Signer | None = None) -> CounterSigner:
    """The approver's, which signs with the key of that role unless it brings another one. Raises `UsageError`."""
    signs = replace(signer, of=installation(settings)) if signer else signer_of(settings, APPROVER)
    return CounterSigner(signs, store_of(settings, jobs), sink_of(settings), memory, lambda: known_keys(settings))


def installation(settings: Shared) -> str:
    """How the lines of a sink name it."""
    return f"{settings.cluster}/{settings.redis_tag}"


def store_of(settings: Shared, jobs: Jobs) -> Store:
    """The chains in the Redis of the jobs."""
    return Store(jobs.server, jobs.keys, settings.audit_keep_days)


def sink_of(settings: Shared) -> Sink:
    """Where heads go. Raises `UsageError`."""
    return sinks.made(settings.audit_sink or f"file:{(settings.data_dir / key_files.FOLDER / HEADS).absolute()}")


def pinned(settings: Shared, keys_file: Path | None = None) -> Keys | None:
    """The keys that are trusted, and no others, where a file says so. Raises `UsageError`."""
    file = keys_file or settings.audit_keys_file
    return _public([file]) if file else None


def known_keys(settings: Shared) -> Keys:
    """Those of `pinned` or, without a file, those of this machine's processes. Raises `UsageError`."""
    chosen = pinned(settings)
    return _public(sorted((settings.data_dir / key_files.FOLDER).glob("*.pub"))) if chosen is None else chosen


def sunk(settings: Shared, files: Iterable[Path] = (), keys: Keys | None = None) -> Sunk | None:
    """What the sink holds, of these files or of the configured ones; None where there is no file to read. Raises `UsageError`."""
    wanted = tuple(files) or sink_files(settings)
    try:
        found = [path for path in wanted if path.is_file()]
        with contextlib.ExitStack() as stack:
            opened_files = [stack.enter_context(path.open(encoding="utf-8", errors="replace")) for path in found]
            return lines.read((line for file in opened_files for line in file), keys, installation(settings)) if found else None
    except OSError as e:
        named = ", ".join(map(str, wanted))
        raise UsageError(f"The audit's sink (NETCHECK_AUDIT_SINK or --sink) cannot be read: {named}: {e.strerror}") from e


def sink_files(settings: Shared) -> tuple[Path, ...]:
    """Where the lines of the configured sink can be read again, be they there or not. Raises `UsageError`."""
    return sinks.files(sink_of(settings))


def now_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def _public(files: Iterable[Path]) -> Keys:
    try:
        return key_files.public(files)
    except BadKeyFile as e:
        raise UsageError(f"The audit's public keys: {e}") from e


async def _adopt(folder: Path, store: Store) -> None:
    """What processes that ended while Redis was away had to leave on disk."""
    try:
        with spool.left_behind(folder) as chains:
            for records in chains:
                await store.append(records[0].entry.writer, records)
                log.info("audit_adopted", writer=records[0].entry.writer, entries=len(records))
    except (QueueAway, AuditAway, OSError) as e:
        log.warning("audit_not_adopted", reason=str(e))
