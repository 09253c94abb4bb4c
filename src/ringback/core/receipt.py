"""Receipts: what a sender or a voter gets, or the error that says why the answer is too late."""

from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import datetime

from ringback.core.hooks import Hooks
from ringback.domain.callback import Callback, State
from ringback.domain.errors import ExpiredCallbackError, RingbackError
from ringback.domain.ids import CallbackId


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


def to_expired(callback: Callback) -> ExpiredCallbackError:
    """Return the error that says why `callback` accepts no answer."""
    accepted = callback.accepted
    if accepted is not None:
        reason = "its deadline passed" if accepted.is_default else "it was answered"
        return ExpiredCallbackError(callback.id, reason, accepted.accepted_at)
    assert callback.expired_at is not None, "a closed callback without an answer has expired"
    assert callback.expired_because is not None, "an expired callback says why"
    return ExpiredCallbackError(callback.id, callback.expired_because, callback.expired_at)
