"""The inbox: lists of questions to people."""

from collections.abc import Sequence
from typing import Protocol

from ringback.domain.inbox import InboxPage, InboxQuery


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
