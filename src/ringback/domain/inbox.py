"""The inbox: which questions to people a list shows, and in which order."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Final, Self

from ringback.domain.callback import Callback
from ringback.domain.ids import CallbackId
from ringback.domain.text_checks import to_key
from ringback.domain.vote import Vote

MOST_LISTED: Final = 100
"""Maximum number of questions on a page."""

LONGEST_SEARCH: Final = 200
MOST_WORDS: Final = 8

NEVER: Final = datetime(9999, 1, 1, tzinfo=UTC)
"""Where a question without a deadline is sorted: after all others."""

EVERYBODY: Final = "everybody"
"""Whose inbox contains every question."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_LAST: Final = (NEVER - _EPOCH) // _MICROSECOND


class Scope(Enum):
    """Whose questions a list contains."""

    MINE = "mine"
    """Assigned to the user, or claimed by them."""

    GROUPS = "groups"
    """Assigned to a group of the user."""

    ALL = "all"
    """All questions to people."""


class Show(Enum):
    """Which questions of a scope a list contains."""

    OPEN = "open"
    """Nobody has decided, and the user has not voted."""

    DECIDED = "decided"
    """The user has voted; for groups and everybody: the question has ended."""

    OVERDUE = "overdue"
    """Open, and the deadline has passed."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in a list, after which it continues.

    Attributes:
        at: The deadline of the last question, or when it was decided.
        callback_id: That question.
    """

    at: datetime
    callback_id: CallbackId

    def __str__(self) -> str:
        """Return the text that `parse` reads."""
        return f"{(self.at - _EPOCH) // _MICROSECOND}.{self.callback_id}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the place that `str` wrote.

        Raises:
            ValueError: The text is something else.
        """
        microseconds, _, callback_id = text.partition(".")
        if not (microseconds.isascii() and microseconds.isdigit() and callback_id):
            msg = "this is not the end of a page; leave it out to begin at the first page"
            raise ValueError(msg)
        at = _EPOCH + min(int(microseconds[:20]), _LAST) * _MICROSECOND
        return cls(at, CallbackId(callback_id))


@dataclass(frozen=True, slots=True)
class InboxQuery:
    """A page of an inbox.

    Attributes:
        user: Whose inbox; `None` for a list that belongs to nobody.
        groups: The groups of the user.
        scope: Whose questions.
        show: Which of them.
        text: Words that must all occur in the title, the description, the workflow id or a tag,
            without regard to case.
        after: Where the page before ended.
        limit: Maximum number of questions.
        most_searched: How many questions a search examines for one page, at most.
    """

    user: str | None = None
    groups: frozenset[str] = frozenset()
    scope: Scope = Scope.MINE
    show: Show = Show.OPEN
    text: str = ""
    after: Cursor | None = None
    limit: int = 50
    most_searched: int = 2000

    @property
    def words(self) -> Sequence[str]:
        """The words to search, at most `MOST_WORDS`, without regard to case."""
        return fold(self.text[:LONGEST_SEARCH]).split()[:MOST_WORDS]

    @property
    def inboxes(self) -> Sequence[str]:
        """The inboxes that the list merges: `user:…`, `group:…` or `EVERYBODY`."""
        match self.scope:
            case Scope.ALL:
                return [EVERYBODY]
            case Scope.GROUPS:
                return sorted({to_key(f"group:{group}") for group in self.groups})
            case Scope.MINE:
                return [] if self.user is None else [to_key(f"user:{self.user}")]

    @property
    def is_by_vote(self) -> bool:
        """Whether the list contains the questions that the user has voted on."""
        return self.scope is Scope.MINE and self.show is Show.DECIDED


@dataclass(frozen=True, slots=True)
class UnsentMessages:
    """The messages about one question that a channel did not accept when they were last sent.

    Attributes:
        channel: As in `Notification`.
        count: How many, at least one.
        is_retrying: Whether some of them will be sent again.
        last_error: Why one of them was not accepted; it may name hosts.
    """

    channel: str
    count: int
    is_retrying: bool
    last_error: str


@dataclass(frozen=True, slots=True)
class InboxEntry:
    """A question in an inbox.

    Attributes:
        callback: The question.
        votes: The votes so far, oldest first.
        unsent: The messages that could not be sent, by channel.
    """

    callback: Callback
    votes: Sequence[Vote]
    unsent: Sequence[UnsentMessages] = ()


@dataclass(frozen=True, slots=True)
class InboxPage:
    """A page of an inbox.

    Attributes:
        entries: The questions, in the order of the list.
        next: Where the list continues; `None` at its end. A search may continue even where this
            page is not full.
    """

    entries: Sequence[InboxEntry]
    next: Cursor | None


def inboxes_of(callback: Callback) -> frozenset[str]:
    """Return the inboxes that contain `callback`; none if no people are asked."""
    policy = callback.options.policy
    if policy is None:
        return frozenset()
    claimed = [] if callback.claimant is None else [f"user:{callback.claimant}"]
    return frozenset({EVERYBODY, *(to_key(one) for one in (*policy.assignees, *claimed))})


def sort_time(callback: Callback) -> datetime:
    """Return the time by which open questions are sorted."""
    return callback.deadline_at or NEVER


def search_text(callback: Callback) -> str:
    """Return the text in which searches look for words."""
    options = callback.options
    parts = (options.title, options.description, callback.ref.workflow_id, *options.tags)
    return fold("\n".join(filter(None, parts)))


def fold(text: str) -> str:
    """Return `text` without regard to case."""
    return text.casefold()
