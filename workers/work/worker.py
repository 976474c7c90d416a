"""The worker: takes jobs, does them, and looks after those whose bot died. Run as many as wanted; none keeps state."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

import structlog
from aiohttp import web
from prometheus_client import Counter, Gauge, Histogram

from workers import health, intents, seal
from workers.audit.entry import About, Kind
from workers.audit.opening import opened as opened_audit
from workers.catalogue import all_changes, catalogue
from workers.cluster import ClusterView
from workers.errors import UsageError
from workers.jobs import Jobs, opened
from workers.policy.watch import PolicyFile
from workers.queue.errors import LostLease, QueueAway, QueueError
from workers.queue.lease import Lease
from workers.queue.status import State
from workers.queue.terms import Terms
from workers.redaction.pseudonyms import Pseudonyms
from workers.settings import Settings
from workers.slack.client import Slack
from workers.slack.errors import SlackAway, SlackRefused
from workers.slack.thread import Thread
from workers.terminal import nodes_of
from workers.work.carrying import Carrying
from workers.work.proposing import Changing
from workers.work.telling import age
from workers.work.work import Work, about

log = structlog.get_logger()
JOBS = Counter("netcheck_jobs", "Jobs that this worker brought to an end", ["command", "state"])
SECONDS = Histogram(
    "netcheck_job_seconds", "From the command to its result", ["command"], buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
)
BUSY = Gauge("netcheck_jobs_running", "Jobs in this worker's hands")
PAUSE_S = 1.0
SLACK_AWAY_S = 5.0
"""Until a result that Slack did not take is sent again; as often as it takes, since nothing is wrong with the job."""
_LAST_S = 20.0
_FAULT = "a fault of netcheck's own"


@dataclass(frozen=True)
class Worker:
    """One worker's loop over its parts."""

    name: str
    jobs: Jobs
    work: Work
    thread: Thread

    async def take_turns(self, stopping: asyncio.Event) -> None:
        """Job after job, until the process is to stop."""
        while not stopping.is_set():
            try:
                async with self.jobs.take(self.name) as lease:
                    if lease is not None:
                        await self._one(lease)
            except QueueAway as e:
                log.warning("queue_away", reason=str(e))
                await asyncio.sleep(PAUSE_S)

    async def _one(self, lease: Lease) -> None:
        job = lease.job
        with structlog.contextvars.bound_contextvars(job=job.id, trace=job.trace), BUSY.track_inprogress():
            log.info("job_taken", command=job.command, attempt=lease.attempt, user=job.requester.user)
            try:
                state = await self._done(lease)
            except LostLease:
                log.warning("job_lost")
                return
            if state is not None:
                JOBS.labels(job.command, state.value).inc()
                SECONDS.labels(job.command).observe(age(job))
                if state is not State.DONE:  # else its execution says so
                    self.work.audit.append(Kind.END, about(job), {"state": state.value, "attempt": str(lease.attempt)})
                log.info("job_ended", state=state.value)

    async def _done(self, lease: Lease) -> State | None:
        """The end of the job; None where it is another's, or has to wait. Raises `LostLease`, `QueueAway`."""
        try:
            return await self.work.do(lease)
        except QueueError:
            raise
        except SlackAway as e:
            log.warning("job_waits_for_slack", reason=str(e))
            await lease.put_off(f"Slack is away: {e}", SLACK_AWAY_S)
            return None
        except SlackRefused as e:
            log.error("result_refused_by_slack", code=e.code)  # noqa: TRY400  (the code says all)
            await lease.finish(State.DEAD, str(e))
            return State.DEAD
        except Exception:  # our own fault: it must not end the worker, nor be tried for ever
            log.exception("job_not_told", attempt=lease.attempt)
            if await lease.retry_later(_FAULT):
                return None
            await lease.finish(State.DEAD, _FAULT)
            return State.DEAD


