"""Receipts: what a sender or a voter gets, or the error that says why not."""

from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import datetime

from ringback.core.hooks import Hooks
from ringback.domain.callback import Callback, State
from ringback.domain.errors import ExpiredCallbackError, RingbackError, UnknownCallbackError
from ringback.domain.ids import CallbackId
from ringback.domain.operation_errors import refuse_missing


@dataclass(frozen=True, slots=True)
class Receipt:
    """The result of an accepted answer, or of a counted vote.

    Attributes:
        callback_id: The callback.
        state: The callback's state; it is open after a vote that does not decide.
        accepted_at: When the answer or the vote was committed.
        is_duplicate: Whether the same was committed before.
    """

    callback_id: CallbackId
    state: State
    accepted_at: datetime
    is_duplicate: bool


async def report(accepting: Awaitable[Receipt], hooks: Hooks) -> Receipt:
    """Return the receipt; report a repeated or refused answer to `hooks`.

    Raises:
        RingbackError: The answer is refused.
    """
    try:
        receipt = await accepting
    except RingbackError as exc:
        hooks.answer_refused(exc)
        raise
    if receipt.is_duplicate:
        hooks.answer_repeated()
    return receipt


def find_reached(callback: Callback | None, serial: int | None) -> Callback:
    """Return a callback to somebody who came by a link with `serial`, or without one.

    Raises:
        UnknownCallbackError: The callback does not exist, or the link was revoked.
        DeletedCallbackError: The callback of the link was deleted.
    """
    if callback is None:
        refuse_missing(serial)
    if not callback.accepts_serial(serial):
        raise UnknownCallbackError
    return callback


def to_expired(callback: Callback) -> ExpiredCallbackError:
    """Return the error that says why `callback` accepts no answer."""
    accepted = callback.accepted
    if accepted is not None:
        reason = "its deadline passed" if accepted.is_default else "it was answered"
        return ExpiredCallbackError(callback.id, reason, accepted.accepted_at)
    assert callback.expired_at is not None, "a closed callback without an answer has expired"
    assert callback.expired_because is not None, "an expired callback says why"
    return ExpiredCallbackError(callback.id, callback.expired_because, callback.expired_at)
