"""Keepalive: send the heartbeats that are due, and no more than the timeouts need."""

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from ringback.core.circuit_breaker import CircuitBreaker
from ringback.core.group_commit import GroupCommit, acknowledged
from ringback.core.services import OutageLog, TaskPool, caught, run_services, task_group
from ringback.domain.activity_state import HeartbeatResponse, Pending
from ringback.domain.callback import Callback
from ringback.domain.errors import (
    ActivityGoneError,
    TemporalBusyError,
    TemporalMisconfiguredError,
    TemporalUnreachableError,
)
from ringback.domain.ids import CallbackId
from ringback.domain.liveness import SentHeartbeat
from ringback.ports.activities import Activities, Heartbeats
from ringback.ports.activity_polls import ActivityPollStore
from ringback.ports.clock import Clock


class HeartbeatSender:
    """Sends heartbeats to where they belong."""

    def __init__(self, heartbeats: Heartbeats, activities: Activities) -> None:
        """Send through `heartbeats`; look at `activities` where a token does not serve."""
        self._heartbeats = heartbeats
        self._activities = activities

    async def check_details(self, callback: Callback, details: bytes | None) -> None:
        """Check that Temporal would take `details`.

        Raises:
            AnswerTooLargeError: Temporal would fail the activity over them.
            EncodingError: The user's data converter or codec failed; try again.
        """
        await self._heartbeats.check_details(callback, details)

    async def send(self, callback: Callback) -> HeartbeatResponse:
        """Record a heartbeat with what the outside said last, for the attempt that asked last.

        By its token that is one request. By ids, after a look, where an operator's reset made the
        token another attempt's, or there is none: a heartbeat by ids reaches whatever has them.

        Raises:
            ActivityGoneError: That attempt does not run any more.
            AnswerTooLargeError: Temporal would fail the activity over the details.
            EncodingError: The user's data converter or codec failed; try again.
            RefusedByTemporalError: Temporal does not take it.
            TemporalUnreachableError: No answer; try again.
        """
        details = callback.heartbeat_state.details
        if callback.task_token is not None:
            try:
                return await self._heartbeats.heartbeat_to_attempt(callback, details)
            except ActivityGoneError:
                await self._check_runs(callback)
        else:
            await self._check_runs(callback)
        return await self._heartbeats.heartbeat(callback, details)

    async def _check_runs(self, callback: Callback) -> None:
        (pending,) = await self._activities.poll([callback.ref])
        if not _is_the_attempt(callback, pending):
            msg = "the attempt does not run any more"
            raise ActivityGoneError(msg)


def _is_the_attempt(callback: Callback, pending: Pending | None) -> bool:
    return pending is not None and pending.started_at == callback.attempt_started_at


logger = logging.getLogger(__name__)

SLOTS: Final = 64
"""How many heartbeats are on their way at a time, at most."""

_BATCH: Final = SLOTS // 2
"""How many free places it takes to claim more: few claims for many cost less than many for one."""

_SUSPECT: Final = 8
"""After so many heartbeats in a row without an answer, Temporal is taken to be away."""

LEASE: Final = timedelta(seconds=2)
"""For how long no other gateway sends a heartbeat that this one has taken.

Short, since a gateway that dies with it must not cost the activity its life; that one is sent twice
does no harm.
"""

LONGEST_REST: Final = timedelta(milliseconds=250)
"""How late a callback is seen that another process opened: it may have a second to live."""

_SHORTEST_REST: Final = timedelta(milliseconds=10)

_SOONEST: Final = timedelta(milliseconds=200)
_LATEST: Final = timedelta(seconds=5)


class HeartbeatKeeper:
    """Sends the heartbeats that are due.

    For callbacks that ask for it, of its own accord; for all, those of the outside that were not
    passed on at once.
    """

    def __init__(
        self,
        polls: ActivityPollStore,
        heartbeat_sender: HeartbeatSender,
        *,
        clock: Clock,
        jitter: Callable[[], float],
    ) -> None:
        """Take what is due from `polls`; `heartbeat_sender` sends it."""
        self._polls = polls
        self._heartbeat_sender = heartbeat_sender
        self._clock = clock
        self._outages = OutageLog(logger, "keep activities alive")
        self._refusal = OutageLog(logger, "send a heartbeat")
        self._breaker = CircuitBreaker(jitter)
        self._unheard = 0
        self._heartbeats: GroupCommit[SentHeartbeat, None] = GroupCommit(
            acknowledged(polls.save_sent_heartbeats)
        )

    async def run(self) -> None:
        """Keep activities alive until canceled."""
        async with run_services(self._heartbeats), task_group() as group:
            crew = TaskPool(group, SLOTS)
            while True:
                await crew.room(_BATCH)
                claimed = await caught(self._has_started_some(crew))
                self._outages.record(claimed)
                if claimed is not True:
                    await self._clock.sleep(await self._rest())

    async def _has_started_some(self, crew: TaskPool) -> bool:
        limit = self._breaker.limit(crew.free, self._clock.monotonic())
        if limit == 0:
            return False
        due = await self._polls.claim_heartbeats(limit=limit, lease=LEASE)
        for callback in due:
            crew.start(self._send(callback), name=f"heartbeat for {callback.id}")
        return bool(due)

    async def _rest(self) -> timedelta:
        until_probe = self._breaker.rest(self._clock.monotonic())
        if until_probe is not None:
            return max(_SHORTEST_REST, min(until_probe, LONGEST_REST))
        until_next = await caught(self._polls.next_heartbeat())
        if until_next is None or isinstance(until_next, Exception):
            return LONGEST_REST
        return max(_SHORTEST_REST, min(until_next, LONGEST_REST))

    async def _send(self, callback: Callback) -> None:
        sent = await caught(self._heartbeat_sender.send(callback))
        # A wrong server answers, and what it says holds for one namespace.
        is_heard = isinstance(sent, TemporalBusyError | TemporalMisconfiguredError)
        is_unheard = isinstance(sent, TemporalUnreachableError) and not is_heard
        self._unheard = self._unheard + 1 if is_unheard else 0
        # One that gets no answer, as while a shard of the server's moves, holds up no other.
        self._breaker.record(is_away=self._unheard >= _SUSPECT, now=self._clock.monotonic())
        if isinstance(sent, HeartbeatResponse):
            self._refusal.record(sent)
            await self._heartbeats.submit(to_sent_heartbeat(callback, sent))
            return
        if not isinstance(sent, ActivityGoneError):
            self._refusal.record(sent)
        await postpone(self._polls, callback, sent)


def to_sent_heartbeat(callback: Callback, response: HeartbeatResponse) -> SentHeartbeat:
    """Return that Temporal took a heartbeat for `callback`, as it was claimed."""
    return SentHeartbeat(
        callback.id,
        callback.attempt_started_at,
        callback.heartbeat_state.heartbeat_received_at,
        response,
    )


async def postpone(polls: ActivityPollStore, callback: Callback, last_error: Exception) -> None:
    """Give a heartbeat that was not taken back, to be sent again in time, or not at all."""
    await polls.postpone_heartbeats([CallbackId(callback.id)], _wait(callback, last_error))


def _wait(callback: Callback, last_error: Exception) -> timedelta | None:
    if isinstance(last_error, ActivityGoneError):
        return None
    if isinstance(last_error, TemporalMisconfiguredError):
        return _LATEST
    # Who is busy has enough to do already.
    share = 2 if isinstance(last_error, TemporalBusyError) else 5
    return min(_LATEST, max(_SOONEST, callback.heartbeat_state.gap / share))
