"""Answering a callback: accepted here, as at a gateway, and delivered by one that runs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from ringback.app.answering import Answering, answering
from ringback.core.heartbeat import Sign
from ringback.core.operate import unknown
from ringback.domain.callback import Callback, State
from ringback.domain.errors import (
    ExpiredCallbackError,
    RefusedByTemporalError,
    TemporalUnreachableError,
    UnknownCallbackError,
)
from ringback.domain.ids import CallbackId
from ringback.domain.outcome import Outcome
from ringback.gateway.view import why_ended
from ringback.settings import load_settings

_LIMIT_SECONDS: Final = 8


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of an answer so far.

    Attributes:
        callback_id: The callback that was answered.
        state: Where it stands.
        accepted_at: When the answer, or the same one before it, was committed.
        is_duplicate: The same answer had been given before.
    """

    callback_id: CallbackId
    state: State
    accepted_at: datetime
    is_duplicate: bool


@asynccontextmanager
async def opened() -> AsyncIterator[Answering]:
    """Open what takes answers, with the settings of this process, for the block."""
    async with answering(load_settings()) as opened:
        yield opened


async def answer(
    opened: Answering, callback_id: CallbackId, outcome: Outcome, *, wait: timedelta
) -> Taken:
    """Have `outcome` accepted; then wait so long for its end.

    Raises:
        RingbackError: What `Accepting.accept` raises.
        ExpiredCallbackError: The activity's own end came first.
        RefusedByTemporalError: It is parked: a person must look.
        TemporalUnreachableError: Temporal was needed and did not answer; the same again is safe.
    """
    async with _named(callback_id):
        receipt = await opened.accepting.accept(callback_id, outcome)
    state = receipt.state
    if wait and state is not State.APPLIED:
        callback = await opened.ended(callback_id, within=wait)
        state = state if callback is None else _checked(callback)
    return Taken(callback_id, state, receipt.accepted_at, receipt.is_duplicate)


async def beat(callback_id: CallbackId, details: bytes | None) -> Sign:
    """Pass a heartbeat on; return what Temporal says.

    Raises:
        RingbackError: What `Heartbeating.heartbeat` raises.
        TemporalUnreachableError: Temporal did not answer; send the next one as usual.
    """
    async with opened() as here, _named(callback_id):
        return await here.heartbeating.heartbeat(callback_id, details)


@asynccontextmanager
async def _named(callback_id: CallbackId) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(_LIMIT_SECONDS):
            yield
    except UnknownCallbackError as exc:
        raise UnknownCallbackError(unknown(callback_id)) from exc
    except TimeoutError as exc:
        msg = "Temporal does not answer; nothing of this is known to be kept, send it again"
        raise TemporalUnreachableError(msg) from exc


def _checked(callback: Callback) -> State:
    accepted = callback.accepted
    if callback.state is State.SUPERSEDED and accepted is not None:
        at = accepted.verdict_at or accepted.accepted_at
        raise ExpiredCallbackError(callback.id, why_ended(callback) or "it ended", at)
    if callback.state is State.PARKED:
        msg = (
            f"the answer is kept, but parked: a person must look; see: ringback show {callback.id}"
        )
        raise RefusedByTemporalError(msg)
    return callback.state
