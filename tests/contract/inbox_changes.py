"""The contract of every store for searches, counts and changes of the inbox."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from ringback.domain.callback import Callback
from ringback.domain.ids import CallbackId
from ringback.domain.inbox import Show, UnsentMessages
from ringback.domain.notification import Notification
from ringback.domain.policy import Policy
from ringback.domain.policy_checks import Escalation
from ringback.ports.notifications import Failure, Shown
from ringback.testing import ManualClock
from tests import factories
from tests.contract.questions import (
    ADA,
    ALL,
    GROUPS,
    MINE,
    all_pages,
    ask,
    claim_it,
    decided,
    listed,
    reassign_it,
    vote,
)
from tests.contract.stores import LEASE, SECOND, Store, opened

BOB, CYD = "user:bob@example.org", "user:cyd@example.org"


class InboxChangesContract:
    @pytest.mark.parametrize(
        "words",
        ["INVOICE", "größe", "GRÖSSE", "order-17", "vip", "100 %", "a_b", "invoice vip", "  "],
    )
    async def test_search_finds_all_words_in_any_case(self, store: Store, words: str) -> None:
        wanted = await ask(
            store,
            "group:finance",
            title="Pay the invoice",
            description="Größe: 100 % a_b",
            tags=("VIP",),
            workflow_id="order-17",
        )

        assert await listed(store, replace(GROUPS, text=words)) == [wanted.id]

    @pytest.mark.parametrize("words", ["invoice contract", "100%%", "a-b", "acb", "group:finance"])
    async def test_search_leaves_out_questions_that_lack_a_word(
        self, store: Store, words: str
    ) -> None:
        await ask(store, "group:finance", title="Pay the invoice", description="100 % a_b")

        assert await listed(store, replace(GROUPS, text=words)) == []

    async def test_search_finds_decided_questions(self, store: Store) -> None:
        wanted = await ask(store, "group:finance", title="Invoice")
        other = await ask(store, "group:finance", title="Contract")
        await vote(store, wanted)
        await vote(store, other)

        for query in (MINE, GROUPS, ALL):
            assert await listed(store, replace(decided(query), text="invoice")) == [wanted.id]

    @pytest.mark.parametrize("query", [GROUPS, decided(GROUPS)], ids=["open", "decided"])
    async def test_search_of_many_questions_continues_where_it_stopped(
        self, store: Store, clock: ManualClock, query: object
    ) -> None:
        assert isinstance(query, type(GROUPS))
        asked = []
        for number in range(20):
            group = "finance" if number % 2 else "legal"
            title = "Invoice" if number % 5 == 0 else "Contract"
            deadline = timedelta(minutes=number + 1)
            asked.append(await ask(store, f"group:{group}", title=title, deadline=deadline))
        if query.show is Show.DECIDED:
            for question in reversed(asked):
                await vote(store, question, replace(ADA, groups=frozenset({"legal", "finance"})))
                clock.advance(SECOND)
        bounded = replace(
            query,
            text="invoice",
            groups=frozenset({"finance", "legal"}),
            limit=2,
            most_searched=6,
        )

        first = await store.find_inbox(bounded)
        found = await all_pages(store, bounded)

        assert first.next is not None
        assert found == [one.id for one in asked[::5]]

    @pytest.mark.parametrize("others", [0, 9], ids=["few", "many"])
    async def test_search_in_groups_leaves_out_questions_of_others_and_voted_ones(
        self, store: Store, others: int
    ) -> None:
        voted = await ask(store, "group:finance", title="Invoice", approvals=2)
        await vote(store, voted)
        wanted = [await ask(store, f"group:{one}", title="Invoice") for one in ("finance", "legal")]
        for _ in range(others):
            await ask(store, "group:sales", title="Invoice")
            await ask(store, "group:finance", title="Contract")
        groups = frozenset({"finance", "legal"})
        query = replace(GROUPS, groups=groups, text="invoice", limit=4, most_searched=6)

        assert sorted(await all_pages(store, query)) == sorted(one.id for one in wanted)

    async def test_counts_are_exact_up_to_the_limit(self, store: Store) -> None:
        for _ in range(3):
            await ask(store, "group:finance", "group:legal")
        await ask(store, "user:ada@example.org")
        groups = replace(GROUPS, groups=frozenset({"finance", "legal"}))
        nobody = replace(GROUPS, groups=frozenset())

        assert await store.count_inbox([MINE, groups, ALL, nobody], most=9) == [1, 3, 4, 0]
        assert await store.count_inbox([groups, ALL], most=2) == [2, 2]

    @pytest.mark.parametrize(
        "change",
        ["open", "vote", "withdraw", "claim", "reassign", "answer", "expire", "extend"],
    )
    async def test_every_change_of_a_question_changes_the_version(
        self, store: Store, clock: ManualClock, change: str
    ) -> None:
        question = await ask(
            store, "group:finance", approvals=2 if change == "vote" else 1, deadline=9 * SECOND
        )
        if change == "withdraw":
            question = await ask(store, "group:finance", approvals=2)
            await vote(store, question)
        clock.advance(SECOND)
        before = await store.inbox_version()

        await _CHANGES[change](store, question)

        assert await store.inbox_version() != before

    async def test_entry_counts_unsent_messages_by_channel_until_they_are_sent(
        self, store: Store, clock: ManualClock
    ) -> None:
        policy = Policy(assignees=(BOB, CYD, "group:finance"))
        question = await ask(store, policy=policy, notify=("mail", "ops"))
        other = await ask(store, "group:finance", notify=("mail",))
        claimed = {
            (one.callback_id, one.channel, one.recipient): one
            for one in await store.claim_notifications(limit=9, lease=LEASE)
        }
        mail, ops = claimed[question.id, "mail", BOB], claimed[question.id, "ops", ""]

        await store.fail_notification(Failure(mail, "refused", None))
        await store.fail_notification(Failure(claimed[question.id, "mail", CYD], "refused", None))
        await store.fail_notification(Failure(ops, "busy", SECOND))

        assert await unsent(store) == {
            question.id: [
                UnsentMessages("mail", 2, is_retrying=False, last_error="refused"),
                UnsentMessages("ops", 1, is_retrying=True, last_error="busy"),
            ],
            other.id: [],
        }
        clock.advance(SECOND)
        (again,) = await store.claim_notifications(limit=9, lease=LEASE)
        await store.end_notification(Shown(again, "s", "d", was_asked=True))
        assert [one.channel for one in (await unsent(store))[question.id]] == ["mail"]

    async def test_escalation_is_not_an_unsent_message(
        self, store: Store, clock: ManualClock
    ) -> None:
        escalate = (Escalation(SECOND, ("user:bob@example.org",)),)
        question = await ask(store, "group:finance", escalate=escalate)
        clock.advance(SECOND)
        await _fail_all(store, await _claim_all(store), None)

        assert await unsent(store) == {question.id: []}

    async def test_list_changes_with_the_first_failure_giving_up_and_success(
        self, store: Store, clock: ManualClock
    ) -> None:
        await ask(store, "group:finance", notify=("ops",))
        states = [await state_of(store)]
        for wait in (SECOND, SECOND, None):
            clock.advance(SECOND)
            await _fail_all(store, await _claim_all(store), wait)
            states.append(await state_of(store))

        first, failing, still_failing, given_up = states
        assert first != failing
        assert failing == still_failing
        assert still_failing != given_up

    async def test_list_changes_when_a_failed_message_is_sent(
        self, store: Store, clock: ManualClock
    ) -> None:
        await ask(store, "group:finance", notify=("ops",))
        await _fail_all(store, await _claim_all(store), SECOND)
        failing = await state_of(store)
        clock.advance(SECOND)

        (again,) = await _claim_all(store)
        await store.end_notification(Shown(again, "s", "d", was_asked=True))

        assert await state_of(store) != failing

    async def test_plain_callback_does_not_change_the_version(self, store: Store) -> None:
        await ask(store, "group:finance")
        before = await store.inbox_version()

        plain = await opened(store)
        await store.accept([factories.answer(plain.id)])

        assert await store.inbox_version() == before


async def unsent(store: Store) -> dict[CallbackId, Sequence[UnsentMessages]]:
    """Return the messages that could not be sent, of each question on the page of the groups."""
    return {one.callback.id: one.unsent for one in (await store.find_inbox(GROUPS)).entries}


async def state_of(store: Store) -> tuple[str, str]:
    """Return what open lists compare."""
    return await store.inbox_version(), await store.inbox_state(GROUPS)


async def _claim_all(store: Store) -> Sequence[Notification]:
    return await store.claim_notifications(limit=9, lease=LEASE)


async def _fail_all(store: Store, claimed: Sequence[Notification], wait: timedelta | None) -> None:
    assert claimed
    for one in claimed:
        await store.fail_notification(Failure(one, "busy", wait))


async def _open(store: Store, _: Callback) -> None:
    await ask(store)


async def _withdraw(store: Store, question: Callback) -> None:
    await store.withdraw(question.id, ADA)


async def _answer(store: Store, question: Callback) -> None:
    await store.accept([factories.answer(question.id)])


async def _expire(store: Store, question: Callback) -> None:
    await store.expire([factories.expiry(question)])


async def _extend(store: Store, question: Callback) -> None:
    await store.extend(question.id, timedelta(hours=1))


async def _reassign(store: Store, question: Callback) -> None:
    await reassign_it(store, question, "group:legal")


_CHANGES: dict[str, Callable[[Store, Callback], Awaitable[None]]] = {
    "open": _open,
    "vote": vote,
    "withdraw": _withdraw,
    "claim": claim_it,
    "reassign": _reassign,
    "answer": _answer,
    "expire": _expire,
    "extend": _extend,
}
