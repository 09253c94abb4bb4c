"""The contract of every store for bodies that are dropped before their records are deleted."""

from datetime import timedelta
from typing import Final

import pytest
from sqlalchemy import text

from ringback.domain.audit import AuditKind
from ringback.domain.callback import Callback, State
from ringback.domain.encrypted_body import EncryptedBody, is_encrypted
from ringback.domain.event import EventEnd, EventState
from ringback.domain.outcome import (
    Canceled,
    Completed,
    Failed,
    Outcome,
    is_dropped,
    is_same_answer,
    read_seal,
    to_body,
)
from ringback.domain.policy import Policy
from ringback.ports.retention import RecordKind
from ringback.store.database import Database
from ringback.testing import ManualClock
from tests import factories, people
from tests.contract.aliases import open_with
from tests.contract.events import RUN, claim, delivery, event, stored
from tests.contract.stores import Store, entries_of, found, in_state, outcome_of, settled
from tests.contract.votes import cast, votes_of
from tests.people import ballot

DAY: Final = timedelta(days=1)
HUSH: Final = b'{"hush": 1}'


async def drop(store: Store, *ended: Callback) -> int:
    return await store.bodies[RecordKind.CALLBACKS].drop_bodies([one.id for one in ended], DAY)


async def drop_events(store: Store) -> int:
    bodies = store.bodies[RecordKind.EVENTS]
    window = await bodies.find_bodies(DAY, after=None, limit=10)
    return await bodies.drop_bodies(window.ids, DAY)


async def with_bodies(store: Store, limit: int = 10) -> list[str]:
    seen: list[str] = []
    after: str | None = None
    while True:
        window = await store.bodies[RecordKind.CALLBACKS].find_bodies(DAY, after=after, limit=limit)
        seen += window.ids
        after = window.after
        if after is None:
            return seen


async def is_stored(database: Database, secret: str) -> bool:
    """Return whether any body or fact still contains `secret`."""
    columns = {
        "outcomes": ("body",),
        "votes": ("body",),
        "audit_trail": ("facts",),
        "events": ("body",),
        "source_deliveries": ("body", "headers"),
        "callbacks": ("heartbeat_details", "on_deadline_body", "task_token"),
    }
    async with database.writing() as connection:
        for table, names in columns.items():
            for row in await connection.execute(text(f"SELECT * FROM {table}")):  # noqa: S608 - a name of ours
                if any(secret in _shown(getattr(row, name)) for name in names):
                    return True
    return False


def _shown(value: object) -> str:
    return bytes(value).decode("latin-1") if isinstance(value, bytes | memoryview) else str(value)


