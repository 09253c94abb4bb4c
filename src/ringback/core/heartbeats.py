"""Heartbeats: accept them from outside, and report what Temporal says."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from ringback.core.activity_poller import explain_end, to_expiry
from ringback.core.answers import to_expired
from ringback.core.group_commit import GroupCommit
from ringback.core.keepalive import LEASE, HeartbeatSender, postpone, to_sent_heartbeat
from ringback.core.services import caught, run_services
from ringback.core.verdicts import resolve
from ringback.domain.activity_state import HeartbeatResponse, Unknown
from ringback.domain.callback import Callback, State
from ringback.domain.errors import (
    ActivityGoneError,
    TemporalUnreachableError,
    UnknownCallbackError,
)
from ringback.domain.ids import CallbackId
from ringback.domain.liveness import HeartbeatReceipt, ReceivedHeartbeat
from ringback.ports.activities import Activities
from ringback.ports.activity_polls import ActivityPollStore
from ringback.ports.store import CallbackStore

_SOON: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class HeartbeatReply:
    """What the sender of a heartbeat is told.

    Attributes:
        response: What Temporal answered, now or when it was asked last.
        deadline_at: When an answer comes too late, as far as the callback knows.
    """

    response: HeartbeatResponse
    deadline_at: datetime | None


class HeartbeatService:
    """Takes heartbeats, and passes on as many as the timeouts need."""

    def __init__(
        self,
        store: CallbackStore,
        activities: Activities,
        *,
        polls: ActivityPollStore,
        heartbeat_sender: HeartbeatSender,
    ) -> None:
        """Find callbacks in `store`, and store and send their heartbeats."""
        self._store = store
        self._polls = polls
        self._activities = activities
        self._heartbeat_sender = heartbeat_sender
        self._finds: GroupCommit[CallbackId, Callback | None] = GroupCommit(self._find)
        self._notes: GroupCommit[ReceivedHeartbeat, HeartbeatReceipt] = GroupCommit(
            self._note, weigh=lambda note: len(note.details or b"")
        )

    async def run(self) -> None:
        """Note what comes until canceled."""
        async with run_services(self._finds):
            await self._notes.run()

    async def heartbeat(
        self, callback_id: CallbackId, details: bytes | None, *, serial: int | None = None
    ) -> HeartbeatReply:
        """Take a heartbeat for the activity of a callback.

        It is passed on at once unless Temporal had one lately (`HeartbeatState.gap`) or does not
        answer now; then it is passed on in time, and the last details win.

        Args:
            callback_id: The callback.
            details: One JSON value; `None` keeps the details that were recorded before.
            serial: The serial of the link that the sender holds, if it came with one.

        Raises:
            UnknownCallbackError: There is no such callback, or the link was revoked.
            ExpiredCallbackError: It was answered, or the activity has ended.
            AnswerTooLargeError: The details are larger than Temporal takes.
            EncodingError: The user's data converter or codec failed; send it again.
            RefusedByTemporalError: Temporal did not take the details.
            StoreUnavailableError: It could not be noted; send it again.
            TemporalUnreachableError: The activity is between two attempts; it is noted. Send the
                next one as usual.
        """
        callback = await self._finds.submit(callback_id)
        if callback is None or not callback.accepts_serial(serial):
            raise UnknownCallbackError
        _check_open(callback)
        await self._heartbeat_sender.check_details(callback, details)
        noted = await self._notes.submit(ReceivedHeartbeat(callback_id, details))
        assert noted.callback is not None, "it was found before, and callbacks are never removed"
        _check_open(noted.callback)
        response = await self._pass_on(noted.callback) if noted.is_due else _known(noted.callback)
        return HeartbeatReply(response, noted.callback.deadline_at)

    async def _find(self, callback_ids: Sequence[CallbackId]) -> Sequence[Callback | None]:
        found = await self._store.find(callback_ids)
        return [found.get(callback_id) for callback_id in callback_ids]

    async def _note(self, notes: Sequence[ReceivedHeartbeat]) -> Sequence[HeartbeatReceipt]:
        return await self._polls.receive_heartbeats(notes, lease=LEASE)

    async def _pass_on(self, callback: Callback) -> HeartbeatResponse:
        sent = await caught(self._heartbeat_sender.send(callback))
        if isinstance(sent, HeartbeatResponse):
            await self._polls.save_sent_heartbeats([to_sent_heartbeat(callback, sent)])
            return sent
        if isinstance(sent, ActivityGoneError):
            # Nothing is passed on for a while: who keeps sending must not cost more than one does.
            await self._polls.postpone_heartbeats(
                [callback.id], max(_SOON, callback.heartbeat_state.gap)
            )
            raise await self._explain(callback) from sent
        await postpone(self._polls, callback, sent)
        if isinstance(sent, TemporalUnreachableError):
            # It is noted, and the keeper passes it on: nothing is left to do for its sender.
            return _known(callback)
        raise sent

    async def _explain(self, callback: Callback) -> Exception:
        _, found = await resolve(self._activities, callback)
        if isinstance(found, Unknown):
            # It may be another server for a while; the looks believe it when the time is up.
            return TemporalUnreachableError(f"Temporal does not know the activity: {found.why}")
        reason = explain_end(found)
        if reason is None:
            msg = "the activity is between two attempts"
            return TemporalUnreachableError(msg, retry_after=_SOON)
        await self._store.expire([to_expiry(callback, reason)])
        now = (await self._store.find([callback.id]))[callback.id]
        if now.state is State.OPEN:
            msg = "a later attempt has asked meanwhile"
            return TemporalUnreachableError(msg, retry_after=_SOON)
        return to_expired(now)


def _known(callback: Callback) -> HeartbeatResponse:
    """Return what Temporal said last."""
    return HeartbeatResponse(
        cancel_requested=callback.cancel_requested_at is not None,
        paused=callback.paused_at is not None,
        reset=False,
    )


def _check_open(callback: Callback) -> None:
    if callback.state is not State.OPEN:
        raise to_expired(callback)
