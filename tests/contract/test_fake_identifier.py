"""The fake knows attempts as the real server does."""

import pytest

from ringback.ports.identifier import Identifier
from ringback.testing import FakeActivities, FakeIdentifier
from tests.contract.activities.stage import Plan, Stage
from tests.contract.identifying import IdentifierContract
from tests.contract.test_fake_activities import FakeScene, FakeStage


class KnownStage(FakeStage):
    """A fake whose activities can be named."""

    def __init__(self, identifier: FakeIdentifier) -> None:
        super().__init__()
        self.activities = identifier.activities
        self.heartbeats = identifier.activities
        self.identifier = identifier

    async def ask(self, plan: Plan) -> FakeScene:
        scene = await super().ask(plan)
        self.identifier.known.append(scene.ref)
        return scene


class TestFakeIdentifier(IdentifierContract):
    @pytest.fixture
    def fake(self) -> FakeIdentifier:
        return FakeIdentifier(FakeActivities())

    @pytest.fixture
    def identifier(self, fake: FakeIdentifier) -> Identifier:
        return fake

    @pytest.fixture
    def stage(self, fake: FakeIdentifier) -> Stage:
        return KnownStage(fake)
