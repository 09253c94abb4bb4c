"""Why Temporal cannot be used is logged at the start, and again when the reason changes."""

import logging

import pytest

from ringback.core.health_checks import CHECKED_EVERY, ConnectionChecker
from ringback.core.services import run_services
from ringback.domain.errors import TemporalMisconfiguredError, TemporalUnreachableError
from ringback.testing import ManualClock
from tests.loops import idle


class Connection:
    """A connection that fails as a test requires."""

    failure: Exception | None = None

    async def check(self) -> None:
        if self.failure is not None:
            raise self.failure


async def test_reason_is_logged_once_until_it_changes(
    clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    connection = Connection()
    failures = [
        TemporalUnreachableError("connection refused"),
        TemporalUnreachableError("connection refused"),
        TemporalMisconfiguredError("no such namespace"),
        None,
        None,
        TemporalUnreachableError("connection refused"),
    ]
    connection.failure = failures[0]

    async with run_services(ConnectionChecker(connection.check, clock=clock)):
        await idle()
        for failure in failures[1:]:
            connection.failure = failure
            clock.advance(CHECKED_EVERY)
            await idle()

    said = [record.getMessage().rpartition("; ")[2] for record in caplog.records]
    assert said == [
        "connection refused",
        "no such namespace",
        "Temporal can be used again",
        "connection refused",
    ]


async def test_connection_that_works_from_the_start_logs_nothing(
    clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    async with run_services(ConnectionChecker(Connection().check, clock=clock)):
        await idle()

    assert caplog.records == []
