"""Failures of activities, with a named argument for each choice."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from itertools import chain
from typing import Final

from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from ringback.completion.refs import CompletionClient, Target
from ringback.core.services import call_caught, caught
from ringback.domain.completion_errors import CompletionRefusedError, UnusableTokenError
from ringback.domain.durations import check_duration
from ringback.domain.errors import AnswerTooLargeError, EncodingError, RingbackError
from ringback.domain.outcome import SHORTEST_DELAY

_FORBIDDEN: Final = frozenset({RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNAUTHENTICATED})
"""Errors after which any other failure would be rejected too."""

CANCELED_FROM_WITHIN: Final = "the work was canceled from within"
"""The message for work that awaited a canceled task while the work itself was not canceled."""

_MESSAGES: Final = (500, 50, 0)
"""Message lengths that are tried, in characters.

The first fits Temporal's limit for a failure in any script, unless a codec enlarges it.
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
    """Return a failure to raise, or to pass to `client.fail`.

    Args:
        type: For code: the retry policy and the workflow's handlers match it.
        message: For people; the default is the type.
        non_retryable: Whether Temporal must not retry the activity. Set it for a person's
            rejection; otherwise the person is asked again.
        details: Values that the workflow can read. Temporal drops the details of a retryable
            failure of more than about 4 KiB (observed on server 1.32).
        next_retry_delay: The delay of the next attempt, instead of the retry policy's backoff. Zero
            is sent as the shortest delay, since Temporal does not retry at all after zero (observed
            on server 1.32).

    Raises:
        ValueError: The type is empty, the delay is negative, or a non-retryable failure has a
            delay.
        TypeError: The details are one string instead of a sequence; put it into a list.
    """
    if not type:
        msg = "the type is empty; the workflow distinguishes failures by it"
        raise ValueError(msg)
    if isinstance(details, str | bytes):
        msg = "details is a string; put it into a list"
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
        msg = "a non-retryable failure cannot have a delay: no attempt follows it"
        raise ValueError(msg)
    check_duration("next_retry_delay", wanted, may_be_zero=True)
    return max(wanted, SHORTEST_DELAY)


def is_being_canceled() -> bool:
    """Return whether the current task is being canceled."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def fail_with_what_was_raised(
    client: CompletionClient, target: Target, error: Exception
) -> None:
    """Fail `target` with `error`, or with as much of it as can be sent.

    An activity whose work has failed must not hang because the failure is too large or cannot be
    encoded. Then its type, the beginning of its message and its retry options are sent, and as a
    last resort only its type and whether to retry.

    Raises:
        RingbackError: Temporal did not accept it; see `AsyncCompletionClient.fail`.
        Exception: The data converter cannot encode even a failure with only a type; fix it.
    """
    refusal: Exception | None = None
    for one in chain([error], (_shorten(error, longest) for longest in _MESSAGES)):
        refusal = await caught(client.fail(target, one))
        if not _may_be_shortened(refusal):
            break
    if refusal is not None:
        raise refusal


def _may_be_shortened(refusal: Exception | None) -> bool:
    match refusal:
        case None | UnusableTokenError():
            return False
        case CompletionRefusedError(cause=RPCError(status=status)) if status in _FORBIDDEN:
            return False
        case AnswerTooLargeError() | CompletionRefusedError() | EncodingError():
            return True
        case _:
            # Any other error comes from the data converter: nothing was sent.
            return not isinstance(refusal, RingbackError)


def _shorten(error: Exception, longest: int) -> ApplicationError:
    message = _clean(call_caught(_text, error), longest)
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


def _text(error: Exception) -> str:
    return error.message if isinstance(error, ApplicationError) else str(error)


def _clean(text: object, longest: int) -> str:
    """Return the beginning of `text` without characters that cannot be sent; empty if no text."""
    return text[:longest].encode(errors="replace").decode() if isinstance(text, str) else ""
