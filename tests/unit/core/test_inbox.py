"""The inbox: lists that search in steps, and votes on many questions at once."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import pytest

from ringback.core.inbox import DecidedQuestion, InboxService, Ticked
from ringback.core.receipt import Receipt
from ringback.core.services import run_services
from ringback.core.validation import AnswerValidator
from ringback.core.votes import VoteService
from ringback.domain.callback import Callback, State
from ringback.domain.errors import (
    MalformedRequestError,
    StoreUnavailableError,
    UnknownCallbackError,
)
from ringback.domain.inbox import InboxQuery, Scope
from ringback.domain.people_errors import SubjectChangedError, WrongVoteError
from ringback.domain.policy import Policy, Proof, Voter
from ringback.store.sql_store import SqlStore
from ringback.testing import ExactResults, FakeActivities, ManualClock
from ringback.testing.in_memory_database import InMemoryDatabase
from tests import factories
from tests.unit.core.callbacks import open_callback

ADA: Final = Voter("ada@example.org", frozenset({"finance"}), Proof.SIGNED_IN)
GROUPS: Final = InboxQuery(user=ADA.user, groups=ADA.groups, scope=Scope.GROUPS)
POLICY: Final = Policy(assignees=("group:finance",))


@dataclass
class Inbox:
    """An inbox on an in-memory store."""

    service: InboxService
    store: SqlStore
    activities: FakeActivities
    database: InMemoryDatabase

    async def ask(self, **options: Any) -> Callback:
        ref = factories.activity_ref()
        self.activities.schedule(ref)
        asked = {"policy": POLICY, **options}
        return await open_callback(self.store, self.activities, ref, **asked)

    async def decide(self, *ticked: Ticked, approved: bool = True) -> list[DecidedQuestion]:
        return list(await self.service.decide(ticked, ADA, approved=approved, reason="because"))


@pytest.fixture
def database() -> Iterator[InMemoryDatabase]:
    with InMemoryDatabase(ManualClock()) as database:
        yield database


@pytest.fixture
async def inbox(database: InMemoryDatabase) -> AsyncIterator[Inbox]:
    store, activities = SqlStore(database), FakeActivities()
    checks = AnswerValidator(store, activities, ExactResults())
    votes = VoteService(
        store, checks, new_outcome_id=factories.outcome_id, on_accepted=lambda: None
    )
    async with run_services(checks, votes):
        yield Inbox(InboxService(store, votes), store, activities, database)


def tick(question: Callback) -> Ticked:
    return Ticked(question.id, question.subject.digest)


async def test_search_goes_on_until_the_page_is_full(inbox: Inbox) -> None:
    wanted = [
        await inbox.ask(title="Invoice" if number % 5 == 0 else "Contract") for number in range(20)
    ][::5]

    page = await inbox.service.list(replace(GROUPS, text="invoice", limit=3, most_searched=4))

    assert [entry.callback.id for entry in page.entries] == [one.id for one in wanted[:3]]
    assert page.next is not None


async def test_search_for_what_is_nowhere_ends_with_the_list(inbox: Inbox) -> None:
    for _ in range(9):
        await inbox.ask(title="Contract")

    page = await inbox.service.list(replace(GROUPS, text="invoice", limit=2, most_searched=3))

    assert (page.entries, page.next) == ([], None)


async def test_endless_search_stops_and_says_where_it_goes_on(inbox: Inbox) -> None:
    for _ in range(120):
        await inbox.ask(title="Contract")

    page = await inbox.service.list(replace(GROUPS, text="invoice", limit=1, most_searched=2))

    assert page.entries == []
    assert page.next is not None


async def test_counts_are_of_open_questions_whatever_is_shown(inbox: Inbox) -> None:
    await inbox.ask()
    await inbox.ask(policy=Policy(assignees=("user:ada@example.org",)))

    counts = await inbox.service.count(replace(GROUPS, text="nowhere"))

    assert counts == {Scope.MINE: 1, Scope.GROUPS: 1, Scope.ALL: 2}


async def test_one_vote_decides_all_ticked_questions(inbox: Inbox) -> None:
    asked = [await inbox.ask() for _ in range(3)]

    decided = await inbox.decide(*map(tick, asked))

    results = [one.result for one in decided]
    assert all(isinstance(one, Receipt) and one.state is State.ACCEPTED for one in results)
    assert [one.callback for one in decided] == asked


async def test_refused_question_does_not_stop_the_others(inbox: Inbox) -> None:
    good, changed = await inbox.ask(), await inbox.ask()
    result = await inbox.ask(policy=replace(POLICY, is_decision=False))
    unknown = Ticked(factories.callback_id(), "digest")

    decided = await inbox.decide(Ticked(changed.id, "0" * 32), tick(result), unknown, tick(good))

    kinds = [type(one.result) for one in decided]
    assert kinds == [SubjectChangedError, MalformedRequestError, UnknownCallbackError, Receipt]


@pytest.mark.parametrize(
    ("schema", "approved", "kind"),
    [
        ('{"euros": 5}', True, WrongVoteError),
        ('{"euros": 5}', False, Receipt),
        ("{}", True, Receipt),
    ],
)
async def test_approval_sends_an_empty_form_if_there_is_one(
    inbox: Inbox, schema: str, kind: type, *, approved: bool
) -> None:
    question = await inbox.ask(result_schema=schema)

    (decided,) = await inbox.decide(tick(question), approved=approved)

    assert isinstance(decided.result, kind), decided.result


async def test_approval_sends_no_form_where_the_policy_needs_none(inbox: Inbox) -> None:
    question = await inbox.ask(policy=Policy(require_form=False), result_schema='{"euros": 5}')

    (decided,) = await inbox.decide(tick(question))

    assert isinstance(decided.result, Receipt), decided.result


async def test_unavailable_store_is_the_result_of_each_question(inbox: Inbox) -> None:
    question = await inbox.ask()
    inbox.database.is_available = False

    (decided,) = await inbox.decide(tick(question))

    assert isinstance(decided.result, StoreUnavailableError)
