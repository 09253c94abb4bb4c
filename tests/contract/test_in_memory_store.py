"""The store on an in-memory database meets the contract."""

from collections.abc import Iterator

import pytest

from ringback.domain.errors import StoreUnavailableError
from ringback.store.sql_store import SqlStore
from ringback.testing import ManualClock
from ringback.testing.in_memory_database import InMemoryDatabase
from tests import factories
from tests.contract.search import NoChangeFeedContract
from tests.contract.store_contract import StoreContract


@pytest.fixture
def database(clock: ManualClock) -> Iterator[InMemoryDatabase]:
    with InMemoryDatabase(clock) as database:
        yield database


@pytest.fixture
def store(database: InMemoryDatabase) -> SqlStore:
    return SqlStore(database)


class TestInMemoryStore(StoreContract, NoChangeFeedContract):
    pass


async def test_two_databases_share_nothing(store: SqlStore, clock: ManualClock) -> None:
    (callback,) = await store.open([factories.request()])

    with InMemoryDatabase(clock) as other:
        assert await SqlStore(other).find([callback.id]) == {}


async def test_unavailable_database_raises_and_keeps_its_content(
    store: SqlStore, database: InMemoryDatabase
) -> None:
    (callback,) = await store.open([factories.request()])
    database.is_available = False

    with pytest.raises(StoreUnavailableError, match="switched off"):
        await store.find([callback.id])

    database.is_available = True
    assert await store.find([callback.id]) == {callback.id: callback}
