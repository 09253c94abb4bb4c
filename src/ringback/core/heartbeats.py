"""Heartbeats of senders: accept them, and return Temporal's response."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from ringback.core.activity_poller import explain_end, to_expiry
from ringback.core.body_encryption import BodyEncryption
from ringback.core.group_commit import GroupCommit
from ringback.core.hooks import NO_HOOKS, Hooks
from ringback.core.keepalive import LEASE, HeartbeatSender, postpone, to_sent_heartbeat
from ringback.core.receipt import find_reached, to_expired
from ringback.core.services import run_services
from ringback.core.verdicts import resolve
from ringback.domain.activity_state import HeartbeatResponse, Unknown
from ringback.domain.callback import Callback, State
from ringback.domain.errors import (
    ActivityGoneError,
    RingbackError,
    TemporalUnreachableError,
)
from ringback.domain.ids import CallbackId
from ringback.domain.liveness import HeartbeatReceipt, ReceivedHeartbeat
from ringback.ports.activities import Activities
from ringback.ports.activity_polls import ActivityPollStore
from ringback.ports.store import CallbackStore

_SOON: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class HeartbeatReply:
    """The reply to a sender's heartbeat.

    Attributes:
        response: Temporal's response, to this heartbeat or an earlier one.
        deadline_at: When an answer is too late.
    """

    response: HeartbeatResponse
    deadline_at: datetime | None


class HeartbeatService:
    """Accepts heartbeats, and forwards as many as the timeouts require."""

    def __init__(
        self,
        store: CallbackStore,
        activities: Activities,
        *,
        polls: ActivityPollStore,
        heartbeat_sender: HeartbeatSender,
        bodies: BodyEncryption | None = None,
        hooks: Hooks = NO_HOOKS,
    ) -> None:
        """Find callbacks in `store`; store their heartbeats in `polls` and send them.

        `bodies` encrypts details before they are stored.
        """
        self._hooks = hooks
        self._bodies = bodies
        self._store = store
        self._polls = polls
        self._activities = activities
        self._heartbeat_sender = heartbeat_sender
        self._finds: GroupCommit[CallbackId, Callback | None] = GroupCommit(self._find)
        self._received: GroupCommit[ReceivedHeartbeat, HeartbeatReceipt] = GroupCommit(
            self._receive,
            weigh=lambda heartbeat: len(heartbeat.details or b""),
            kind="heartbeats",
            hooks=hooks,
        )

    async def run(self) -> None:
        """Store heartbeats until canceled."""
        async with run_services(self._finds):
            await self._received.run()

    async def heartbeat(
        self, callback_id: CallbackId, details: bytes | None, *, serial: int | None = None
    ) -> HeartbeatReply:
        """Accept a heartbeat for the activity of a callback.

        It is forwarded at once unless Temporal had one recently (`HeartbeatState.gap`) or does not
        reply now. Then it is forwarded in time, with the latest details.

        Args:
            callback_id: The callback.
            details: One JSON value; `None` preserves the recorded details.
            serial: The serial of the sender's link, if it came with one.

        Raises:
            UnknownCallbackError: The callback does not exist, or the link was revoked.
            DeletedCallbackError: The callback of the link was deleted.
            ExpiredCallbackError: The callback was answered, or the activity has ended.
            AnswerTooLargeError: Temporal does not accept details of this size.
            EncodingError: The user's data converter or codec failed; send it again.
            RefusedByTemporalError: Temporal rejected the heartbeat.
            StoreUnavailableError: It could not be stored; send it again.
            TemporalUnreachableError: The activity is between two attempts, and the heartbeat is
                stored; send the next one as usual.
        """
        callback = find_reached(await self._finds.submit(callback_id), serial)
        _check_open(callback)
        await self._heartbeat_sender.check_details(callback, details)
        if self._bodies is not None:
            details = await self._bodies.encrypt_details(callback, details)
        receipt = await self._received.submit(ReceivedHeartbeat(callback_id, details))
        current = receipt.callback
        assert current is not None, "it was found before, and callbacks are never deleted"
        _check_open(current)
        response = await self._forward(current) if receipt.is_due else _known(current)
        return HeartbeatReply(response, current.deadline_at)

    async def _find(self, callback_ids: Sequence[CallbackId]) -> Sequence[Callback | None]:
        found = await self._store.find(callback_ids)
        return [found.get(callback_id) for callback_id in callback_ids]

    async def _receive(self, heartbeats: Sequence[ReceivedHeartbeat]) -> Sequence[HeartbeatReceipt]:
        receipts = await self._polls.receive_heartbeats(heartbeats, lease=LEASE)
        self._hooks.heartbeats_received(len(heartbeats))
        return receipts

    async def _forward(self, callback: Callback) -> HeartbeatResponse:
        try:
            response = await self._heartbeat_sender.send(callback)
        except ActivityGoneError as exc:
            # Nothing is forwarded for a while, however often the sender sends.
            wait = max(_SOON, callback.heartbeat_state.gap)
            await self._polls.postpone_heartbeats([callback.id], wait)
            raise await self._explain(callback) from exc
        except RingbackError as exc:
            await postpone(self._polls, callback, exc)
            if not isinstance(exc, TemporalUnreachableError):
                raise
            # The heartbeat keeper sends the stored heartbeat later.
            return _known(callback)
        await self._polls.save_sent_heartbeats([to_sent_heartbeat(callback, response)])
        return response

    async def _explain(self, callback: Callback) -> Exception:
        _, found = await resolve(self._activities, callback)
        if isinstance(found, Unknown):
            # It may be another server for a while; the poller believes it after the deadline.
            return TemporalUnreachableError(f"Temporal does not know the activity: {found.why}")
        reason = explain_end(found)
        if reason is None:
            msg = "the activity is between two attempts"
            return TemporalUnreachableError(msg, retry_after=_SOON)
        await self._store.expire([to_expiry(callback, reason)])
        now = (await self._store.find([callback.id]))[callback.id]
        if now.state is State.OPEN:
            msg = "a later attempt has opened the callback since"
            return TemporalUnreachableError(msg, retry_after=_SOON)
        return to_expired(now)


def _known(callback: Callback) -> HeartbeatResponse:
    """Return Temporal's latest known state as a response."""
    return HeartbeatResponse(
        cancel_requested=callback.cancel_requested_at is not None,
        paused=callback.paused_at is not None,
        reset=False,
    )


def _check_open(callback: Callback) -> None:
    if callback.state is not State.OPEN:
        raise to_expired(callback)
