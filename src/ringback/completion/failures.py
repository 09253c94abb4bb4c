"""Failures, as Temporal knows them, with a name for each choice."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from ringback.completion.protocol import CompletionClient
from ringback.completion.refs import Target
from ringback.core.service import caught
from ringback.domain.completion_errors import CompletionRefusedError, UnusableTokenError
from ringback.domain.durations import check_duration
from ringback.domain.errors import AnswerTooLargeError, EncodingError, RingbackError
from ringback.domain.outcome import SHORTEST_DELAY

_FORBIDDEN: Final = frozenset({RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNAUTHENTICATED})
"""Who is refused so is refused whatever the failure is."""

CANCELED_FROM_WITHIN: Final = "the work was canceled from within"
"""Of work that awaited something that was canceled, while nobody stopped the work."""

_MESSAGES: Final = (500, 50, 0)
"""How much of a message is tried, in characters.

The first fits into what Temporal keeps of a failure, in any script, unless a codec makes it larger.
"""

_LONGEST_TYPE: Final = 200
"""In characters."""


def fail_with(
    type: str,  # noqa: A002 - Temporal's word
    message: str | None = None,
    *,
    non_retryable: bool = False,
    details: Sequence[object] = (),
    next_retry_delay: timedelta | None = None,
) -> ApplicationError:
    """Return the failure that an activity ends with, to be raised or given to `client.fail`.

    Args:
        type: For code: the retry policy and the workflow's handlers match it.
        message: For people; without it, the type.
        non_retryable: Whether Temporal must not run the activity again. An answer of a person that
            is a no should say so, else the person is asked once more.
        details: What the workflow can read, one value for each. Temporal drops the details of a
            failure of more than about 4 KiB that can be retried (observed on server 1.32).
        next_retry_delay: How long until the next attempt, instead of the retry policy's back-off.
            Nothing is taken as the shortest there is, since Temporal does not retry at all after a
            delay of nothing (observed on server 1.32).

    Raises:
        ValueError: The type is empty, the delay is below nothing, or there is a delay before an
            attempt that will not be.
        TypeError: The details are one text, not a sequence of details; put it into a list.
    """
    if not type:
        msg = "a failure has a type: the workflow tells failures apart by it"
        raise ValueError(msg)
    if isinstance(details, str | bytes):
        msg = "details are a sequence: put the one text into a list"
        raise TypeError(msg)
    return ApplicationError(
        message or type,
        *details,
        type=type,
        non_retryable=non_retryable,
        next_retry_delay=_delay(next_retry_delay, non_retryable=non_retryable),
    )


def _delay(wanted: timedelta | None, *, non_retryable: bool) -> timedelta | None:
    if wanted is None:
        return None
    if non_retryable:
        msg = "no attempt follows a non-retryable failure, so there is no delay before it"
        raise ValueError(msg)
    check_duration("next_retry_delay", wanted, may_be_zero=True)
    return max(wanted, SHORTEST_DELAY)


def is_being_canceled() -> bool:
    """Tell whether somebody stops the task that asks."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def fail_with_what_was_raised(
    client: CompletionClient, target: Target, error: Exception
) -> None:
    """Fail `target` with `error`, or with as much of it as can be told.

    An activity whose work has failed must not wait only because the failure is too large, or of a
    kind that cannot be sent. Then its type, the beginning of its message, and when to retry go; in
    the end only its type, and whether to retry.

    Raises:
        RingbackError: Temporal did not take it; see `AsyncCompletionClient.fail`.
        Exception: The data converter encodes no failure, not even one of only a type; mend it.
    """
    refusal = await caught(client.fail(target, error))
    for longest in _MESSAGES:
        if not _may_be_told_in_brief(refusal):
            break
        refusal = await caught(client.fail(target, await _in_brief(error, longest)))
    if refusal is not None:
        raise refusal


def _may_be_told_in_brief(refusal: Exception | None) -> bool:
    match refusal:
        case None | UnusableTokenError():
            return False
        case CompletionRefusedError(cause=RPCError(status=status)) if status in _FORBIDDEN:
            return False
        case AnswerTooLargeError() | CompletionRefusedError() | EncodingError():
            return True
        case _:
            # Anything else than our own is the data converter's: nothing was sent.
            return not isinstance(refusal, RingbackError)


async def _in_brief(error: Exception, longest: int) -> ApplicationError:
    message = _clean(await caught(_text(error)), longest)
    if not isinstance(error, ApplicationError):
        return ApplicationError(message, type=_clean(type(error).__name__, _LONGEST_TYPE))
    delay = error.next_retry_delay
    return ApplicationError(
        message,
        type=_clean(error.type, _LONGEST_TYPE),
        non_retryable=error.non_retryable,
        # The delay may be what cannot be sent.
        next_retry_delay=delay if longest and _is_sendable(delay) else None,
    )


def _is_sendable(delay: timedelta | None) -> bool:
    try:
        check_duration("next_retry_delay", delay, may_be_zero=True)
    except (TypeError, ValueError):
        return False
    return True


async def _text(error: Exception) -> str:
    return error.message if isinstance(error, ApplicationError) else str(error)


def _clean(text: object, longest: int) -> str:
    """Return the beginning of `text` as it can be sent: nothing, if it is no text."""
    return text[:longest].encode(errors="replace").decode() if isinstance(text, str) else ""
