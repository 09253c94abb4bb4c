"""The votes of people, changes to the questions that they are asked, and the inbox."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeAlias

from ringback.domain.assignment import Change
from ringback.domain.callback import Callback
from ringback.domain.errors import RingbackError
from ringback.domain.ids import CallbackId
from ringback.domain.inbox import InboxPage, InboxQuery
from ringback.domain.policy import Voter
from ringback.domain.vote import CountedVote, Vote, VoteRequest

Rule: TypeAlias = Callable[[Callback, Sequence[Vote]], Change]
"""A rule of `ringback.domain.assignment` for an open callback and its votes. It must be pure: the
store applies it in its transaction, maybe several times."""


class VoteStore(Protocol):
    """Stores votes, and what people change about open callbacks."""

    async def vote(
        self, requests: Sequence[VoteRequest]
    ) -> Sequence[CountedVote | RingbackError | None]:
        """Count votes by `ringback.domain.vote.count_vote`, in order, each under a lock.

        The vote that decides stores the outcome in the same transaction.

        Returns, for each, its effect or why it was refused; `None` if the callback does not exist,
        has no policy, or is not open.
        """
        ...

    async def votes(
        self, callback_ids: Sequence[CallbackId]
    ) -> Mapping[CallbackId, Sequence[Vote]]:
        """Return the votes of callbacks, oldest first; callbacks without votes are left out."""
        ...

    async def withdraw(
        self, callback_id: CallbackId, voter: Voter, *, ballot: int | None = None
    ) -> Vote | None:
        """Remove the vote of a person from an open callback and return it, if there is one.

        It is counted in `Callback.ballots`. A vote of another `ballot` is left.
        """
        ...

    async def change(
        self, callback_id: CallbackId, rule: Rule, *, by: dict[str, object]
    ) -> Callback | None:
        """Apply `rule` to an open callback, record who did it, and return the callback.

        `None` means that the callback does not exist or is not open.

        Raises:
            RingbackError: The rule refuses the change.
        """
        ...


class InboxStore(Protocol):
    """Lists the questions to people."""

    async def find_inbox(self, query: InboxQuery) -> InboxPage:
        """Return a page of an inbox.

        A search examines a bounded number of questions, so its page may be short: continue at
        `next`. Questions whose rows cannot be read are left out.
        """
        ...

    async def count_inbox(self, queries: Sequence[InboxQuery], *, most: int) -> Sequence[int]:
        """Return how many questions each of `queries` matches, at most `most`; without a search."""
        ...

    async def inbox_state(self, query: InboxQuery) -> str:
        """Return a text that differs if the page of `query` does. It costs less than the page."""
        ...

    async def inbox_version(self) -> str:
        """Return a text that changes soon after any inbox does.

        It may also change where no inbox does. Reading it costs the same for any number of
        questions.
        """
        ...
