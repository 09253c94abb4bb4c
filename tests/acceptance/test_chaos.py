"""A short run of `make chaos`: real programs, seeded faults, and every history read at the end."""

import os
import shutil
from collections.abc import Sequence

import pytest

from chaos.evidence import Finding, Harm
from chaos.options import MODES, Fault, Options, StoreKind
from chaos.postgresql import NoPostgresqlError, server_folder
from chaos.run import Outcome, chaos
from tests.services import missing

pytestmark = [
    pytest.mark.server,
    pytest.mark.processes,
    pytest.mark.usefixtures("own_server"),
    pytest.mark.thorough,
]

#: An answer that an attempt took is looked after for 30 seconds; in these that is rare.
QUICK = frozenset(MODES) - {
    "hasty",
    "hasty-twice",
    "hasty-quorum",
    "hasty-webhook",
    "hasty-queue",
    "beating",
}


@pytest.fixture
def own_cluster() -> None:
    try:
        server_folder()
    except NoPostgresqlError:
        missing("the programs of the PostgreSQL server", "install the package postgresql")


@pytest.fixture(autouse=True)
def own_broker() -> None:
    if shutil.which("nats-server", path=f"{os.environ['PATH']}:/usr/sbin") is None:
        missing("the program `nats-server`", "install it with: apt-get install nats-server")


async def run(store: StoreKind) -> Outcome:
    options = Options(seed=2059, callbacks=100, seconds=5, settle=60, store=store, modes=QUICK)
    return await chaos(options, print)


def bad(outcome: Outcome) -> Sequence[Finding]:
    return [finding for finding in outcome.findings if finding.harm is not Harm.UNPROVEN]


async def test_faults_on_sqlite_lose_and_double_no_answer() -> None:
    outcome = await run(StoreKind.SQLITE)

    assert bad(outcome) == []
    assert {Fault.KILL, Fault.FREEZE, Fault.LOST_REPLY} <= {fault for fault, _ in outcome.blows}


@pytest.mark.usefixtures("own_cluster")
async def test_faults_on_postgresql_lose_and_double_no_answer() -> None:
    outcome = await run(StoreKind.POSTGRESQL)

    assert bad(outcome) == []
    assert {Fault.KILL, Fault.FREEZE, Fault.LOST_REPLY} <= {fault for fault, _ in outcome.blows}
