"""Receipts: what the sender of an answer is told, at once or when its end is known."""

from dataclasses import dataclass
from datetime import timedelta

from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from ringback.core.answers import Receipt
from ringback.core.verdict_waiter import VerdictWaiter
from ringback.domain.callback import Callback, State
from ringback.domain.durations import format_instant
from ringback.domain.errors import ExpiredCallbackError
from ringback.gateway.prefer import applied, wanted_wait
from ringback.gateway.view import why_ended


@dataclass(frozen=True, slots=True)
class Receipts:
    """Replies to answers.

    Attributes:
        verdicts: Waits for the verdict if the sender does.
    """

    verdicts: VerdictWaiter

    async def reply(self, request: Request, receipt: Receipt, *, status_url: str) -> Response:
        """Return the reply to `request`, which brought the answer of `receipt`.

        Raises:
            ExpiredCallbackError: The activity ended first while the sender waited.
        """
        wait = wanted_wait(request.headers.getlist("prefer"))
        state = await self._state_within(wait, receipt)
        reply = to_receipt(receipt, state, status_url=status_url)
        if wait:
            reply.headers.update(applied(wait))
        return reply

    async def _state_within(self, wait: timedelta, receipt: Receipt) -> State:
        if not wait or receipt.state is State.APPLIED:
            return receipt.state
        callback = await self.verdicts.wait(receipt.callback_id, within=wait)
        if callback is None:
            return receipt.state
        _check_not_superseded(callback)
        return callback.state


def to_receipt(receipt: Receipt, state: State, *, status_url: str) -> Response:
    """Return the reply to an answer that was accepted, and whose callback is in `state`."""
    body = encode_receipt(receipt, state, status_url=status_url)
    return Response(body, status_of(receipt, state), media_type="application/json")


def status_of(receipt: Receipt, state: State) -> int:
    """Return the HTTP status of the reply to an answer whose callback is in `state`."""
    return 200 if receipt.is_duplicate or state is State.APPLIED else 202


def encode_receipt(receipt: Receipt, state: State, *, status_url: str) -> bytes:
    """Return the body of the reply to an answer whose callback is in `state`."""
    content = {
        "callback": receipt.callback_id,
        "state": state.value,
        "accepted_at": format_instant(receipt.accepted_at),
        "duplicate": receipt.is_duplicate,
        "status_url": status_url,
    }
    return to_json(content)


def _check_not_superseded(callback: Callback) -> None:
    accepted = callback.accepted
    if callback.state is State.SUPERSEDED and accepted is not None:
        at = accepted.verdict_at or accepted.accepted_at
        raise ExpiredCallbackError(callback.id, why_ended(callback) or "it ended", at)
