"""The contract of every store for the inbox: what its lists contain, and in which order."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Final

import pytest
from sqlalchemy import text

from ringback.domain.callback import Callback
from ringback.domain.inbox import Show
from ringback.domain.outcome import Completed, Failed
from ringback.domain.policy import Policy
from ringback.store.database import Database
from ringback.testing import ManualClock
from tests import factories
from tests.contract.questions import (
    ADA,
    ALL,
    BOB,
    GROUPS,
    MINE,
    all_pages,
    ask,
    claim_it,
    decided,
    listed,
    reassign_it,
    release_it,
    vote,
)
from tests.contract.stores import SECOND, Store, opened
from tests.contract.tracked import pending, save_poll

HOUR: Final = timedelta(hours=1)


class InboxContract:
    async def test_mine_contains_what_is_assigned_to_the_user_in_any_case(
        self, store: Store
    ) -> None:
        mine = await ask(store, "user:Ada@Example.org", "group:legal")
        await ask(store, "user:bob@example.org")
        await ask(store, "group:finance")

        assert await listed(store, MINE) == [mine.id]

    async def test_groups_contains_what_is_assigned_to_any_group_once(self, store: Store) -> None:
        both = await ask(store, "group:Finance", "group:legal")
        one = await ask(store, "group:legal")
        await ask(store, "group:sales", "user:ada@example.org")

        query = replace(GROUPS, groups=frozenset({"finance", "LEGAL"}))

        assert sorted(await listed(store, query)) == sorted([both.id, one.id])

    async def test_all_contains_every_question_but_no_plain_callback(self, store: Store) -> None:
        assigned = await ask(store, "user:bob@example.org")
        for_anybody = await ask(store)
        await opened(store)

        assert sorted(await listed(store, ALL)) == sorted([assigned.id, for_anybody.id])

    async def test_user_without_groups_finds_nothing_in_groups(self, store: Store) -> None:
        await ask(store, "group:finance")

        assert await listed(store, replace(GROUPS, groups=frozenset())) == []

    async def test_questions_are_sorted_by_deadline_without_one_last(self, store: Store) -> None:
        without = await ask(store, "group:finance")
        late = await ask(store, "group:finance", deadline=2 * HOUR)
        soon = await ask(store, "group:finance", deadline=HOUR)

        assert await listed(store, GROUPS) == [soon.id, late.id, without.id]

    async def test_pages_contain_every_question_once_in_order(self, store: Store) -> None:
        asked = [
            await ask(store, f"group:{group}", deadline=None if hours is None else hours * HOUR)
            for group in ("finance", "legal")
            for hours in (3, 1, None, 2, 1)
        ]
        groups = frozenset({"finance", "legal"})

        paged = await all_pages(store, replace(GROUPS, groups=groups, limit=3))

        by_deadline = sorted(
            asked, key=lambda one: (one.deadline_at is None, one.deadline_at, one.id)
        )
        assert paged == [one.id for one in by_deadline]

    @pytest.mark.parametrize("show", [Show.OPEN, Show.DECIDED])
    async def test_pages_of_many_groups_contain_every_question_once_in_order(
        self, store: Store, clock: ManualClock, show: Show
    ) -> None:
        # The first questions are all of one group, the next of many, and some of two.
        groups = ["0"] * 8 + [str(number % 9) for number in range(18)]
        asked = []
        for number, group in enumerate(groups):
            both = {f"group:{group}", f"group:{number % 2}"}
            asked.append(await ask(store, *sorted(both), deadline=HOUR * (number // 2 + 1)))
        query = replace(GROUPS, groups=frozenset(map(str, range(9))), show=show, limit=3)
        if show is Show.DECIDED:
            for question in reversed(asked):
                clock.advance(SECOND)
                await store.expire([factories.expiry(question)])

        paged = await all_pages(store, query)

        by_deadline = sorted(asked, key=lambda one: (one.deadline_at, one.id))
        assert paged == [one.id for one in (by_deadline if show is Show.OPEN else asked)]

    async def test_claimed_question_is_also_mine_until_it_is_released(self, store: Store) -> None:
        question = await ask(store, "group:finance")

        await claim_it(store, question)
        claimed = await listed(store, MINE)
        await release_it(store, question)

        assert claimed == [question.id]
        assert await listed(store, MINE) == []
        assert await listed(store, GROUPS) == [question.id]

    async def test_reassigned_question_moves_to_the_new_assignees(self, store: Store) -> None:
        question = await ask(store, "user:ada@example.org")

        await reassign_it(store, question, "group:legal")

        assert await listed(store, MINE) == []
        assert await listed(store, replace(GROUPS, groups=frozenset({"legal"}))) == [question.id]
        assert await listed(store, ALL) == [question.id]

    async def test_voter_sees_the_question_as_decided_and_others_as_open(
        self, store: Store
    ) -> None:
        question = await ask(store, "group:finance", approvals=2)

        await vote(store, question, ADA)

        assert await listed(store, GROUPS) == []
        assert await listed(store, decided(MINE)) == [question.id]
        assert await listed(store, replace(GROUPS, user=BOB.user)) == [question.id]
        assert await listed(store, ALL) == [question.id]

    async def test_entry_contains_the_votes_so_far(self, store: Store) -> None:
        question = await ask(store, "group:finance", approvals=2)
        await vote(store, question, BOB)

        (entry,) = (await store.find_inbox(GROUPS)).entries

        assert [one.user for one in entry.votes] == [BOB.user]

    @pytest.mark.parametrize("how", ["vote", "failure", "default answer", "expiry"])
    async def test_question_that_ends_leaves_the_open_lists(
        self, store: Store, clock: ManualClock, how: str
    ) -> None:
        policy = Policy(assignees=("group:finance",), link_decides=True)
        question = await ask(store, policy=policy, deadline=HOUR, on_deadline=Completed(b"{}"))

        await _end(how)(store, question, clock)

        assert await listed(store, GROUPS) == []
        assert await listed(store, ALL) == []
        assert await listed(store, decided(GROUPS)) == [question.id]
        assert await listed(store, decided(ALL)) == [question.id]
        assert await listed(store, decided(MINE)) == ([question.id] if how == "vote" else [])

    async def test_decided_questions_are_listed_newest_first_on_all_pages(
        self, store: Store, clock: ManualClock
    ) -> None:
        asked = [await ask(store, "group:finance") for _ in range(5)]
        for question in asked:
            await vote(store, question)
            clock.advance(SECOND)
        newest_first = [one.id for one in reversed(asked)]

        for query in (MINE, GROUPS, ALL):
            assert await all_pages(store, replace(decided(query), limit=2)) == newest_first

    async def test_overdue_contains_open_questions_past_their_deadline(
        self, store: Store, clock: ManualClock
    ) -> None:
        late = await ask(store, "group:finance", deadline=HOUR)
        await ask(store, "group:finance", deadline=3 * HOUR)
        await ask(store, "group:finance")
        answered = await ask(store, "group:finance", deadline=HOUR)
        await vote(store, answered)

        clock.advance(2 * HOUR)

        assert await listed(store, replace(GROUPS, show=Show.OVERDUE)) == [late.id]

    async def test_extended_question_moves_to_its_new_deadline(self, store: Store) -> None:
        first = await ask(store, "group:finance", deadline=HOUR)
        second = await ask(store, "group:finance", deadline=2 * HOUR)

        await store.extend(first.id, 3 * HOUR)

        assert await listed(store, GROUPS) == [second.id, first.id]

    async def test_later_attempt_moves_the_question_to_its_timeout(
        self, store: Store, clock: ManualClock
    ) -> None:
        ref = factories.activity_ref()
        asked = factories.request(
            ref=ref,
            policy=Policy(assignees=("group:finance",)),
            attempt_timeout_at=clock.now() + HOUR,
        )
        (first,) = await store.open([asked])
        second = await ask(store, "group:finance", deadline=2 * HOUR)

        later = factories.request(
            ref=ref,
            attempt=2,
            policy=Policy(assignees=("group:finance",)),
            attempt_timeout_at=clock.now() + 3 * HOUR,
        )
        await store.open([later])

        assert await listed(store, GROUPS) == [second.id, first.id]

    async def test_poll_moves_the_question_to_the_timeout_that_it_finds(
        self, store: Store, clock: ManualClock
    ) -> None:
        first = await ask(store, "group:finance")
        second = await ask(store, "group:finance", deadline=2 * HOUR)

        timeout_at = clock.now() + HOUR
        await save_poll(store, first, pending(first, attempt_timeout_at=timeout_at))

        assert await listed(store, GROUPS) == [first.id, second.id]

    async def test_unreadable_question_is_left_out(self, store: Store, database: Database) -> None:
        broken = await ask(store, "group:finance")
        other = await ask(store, "group:finance")
        async with database.writing() as connection:
            spoil = text("UPDATE callbacks SET heartbeat = 'moon' WHERE id = :id")
            await connection.execute(spoil, {"id": broken.id})

        assert await listed(store, GROUPS) == [other.id]


_Ending = Callable[[Store, Callback, ManualClock], Awaitable[None]]


def _end(how: str) -> _Ending:
    return {
        "vote": _vote,
        "failure": _fail,
        "default answer": _accept_default,
        "expiry": _expire,
    }[how]


async def _vote(store: Store, question: Callback, _: ManualClock) -> None:
    await vote(store, question)


async def _fail(store: Store, question: Callback, _: ManualClock) -> None:
    await store.accept([factories.answer(question.id, Failed("no budget"))])


async def _accept_default(store: Store, question: Callback, clock: ManualClock) -> None:
    clock.advance(HOUR)
    assert await store.accept_defaults([question.id], factories.outcome_id)


async def _expire(store: Store, question: Callback, _: ManualClock) -> None:
    await store.expire([factories.expiry(question)])
