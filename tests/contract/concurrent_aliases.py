"""The contract of a SQL store whose users give aliases to callbacks at the same time."""

import asyncio
import random
from collections.abc import Sequence
from typing import Final

from ringback.domain.audit import AuditKind
from ringback.domain.callback import Callback
from ringback.domain.event_errors import AliasInUseError
from ringback.domain.ids import CallbackId
from ringback.domain.opening import OpenRequest
from ringback.ports.aliases import AliasConflictsError
from ringback.store.sql_store import SqlStore
from tests import factories
from tests.contract.stores import found, kinds

ROUNDS: Final = 5


async def opened_or_none(store: SqlStore, request: OpenRequest) -> Callback | None:
    try:
        (callback,) = await store.open([request])
    except AliasConflictsError as exc:
        (error,) = exc.errors.values()
        assert isinstance(error, AliasInUseError)
        return None
    return callback


async def added_or_none(store: SqlStore, id_: CallbackId, alias: str) -> Callback | None:
    try:
        return await store.add_alias(id_, alias)
    except AliasInUseError:
        return None


async def owner_of(store: SqlStore, alias: str) -> CallbackId:
    return (await store.find_aliases("default", [alias]))[alias].callback_id


class ConcurrentAliasesContract:
    """The fixture `stores` is four stores on one database."""

    async def test_of_openings_with_one_alias_exactly_one_wins(
        self, stores: Sequence[SqlStore]
    ) -> None:
        for number in range(ROUNDS):
            names = [f"a{number}", f"b{number}", f"c{number}"]
            requests = [
                factories.request(aliases=tuple(random.sample(names, 3)))
                for _ in range(len(stores))
            ]

            opened = await asyncio.gather(*map(opened_or_none, stores, requests))

            (winner,) = [one for one in opened if one is not None]
            assert [await owner_of(stores[0], name) for name in names] == [winner.id] * 3
            assert (await stores[0].find([one.id for one in requests])).keys() == {winner.id}

    async def test_of_additions_of_one_alias_exactly_one_wins(
        self, stores: Sequence[SqlStore]
    ) -> None:
        for number in range(ROUNDS):
            callbacks = await stores[0].open([factories.request() for _ in stores])
            alias = f"github:run:{number}"

            added = await asyncio.gather(
                *(
                    added_or_none(store, one.id, alias)
                    for store, one in zip(stores, callbacks, strict=True)
                )
            )

            (winner,) = [one for one in added if one is not None]
            assert await owner_of(stores[0], alias) == winner.id
            for callback in callbacks:
                has_it = callback.id == winner.id
                is_recorded = AuditKind.ALIAS_ADDED in await kinds(stores[0], callback.id)
                assert ((await found(stores[0], callback.id)).options.aliases == (alias,)) is has_it
                assert is_recorded is has_it

    async def test_opening_that_races_with_the_end_of_the_owner_gets_the_alias_or_an_error(
        self, stores: Sequence[SqlStore]
    ) -> None:
        for number in range(ROUNDS):
            one, other, third, fourth = stores
            alias = f"github:run:{number}"
            (owner,) = await one.open([factories.request(aliases=(alias,))])
            await one.accept([factories.answer(owner.id)])
            owner = await found(one, owner.id)
            takers = [factories.request(aliases=(alias,)) for _ in range(2)]

            _, first, second, added = await asyncio.gather(
                other.settle([factories.settlement(owner)]),
                opened_or_none(third, takers[0]),
                opened_or_none(fourth, takers[1]),
                added_or_none(one, owner.id, f"{alias}:late"),
            )

            winners = [taker for taker in (first, second) if taker is not None]
            assert len(winners) <= 1
            assert await owner_of(one, alias) == (winners[0] if winners else owner).id
            last = await opened_or_none(one, factories.request(aliases=(alias,)))
            assert (last is None) is bool(winners)
            assert added is not None
            is_added = f"{alias}:late" in (await found(one, owner.id)).options.aliases
            assert is_added is (f"{alias}:late" in added.options.aliases)
