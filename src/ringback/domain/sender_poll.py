"""Polls of the sender: when a worker asks the sender itself whether the answer exists.

The gateway never runs code of users: it ends the attempt that waits, and the next one polls.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from ringback.domain.durations import later
from ringback.domain.options import CallbackOptions

POLL_TIMEOUT: Final = timedelta(seconds=20)
"""How long a poll may take."""

GRACE: Final = timedelta(seconds=30)
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


def next_due_at(
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
    comes after `GRACE`. A time that is too far ahead was recorded before the clock was set back, or
    by an attempt with a longer interval.
    """
    if not options.poll:
        return SenderPoll()
    if poll.is_over:
        return poll
    if poll.requested_at is None:
        regular = next_due_at(now, options, deadline_at)
        return SenderPoll(min(filter(None, (poll.due_at, regular)), default=None))
    due_at = next_due_at(min(poll.requested_at, now), options, deadline_at)
    return SenderPoll(due_at and max(due_at, now + GRACE), poll.requested_at)
