"""The contract of a SQL store from which several gateways delete concurrently."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

from ringback.domain.callback import State
from ringback.domain.ids import CallbackId
from ringback.domain.outcome import Completed
from ringback.ports.retention import RecordKind
from ringback.store.sql_store import SqlStore
from tests import factories

ROUNDS: Final = 5
MANY: Final = 12
ANY_AGE: Final = timedelta(0)


async def ended(store: SqlStore) -> list[CallbackId]:
    opened = await store.open([factories.request(tags=["t"]) for _ in range(MANY)])
    await store.accept([factories.answer(one.id, Completed(b"1")) for one in opened])
    found = await store.find([one.id for one in opened])
    await store.settle([factories.settlement(one) for one in found.values()])
    return [one.id for one in opened]


async def purge(store: SqlStore, ids: Sequence[str]) -> Mapping[str, int]:
    return await store.ended[RecordKind.CALLBACKS].purge(ids, ANY_AGE)


class ConcurrentRetentionContract:
    """The fixture `stores` is four stores on one database."""

    async def test_every_row_is_deleted_once_by_one_of_several_gateways(
        self, stores: Sequence[SqlStore]
    ) -> None:
        for _ in range(ROUNDS):
            ids = await ended(stores[0])

            counts = await asyncio.gather(*(purge(store, ids) for store in stores))
            rest = await purge(stores[0], ids)

            total = sum((Counter(one) for one in [*counts, rest]), Counter[str]())
            assert total == {
                "callbacks": MANY,
                "outcomes": MANY,
                "tags": MANY,
                "audit_trail": 2 * MANY,
            }

    async def test_evidence_is_deleted_with_its_callback_or_refused(
        self, stores: Sequence[SqlStore]
    ) -> None:
        one, other, third, fourth = stores
        for _ in range(ROUNDS):
            ids = await ended(one)
            late = [factories.answer(id_, Completed(b"2")) for id_ in ids]

            await asyncio.gather(
                purge(one, ids),
                other.store_evidence(late),
                third.accept(late),
                *(fourth.revoke(id_) for id_ in ids),
            )
            await purge(one, ids)

            assert await one.find(ids) == {}
            assert [await one.audit_trail(id_) for id_ in ids] == [[]] * MANY

    async def test_open_callbacks_are_answered_while_others_are_deleted(
        self, stores: Sequence[SqlStore]
    ) -> None:
        one, other, third, _ = stores
        for _ in range(ROUNDS):
            ids = await ended(one)
            waiting = await one.open([factories.request() for _ in range(MANY)])
            answers = [factories.answer(callback.id) for callback in waiting]

            _, accepted, _ = await asyncio.gather(
                purge(one, ids), other.accept(answers), purge(third, ids)
            )

            assert all(accepted)
            found = await one.find([callback.id for callback in waiting])
            assert {callback.state for callback in found.values()} == {State.ACCEPTED}
