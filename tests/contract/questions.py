"""Questions to people, as the contract's tests ask them."""

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from ringback.domain.assignment import Actor, claim, reassign, release
from ringback.domain.callback import Callback
from ringback.domain.ids import CallbackId
from ringback.domain.inbox import InboxQuery, Scope, Show
from ringback.domain.policy import Policy, Proof, Voter
from ringback.domain.vote import VoteRequest
from tests import factories
from tests.contract.stores import Store

ADA: Final = Voter("ada@example.org", frozenset({"finance"}), Proof.SIGNED_IN)
BOB: Final = Voter("bob@example.org", frozenset({"finance"}), Proof.SIGNED_IN)
OPERATOR: Final = Actor(Voter("ops", proof=Proof.API_KEY), is_operator=True)

MINE: Final = InboxQuery(user=ADA.user, groups=ADA.groups)
GROUPS: Final = replace(MINE, scope=Scope.GROUPS)
ALL: Final = replace(MINE, scope=Scope.ALL)


def decided(query: InboxQuery) -> InboxQuery:
    return replace(query, show=Show.DECIDED)


async def ask(
    store: Store,
    *assignees: str,
    deadline: timedelta | None = None,
    workflow_id: str | None = None,
    approvals: int = 1,
    **options: Any,
) -> Callback:
    """Ask people to decide, and return the question."""
    options.setdefault("policy", Policy(assignees=assignees, approvals=approvals))
    ref = factories.activity_ref(workflow_id=workflow_id)
    request = factories.request(ref=ref, deadline=deadline, **options)
    (callback,) = await store.open([request])
    return callback


async def vote(store: Store, question: Callback, voter: Voter = ADA) -> None:
    """Approve a question."""
    request = VoteRequest(
        question.id, factories.outcome_id(), voter, digest=question.subject.digest
    )
    (result,) = await store.vote([request])
    assert result is not None
    assert not isinstance(result, Exception), result


async def claim_it(store: Store, question: Callback, voter: Voter = ADA) -> None:
    await store.change(question.id, lambda one, _: claim(one, Actor(voter)), by={})


async def release_it(store: Store, question: Callback) -> None:
    await store.change(question.id, lambda one, _: release(one, OPERATOR), by={})


async def reassign_it(store: Store, question: Callback, *assignees: str) -> None:
    await store.change(
        question.id, lambda one, votes: reassign(one, votes, assignees, actor=OPERATOR), by={}
    )


async def listed(store: Store, query: InboxQuery) -> list[CallbackId]:
    """Return the ids on a page of an inbox."""
    page = await store.find_inbox(query)
    return [entry.callback.id for entry in page.entries]


async def all_pages(store: Store, query: InboxQuery) -> list[CallbackId]:
    """Return the ids on all pages."""
    found: list[CallbackId] = []
    while True:
        page = await store.find_inbox(query)
        found += [entry.callback.id for entry in page.entries]
        if page.next is None:
            return found
        query = replace(query, after=page.next)
