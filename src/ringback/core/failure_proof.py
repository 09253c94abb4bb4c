"""Failure proof: whether a failure that Temporal shows is an accepted outcome."""

from ringback.domain.activity_state import LastFailure
from ringback.domain.callback import Accepted
from ringback.domain.ids import to_identity
from ringback.domain.outcome import Failed


def is_failure_of(accepted: Accepted, last_failure: LastFailure | None) -> bool:
    """Return whether an attempt ended with the accepted failure, or with an error caused by it.

    A delivered failure has the outcome's identity as its source, and so has one that an attempt
    received inline and raised. A worker in another language does not set it, so the message and the
    type are compared too.
    """
    if last_failure is None or not isinstance(accepted.outcome, Failed):
        return False
    if is_signed(accepted, last_failure):
        return True
    is_readable = not last_failure.is_encoded
    has_its_message = is_readable and last_failure.message == accepted.outcome.message
    return _may_be_inline(accepted, last_failure) and has_its_message


def is_signed(accepted: Accepted, failure: LastFailure) -> bool:
    """Return whether the outcome's identity is in `failure`, or in what caused it."""
    ours = to_identity(accepted.id)
    # The cause of a timeout is how the attempt before ended.
    is_caused = failure.kind == "application" and ours in failure.causes
    return failure.source == ours or is_caused


def is_recognizable(accepted: Accepted, failure: LastFailure | None) -> bool:
    """Return whether `is_failure_of` can decide; it cannot if only an encoded message would tell.

    That is so where a worker in another language raised a failure of the same type.
    """
    if failure is None:
        return False
    is_hidden = failure.is_encoded and _may_be_inline(accepted, failure)
    return is_signed(accepted, failure) or not is_hidden


def _may_be_inline(accepted: Accepted, failure: LastFailure) -> bool:
    """Return whether an attempt may have raised `failure` because it received it inline."""
    return (
        isinstance(accepted.outcome, Failed)
        and accepted.delivered_inline_attempt is not None
        and failure.kind == "application"
        and failure.type == accepted.outcome.type
    )