class DroppedBodiesContract:
    @pytest.mark.parametrize(
        ("answer", "other"),
        [
            (Completed(HUSH), Completed(b'{"hush": 2}')),
            (Completed(b"true"), Completed(b"false")),
            (Failed("no", details=b'["hush"]'), Failed("no", details=b"[]")),
            (Failed("no", details=b'["hush"]'), Failed("yes", details=b'["hush"]')),
            (Canceled(b'"hush"'), Canceled(None)),
            (Completed(b'"hush"'), Canceled(b'"hush"')),
        ],
    )
    async def test_same_answer_is_recognized_without_its_body(
        self, store: Store, clock: ManualClock, answer: Outcome, other: Outcome
    ) -> None:
        callback = await settled(store, State.APPLIED, answer)
        clock.advance(DAY)

        assert await drop(store, callback) == 1

        kept = outcome_of(await found(store, callback.id)).outcome
        assert kept != answer
        assert is_same_answer(kept, answer)
        assert not is_same_answer(kept, other)

    async def test_of_an_encrypted_body_only_the_seal_is_left(
        self, store: Store, clock: ManualClock
    ) -> None:
        body = EncryptedBody("the-seal", b"\xff\x00hush").to_bytes()
        callback = await settled(store, State.APPLIED, Completed(body))
        before = outcome_of(await found(store, callback.id)).outcome
        clock.advance(DAY)

        await drop(store, callback)

        kept = to_body(outcome_of(await found(store, callback.id)).outcome)
        assert before == Completed(body)
        assert kept is not None
        assert is_dropped(kept)
        assert not is_encrypted(kept)
        assert read_seal(kept) == "the-seal"

    async def test_json_is_still_compared_by_value(self, store: Store, clock: ManualClock) -> None:
        callback = await settled(store, State.APPLIED, Completed(b'{"a": 1.0, "b": [2]}'))
        clock.advance(DAY)
        await drop(store, callback)

        kept = outcome_of(await found(store, callback.id)).outcome
        assert is_same_answer(kept, Completed(b'{"b":[2e0],"a":1}'))
        assert not is_same_answer(kept, Completed(b'{"b":["2"],"a":1}'))

    async def test_no_body_of_a_callback_is_left(
        self, store: Store, database: Database, clock: ManualClock
    ) -> None:
        policy = Policy(assignees=("group:finance",))
        (callback,) = await store.open([factories.request(policy=policy, task_token=b"hush")])
        await cast(store, ballot(callback.id, people.person("Cy", "finance"), body=HUSH))
        await store.settle([factories.settlement(await found(store, callback.id))])
        await store.store_evidence([factories.answer(callback.id, Completed(b'"hush"'))])
        clock.advance(DAY)
        before = await is_stored(database, "hush")

        await drop(store, callback)

        assert before
        assert not await is_stored(database, "hush")
        (evidence,) = await entries_of(store, callback.id, AuditKind.ANSWERED_DIFFERENTLY)
        assert evidence.facts == {"kind": "completed", "body": None}
        (vote,) = await votes_of(store, callback)
        assert is_same_answer(Completed(vote.body), Completed(HUSH))

    async def test_bodies_stay_until_they_are_old_enough(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await settled(store, State.APPLIED, Completed(HUSH))
        clock.advance(DAY - timedelta(seconds=1))

        assert await with_bodies(store) == []
        assert await drop(store, callback) == 0
        assert outcome_of(await found(store, callback.id)).outcome == Completed(HUSH)

    @pytest.mark.parametrize("state", [State.OPEN, State.ACCEPTED, State.PARKED])
    async def test_bodies_of_a_callback_that_has_not_ended_stay(
        self, store: Store, clock: ManualClock, state: State
    ) -> None:
        callback = await in_state(store, state)
        clock.advance(100 * DAY)

        assert await with_bodies(store) == []
        assert await drop(store, callback) == 0

    async def test_answer_that_a_later_attempt_may_continue_with_stays(
        self, store: Store, clock: ManualClock
    ) -> None:
        (callback,) = await store.open([factories.request(resume=True)])
        await store.accept([factories.answer(callback.id, Completed(HUSH))])
        await store.settle([factories.settlement(await found(store, callback.id))])
        clock.advance(DAY)

        assert await drop(store, callback) == 0
        assert outcome_of(await found(store, callback.id)).outcome == Completed(HUSH)

    async def test_later_attempt_of_an_answer_without_body_asks_again(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await settled(store, State.APPLIED, Completed(HUSH))
        clock.advance(DAY)
        await drop(store, callback)

        (again,) = await store.open([factories.request(ref=callback.ref, attempt=2)])

        assert again.id != callback.id
        assert again.state is State.OPEN

    async def test_each_window_has_only_callbacks_with_bodies(
        self, store: Store, clock: ManualClock
    ) -> None:
        ended = [await settled(store, State.APPLIED) for _ in range(5)]
        clock.advance(DAY)
        await drop(store, ended[0])

        assert [len(await with_bodies(store, limit=n)) for n in (1, 2, 4, 9)] == [4] * 4
        assert await drop(store, ended[0]) == 0

    async def test_callback_without_bodies_is_purged(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await settled(store, State.APPLIED)
        clock.advance(DAY)
        await drop(store, callback)
        ended = store.ended[RecordKind.CALLBACKS]
        first = await ended.find_ended(DAY, after=None, limit=10)
        second = await ended.find_ended(DAY, after=first.after, limit=10)

        assert [*first.ids, *second.ids] == [callback.id]
        assert (await ended.purge(second.ids, DAY))["callbacks"] == 1

    async def test_request_of_an_ended_event_is_dropped_and_stays_a_duplicate(
        self, store: Store, database: Database, clock: ManualClock
    ) -> None:
        sent = delivery(event(None), body=HUSH)
        await store.store_deliveries([sent])
        clock.advance(DAY)

        assert await drop_events(store) == 1
        assert await drop_events(store) == 0
        assert not await is_stored(database, "hush")
        assert await store.store_deliveries([delivery(event(None), body=HUSH)]) == [False]
        record = await store.find_event("default", sent.events[0].id)
        assert record is not None
        assert (record.body, record.answer, record.headers) == (None, None, {})

    async def test_request_stays_while_its_callback_has_not_ended(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await open_with(store, RUN)
        await stored(store)
        (waiting,) = await claim(store)
        await store.end_events([EventEnd(waiting, EventState.MATCHED, None, callback.id)])
        clock.advance(DAY)
        early = await drop_events(store)
        await store.expire([factories.expiry(callback)])

        assert early == 0
        assert await drop_events(store) == 1

    async def test_request_stays_while_an_event_waits(
        self, store: Store, clock: ManualClock
    ) -> None:
        await stored(store, event(), event(None))
        clock.advance(DAY)

        assert await drop_events(store) == 0
