"""Keepalive: send the heartbeats that are due, and no more than the timeouts require."""

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from ringback.core.delivery_pacer import CircuitBreaker
from ringback.core.group_commit import GroupCommit, acknowledged
from ringback.core.hooks import NO_HOOKS, Hooks
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
    """Sends heartbeats to the attempt that they are for."""

    def __init__(
        self, heartbeats: Heartbeats, activities: Activities, *, hooks: Hooks = NO_HOOKS
    ) -> None:
        """Send through `heartbeats`; poll `activities` if the token cannot be used."""
        self._hooks = hooks
        self._heartbeats = heartbeats
        self._activities = activities

    async def check_details(self, callback: Callback, details: bytes | None) -> None:
        """Check that Temporal would accept `details`.

        Raises:
            AnswerTooLargeError: Temporal would fail the activity because of them.
            EncodingError: The user's data converter or codec failed; retry.
        """
        await self._heartbeats.check_details(callback, details)

    async def send(self, callback: Callback) -> HeartbeatResponse:
        """Record a heartbeat with the sender's latest details for the latest attempt.

        With the attempt's token, this is one request. Without a token, or if an operator's reset
        moved it to another attempt, the activity is polled first and then addressed by its ids.

        Raises:
            ActivityGoneError: That attempt no longer runs.
            AnswerTooLargeError: Temporal would fail the activity because of the details.
            EncodingError: The user's data converter or codec failed; retry.
            RefusedByTemporalError: Temporal rejected it.
            TemporalUnreachableError: No reply; retry.
        """
        response = await self._send(callback, callback.heartbeat_state.details)
        self._hooks.heartbeat_sent()
        return response

    async def _send(self, callback: Callback, details: bytes | None) -> HeartbeatResponse:
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
            msg = "the attempt no longer runs"
            raise ActivityGoneError(msg)


def _is_the_attempt(callback: Callback, pending: Pending | None) -> bool:
    return pending is not None and pending.started_at == callback.attempt_started_at


logger = logging.getLogger(__name__)

SLOTS: Final = 64
"""Maximum heartbeats in flight."""

_BATCH: Final = SLOTS // 2
"""Free slots that a claim waits for: few large claims cost less than many small ones."""

_SUSPECT: Final = 8
"""After this many heartbeats in a row without a reply, Temporal is treated as away."""

LEASE: Final = timedelta(seconds=2)
"""How long no other gateway sends a claimed heartbeat.

It is short, since the activity must survive if this gateway dies. Sending a heartbeat twice does no
harm.
"""

LONGEST_REST: Final = timedelta(milliseconds=250)
"""The longest time until a callback that another process opened is noticed.

The activity may have a heartbeat timeout of one second.
"""

_SHORTEST_REST: Final = timedelta(milliseconds=10)

_SOONEST: Final = timedelta(milliseconds=200)
_LATEST: Final = timedelta(seconds=5)


class HeartbeatKeeper:
    """Sends the heartbeats that are due.

    These are its own heartbeats for callbacks with `heartbeat="gateway"`, and those of senders that
    were not forwarded at once.
    """

    def __init__(
        self,
        polls: ActivityPollStore,
        heartbeat_sender: HeartbeatSender,
        *,
        clock: Clock,
        jitter: Callable[[], float],
    ) -> None:
        """Claim what is due from `polls`; `heartbeat_sender` sends it."""
        self._polls = polls
        self._heartbeat_sender = heartbeat_sender
        self._clock = clock
        self._outages = OutageLog(logger, "keep activities alive")
        self._refusal = OutageLog(logger, "send a heartbeat")
        self._breaker = CircuitBreaker(jitter)
        self._failed_in_a_row = 0
        self._heartbeats: GroupCommit[SentHeartbeat, None] = GroupCommit(
            acknowledged(polls.save_sent_heartbeats)
        )

    async def run(self) -> None:
        """Send heartbeats until canceled."""
        async with run_services(self._heartbeats), task_group() as group:
            pool = TaskPool(group, SLOTS)
            while True:
                await pool.room(_BATCH)
                claimed = await caught(self._has_started_some(pool))
                self._outages.record(claimed)
                if claimed is not True:
                    await self._clock.sleep(await self._rest())

    async def _has_started_some(self, pool: TaskPool) -> bool:
        limit = self._breaker.limit(pool.free, self._clock.monotonic())
        if limit == 0:
            return False
        due = await self._polls.claim_heartbeats(limit=limit, lease=LEASE)
        for callback in due:
            pool.start(self._send(callback), name=f"heartbeat for {callback.id}")
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
        # A wrong server replies, and its reply concerns one namespace only.
        has_reply = isinstance(sent, TemporalBusyError | TemporalMisconfiguredError)
        has_failed = isinstance(sent, TemporalUnreachableError) and not has_reply
        self._failed_in_a_row = self._failed_in_a_row + 1 if has_failed else 0
        # A single heartbeat without a reply, for example while a shard moves, blocks no other.
        self._breaker.record(is_away=self._failed_in_a_row >= _SUSPECT, now=self._clock.monotonic())
        if isinstance(sent, HeartbeatResponse):
            self._refusal.record(sent)
            await self._heartbeats.submit(to_sent_heartbeat(callback, sent))
            return
        if not isinstance(sent, ActivityGoneError):
            self._refusal.record(sent)
        await postpone(self._polls, callback, sent)


def to_sent_heartbeat(callback: Callback, response: HeartbeatResponse) -> SentHeartbeat:
    """Return that Temporal accepted a heartbeat for `callback`, as it was claimed."""
    return SentHeartbeat(
        callback.id,
        callback.attempt_started_at,
        callback.heartbeat_state.heartbeat_received_at,
        response,
    )


async def postpone(polls: ActivityPollStore, callback: Callback, last_error: Exception) -> None:
    """Give back a heartbeat that Temporal did not accept; it is retried in time, or not at all."""
    await polls.postpone_heartbeats([CallbackId(callback.id)], _wait(callback, last_error))


def _wait(callback: Callback, last_error: Exception) -> timedelta | None:
    if isinstance(last_error, ActivityGoneError):
        return None
    if isinstance(last_error, TemporalMisconfiguredError):
        return _LATEST
    # A busy server gets a longer break.
    share = 2 if isinstance(last_error, TemporalBusyError) else 5
    return min(_LATEST, max(_SOONEST, callback.heartbeat_state.gap / share))
