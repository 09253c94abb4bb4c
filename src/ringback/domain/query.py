"""Queries for callbacks."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from ringback.domain.callback import MOVES, State

NOT_ENDED: Final = frozenset(state for state, moves in MOVES.items() if moves)
"""The states of callbacks that still wait: for an answer, for Temporal, or for a person."""


@dataclass(frozen=True, slots=True)
class Query:
    """Filters that a callback must all match; `None` matches everything.

    Attributes:
        states: Any of these states.
        workflow_id: The workflow of the activity.
        workflow_type: The type of that workflow.
        activity_type: The type of the activity.
        tag: One of the callback's tags.
        alias: One of the callback's aliases; it finds ended callbacks too if their state matches.
        opened_after: Opened then or later, by the store's clock.
        opened_before: Opened before then.
        older_than: Opened at least this long ago.
        is_overdue: Whether only unanswered callbacks past their deadline match.
    """

    states: frozenset[State] = NOT_ENDED
    workflow_id: str | None = None
    workflow_type: str | None = None
    activity_type: str | None = None
    tag: str | None = None
    alias: str | None = None
    opened_after: datetime | None = None
    opened_before: datetime | None = None
    older_than: timedelta | None = None
    is_overdue: bool = False
