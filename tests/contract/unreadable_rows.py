"""The contract of every store for unreadable rows: the others of a batch are served."""

import logging
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any, Final

import pytest
from sqlalchemy import text

from ringback.domain.audit import AuditKind
from ringback.domain.callback import Callback, State
from ringback.domain.errors import UnreadableCallbackError
from ringback.domain.ids import CallbackId
from ringback.domain.liveness import PollResult, ReceivedHeartbeat, SentHeartbeat
from ringback.domain.options import HeartbeatBy
from ringback.domain.outcome import Completed, Failed
from ringback.ports.store import CallbackQuery
from ringback.store.database import Database
from ringback.testing import ManualClock
from tests import factories
from tests.contract.api_keys import new_key
from tests.contract.stores import LEASE, SECOND, Store, entries_of, found, state_of
from tests.contract.tracked import CALM, TIMEOUT, pending

MINUTE: Final = timedelta(minutes=1)

_TOO_LONG_A_NUMBER: Final = '{"n": ' + "1" * 5000 + "}"

_ANYWHERE: Final = (
    "attempts = 'never'",
    "heartbeat = 'moon'",
    "tags = '5'",
    "tags = '[1]'",
    "metadata = '[]'",
    f"metadata = '{_TOO_LONG_A_NUMBER}'",
    "attempt_started_at = 9223372036854775807",
    "opened_at = -9223372036854775807",
    "on_deadline_kind = 'maybe'",
    "on_deadline_kind = 'failed', on_deadline_fields = '{}'",
)

_ON_SQLITE: Final = ("metadata = '{'", "attempt = 'first'", "title = x'ff'", "opened_at = 'soon'")
"""Values that PostgreSQL rejects."""


def spoilings(database: Database) -> Sequence[str]:
    return (*_ANYWHERE, *_ON_SQLITE) if database.dialect == "sqlite" else _ANYWHERE


async def execute(database: Database, statement: str, **values: Any) -> None:
    async with database.writing() as connection:
        await connection.execute(text(statement), values)


class Batch:
    """A batch with one callback unreadable in each way, before and after readable ones."""

    def __init__(self, callbacks: Sequence[Callback], database: Database) -> None:
        self.all = callbacks
        self.good = [callbacks[0], callbacks[-1]]
        self._spoiled = callbacks[1:-1]
        self._database = database

    @property
    def ids(self) -> set[CallbackId]:
        """The readable callbacks."""
        return {callback.id for callback in self.good}

    @property
    def spoiled_ids(self) -> list[CallbackId]:
        return [callback.id for callback in self._spoiled]

    async def spoil(self) -> None:
        for callback, spoiling in zip(self._spoiled, spoilings(self._database), strict=True):
            statement = f"UPDATE callbacks SET {spoiling} WHERE id = :id"  # noqa: S608 - our own
            await execute(self._database, statement.replace('": ', '"\\: '), id=callback.id)


async def opened_batch(store: Store, database: Database) -> Batch:
    count = len(spoilings(database)) + 2
    requests = [
        factories.request(
            deadline=MINUTE,
            on_deadline=Completed(b"0"),
            heartbeat=HeartbeatBy.GATEWAY,
            heartbeat_timeout=TIMEOUT,
            notify_url="https://outside.example/",
        )
        for _ in range(count)
    ]
    return Batch(await store.open(requests), database)


def ids_of(callbacks: Iterable[Callback]) -> set[CallbackId]:
    return {callback.id for callback in callbacks}


