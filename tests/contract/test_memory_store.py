"""The store in memory keeps the promises of a store."""

import pytest

from ringback.testing import ManualClock, MemoryStore
from tests.contract.looking import NobodyTells
from tests.contract.store_contract import StoreContract


class TestMemoryStore(StoreContract, NobodyTells):
    @pytest.fixture
    def store(self, clock: ManualClock) -> MemoryStore:
        return MemoryStore(clock)
