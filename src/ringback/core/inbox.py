"""The inbox: list questions to people, and decide many of them at once."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from ringback.core.receipt import Receipt
from ringback.core.votes import VoteService
from ringback.domain.callback import Callback
from ringback.domain.errors import MalformedRequestError, Problem, RingbackError
from ringback.domain.ids import CallbackId
from ringback.domain.inbox import InboxEntry, InboxPage, InboxQuery, Scope, Show
from ringback.domain.policy import Voter
from ringback.ports.store import CallbackStore
from ringback.ports.votes import InboxStore

MOST_COUNTED: Final = 100
"""Counts of questions stop here."""

_MOST_ROUNDS: Final = 50
"""How many bounded searches one list makes: together they examine 100,000 questions."""

_FIRST_STEP: Final = 200
"""How many questions the first search examines: words that are frequent fill a page of them."""

_GIVE_THE_RESULT: Final = "people give the answer itself here: open it and fill in its form"


class InboxLedger(CallbackStore, InboxStore, Protocol):
    """What the inbox needs of the store."""


@dataclass(frozen=True, slots=True)
class Ticked:
    """A question that a person chose to decide together with others.

    Attributes:
        callback_id: The question.
        digest: The version of its subject that the person saw.
        ballot: How many votes on it the person had withdrawn.
    """

    callback_id: CallbackId
    digest: str
    ballot: int = 0


@dataclass(frozen=True, slots=True)
class DecidedQuestion:
    """What happened to one question of several.

    Attributes:
        ticked: The question.
        callback: The question as it was found before the vote; `None` if it does not exist.
        result: The receipt of the vote, or why it was not counted.
    """

    ticked: Ticked
    callback: Callback | None
    result: Receipt | RingbackError = field(repr=False)


class InboxService:
    """Lists the questions to people, and decides many at once."""

    def __init__(self, store: InboxLedger, votes: VoteService) -> None:
        """List what is in `store`; every decision goes through `votes`."""
        self._store = store
        self._votes = votes

    async def list(self, query: InboxQuery) -> InboxPage:
        """Return a page of an inbox.

        A search examines many questions in steps, between which other requests are served. If the
        page ends before the list does, it may still have room: continue at its `next`.

        Raises:
            StoreUnavailableError: The store cannot be read; retry.
        """
        found: list[InboxEntry] = []
        most = min(query.most_searched, _FIRST_STEP)
        for _ in range(_MOST_ROUNDS):
            room = query.limit - len(found)
            step = replace(query, limit=room, most_searched=most)
            page = await self._store.find_inbox(step)
            most = query.most_searched
            found += page.entries
            if page.next is None or len(found) >= query.limit or not query.words:
                break
            query = replace(query, after=page.next)
        return InboxPage(found, page.next)

    async def count(self, query: InboxQuery) -> Mapping[Scope, int]:
        """Return how many open questions each scope of a user contains, at most `MOST_COUNTED`."""
        scopes = list(Scope)
        queries = [
            replace(query, scope=scope, show=Show.OPEN, text="", after=None) for scope in scopes
        ]
        counts = await self._store.count_inbox(queries, most=MOST_COUNTED)
        return dict(zip(scopes, counts, strict=True))

    async def decide(
        self, ticked: Sequence[Ticked], voter: Voter, *, approved: bool, reason: str | None
    ) -> Sequence[DecidedQuestion]:
        """Give the same vote on several questions; one that is refused does not stop the others."""
        decisions = (self._decide(one, voter, approved=approved, reason=reason) for one in ticked)
        return await asyncio.gather(*decisions)

    async def _decide(
        self, ticked: Ticked, voter: Voter, *, approved: bool, reason: str | None
    ) -> DecidedQuestion:
        callback = None
        try:
            callback = (await self._store.find([ticked.callback_id])).get(ticked.callback_id)
            body = None if callback is None else _to_body(callback, approved=approved)
            receipt = await self._votes.vote(
                ticked.callback_id,
                voter,
                approved=approved,
                reason=reason,
                body=body,
                digest=ticked.digest,
                ballot=ticked.ballot,
            )
        except RingbackError as exc:
            return DecidedQuestion(ticked, callback, exc)
        return DecidedQuestion(ticked, callback, receipt)


def _to_body(callback: Callback, *, approved: bool) -> bytes | None:
    """Return the form of a vote that nobody filled in.

    Raises:
        MalformedRequestError: People give the answer itself.
    """
    policy = callback.options.policy
    if policy is not None and not policy.is_decision:
        raise MalformedRequestError([Problem("", _GIVE_THE_RESULT)])
    needs_form = callback.schema_id is not None and (policy is None or policy.require_form)
    # A form without required fields may stay empty.
    return b"{}" if approved and needs_form else None
