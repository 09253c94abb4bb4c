"""Deadlines: when a default answer is due, and when a worker polls the sender before it is used.

The gateway never runs code of users: it ends the attempt that waits, and the next one polls.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from ringback.domain.durations import later
from ringback.domain.options import CallbackOptions

MAX_LEAD: Final = timedelta(seconds=5)
"""The longest time before a Temporal timeout at which a default answer is accepted."""

MAX_RESUME_LEAD: Final = timedelta(seconds=20)
"""The same with `resume`: then the default continues in another attempt, a second later."""


def default_due_at(
    opened_at: datetime,
    own_deadline_at: datetime | None,
    attempt_timeout_at: datetime | None,
    *,
    resume: bool = False,
) -> datetime | None:
    """Return when a default answer is due: at the deadline, or shortly before Temporal's timeout.

    It must reach Temporal before the attempt times out, so it is due a tenth of the attempt's time
    earlier, at most `MAX_LEAD`. With `resume` it is half of the time, at most `MAX_RESUME_LEAD`:
    the next attempt needs time too if the timeout is that of the activity.
    """
    if attempt_timeout_at is not None:
        share, longest = (2, MAX_RESUME_LEAD) if resume else (10, MAX_LEAD)
        time_left = max(timedelta(0), attempt_timeout_at - opened_at)
        attempt_timeout_at -= min(longest, time_left / share)
    return min(filter(None, (own_deadline_at, attempt_timeout_at)), default=None)


POLL_TIMEOUT: Final = timedelta(seconds=20)
"""How long a poll may take."""

POLL_GRACE: Final = timedelta(seconds=30)
"""How long a default answer waits for the poll at the deadline: no worker may run."""


@dataclass(frozen=True, slots=True)
class SenderPoll:
    """The polls of a callback's sender.

    Attributes:
        due_at: When the gateway next requests a poll; `None` if it does not.
        requested_at: When the poll was requested whose result no attempt has reported.
        is_over: Whether no poll follows, so that the default answer waits for none.
    """

    due_at: datetime | None = None
    requested_at: datetime | None = None
    is_over: bool = False


def next_poll_due_at(
    after: datetime, options: CallbackOptions, deadline_at: datetime | None
) -> datetime | None:
    """Return when the poll after the one at `after` is due; `None` if none follows."""
    if not options.poll or (deadline_at is not None and after >= deadline_at):
        return None
    every = options.poll_every
    regular = None if every is None else later(after, every)
    return min(filter(None, (regular, deadline_at)), default=None)


def reopened(
    poll: SenderPoll, now: datetime, *, options: CallbackOptions, deadline_at: datetime | None
) -> SenderPoll:
    """Return the polls after a later attempt has opened the callback with `options`.

    If a poll was requested, this attempt makes it. If its worker dies meanwhile, the next request
    comes after `POLL_GRACE`. A time that is too far ahead was recorded before the clock was set
    back, or by an attempt with a longer interval.
    """
    if not options.poll:
        return SenderPoll()
    if poll.is_over:
        return poll
    if poll.requested_at is None:
        regular = next_poll_due_at(now, options, deadline_at)
        return SenderPoll(min(filter(None, (poll.due_at, regular)), default=None))
    due_at = next_poll_due_at(min(poll.requested_at, now), options, deadline_at)
    return SenderPoll(due_at and max(due_at, now + POLL_GRACE), poll.requested_at)
