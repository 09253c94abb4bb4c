"""The contract of every store for what ended long ago."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

import pytest
from sqlalchemy import func, select

from ringback.domain.callback import Callback, State
from ringback.domain.event import EventEnd, EventState
from ringback.domain.outcome import Completed, Failed
from ringback.domain.policy import Policy
from ringback.ports.notifications import Failure
from ringback.ports.retention import RecordKind
from ringback.ports.webhooks import WebhookEnd
from ringback.store.database import Database
from ringback.store.event_tables import deliveries, events
from ringback.store.retention import BELONGING
from ringback.store.tables import callbacks, metadata
from ringback.testing import ManualClock
from tests import factories, people
from tests.contract.aliases import open_with
from tests.contract.events import RUN, claim, delivery, event, stored
from tests.contract.sessions import URL, new_session, person
from tests.contract.stores import (
    LEASE,
    SECOND,
    Store,
    in_state,
    settled,
)
from tests.contract.votes import cast
from tests.people import ballot

DAY: Final = timedelta(days=1)
KEPT: Final = 90 * DAY


async def purge(
    store: Store,
    *ended: Callback,
    older_than: timedelta = KEPT,
    kind: RecordKind = RecordKind.CALLBACKS,
) -> Mapping[str, int]:
    return await store.ended[kind].purge([one.id for one in ended], older_than)


async def ended_ids(
    store: Store, *, limit: int = 100, kind: RecordKind = RecordKind.CALLBACKS
) -> list[str]:
    """Return the ids of all windows, in their order."""
    found: list[str] = []
    after: str | None = None
    while True:
        window = await store.ended[kind].find_ended(KEPT, after=after, limit=limit)
        found += window.ids
        after = window.after
        if after is None:
            return found


async def purge_events(store: Store) -> Mapping[str, int]:
    found = await ended_ids(store, kind=RecordKind.EVENTS)
    return await store.ended[RecordKind.EVENTS].purge(found, KEPT)


async def count_rows(database: Database) -> dict[str, int]:
    async with database.writing() as connection:
        counts = {
            table.name: await connection.scalar(select(func.count()).select_from(table))
            for table in (callbacks, *BELONGING, events, deliveries)
        }
    return {name: count for name, count in counts.items() if count}


async def ended_with_everything(store: Store) -> Callback:
    """Return an ended callback with rows in every table that refers to callbacks."""
    request = factories.request(
        policy=Policy(assignees=("group:finance",)),
        tags=["eu"],
        aliases=[RUN],
        notify_url="https://outside.example/notify",
        notify=["mail:ada@example.org"],
    )
    (callback,) = await store.open([request])
    await cast(store, ballot(callback.id, people.person("Cy", "finance"), body=b'{"n": 1}'))
    answered = (await store.find([callback.id]))[callback.id]
    await store.settle([factories.settlement(answered)])
    await store.store_evidence([factories.answer(callback.id, Completed(b'"other"'))])
    await send_all(store)
    return callback


async def send_all(store: Store) -> None:
    webhooks = await store.claim_webhooks(limit=100, lease=LEASE)
    await store.end_webhooks([WebhookEnd(one.id, None) for one in webhooks])
    for message in await store.claim_notifications(limit=100, lease=LEASE):
        await store.fail_notification(Failure(message, "no such address", None))


class RetentionContract:
    async def test_every_row_of_a_purged_callback_is_deleted(
        self, store: Store, database: Database, clock: ManualClock
    ) -> None:
        callback = await ended_with_everything(store)
        before = await count_rows(database)
        clock.advance(KEPT)

        counts = await purge(store, callback)

        assert set(before) == {"callbacks", *(table.name for table in BELONGING)}
        assert counts == before
        assert await count_rows(database) == {}
        assert await purge(store, callback) == {}

    async def test_all_tables_that_refer_to_callbacks_are_purged(self) -> None:
        referring = {
            table.name
            for table in metadata.tables.values()
            if any(key.column.table is callbacks for key in table.foreign_keys)
        }

        assert referring == {table.name for table in BELONGING}

    @pytest.mark.parametrize("state", [State.APPLIED, State.SUPERSEDED, State.EXPIRED])
    async def test_ended_callback_is_purged_when_it_is_old_enough(
        self, store: Store, clock: ManualClock, state: State
    ) -> None:
        callback = await in_state(store, state)
        clock.advance(KEPT - SECOND)
        early = (await ended_ids(store), await purge(store, callback))

        clock.advance(SECOND)

        assert early == ([], {})
        assert await ended_ids(store) == [callback.id]
        assert (await purge(store, callback))["callbacks"] == 1
        assert await store.find([callback.id]) == {}
        assert await store.audit_trail(callback.id) == []

    @pytest.mark.parametrize("state", [State.OPEN, State.ACCEPTED, State.PARKED])
    async def test_callback_that_has_not_ended_is_never_purged(
        self, store: Store, clock: ManualClock, state: State
    ) -> None:
        callback = await in_state(store, state)
        clock.advance(100 * KEPT)

        assert await ended_ids(store) == []
        assert await purge(store, callback) == {}
        assert (await store.find([callback.id]))[callback.id].state is state

    async def test_callback_stays_until_its_webhooks_have_ended(
        self, store: Store, clock: ManualClock
    ) -> None:
        request = factories.request(notify_url="https://outside.example/notify")
        (callback,) = await store.open([request])
        await store.expire([factories.expiry(callback)])
        clock.advance(KEPT)

        early = await purge(store, callback)
        await send_all(store)

        assert early == {}
        assert (await purge(store, callback))["webhooks"] == 1

    async def test_callback_stays_until_its_messages_have_ended(
        self, store: Store, clock: ManualClock
    ) -> None:
        (callback,) = await store.open([factories.request(notify=["mail:ada@example.org"])])
        await store.expire([factories.expiry(callback)])
        clock.advance(KEPT)

        early = await purge(store, callback)
        await send_all(store)

        assert early == {}
        assert (await purge(store, callback))["notifications"] == 1

    async def test_windows_return_each_ended_callback_once_oldest_first(
        self, store: Store, clock: ManualClock
    ) -> None:
        ended = []
        for _ in range(7):
            clock.advance(SECOND)
            ended.append((await settled(store, State.APPLIED)).id)
        clock.advance(KEPT)

        assert [await ended_ids(store, limit=limit) for limit in (1, 3, 7, 100)] == [ended] * 4

    async def test_unknown_place_raises(self, store: Store) -> None:
        for place in ("", "x", "1.2", "1.x.y", "1.2.3.4"):
            with pytest.raises(ValueError, match="not a place"):
                await store.ended[RecordKind.CALLBACKS].find_ended(KEPT, after=place, limit=1)

    async def test_dry_run_counts_and_deletes_nothing(
        self, store: Store, database: Database, clock: ManualClock
    ) -> None:
        callback = await ended_with_everything(store)
        clock.advance(KEPT)
        before = await count_rows(database)

        counts = await store.ended[RecordKind.CALLBACKS].purge([callback.id], KEPT, dry_run=True)

        assert counts == before
        assert await count_rows(database) == before

    async def test_exported_callback_has_all_its_rows_but_no_token(
        self, store: Store, database: Database, clock: ManualClock
    ) -> None:
        callback = await ended_with_everything(store)
        clock.advance(KEPT)

        (record,) = await store.ended[RecordKind.CALLBACKS].export([callback.id])

        rows = {name: len(rows) for name, rows in record.content.items()}
        text = json.dumps(record.content)
        assert record.id == callback.id
        assert rows == await count_rows(database)
        assert "a task token" not in text
        assert json.loads(text)["votes"][0]["body"] == '{"n": 1}'
        assert json.loads(text)["callbacks"][0]["closed_at"] == "2030-01-01T00:00:00Z"

    async def test_callback_that_changed_after_its_export_stays(
        self, store: Store, clock: ManualClock
    ) -> None:
        ended = store.ended[RecordKind.CALLBACKS]
        callback = await settled(store, State.APPLIED)
        clock.advance(KEPT)
        (record,) = await ended.export([callback.id])
        await store.store_evidence([factories.answer(callback.id, Completed(b'"other"'))])

        stays = await ended.purge([callback.id], KEPT, versions={record.id: record.version})
        (again,) = await ended.export([callback.id])
        goes = await ended.purge([callback.id], KEPT, versions={again.id: again.version})

        assert stays == {}
        assert goes["callbacks"] == 1

    async def test_export_leaves_out_what_must_stay(self, store: Store) -> None:
        (callback,) = await store.open([factories.request(notify=["mail:ada@example.org"])])
        await store.expire([factories.expiry(callback)])

        assert await store.ended[RecordKind.CALLBACKS].export([callback.id, "cb_other"]) == []

    async def test_alias_of_a_purged_callback_is_free(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await open_with(store, RUN)
        await store.expire([factories.expiry(callback)])
        clock.advance(KEPT)
        await purge(store, callback)

        found = await store.find_aliases("default", [RUN])
        await stored(store)
        waiting = await claim(store)
        later = await open_with(store, RUN)

        assert found == {}
        assert waiting == []
        assert [one.alias for one in await claim(store)] == [RUN]
        assert later.id != callback.id

    async def test_later_attempt_of_a_purged_activity_opens_a_new_callback(
        self, store: Store, clock: ManualClock
    ) -> None:
        ref = factories.activity_ref()
        (first,) = await store.open([factories.request(ref=ref)])
        await store.expire([factories.expiry(first)])
        clock.advance(KEPT)
        await purge(store, first)

        (second,) = await store.open([factories.request(ref=ref, attempt=2)])

        assert second.id != first.id
        assert second.state is State.OPEN

    async def test_purge_of_one_generation_leaves_the_next(
        self, store: Store, clock: ManualClock
    ) -> None:
        first = await settled(store, State.APPLIED, Failed("try again"))
        (second,) = await store.open([factories.request(ref=first.ref, attempt=2)])
        clock.advance(KEPT)

        await purge(store, first)

        (again,) = await store.open([factories.request(ref=first.ref, attempt=3)])
        assert again.id == second.id != first.id
        assert again.generation == second.generation

    async def test_ended_event_is_purged_with_its_delivery(
        self, store: Store, database: Database, clock: ManualClock
    ) -> None:
        await stored(store, event(None), event(None))
        clock.advance(KEPT - SECOND)
        early = await purge_events(store)
        clock.advance(SECOND)

        counts = await purge_events(store)

        assert early == {}
        assert counts == {"events": 2, "source_deliveries": 1}
        assert await count_rows(database) == {}

    async def test_waiting_event_stays_until_it_has_ended(
        self, store: Store, clock: ManualClock
    ) -> None:
        await stored(store, event(), event(None))
        clock.advance(KEPT)
        early = await purge_events(store)
        (waiting,) = await claim(store)
        await store.end_events([EventEnd(waiting, EventState.UNMATCHED)])
        just_ended = await purge_events(store)
        clock.advance(KEPT)

        assert early == just_ended == {}
        assert await purge_events(store) == {"events": 2, "source_deliveries": 1}

    async def test_event_stays_as_long_as_its_callback(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await open_with(store, RUN)
        await stored(store)
        (waiting,) = await claim(store)
        await store.end_events([EventEnd(waiting, EventState.MATCHED, None, callback.id)])
        clock.advance(KEPT)
        await store.expire([factories.expiry(callback)])
        early = await purge_events(store)
        clock.advance(KEPT)
        with_callback = await purge_events(store)
        await purge(store, callback)

        assert early == with_callback == {}
        assert await purge_events(store) == {"events": 1, "source_deliveries": 1}

    async def test_delivery_is_a_duplicate_until_it_is_purged(
        self, store: Store, clock: ManualClock
    ) -> None:
        await stored(store, event(None))
        clock.advance(KEPT)
        duplicate = await store.store_deliveries([delivery(event(None))])
        await purge_events(store)

        assert duplicate == [False]
        assert await store.store_deliveries([delivery(event(None))]) == [True]

    async def test_windows_return_each_delivery_once(
        self, store: Store, clock: ManualClock
    ) -> None:
        for key in "abcde":
            await stored(store, event(None), key=key)
        clock.advance(KEPT)
        await stored(store, event(None), key="new")

        pages = [await ended_ids(store, limit=n, kind=RecordKind.EVENTS) for n in (1, 2, 5, 9)]

        assert [len(page) for page in pages] == [5] * 4
        assert all(page == sorted(set(page)) for page in pages)

    async def test_dry_run_counts_events(self, store: Store, clock: ManualClock) -> None:
        await stored(store, event(None))
        clock.advance(KEPT)
        found = await ended_ids(store, kind=RecordKind.EVENTS)

        counts = await store.ended[RecordKind.EVENTS].purge(found, KEPT, dry_run=True)

        assert counts == await purge_events(store) == {"events": 1, "source_deliveries": 1}

    async def test_exported_delivery_has_its_events(self, store: Store, clock: ManualClock) -> None:
        await store.store_deliveries([delivery(event(None), body=b"\xff\x00")])
        clock.advance(KEPT)
        found = await ended_ids(store, kind=RecordKind.EVENTS)

        (record,) = await store.ended[RecordKind.EVENTS].export(found)

        (row,) = record.content["source_deliveries"]
        assert row["body"] == {"base64": "/wA="}
        assert [one["state"] for one in record.content["events"]] == ["ignored"]

    async def test_expired_sessions_are_purged(self, store: Store, clock: ManualClock) -> None:
        await store.add_session(new_session(), person())
        await store.add_sign_in_url(URL, person(), lifetime=DAY)
        clock.advance(31 * DAY)
        early = await store.purge_sessions()
        clock.advance(SECOND)

        assert _some(early) == {}
        assert _some(await store.purge_sessions()) == {"sessions": 1, "sign_in_urls": 1}

    async def test_evidence_of_a_purged_callback_is_not_stored(
        self, store: Store, database: Database, clock: ManualClock
    ) -> None:
        callback = await settled(store, State.APPLIED)
        clock.advance(KEPT)
        await purge(store, callback)

        await store.store_evidence([factories.answer(callback.id)])

        assert await store.accept([factories.answer(callback.id)]) == [None]
        assert await store.revoke(callback.id) is None
        assert await count_rows(database) == {}


def _some(counts: Mapping[str, int]) -> dict[str, int]:
    return {name: count for name, count in counts.items() if count}