async def serve(settings: Settings, announce: Callable[[str], None]) -> None:
    """Run until SIGTERM or SIGINT, then finish what is in hand. `announce` hears the URL of health and metrics."""
    if settings.slack_bot_token is None:
        raise UsageError("NETCHECK_SLACK_BOT_TOKEN is not set: the worker posts results with it")
    rules = PolicyFile(settings.policy_file)
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    async with AsyncExitStack() as stack:
        terms = Terms(lease_s=settings.lease_seconds)
        url = settings.redis_url.get_secret_value() if settings.redis_url else None
        jobs = await stack.enter_async_context(
            opened(url, settings.data_dir, key_file=settings.job_key_file, terms=terms, tag=settings.redis_tag)
        )
        slack = Slack(settings.slack_bot_token.get_secret_value(), settings.slack_api_url)
        stack.push_async_callback(slack.close)
        cluster = ClusterView(settings.cluster, settings.kubeconfig)
        stack.push_async_callback(cluster.aclose)
        await cluster.start()
        nodes = nodes_of(settings)
        stack.push_async_callback(nodes.aclose)
        thread = Thread(slack)
        audit = await stack.enter_async_context(opened_audit(settings, "worker", jobs))
        jobs.tell_of_forged(lambda job, reason: audit.append(Kind.REFUSAL, About(subject=job), {"reason": reason}))
        rules.tell(lambda said: audit.append(Kind.POLICY, About(cluster=settings.cluster), said))
        pseudonyms = _pseudonyms(settings)
        carrying = Carrying(
            jobs.mail(), nodes, jobs.node_slot, thread, rules, audit, cluster.snapshot, settings.answer_seconds,
            settings.watch_seconds,
        )  # fmt: skip
        changing = Changing(all_changes(), jobs.mail(), carrying)
        work = Work(
            catalogue(),
            cluster.snapshot,
            nodes,
            jobs.node_slot,
            thread,
            rules,
            audit,
            settings.answer_seconds,
            pseudonyms,
            changing,
        )
        worker = Worker(f"{socket.gethostname()}-{os.getpid()}", jobs, work, thread)
        app = web.Application()
        health.add_routes(app, lambda: _trouble(jobs, cluster), lambda: rules.trouble)
        announce(await stack.enter_async_context(health.served(app, settings.worker_listen)))
        await _until_stopped(worker, stopping, settings.concurrency, rules)


async def _until_stopped(worker: Worker, stopping: asyncio.Event, concurrency: int, rules: PolicyFile) -> None:
    after = asyncio.create_task(_beside(worker, rules))
    turns = [asyncio.create_task(worker.take_turns(stopping)) for _ in range(concurrency)]
    stopped = asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait({stopped, after, *turns}, return_when=asyncio.FIRST_COMPLETED)
        worker.jobs.stop_taking()
        stopping.set()
        await asyncio.wait(turns, timeout=_LAST_S)
    finally:
        for task in (after, stopped, *turns):
            task.cancel()
        ended = await asyncio.gather(after, *turns, return_exceptions=True)
    for fault in ended:
        if isinstance(fault, Exception):
            raise fault


def _pseudonyms(settings: Settings) -> Pseudonyms:
    """Workers of one installation share the key file, like that of jobs, so that a name has one pseudonym."""
    usual = settings.data_dir / "pseudonym.key"
    key = seal.configured("NETCHECK_PSEUDONYM_KEY_FILE", settings.pseudonym_key_file, usual)
    return Pseudonyms(key.derived("pseudonyms"))


async def _beside(worker: Worker, rules: PolicyFile) -> None:
    """What goes on beside the jobs, until it is cancelled."""
    async with asyncio.TaskGroup() as group:
        group.create_task(intents.look_after(worker.jobs, worker.thread))
        group.create_task(rules.watch())


async def _trouble(jobs: Jobs, cluster: ClusterView) -> str:
    try:
        await jobs.ping()
    except QueueAway as e:
        return f"Redis: {e}"
    never = [b.kind for b in cluster.snapshot().behind if b.never]
    return f"Kubernetes: {', '.join(never)} not read yet" if never else ""
