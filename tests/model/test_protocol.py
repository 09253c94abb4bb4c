"""The protocol and polls of senders keep their promises on every store, for every order of events.

An ordinary run uses the same examples every time. For a long run with new examples, set their
number per store: `RINGBACK_MODEL_EXAMPLES=5000 pytest tests/model`.
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final, cast

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from ringback.ports.activities import Activities, Heartbeats
from ringback.store.database import Database
from ringback.store.sqlite import SqliteDatabase
from ringback.testing import ManualClock
from tests.contract.manual_clock_database import ManualClockDatabase
from tests.contract.postgresql_server import empty
from tests.model.gates import READS, SENDS, UNGATED
from tests.model.machine import Machine
from tests.model.polls import Polls
from tests.model.protocol import Protocol
from tests.model.server import MOVE_STATES, Store

WANTED: Final = int(os.environ.get("RINGBACK_MODEL_EXAMPLES", "0"))

pytestmark = pytest.mark.timeout(0 if WANTED else 300)
"""An example takes 50 to 100 ms, and there are hundreds."""


def run_protocol(machine: Callable[[], Machine], examples: int) -> None:
    """Run `examples` examples, unless the environment sets another number."""
    run_state_machine_as_test(
        cast("type[Machine]", machine),
        settings=settings(
            max_examples=WANTED or examples,
            stateful_step_count=50,
            derandomize=not WANTED,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


class OnPostgresql(Machine):
    """The same rules on a database that all examples use, one after the other."""

    def __init__(self, url: str) -> None:
        self._url = url
        super().__init__(lambda clock: ManualClockDatabase(url, clock))

    async def open_store(self) -> Store:
        await empty(self._url)
        return await super().open_store()


class PostgresqlProtocol(OnPostgresql, Protocol):
    """The protocol on PostgreSQL."""


class PostgresqlPolls(OnPostgresql, Polls):
    """Polls of senders on PostgreSQL."""


@pytest.mark.parametrize("machine", [Protocol, Polls])
def test_protocol_keeps_its_promises_in_memory(machine: type[Machine]) -> None:
    run_protocol(machine, 60)


@pytest.mark.thorough
@pytest.mark.parametrize("machine", [Protocol, Polls])
def test_protocol_keeps_its_promises_in_many_examples(machine: type[Machine]) -> None:
    run_protocol(machine, 600)


@pytest.mark.thorough
@pytest.mark.parametrize("machine", [Protocol, Polls])
def test_protocol_keeps_its_promises_on_sqlite(
    machine: Callable[[Callable[[ManualClock], Database]], Machine], sqlite_file: Path
) -> None:
    def copied(clock: ManualClock) -> Database:
        path = sqlite_file.with_name("example.db")
        for old in sqlite_file.parent.glob("example.db*"):
            old.unlink()
        shutil.copy(sqlite_file, path)
        return SqliteDatabase(path, clock)

    run_protocol(lambda: machine(copied), 60)


@pytest.mark.thorough
@pytest.mark.parametrize("machine", [PostgresqlProtocol, PostgresqlPolls])
def test_protocol_keeps_its_promises_on_postgresql(
    machine: Callable[[str], Machine], postgresql_url: str
) -> None:
    run_protocol(lambda: machine(postgresql_url), 60)


def test_lists_of_calls_name_methods_of_the_ports() -> None:
    methods = {name for port in (Activities, Heartbeats, Store) for name in dir(port)}

    assert methods >= READS | SENDS | UNGATED | MOVE_STATES