class UnreadableRowsContract:
    async def test_claim_serves_the_readable_outcomes_of_a_batch(
        self, store: Store, database: Database
    ) -> None:
        batch = await opened_batch(store, database)
        await store.accept([factories.answer(one.id) for one in batch.all])
        await batch.spoil()

        claimed = await store.claim("me", limit=100, lease=LEASE)

        assert ids_of(claimed) == batch.ids
        assert await store.claim("me", limit=100, lease=LEASE) == []
        assert await store.next_due() == LEASE

    @pytest.mark.parametrize("spoiling", ["kind = 'maybe'", "fields = '[]'", "fields = '{}'"])
    async def test_claim_leaves_out_unreadable_outcome(
        self, store: Store, database: Database, spoiling: str
    ) -> None:
        bad, good = await store.open([factories.request(), factories.request()])
        await store.accept([factories.answer(one.id, Failed("no")) for one in (bad, good)])
        statement = f"UPDATE outcomes SET {spoiling} WHERE callback_id = :id"  # noqa: S608 - our own
        await execute(database, statement, id=bad.id)

        assert ids_of(await store.claim("me", limit=100, lease=LEASE)) == {good.id}

    async def test_answers_and_verdicts_of_unreadable_callbacks_are_stored_with_the_others(
        self, store: Store, database: Database
    ) -> None:
        batch = await opened_batch(store, database)
        await batch.spoil()

        accepted = await store.accept([factories.answer(one.id) for one in batch.all])
        await store.settle([
            factories.settlement(await found(store, one.id), State.APPLIED) for one in batch.good
        ])

        assert None not in accepted
        assert [await state_of(store, one.id) for one in batch.good] == [State.APPLIED] * 2

    async def test_polls_are_claimed_and_saved_for_readable_callbacks(
        self, store: Store, database: Database, clock: ManualClock
    ) -> None:
        batch = await opened_batch(store, database)
        await batch.spoil()
        clock.advance(SECOND)
        attempt_timeout_at = clock.now() + MINUTE

        claim = await store.claim_polls(limit=100, lease=LEASE)
        again = await store.claim_polls(limit=100, lease=LEASE)
        await store.save_poll_results([
            PollResult(
                one.id,
                one.attempt_started_at,
                pending(one, attempt_timeout_at=attempt_timeout_at),
                MINUTE,
            )
            for one in batch.all
        ])

        assert ids_of(claim.callbacks) == batch.ids
        assert again.callbacks == []
        assert [(await found(store, id_)).attempt_timeout_at for id_ in batch.ids] == [
            attempt_timeout_at
        ] * 2

    async def test_default_answers_are_accepted_for_readable_callbacks(
        self, store: Store, database: Database, clock: ManualClock
    ) -> None:
        batch = await opened_batch(store, database)
        await batch.spoil()
        clock.advance(MINUTE)

        due = await store.due_defaults(limit=100)
        taken = await store.accept_defaults([one.id for one in batch.all], factories.outcome_id)

        assert ids_of(due) == batch.ids
        assert set(taken) == batch.ids
        assert await store.next_default() == MINUTE
        assert await store.due_defaults(limit=100) == []

    async def test_unreadable_due_callbacks_do_not_hide_the_others(
        self, store: Store, database: Database, clock: ManualClock
    ) -> None:
        batch = await opened_batch(store, database)
        await batch.spoil()
        clock.advance(MINUTE)
        seen: set[CallbackId] = set()

        for _ in range(len(batch.all)):
            due = await store.due_defaults(limit=1)
            seen |= ids_of(due)
            await store.postpone_defaults([one.id for one in due], MINUTE)

        assert seen == batch.ids

    async def test_heartbeats_are_claimed_and_saved_for_readable_callbacks(
        self, store: Store, database: Database, clock: ManualClock
    ) -> None:
        batch = await opened_batch(store, database)
        await batch.spoil()
        clock.advance(TIMEOUT)

        claimed = await store.claim_heartbeats(limit=100, lease=LEASE)
        noted = await store.receive_heartbeats(
            [ReceivedHeartbeat(one.id, b"1") for one in batch.all], lease=LEASE
        )
        await store.save_sent_heartbeats([
            SentHeartbeat(
                one.id, one.attempt_started_at, one.heartbeat_state.heartbeat_received_at, CALM
            )
            for one in batch.all
        ])

        assert ids_of(claimed) == batch.ids
        assert ids_of(one.callback for one in noted if one.callback is not None) == batch.ids
        assert await store.claim_heartbeats(limit=100, lease=LEASE) == []
        assert [
            (await found(store, id_)).heartbeat_state.heartbeat_sent_at for id_ in batch.ids
        ] == [clock.now()] * 2

    @pytest.mark.parametrize(
        "spoiling",
        ["url = 'http://['", "kind = 'rumour'", "facts = '[]'", "at = 9223372036854775807"],
    )
    async def test_readable_webhooks_of_a_batch_are_claimed(
        self, store: Store, database: Database, spoiling: str
    ) -> None:
        batch = await opened_batch(store, database)
        bad, *good = batch.all
        await store.accept([factories.answer(one.id) for one in batch.all])
        statement = f"UPDATE webhooks SET {spoiling} WHERE callback_id = :id"  # noqa: S608 - our own
        await execute(database, statement, id=bad.id)

        claimed = await store.claim_webhooks(limit=100, lease=LEASE)

        assert {webhook.callback_id for webhook in claimed} == ids_of(good)
        assert await store.claim_webhooks(limit=100, lease=LEASE) == []

    async def test_pages_and_overdue_list_the_readable_callbacks(
        self, store: Store, database: Database, clock: ManualClock
    ) -> None:
        batch = await opened_batch(store, database)
        await batch.spoil()
        # Lists do not read these columns.
        await execute(database, "UPDATE callbacks SET on_deadline_kind = NULL")
        listed = batch.ids | set(batch.spoiled_ids[8:10])
        clock.advance(2 * MINUTE)

        first = await store.page(CallbackQuery(states=frozenset(State)), after=None, limit=2)
        rest = await store.page(
            CallbackQuery(states=frozenset(State)), after=first[-1].id, limit=99
        )
        overdue = await store.overdue(limit=99)

        assert len(first) == 2
        assert ids_of([*first, *rest]) == listed
        assert ids_of(overdue) == listed

    async def test_unreadable_entry_is_left_out_of_audit_trail(
        self, store: Store, database: Database
    ) -> None:
        (callback,) = await store.open([factories.request()])
        await store.mark_submitted([callback.id])
        await execute(database, "UPDATE audit_trail SET kind = 'rumour' WHERE kind = 'opened'")

        assert [entry.kind for entry in await store.audit_trail(callback.id)] == [
            AuditKind.SUBMITTED
        ]
        assert await entries_of(store, callback.id, AuditKind.OPENED) == []

    async def test_api_key_with_unknown_role_is_not_found(
        self, store: Store, database: Database
    ) -> None:
        await store.add_key(new_key("a"))
        good = await store.add_key(new_key("b"))
        await execute(database, "UPDATE api_keys SET role = 'king' WHERE id = 'a'")

        assert await store.all_keys() == [good]
        assert await store.find_key(new_key("a").id) is None

    async def test_unreadable_callback_raises_and_is_logged_once(
        self, store: Store, database: Database, caplog: pytest.LogCaptureFixture
    ) -> None:
        bad, good = await store.open([factories.request(), factories.request()])
        await execute(database, "UPDATE callbacks SET attempts = 'x' WHERE id = :id", id=bad.id)

        with caplog.at_level(logging.ERROR):
            for _ in range(3):
                with pytest.raises(UnreadableCallbackError, match=bad.id):
                    await store.find([bad.id, good.id])

        (line,) = caplog.records
        assert vars(line)["callback_id"] == bad.id
        assert "'x' is not a valid Attempts" in line.message

    async def test_activity_with_unreadable_callback_opens_no_other(
        self, store: Store, database: Database
    ) -> None:
        ref = factories.activity_ref()
        (bad,) = await store.open([factories.request(ref=ref)])
        await execute(database, "UPDATE callbacks SET attempts = 'x' WHERE id = :id", id=bad.id)

        with pytest.raises(UnreadableCallbackError, match=bad.id):
            await store.open([factories.request(ref=ref, attempt=2)])
