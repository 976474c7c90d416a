"""`netcheck-bot audit`: who did what, as it is kept in Redis, and the proof that nothing is missing."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, TypeVar

import click

from workers import log
from workers.errors import UsageError
from workers.render.escape import visible
from workers.settings import Settings, load

if TYPE_CHECKING:
    from workers.audit.examine import Examined
    from workers.audit.reading import Wanted
    from workers.audit.store import Store

T = TypeVar("T")
GOOD, TAMPERED, CANNOT_TELL = 0, 1, 3
_SAYING = {True: "✅ nothing was tampered with", False: "🔴 tampered with", None: "❔ cannot tell"}
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def command() -> None:
    """Who asked, decided and did what: shown, exported, proved."""


def _filters(of: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.option("--kind", help="Only what happened so: command, decision, refusal, grant, execution ..."),
        click.option("--job", default="", help="Only what is about this job or approval."),
        click.option("--user", default="", help="Only this person's, by the id that Slack gives them."),
        click.option("--since", help="How far back: 30m, 2h, 36h; everything without."),
    ):
        of = option(of)
    return of


@command.command()
@_filters
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="So many, the newest.")
def show(since: str | None, user: str, job: str, kind: str | None, limit: int) -> None:
    """The newest entries, newest first. Entries marked ? are not signed by a key that is known here."""
    from bot.plain.audit import words
    from workers.audit import opening
    from workers.audit.reading import Reader
    from workers.model import Table
    from workers.render import columns

    settings, wanted = load(Settings), _wanted(since, user, job, kind, limit)
    found = _with_store(settings, lambda store: Reader(store, lambda: opening.known_keys(settings)).newest(wanted))
    rows = tuple(
        ("?" if seen.doubt else "", e.at, e.kind.value, e.who, e.channel, e.subject, words(e), e.writer)
        for seen in found.seen
        for e in (seen.entry,)
    )
    heading = ("", "time", "what", "who", "channel", "about", "said", "by")
    for line in columns.lines(Table("", rows, heading), 200):
        click.echo(line)
    if found.unreadable:
        click.echo(f"{found.unreadable} records in Redis are no entries: somebody wrote them.", err=True)
    if found.cut:
        click.echo("There was more than could be read; ask about less.", err=True)


@command.command()
@_filters
@click.option("--output", type=click.File("w"), default="-", help="A file instead of the terminal.")
def export(since: str | None, user: str, job: str, kind: str | None, output: TextIO) -> None:
    """Every entry as a line of JSON with its signature, writer by writer; `verify --from` reads it again."""
    from workers.audit import examine

    wanted = _wanted(since, user, job, kind, 0)

    async def write(store: Store) -> None:
        for writer in await store.writers(wanted.since_ms):
            output.writelines(f"{examine.line(raw)}\n" for raw in examine.selected(await store.chain(writer.name), wanted))

    _with_store(load(Settings), write)


@command.command()
@click.option("--sink", "sinks", type=_FILE, multiple=True, help="Lines of the sink, as a log daemon keeps them; as set without.")
@click.option("--keys", type=_FILE, help="Trust these public keys, a line `ROLE HEX` each, and no others.")
@click.option("--from", "exported", type=_FILE, help="Verify an export of all entries instead of what is in Redis.")
def verify(sinks: tuple[Path, ...], keys: Path | None, exported: Path | None) -> None:
    """Prove that no entry was removed, changed, put in another order, cut off or forged.

    Exit status: 0 nothing was tampered with, 1 something was, 3 cannot tell (nothing was audited yet, there is no sink to compare
    with, or Redis is away), 2 usage.
    """
    from workers.audit import examine, opening

    settings, against = load(Settings), examine.Against(sinks, keys)
    if exported:
        examined = examine.exported(settings, exported, against)
    else:
        examined = _with_store(
            settings, lambda store: examine.stored(settings, store, against), lambda: examine.unstored(settings, against)
        )
    if examined.nothing:
        redis = (
            "the Redis of NETCHECK_REDIS_URL" if settings.redis_url else f"the Redis in {settings.data_dir} (NETCHECK_DATA_DIR)"
        )
        files = ", ".join(map(str, sinks or opening.sink_files(settings))) or "the sink, whose lines --sink names"
        where = visible(f"no entry in {exported or redis}, no head in {files}")
        click.echo(f"❔ nothing was audited yet, as far as can be seen: {where}")
    else:
        _say(examined)
    sys.exit({True: GOOD, False: TAMPERED, None: CANNOT_TELL}[examined.good])


def _say(examined: Examined) -> None:
    verdict, sink = examined.verdict, examined.sink
    click.echo(f"{_SAYING[examined.good]}: {verdict.entries} entries, {verdict.sealed} of them covered by heads in the sink")
    for problem in verdict.problems:
        where = f"{problem.writer}, entry {problem.seq}" if problem.seq else problem.writer
        click.echo(f"🔴 {problem.what.value}: {visible(f'{where}: {problem.detail}' if where else problem.detail)}")
    for writer, count in verdict.unsealed.items():
        click.echo(f"· {visible(writer)}: {count} entries after its last head are not sealed yet")
    if verdict.expired:
        click.echo(f"· {len(verdict.expired)} chains have entries that expired, as their heads show")
    if sink is None:
        click.echo("❔ there is no sink to compare with: name its lines with --sink, or set NETCHECK_AUDIT_SINK=file:…")
        return
    if not sink.keys or examined.empty:
        asks = ": is NETCHECK_CLUSTER the one that it runs with?" if sink.others else ""
        click.echo(f"❔ the sink has no {'head' if sink.keys else 'key'} of this installation{asks}")
    if sink.unreadable:
        click.echo(f"· lines {', '.join(map(str, sink.unreadable[:5]))} of the sink say nothing")


def _wanted(since: str | None, user: str, job: str, kind: str | None, limit: int) -> Wanted:
    from workers.audit.entry import Kind
    from workers.audit.reading import Wanted
    from workers.params import Duration

    known = {one.value: one for one in Kind}
    if kind is not None and kind not in known:
        raise UsageError(f"there is no kind {kind!r} of entries", nearest=tuple(known))
    start = round((time.time() - Duration.parse(since).seconds) * 1000) if since else 0
    return Wanted(start, user, job, known[kind] if kind else None, limit)


def _with_store(settings: Settings, use: Callable[[Store], Awaitable[T]], without: Callable[[], T] | None = None) -> T:
    """What is made of the audit in Redis, or without one that was ever started; exit status 3 where that is not to be had."""
    from workers.audit.opening import store_of
    from workers.jobs import NothingYet, QueueAway, asked

    log.configure("error", "audit")
    url = settings.redis_url.get_secret_value() if settings.redis_url else None

    async def used() -> T:
        async with asked(url, settings.data_dir, key_file=settings.job_key_file, tag=settings.redis_tag) as jobs:
            return await use(store_of(settings, jobs))

    try:
        return asyncio.run(used())
    except NothingYet as e:
        if without:
            return without()
        click.echo(f"❔ nothing was audited yet, as far as can be seen: {visible(str(e))}", err=True)
    except QueueAway as e:
        click.echo(f"❔ cannot tell: {visible(str(e))}", err=True)
    sys.exit(CANNOT_TELL)
