"""`FakeIdentifier` meets the contract of `Identifier`."""

import pytest

from ringback.ports.activities import Identifier
from ringback.testing import FakeActivities, FakeIdentifier
from tests.contract.activities.env import ActivityEnv, Plan
from tests.contract.identifier_contract import IdentifierContract
from tests.contract.test_fake_activities import FakeActivityRun, FakeEnv


class KnownEnv(FakeEnv):
    """A fake whose activities the identifier knows."""

    def __init__(self, identifier: FakeIdentifier) -> None:
        super().__init__()
        self.activities = identifier.activities
        self.heartbeats = identifier.activities
        self.identifier = identifier

    async def start(self, plan: Plan) -> FakeActivityRun:
        run = await super().start(plan)
        self.identifier.known.append(run.ref)
        return run


class TestFakeIdentifier(IdentifierContract):
    @pytest.fixture
    def fake(self) -> FakeIdentifier:
        return FakeIdentifier(FakeActivities())

    @pytest.fixture
    def identifier(self, fake: FakeIdentifier) -> Identifier:
        return fake

    @pytest.fixture
    def env(self, fake: FakeIdentifier) -> ActivityEnv:
        return KnownEnv(fake)
