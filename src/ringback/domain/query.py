"""Queries: which callbacks somebody wants to see."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from ringback.domain.callback import MOVES, State

NOT_ENDED: Final = frozenset(state for state, moves in MOVES.items() if moves)
"""The states of what still waits: for an answer, for Temporal, or for a person."""


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for; a callback must meet all of it, and what is `None` asks for nothing.

    Attributes:
        states: Where it stands: in any of these.
        workflow_id: The workflow that its activity belongs to.
        workflow_type: The type of that workflow.
        activity_type: The type of its activity.
        tag: One of its tags.
        opened_after: It was opened then or later, by the store's clock.
        opened_before: It was opened before then.
        older_than: It was opened at least that long ago.
        is_overdue: Nobody has answered it, and its deadline has passed. `False` asks for nothing.
    """

    states: frozenset[State] = NOT_ENDED
    workflow_id: str | None = None
    workflow_type: str | None = None
    activity_type: str | None = None
    tag: str | None = None
    opened_after: datetime | None = None
    opened_before: datetime | None = None
    older_than: timedelta | None = None
    is_overdue: bool = False
