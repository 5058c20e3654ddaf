"""Backtests in the background: one at a time, bounded, with progress that pages ask for; the newest are kept. Any
of them can be cancelled, whether it waits or is under way.
"""

import asyncio
import json
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from itertools import takewhile
from typing import Any, Final
from uuid import uuid4

import structlog
from pydantic import TypeAdapter

from diagnostics.topology import Device
from gateway.clock import Clock
from gateway.ports.history import History
from gateway.ports.registry import DeviceStatus, Registry
from gateway.ports.rule_book import Edition
from gateway.rules.check import Checked
from gateway.rules.desk import DAY_S, RuleDesk, RuleRefused
from gateway.rules.replay import Progress, Result, backtest, chosen

log = structlog.get_logger()
MAX_WAITING: Final = 4
KEPT: Final = 50
MAX_DAYS: Final = 365.0
CANCELLED: Final = "it was cancelled"
SAMPLE: Final = 500
"""Devices that a backtest of the console replays at most; a sample of whole sites stands for the rest."""
_RESULT: Final = TypeAdapter(Result)


@dataclass(slots=True, eq=False)
class Job:
    """One backtest that was asked for. `result` once it is done, `problem` in one line if it cannot be."""

    job_id: str
    days: float
    pattern: str
    old: Edition
    checked: Checked
    draft_id: str = ""
    version: int = 0
    progress: Progress = field(default_factory=lambda: Progress(0, 0, 0))
    result: Result | None = None
    problem: str = ""
    begun_at: float = 0.0  # 0: it waits

    def cancel(self) -> None:
        """Ask for no more of it. What is done already stays done."""
        if self.running:
            self.problem = CANCELLED

    @property
    def running(self) -> bool:
        """Whether it is waiting or under way."""
        return self.result is None and not self.problem


class _Cancelled(Exception):
    """Somebody does not want to know any more."""


def as_json(result: Result) -> str:
    """A result to keep beside its draft."""
    return json.dumps(_RESULT.dump_python(result, mode="json"))


def from_json(kept: str) -> Result | None:
    """What `as_json` gave; None for nothing, or for what another version wrote."""
    try:
        return _RESULT.validate_json(kept) if kept else None
    except ValueError:
        return None


class Backtests:
    """The queue and its one worker (`run`)."""

    def __init__(self, desk: RuleDesk, history: History, registry: Registry, clock: Clock) -> None:
        self.desk, self._history, self._registry, self._clock = desk, history, registry, clock
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._queue: asyncio.Queue[Job] = asyncio.Queue()

    def get(self, job_id: str) -> Job | None:
        """A job that was asked for lately."""
        return self._jobs.get(job_id)

    def of_draft(self, draft_id: str, version: int) -> Job | None:
        """The newest job of a draft's text."""
        mine = (job for job in reversed(self._jobs.values()) if (job.draft_id, job.version) == (draft_id, version))
        return next(mine, None)

    def ahead(self, job: Job) -> int:
        """How many are done before it begins."""
        return sum(it.running for it in takewhile(lambda it: it is not job, self._jobs.values()))

    def begin(self, text: str, shown: Edition, days: float, pattern: str, **of: Any) -> Job:
        """Ask for one; what the same draft asked for before is cancelled. RuleRefused for text with mistakes, days that
        are none, or too many that wait already.
        """
        checked = self.desk.check(text, shown)
        if checked.merged is None or checked.refused:
            raise RuleRefused(str(checked.mistakes[0]))
        if not 0 < days <= MAX_DAYS:
            raise RuleRefused(f"{days:g} days: give more than 0 and at most {MAX_DAYS:g}")
        job = Job(uuid4().hex[:12], days, pattern, shown, checked, **of)
        for one in self._jobs.values():
            if job.draft_id and one.draft_id == job.draft_id:
                one.cancel()
        if sum(one.running and not one.begun_at for one in self._jobs.values()) >= MAX_WAITING:
            raise RuleRefused(f"{MAX_WAITING} backtests are waiting: try again when one is done")
        self._queue.put_nowait(job)
        self._jobs[job.job_id] = job
        while len(self._jobs) > KEPT:
            self._jobs.popitem(last=False)
        return job

    async def run(self) -> None:
        """Work for ever, one after the other."""
        while True:
            job = await self._queue.get()
            if not job.running:
                continue
            try:
                await self._work(job)
            except _Cancelled:
                log.info("a backtest was cancelled", job=job.job_id)
            except OSError as away:
                job.problem = str(away)
            except Exception as defect:  # a draft must not be able to end the gateway
                log.exception("a backtest failed", job=job.job_id)
                job.problem = f"it failed: {type(defect).__name__}"

    async def _work(self, job: Job) -> None:
        every = [it async for it in self._registry.devices() if it.status is DeviceStatus.ACTIVE]
        known = [
            Device(it.device_id, it.kind, it.model, it.site_id, it.parent_id, it.group, it.silence_s) for it in every
        ]
        devices = chosen(known, job.pattern, SAMPLE)
        if not devices:
            job.problem = f"no device, model or site is like '{job.pattern}'"
            return
        end = job.begun_at = self._clock.now()

        def told(progress: Progress) -> None:
            job.progress = progress
            if not job.running:
                raise _Cancelled

        merged = job.checked.merged
        assert merged is not None, "a job is made of rules that can be merged"
        old, catalogue = self.desk.rules_of(job.old), self.desk.catalogue
        start = end - job.days * DAY_S
        result = await backtest(old, merged, catalogue, self._history, devices, len(known), start, end, told)
        result = replace(result, edition=job.old.number)
        if job.draft_id:
            await self.desk.book.keep_backtest(job.draft_id, job.version, as_json(result))
        job.result = result
