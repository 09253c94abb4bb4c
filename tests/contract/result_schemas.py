"""The contract of every store for result schemas: stored once, and deleted when nobody has them."""

from datetime import timedelta
from typing import Final

from ringback.domain.callback import Callback
from ringback.domain.ids import schema_id
from ringback.ports.retention import RecordKind
from ringback.store.result_schemas import FRESH, UNUSED
from ringback.testing import ManualClock
from tests import factories
from tests.contract.stores import SECOND, Store

TEXTS: Final = ('{"type": "string"}', '{"type": "null"}')
MANY: Final = 100


async def open_with_schema(store: Store, text: str = TEXTS[0]) -> Callback:
    (callback,) = await store.open([factories.request(result_schema=text)])
    return callback


async def delete(store: Store, callback: Callback) -> None:
    await store.expire([factories.expiry(callback)])
    counts = await store.ended[RecordKind.CALLBACKS].purge([callback.id], timedelta(0))
    assert counts["callbacks"] == 1


async def stored_schemas(store: Store) -> set[str]:
    return set((await store.schemas([schema_id(text) for text in TEXTS])).values())


class ResultSchemasContract:
    async def test_schema_is_found_by_its_id(self, store: Store) -> None:
        requests = [factories.request(result_schema=text) for text in [*TEXTS, TEXTS[0]]]

        callbacks = await store.open(requests)
        await store.open([factories.request(result_schema=TEXTS[0])])

        ids = [callback.schema_id or "" for callback in callbacks]
        assert await store.schemas([*ids, "sc_unknown"]) == {
            schema_id(text): text for text in TEXTS
        }
        assert await store.schemas([]) == {}

    async def test_schema_of_no_callback_is_deleted_after_a_day(
        self, store: Store, clock: ManualClock
    ) -> None:
        await delete(store, await open_with_schema(store))
        clock.advance(UNUSED)
        early = await store.purge_schemas(limit=MANY)
        clock.advance(SECOND)

        assert early == (0, 0)
        assert await store.purge_schemas(limit=MANY) == (1, 1)
        assert await stored_schemas(store) == set()

    async def test_schema_of_a_callback_stays_and_is_looked_at_once_a_day(
        self, store: Store, clock: ManualClock
    ) -> None:
        open_, gone = [await open_with_schema(store, text) for text in TEXTS]
        await delete(store, gone)
        clock.advance(UNUSED + SECOND)

        assert await store.purge_schemas(limit=MANY) == (2, 1)
        assert await store.purge_schemas(limit=MANY) == (0, 0)
        assert await stored_schemas(store) == {TEXTS[0]}
        await delete(store, open_)
        clock.advance(UNUSED + SECOND)
        assert await store.purge_schemas(limit=MANY) == (1, 1)

    async def test_schema_that_was_used_within_the_day_is_not_looked_at(
        self, store: Store, clock: ManualClock
    ) -> None:
        await delete(store, await open_with_schema(store))
        clock.advance(FRESH)
        await delete(store, await open_with_schema(store))
        clock.advance(UNUSED)

        assert await store.purge_schemas(limit=MANY) == (0, 0)

    async def test_deleted_schema_is_stored_again(self, store: Store, clock: ManualClock) -> None:
        await delete(store, await open_with_schema(store))
        clock.advance(UNUSED + SECOND)
        await store.purge_schemas(limit=MANY)

        await open_with_schema(store)

        assert await stored_schemas(store) == {TEXTS[0]}

    async def test_schemas_are_deleted_in_batches(self, store: Store, clock: ManualClock) -> None:
        for text in TEXTS:
            await delete(store, await open_with_schema(store, text))
        clock.advance(UNUSED + SECOND)

        assert [await store.purge_schemas(limit=1) for _ in range(3)] == [(1, 1), (1, 1), (0, 0)]
