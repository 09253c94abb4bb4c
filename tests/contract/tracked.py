"""Polls and heartbeats of callbacks, as the contract's tests use them."""

from datetime import datetime, timedelta
from typing import Final

from ringback.domain.activity_state import HeartbeatResponse, Pending
from ringback.domain.callback import Callback
from ringback.domain.ids import CallbackId
from ringback.domain.liveness import HeartbeatReceipt, PollResult, ReceivedHeartbeat, SentHeartbeat
from ringback.domain.options import HeartbeatBy
from ringback.ports.activity_polls import MAX_POLLED_AT_ONCE
from tests import factories
from tests.contract.stores import LEASE, SECOND, Store, found

MINUTE: Final = timedelta(minutes=1)
TIMEOUT: Final = 20 * SECOND
GAP: Final = TIMEOUT / 2
CALM: Final = HeartbeatResponse(cancel_requested=False, paused=False, reset=False)


def pending(
    of: Callback,
    *,
    attempt: int | None = None,
    is_started: bool = True,
    started_at: datetime | None = None,
    cancel_requested: bool = False,
    paused: bool = False,
    attempt_timeout_at: datetime | None = None,
    heartbeat_timeout: timedelta | None = None,
) -> Pending:
    """Return a pending state of the activity, by default in the latest attempt."""
    return Pending(
        attempt=attempt or of.attempt,
        is_started=is_started,
        started_at=(started_at or of.attempt_started_at) if is_started else None,
        cancel_requested=cancel_requested,
        paused=paused,
        attempt_timeout_at=attempt_timeout_at,
        last_failure=None,
        heartbeat_timeout=heartbeat_timeout,
    )


async def save_poll(
    store: Store, of: Callback, waits: Pending | None = None, *, poll_in: timedelta = MINUTE
) -> Callback:
    """Save a poll result of a callback, and return the callback."""
    poll_result = PollResult(of.id, of.attempt_started_at, waits or pending(of), poll_in)
    await store.save_poll_results([poll_result])
    return await found(store, of.id)


async def claim_polls(
    store: Store, limit: int = 10, *, max_callbacks: int = MAX_POLLED_AT_ONCE
) -> list[CallbackId]:
    claimed = await store.claim_polls(limit=limit, lease=LEASE, max_callbacks=max_callbacks)
    return [callback.id for callback in claimed.callbacks]


async def open_in_runs(store: Store, *run_ids: str) -> list[CallbackId]:
    """Open one callback in each of the runs."""
    refs = [
        factories.activity_ref(workflow_id="w", run_id=run_id, activity_id=factories.callback_id())
        for run_id in run_ids
    ]
    return [one.id for one in await store.open([factories.request(ref=ref) for ref in refs])]


async def open_kept_alive(store: Store, within: timedelta | None = TIMEOUT) -> Callback:
    request = factories.request(heartbeat=HeartbeatBy.GATEWAY, heartbeat_timeout=within)
    (callback,) = await store.open([request])
    return callback


async def receive_heartbeats(
    store: Store, to: Callback, details: bytes | None = None
) -> HeartbeatReceipt:
    (receipt,) = await store.receive_heartbeats([ReceivedHeartbeat(to.id, details)], lease=LEASE)
    return receipt


async def receive_due_heartbeat(
    store: Store, to: Callback, details: bytes | None = None
) -> Callback:
    """Receive a heartbeat that is due now; return the callback, which the caller has claimed."""
    receipt = await receive_heartbeats(store, to, details)
    assert receipt.is_due
    assert receipt.callback is not None
    return receipt.callback


async def save_sent(store: Store, of: Callback, response: HeartbeatResponse = CALM) -> Callback:
    """Save that the claimed heartbeat of a callback was sent; return the callback."""
    heartbeat = SentHeartbeat(
        of.id, of.attempt_started_at, of.heartbeat_state.heartbeat_received_at, response
    )
    await store.save_sent_heartbeats([heartbeat])
    return await found(store, of.id)


async def claim_heartbeats(store: Store, limit: int = 10) -> list[CallbackId]:
    return [callback.id for callback in await store.claim_heartbeats(limit=limit, lease=LEASE)]
