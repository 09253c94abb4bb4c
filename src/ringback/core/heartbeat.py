"""Heartbeat: pass a sign of life on to Temporal, and tell the outside what Temporal says."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from ringback.core.accept import to_expired
from ringback.core.locate import locate
from ringback.core.observe import expiry_of, reason_of
from ringback.domain.callback import Callback, State
from ringback.domain.errors import (
    ActivityGoneError,
    TemporalUnreachableError,
    UnknownCallbackError,
)
from ringback.domain.ids import CallbackId
from ringback.ports.activities import Activities, Pulse, Unknown
from ringback.ports.store import CallbackStore


@dataclass(frozen=True, slots=True)
class Sign:
    """What the sender of a heartbeat is told.

    Attributes:
        pulse: What Temporal answered.
        deadline_at: When Temporal times the attempt out, as far as the callback knows.
    """

    pulse: Pulse
    deadline_at: datetime | None


class Heartbeating:
    """Passes heartbeats on."""

    def __init__(self, store: CallbackStore, activities: Activities) -> None:
        """Find callbacks in `store`, and their activities in `activities`."""
        self._store = store
        self._activities = activities

    async def heartbeat(self, callback_id: CallbackId, details: bytes | None) -> Sign:
        """Record a heartbeat for the activity of a callback.

        Args:
            callback_id: The callback.
            details: One JSON value; `None` keeps the details that were recorded before.

        Raises:
            UnknownCallbackError: There is no such callback.
            ExpiredCallbackError: It was answered, or the activity has ended.
            AnswerTooLargeError: The details are larger than Temporal takes.
            RefusedByTemporalError: Temporal did not take the details.
            TemporalUnreachableError: Temporal did not answer, or the activity is between two
                attempts and takes none now; send the next one as usual.
        """
        callback = (await self._store.find([callback_id])).get(callback_id)
        if callback is None:
            raise UnknownCallbackError
        _check_open(callback)
        await self._check_waits(callback)
        try:
            pulse = await self._activities.heartbeat(callback, details)
        except ActivityGoneError as exc:
            raise await self._explain(callback) from exc
        return Sign(pulse, callback.deadline_at)

    async def _check_waits(self, callback: Callback) -> None:
        # A heartbeat by id would reach another activity to which the id was given since.
        (pending,) = await self._activities.look([callback.ref])
        if pending is None:
            raise await self._explain(callback)

    async def _explain(self, callback: Callback) -> Exception:
        _, found = await locate(self._activities, callback)
        if isinstance(found, Unknown):
            # It may be another server for a while; the sweeper believes it when the time is up.
            return TemporalUnreachableError(f"Temporal does not know the activity: {found.why}")
        reason = reason_of(found)
        if reason is None:
            msg = "the activity is between two attempts"
            return TemporalUnreachableError(msg, retry_after=timedelta(seconds=1))
        await self._store.expire([expiry_of(callback, reason)])
        now = (await self._store.find([callback.id]))[callback.id]
        if now.state is State.OPEN:
            msg = "a later attempt has asked meanwhile"
            return TemporalUnreachableError(msg, retry_after=timedelta(seconds=1))
        return to_expired(now)


def _check_open(callback: Callback) -> None:
    if callback.state is not State.OPEN:
        raise to_expired(callback)
